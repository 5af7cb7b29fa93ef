//! The library that expressions call, and what of it one expression needs.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use jaq_core::load::{
    self,
    lex::StrPart,
    parse::{BinaryOp, Def, Pattern},
};

use super::{natives, parse::Term, rewrite};

/// The definitions in jq, in their order. Parsed once.
static DEFINITIONS: LazyLock<Vec<Def<&'static str>>> = LazyLock::new(|| {
    let defs = load::parse(include_str!("builtins.jq"), |parser| parser.defs()).unwrap_or_default();
    // Once for the life of the process, as the definitions are.
    let keep = |name: String| -> &'static str { Box::leak(name.into_boxed_str()) };
    defs.into_iter().map(|def| rewrite::definition(def, &keep)).collect()
});

/// The number of arguments and the name of every filter that an expression may call.
static NAMES: LazyLock<BTreeSet<(&'static str, usize)>> = LazyLock::new(|| {
    let native = natives::all().into_iter().map(|(name, arguments, _)| (name, arguments.len()));
    let defined = DEFINITIONS.iter().map(|def| (def.name, def.args.len()));
    native.chain(defined).filter(|(name, _)| !name.starts_with("__")).collect()
});

/// Filters that can be called, with their numbers of arguments.
pub(super) fn names() -> &'static BTreeSet<(&'static str, usize)> {
    &NAMES
}

/// Which definitions a term reaches, in the order of the library.
pub(super) fn needed(term: &Term<'_>) -> Vec<Def<&'static str>> {
    let definitions: &[Def<&'static str>] = &DEFINITIONS;
    let places: BTreeMap<(&str, usize), usize> =
        definitions.iter().enumerate().map(|(place, def)| ((def.name, def.args.len()), place)).collect();
    let mut reached: BTreeSet<usize> = BTreeSet::new();
    let mut open: Vec<usize> = Vec::new();
    visit(term, &mut |name: &str, arity| open.extend(places.get(&(name, arity))));
    while let Some(place) = open.pop() {
        if reached.insert(place) {
            visit(&definitions[place].body, &mut |name: &str, arity| open.extend(places.get(&(name, arity))));
        }
    }
    reached.into_iter().map(|place| definitions[place].clone()).collect()
}

/// Calls back with the name and number of arguments of every call in a term.
pub(super) fn visit<'s>(term: &Term<'s>, called: &mut impl FnMut(&'s str, usize)) {
    each(term, &mut |term| match term {
        Term::Call(name, arguments) => called(name, arguments.len()),
        Term::Str(Some(format), _) => called(format, 0),
        _ => {}
    });
}

/// Calls back with every term inside a term, itself first.
pub(super) fn each<'a, 's>(term: &'a Term<'s>, found: &mut impl FnMut(&'a Term<'s>)) {
    found(term);
    for child in children(term) {
        each(child, found);
    }
}

/// The levels of a term's syntax. The parts of a path, of a text and of an object are evaluated inside each other too.
pub(super) fn depth(term: &Term<'_>) -> usize {
    let parts = match term {
        Term::Path(_, path) => path.0.len(),
        Term::Str(_, parts) => parts.len(),
        Term::Obj(entries) => entries.len(),
        Term::IfThenElse(branches, _) => branches.len(),
        _ => 1,
    };
    parts.max(1) + children(term).into_iter().map(depth).max().unwrap_or(0)
}

fn children<'a, 's>(term: &'a Term<'s>) -> Vec<&'a Term<'s>> {
    match term {
        Term::Id | Term::Recurse | Term::Num(_) | Term::Break(_) | Term::Var(_) => Vec::new(),
        Term::Str(_, parts) => {
            parts.iter().filter_map(|part| if let StrPart::Term(term) = part { Some(term) } else { None }).collect()
        }
        Term::Arr(body) => body.iter().map(|body| &**body).collect(),
        Term::Obj(entries) => entries.iter().flat_map(|(key, value)| [Some(key), value.as_ref()]).flatten().collect(),
        Term::Neg(body) | Term::Label(_, body) => vec![body],
        Term::BinOp(left, op, right) => {
            let mut children: Vec<&Term<'s>> = vec![left, right];
            if let BinaryOp::Pipe(Some(pattern)) = op {
                keys(pattern, &mut children);
            }
            children
        }
        Term::Fold(_, source, pattern, arguments) => {
            let mut children: Vec<&Term<'s>> = vec![source];
            children.extend(arguments);
            keys(pattern, &mut children);
            children
        }
        Term::TryCatch(body, handler) => {
            [Some(body), handler.as_ref()].into_iter().flatten().map(|term| &**term).collect()
        }
        Term::IfThenElse(branches, otherwise) => {
            let branches = branches.iter().flat_map(|(condition, then)| [condition, then]);
            branches.chain(otherwise.iter().map(|term| &**term)).collect()
        }
        Term::Def(defs, rest) => defs.iter().map(|def| &def.body).chain([&**rest]).collect(),
        Term::Call(_, arguments) => arguments.iter().collect(),
        Term::Path(base, path) => {
            let mut children: Vec<&Term<'s>> = vec![base];
            for (part, _) in &path.0 {
                match part {
                    jaq_core::path::Part::Index(index) => children.push(index),
                    jaq_core::path::Part::Range(from, upto) => children.extend([from, upto].into_iter().flatten()),
                }
            }
            children
        }
    }
}

/// The terms inside a pattern: the keys of its objects.
fn keys<'a, 's>(pattern: &'a Pattern<&'s str>, found: &mut Vec<&'a Term<'s>>) {
    match pattern {
        Pattern::Var(_) => {}
        Pattern::Arr(items) => items.iter().for_each(|item| keys(item, found)),
        Pattern::Obj(entries) => {
            for (key, value) in entries {
                found.push(key);
                keys(value, found);
            }
        }
    }
}
