//! Rewrites a syntax tree, ours and the library's alike, so that the evaluator behaves as jq 1.7 and ends.
//!
//! * `__tick` before the body of every definition: nothing can go on for ever without calling one. And one for every few terms, so
//!   that a body of much syntax costs more than one of little.
//! * `__nest_N(f)` around a call of a local definition or argument that is not a tail call: only these make the evaluator recurse.
//! * Assignments become filters over paths, which create parents, as in jq.
//! * Operators run their right side in the outer loop; folds go on with the last value.

use jaq_core::{
    load::{
        lex::StrPart,
        parse::{BinaryOp, Def, Pattern},
    },
    path::{Opt, Part, Path},
};

use super::{natives::nest_for, parse::Term};

/// Rewrites a term of an expression.
pub(super) fn expression<'s>(term: Term<'s>, source: &'s str, keep: &dyn Fn(String) -> &'s str) -> Term<'s> {
    Rewriter { source, keep, local: Vec::new(), terms: 0 }.term(term, Position { tail: false, level: 1 })
}

/// Rewrites a definition of the library.
pub(super) fn definition<'s>(def: Def<&'s str>, keep: &dyn Fn(String) -> &'s str) -> Def<&'s str> {
    Rewriter { source: "", keep, local: Vec::new(), terms: 0 }.def(def)
}

struct Rewriter<'s, 'k> {
    source: &'s str,
    /// Keeps a name that was made up here.
    keep: &'k dyn Fn(String) -> &'s str,
    /// Definitions and arguments in scope, by name and number of arguments: those through which a program can recurse.
    local: Vec<(&'s str, usize)>,
    /// Terms since the last tick, in the order of the source.
    terms: usize,
}

/// Terms that together take about as long as a call.
const TERMS_PER_TICK: usize = 8;

#[derive(Clone, Copy)]
struct Position {
    /// What the term yields is yielded by the definition around it as it is.
    tail: bool,
    /// Levels of syntax between the definition's body and here, each of which takes stack.
    level: u32,
}

impl Position {
    fn inner(self) -> Self {
        Self { tail: false, level: self.level + 1 }
    }

    fn last(self) -> Self {
        Self { tail: self.tail, level: self.level + 1 }
    }
}

type Boxed<'s> = Box<Term<'s>>;

impl<'s> Rewriter<'s, '_> {
    fn boxed(&mut self, term: Term<'s>, at: Position) -> Boxed<'s> {
        Box::new(self.term(term, at))
    }

    fn term(&mut self, term: Term<'s>, at: Position) -> Term<'s> {
        self.terms += 1;
        let ticks = self.terms == TERMS_PER_TICK;
        if ticks {
            self.terms = 0;
        }
        let term = self.rewritten(term, at);
        if ticks { pipe(call("__tick", []), term) } else { term }
    }

    fn rewritten(&mut self, term: Term<'s>, at: Position) -> Term<'s> {
        let inner = at.inner();
        match term {
            Term::Id | Term::Num(_) | Term::Break(_) => term,
            Term::Recurse => call("__recurse", [Term::Recurse]),
            Term::Var("$__loc__") => self.place(),
            Term::Var(_) => term,
            Term::Str(format, parts) => self.text(format, parts, inner),
            Term::Arr(body) => Term::Arr(body.map(|body| self.boxed(*body, inner))),
            Term::Obj(entries) => {
                let entries = entries.into_iter();
                let entry = |(key, value): (_, Option<_>)| match (key, value) {
                    (Term::Var("$__loc__"), None) => (text("__loc__"), Some(self.place())),
                    // A key that stands for its value too has to stay what it is.
                    (key, None) => (self.rewritten(key, inner), None),
                    (key, value) => (self.term(key, inner), value.map(|value| self.term(value, inner))),
                };
                Term::Obj(entries.map(entry).collect())
            }
            Term::Neg(body) => Term::Neg(self.boxed(*body, inner)),
            Term::BinOp(left, op, right) => self.operation(*left, op, *right, at),
            Term::Label(name, body) => Term::Label(name, self.boxed(*body, inner)),
            Term::Fold(kind, source, pattern, arguments) => self.fold(kind, *source, pattern, arguments, inner),
            Term::TryCatch(body, handler) => {
                Term::TryCatch(self.boxed(*body, inner), handler.map(|handler| self.boxed(*handler, inner)))
            }
            Term::IfThenElse(branches, otherwise) => {
                let branches = branches.into_iter();
                let branch = |(condition, then)| (self.term(condition, inner), self.term(then, at.last()));
                let branches = branches.map(branch).collect();
                Term::IfThenElse(branches, otherwise.map(|otherwise| self.boxed(*otherwise, at.last())))
            }
            Term::Def(defs, rest) => {
                let before = self.local.len();
                let mut rewritten = Vec::new();
                for def in defs {
                    let name = (def.name, def.args.len());
                    rewritten.push(self.def(def));
                    self.local.push(name);
                }
                let rest = self.boxed(*rest, at.last());
                self.local.truncate(before);
                Term::Def(rewritten, rest)
            }
            Term::Call(name, arguments) => self.call(name, arguments, at),
            Term::Path(base, path) => {
                let base = self.boxed(*base, inner);
                let part = |(part, optional): (Part<Term<'s>>, Opt)| (self.part(part, inner), optional);
                Term::Path(base, Path(path.0.into_iter().map(part).collect()))
            }
        }
    }

    fn part(&mut self, part: Part<Term<'s>>, at: Position) -> Part<Term<'s>> {
        match part {
            Part::Index(index) => Part::Index(self.term(index, at)),
            Part::Range(from, upto) => {
                Part::Range(from.map(|from| self.term(from, at)), upto.map(|upto| self.term(upto, at)))
            }
        }
    }

    fn def(&mut self, def: Def<&'s str>) -> Def<&'s str> {
        let before = self.local.len();
        self.local.push((def.name, def.args.len()));
        self.local.extend(def.args.iter().filter(|argument| !argument.starts_with('$')).map(|argument| (*argument, 0)));
        let body = self.term(def.body, Position { tail: true, level: 1 });
        self.local.truncate(before);
        // `def f($a)` makes `a` a filter too.
        let body = def.args.iter().rev().fold(body, |body, argument| match argument.strip_prefix('$') {
            Some(name) => {
                let alias = Def { name, args: Vec::new(), body: Term::Var(argument) };
                Term::Def(vec![alias], Box::new(body))
            }
            None => body,
        });
        Def { name: def.name, args: def.args, body: pipe(call("__tick", []), body) }
    }

    fn call(&mut self, name: &'s str, arguments: Vec<Term<'s>>, at: Position) -> Term<'s> {
        let local = self.local.contains(&(name, arguments.len()));
        // An argument keeps what it was called with alive, so that a chain of them is as deep as a chain of calls.
        let loops = at.tail && arguments.is_empty();
        // An argument runs wherever it is called, on top of whatever is there.
        let arguments = arguments.into_iter().map(|argument| self.term(argument, at.inner())).collect();
        let called = Term::Call(name, arguments);
        if local && !loops { call(nest_for(at.level), [called]) } else { called }
    }

    fn operation(&mut self, left: Term<'s>, op: BinaryOp<&'s str>, right: Term<'s>, at: Position) -> Term<'s> {
        let inner = at.inner();
        let right_at = match op {
            BinaryOp::Pipe(_) | BinaryOp::Comma | BinaryOp::Alt => at.last(),
            _ => inner,
        };
        let left_at = if matches!(op, BinaryOp::Comma) { at.last() } else { inner };
        let (left, right) = (self.term(left, left_at), self.term(right, right_at));
        match op {
            BinaryOp::Pipe(pattern) => {
                binary(left, BinaryOp::Pipe(pattern.map(|pattern| self.pattern(pattern, inner))), right)
            }
            BinaryOp::Math(_) | BinaryOp::Cmp(_) if yields_many(&left) && yields_many(&right) => {
                let operation = binary(Term::Var("$__left"), op, Term::Var("$__right"));
                bind(right, "$__right", bind(left, "$__left", operation))
            }
            BinaryOp::Assign => bind(right, "$__value", call("__assign", [left, Term::Var("$__value")])),
            BinaryOp::Update => call("__modify", [left, right]),
            BinaryOp::UpdateMath(math) => update(left, BinaryOp::Math(math), right),
            BinaryOp::UpdateAlt => update(left, BinaryOp::Alt, right),
            op => binary(left, op, right),
        }
    }

    fn pattern(&mut self, pattern: Pattern<&'s str>, at: Position) -> Pattern<&'s str> {
        match pattern {
            Pattern::Var(_) => pattern,
            Pattern::Arr(items) => Pattern::Arr(items.into_iter().map(|item| self.pattern(item, at)).collect()),
            Pattern::Obj(entries) => {
                let entries = entries.into_iter();
                Pattern::Obj(entries.map(|(key, value)| (self.term(key, at), self.pattern(value, at))).collect())
            }
        }
    }

    /// An interpolated text. Of several parts that yield many values the last runs in the outer loop.
    fn text(&mut self, format: Option<&'s str>, parts: Vec<StrPart<&'s str, Term<'s>>>, at: Position) -> Term<'s> {
        let mut bound = Vec::new();
        let parts = parts.into_iter().map(|part| match part {
            StrPart::Str(text) => StrPart::Str(text),
            StrPart::Char(char) => StrPart::Char(char),
            StrPart::Term(term) => {
                let term = self.term(term, at);
                if !yields_many(&term) {
                    return StrPart::Term(term);
                }
                let name = (self.keep)(format!("$__part{}", bound.len()));
                bound.push((name, term));
                StrPart::Term(Term::Var(name))
            }
        });
        let text = Term::Str(format, parts.collect());
        bound.into_iter().fold(text, |text, (name, term)| bind(term, name, text))
    }

    /// A fold goes on with the last value of its update: null if it yields none.
    fn fold(
        &mut self,
        kind: &'s str,
        source: Term<'s>,
        pattern: Pattern<&'s str>,
        arguments: Vec<Term<'s>>,
        at: Position,
    ) -> Term<'s> {
        let source = self.boxed(source, at);
        let pattern = self.pattern(pattern, at);
        let mut arguments: Vec<Term<'s>> = arguments.into_iter().map(|argument| self.term(argument, at)).collect();
        let uncertain = arguments.get(1).is_some_and(yields_many);
        match (kind, arguments.as_mut_slice()) {
            ("reduce", [_, update]) if uncertain => {
                let body = std::mem::take(update);
                *update = call("__last", [body]);
            }
            // Every value of the update is yielded, so that the state is the array of them.
            ("foreach", [init, update, ..]) if uncertain => {
                let (start, body) = (std::mem::take(init), std::mem::take(update));
                *init = pipe(start, Term::Arr(Some(Box::new(Term::Id))));
                let state =
                    Term::Path(Box::new(Term::Id), Path::from(Part::Index(Term::Neg(Box::new(Term::Num("1"))))));
                *update = Term::Arr(Some(Box::new(pipe(state, body))));
                let each = Term::Path(Box::new(Term::Id), Path::from(Part::Range(None, None)));
                match arguments.get_mut(2) {
                    Some(projection) => *projection = pipe(each, std::mem::take(projection)),
                    None => arguments.push(each),
                }
            }
            _ => {}
        }
        Term::Fold(kind, source, pattern, arguments)
    }

    /// `$__loc__`. The line is that of the variable's first mention; the tree keeps no other place.
    fn place(&mut self) -> Term<'s> {
        let before = self.source.find("$__loc__").map_or("", |start| &self.source[..start]);
        let line = (self.keep)((1 + before.matches('\n').count()).to_string());
        Term::Obj(vec![(text("file"), Some(text("<top-level>"))), (text("line"), Some(Term::Num(line)))])
    }
}

fn text(text: &str) -> Term<'_> {
    Term::Str(None, vec![StrPart::Str(text)])
}

fn call<'s>(name: &'s str, arguments: impl Into<Vec<Term<'s>>>) -> Term<'s> {
    Term::Call(name, arguments.into())
}

fn binary<'s>(left: Term<'s>, op: BinaryOp<&'s str>, right: Term<'s>) -> Term<'s> {
    Term::BinOp(Box::new(left), op, Box::new(right))
}

fn pipe<'s>(left: Term<'s>, right: Term<'s>) -> Term<'s> {
    binary(left, BinaryOp::Pipe(None), right)
}

fn bind<'s>(value: Term<'s>, name: &'s str, body: Term<'s>) -> Term<'s> {
    binary(value, BinaryOp::Pipe(Some(Pattern::Var(name))), body)
}

/// `left op= right`: the right side is evaluated on the input as a whole, once.
fn update<'s>(left: Term<'s>, op: BinaryOp<&'s str>, right: Term<'s>) -> Term<'s> {
    let changed = binary(Term::Id, op, Term::Var("$__value"));
    bind(right, "$__value", call("__modify", [left, changed]))
}

/// Whether a term may yield none or several values, as far as its syntax tells.
fn yields_many(term: &Term<'_>) -> bool {
    match term {
        Term::Id | Term::Num(_) | Term::Var(_) | Term::Arr(_) => false,
        Term::Str(_, parts) => parts.iter().any(|part| matches!(part, StrPart::Term(term) if yields_many(term))),
        Term::Obj(entries) => {
            entries.iter().any(|(key, value)| yields_many(key) || value.as_ref().is_some_and(yields_many))
        }
        Term::Neg(body) => yields_many(body),
        Term::BinOp(
            left,
            BinaryOp::Math(_) | BinaryOp::Cmp(_) | BinaryOp::And | BinaryOp::Or | BinaryOp::Pipe(None),
            right,
        ) => yields_many(left) || yields_many(right),
        Term::IfThenElse(branches, otherwise) => {
            branches.iter().any(|(condition, then)| yields_many(condition) || yields_many(then))
                || otherwise.as_ref().is_some_and(|otherwise| yields_many(otherwise))
        }
        Term::Call(name, arguments) => !(arguments.is_empty() && SINGLE.contains(name)),
        Term::Path(base, path) => {
            yields_many(base)
                || path.0.iter().any(|(part, optional)| {
                    matches!(optional, Opt::Optional)
                        || match part {
                            Part::Index(index) => yields_many(index),
                            Part::Range(None, None) => true,
                            Part::Range(from, upto) => [from, upto].into_iter().flatten().any(yields_many),
                        }
                })
        }
        _ => true,
    }
}

/// Frequent filters that yield one value.
const SINGLE: &[&str] = &[
    "__tick", "add", "floor", "fromjson", "keys", "last", "first", "length", "not", "now", "null", "true", "false",
    "reverse", "sort", "tojson", "tonumber", "tostring", "type", "unique", "max", "min",
];
