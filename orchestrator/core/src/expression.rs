//! Runtime expressions: jq 1.7 as the DSL has it, with fuel. The one door to evaluation.
//!
//! Expressions are untrusted. Compiling reports every syntax error, undefined `$variable` and undefined function;
//! evaluating is pure and deterministic, and spends fuel: ticks wherever a program can go on, bytes wherever a value can
//! grow. A program that runs out ends in an error at the same place on every replay, and never by a wall clock.

mod border;
mod fuel;
mod library;
mod names;
mod natives;
mod parse;
mod paths;
mod rewrite;
mod value;

use std::{fmt, ops::Range, sync::Arc};

use jaq_core::{
    Ctx, Filter, Vars,
    load::{Arena, File, Loader, parse::Def},
};
use serde_json::Value;

use natives::{Data, deep};
use value::Val;

/// Bytes of an expression. The longest that people write have a few hundred; compiling takes time and stack with every byte.
pub const SOURCE_BYTES: usize = 16 << 10;

/// Levels of syntax inside each other: a pipe of a hundred filters has a hundred levels. Each takes stack when it runs.
pub const SOURCE_LEVELS: usize = 200;

/// Values that an evaluation may yield.
pub const VALUES: usize = 10_000;

/// A compiled expression. Cheap to clone, `Send + Sync`.
#[derive(Clone)]
pub struct Expression(Arc<Inner>);

struct Inner {
    source: String,
    filter: Filter<Data>,
    /// The variables that the expression names, without `$`.
    variables: Vec<String>,
    /// Whether it asks for the time, which then comes after the variables.
    now: bool,
}

/// Why an expression does not compile.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CompileError {
    /// What is wrong, in a sentence.
    pub message: String,
    /// Where, in bytes of the source.
    pub span: Range<usize>,
    /// What to do about it, if that can be said: `did you mean $input?`.
    pub help: Option<String>,
}

/// Why an evaluation failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EvaluateError {
    /// The program raised an error; the text is jq's.
    Error(String),
    /// The program ran out of fuel: too many steps, too much memory, or too deep a recursion.
    Exhausted(String),
}

impl fmt::Display for EvaluateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(text) | Self::Exhausted(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for EvaluateError {}

/// The variables that an evaluation sees. Only those that the expression names are asked for.
pub trait Variables {
    /// The value of a variable, named without `$`. It is one of the names that the expression was compiled with.
    fn variable(&self, name: &str) -> Value;

    /// The time that `now` answers, in seconds since the Unix epoch: a recorded value.
    fn now(&self) -> f64;
}

impl Expression {
    /// Compiles the text of an expression, without `${` and `}`.
    ///
    /// `variables` are the names, without `$`, that are in scope.
    ///
    /// # Errors
    /// All that is wrong with the expression, in order of place.
    pub fn compile(source: &str, variables: &[&str]) -> Result<Self, Vec<CompileError>> {
        if source.len() > SOURCE_BYTES {
            let message = format!("an expression has at most {SOURCE_BYTES} bytes, and this one {}", source.len());
            return Err(vec![CompileError { message, span: 0..source.len(), help: None }]);
        }
        // Parsing recurses with every bracket.
        let stack = source.len() * STACK_PER_BYTE + natives::RED_ZONE;
        stacker::maybe_grow(stack, stack, || compile(source, variables)).map(|inner| Self(Arc::new(inner)))
    }

    /// The text it was compiled from.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// Whether the expression names this variable (without `$`).
    #[must_use]
    pub fn uses(&self, variable: &str) -> bool {
        self.0.variables.iter().any(|used| used == variable)
    }

    /// Evaluates the expression on `input`.
    ///
    /// jq programs yield a stream: no value gives `null`, one value is the result, several are an array of them.
    ///
    /// # Errors
    /// The program raised an error or ran out of fuel.
    pub fn evaluate(&self, input: &Value, variables: &dyn Variables) -> Result<Value, EvaluateError> {
        // All that may call back is asked before anything is counted.
        let named: Vec<Value> = self.0.variables.iter().map(|name| variables.variable(name)).collect();
        let now = self.0.now.then(|| variables.now());
        deep(|| {
            fuel::begin();
            let _regexes = natives::Regexes;
            let mut values: Vec<Val> = named.iter().map(border::enter).collect::<Result<_, _>>()?;
            values.extend(now.map(Val::from));
            run(&self.0.filter, border::enter(input)?, values)
        })
    }
}

/// Stack that parsing may take for each byte of the source, at most.
const STACK_PER_BYTE: usize = 8 << 10;

fn compile(source: &str, variables: &[&str]) -> Result<Inner, Vec<CompileError>> {
    let term = parse::parse(source)?;
    let levels = library::depth(&term);
    if levels > SOURCE_LEVELS {
        let message = format!("an expression nests at most {SOURCE_LEVELS} levels deep, and this one {levels}");
        return Err(vec![CompileError {
            message,
            span: 0..source.len(),
            help: Some("split it into definitions: `def f: …; …`".to_owned()),
        }]);
    }
    let mut named: Vec<String> = Vec::new();
    let mut hidden = Vec::new();
    library::each(&term, &mut |term| match term {
        parse::Term::Var(name) if !named.iter().any(|known| known == &name[1..]) => named.push(name[1..].to_owned()),
        parse::Term::Call(name, arguments) if name.starts_with("__") => hidden.push((*name, arguments.len())),
        _ => {}
    });
    named.retain(|name| variables.contains(&name.as_str()));

    let arena = Arena::default();
    let mut definitions: Vec<Def<&str>> = library::needed(&term);
    let now = definitions.iter().any(|def| def.name == "now");
    definitions.push(Def {
        name: "__main",
        args: Vec::new(),
        body: rewrite::expression(term, source, &|name| arena.alloc(name)),
    });
    let globals: Vec<String> =
        named.iter().map(|name| format!("${name}")).chain(now.then(|| "$__now".to_owned())).collect();
    let result = link(&arena, definitions, &globals);
    let mut errors: Vec<CompileError> = hidden
        .into_iter()
        .map(|(name, arity)| names::undefined(source, name, &jaq_core::compile::Undefined::Filter(arity), variables))
        .collect();
    match result {
        Ok(filter) if errors.is_empty() => Ok(Inner { source: source.to_owned(), filter, variables: named, now }),
        result => {
            let undefined = result.err().unwrap_or_default();
            errors.extend(undefined.iter().map(|(name, what)| names::undefined(source, name, what, variables)));
            errors.sort_by_key(|error| (error.span.start, error.span.end));
            errors.dedup();
            Err(errors)
        }
    }
}

/// Compiles definitions, of which `__main` is called.
fn link<'s>(
    arena: &'s Arena,
    definitions: Vec<Def<&'s str>>,
    globals: &'s [String],
) -> Result<Filter<Data>, Vec<jaq_core::compile::Error<&'s str>>> {
    let modules = Loader::new(definitions).load(arena, File { code: "__main", path: () });
    let Ok(modules) = modules else { return Err(Vec::new()) };
    jaq_core::Compiler::<_, Data>::default()
        .with_funs(natives::all())
        .with_global_vars(globals.iter().map(String::as_str))
        .compile(modules)
        .map_err(|errors| errors.into_iter().flat_map(|(_, errors)| errors).collect())
}

fn run(filter: &Filter<Data>, input: Val, variables: Vec<Val>) -> Result<Value, EvaluateError> {
    let exhausted = || fuel::check().map_err(|what| EvaluateError::Exhausted(what.text()));
    exhausted()?;
    let context = Ctx::<Data>::new(&filter.lut, Vars::new(variables));
    let mut values = Vec::new();
    let mut room = border::OUTPUT_BYTES;
    for value in filter.id.run((context, input)) {
        exhausted()?;
        if values.len() == VALUES {
            return Err(EvaluateError::Exhausted(format!("the expression yields more than {VALUES} values")));
        }
        let value = value.map_err(|raised| match raised.get_err() {
            Ok(error) => EvaluateError::Error(message(error.into_val())),
            Err(_) => EvaluateError::Exhausted("the expression was stopped".to_owned()),
        })?;
        values.push(border::leave(&value, &mut room)?);
    }
    exhausted()?;
    Ok(match values.len() {
        0 => Value::Null,
        1 => values.swap_remove(0),
        _ => Value::Array(values),
    })
}

/// The text of what was raised, as jq prints it.
fn message(raised: Val) -> String {
    match &raised {
        Val::Str(text) => text.to_string(),
        other => format!("{} (not a string)", other.json().unwrap_or_default()),
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${{ {} }}", self.source())
    }
}
