//! What to say of names that mean nothing here.

use jaq_core::{compile::Undefined, load::span};

use super::{CompileError, library};
use crate::suggest::closest;

/// Filters of jq that are left out, and why.
const ABSENT: &[(&str, &str)] = &[
    ("env", "an expression does not see the environment of the process"),
    ("halt", "an expression cannot end the process"),
    ("halt_error", "an expression cannot end the process; `error` raises an error"),
    ("input", "an expression has one input, `.`"),
    ("inputs", "an expression has one input, `.`"),
    ("input_filename", "an expression has no input file"),
    ("input_line_number", "an expression has no input file"),
    ("debug", "an expression has no effects"),
    ("stderr", "an expression has no effects"),
    ("get_search_list", "an expression reads no files"),
    ("modulemeta", "an expression reads no files"),
    ("localtime", "a replay elsewhere would answer in another time zone; use `gmtime`"),
    ("strflocaltime", "a replay elsewhere would answer in another time zone; use `strftime`"),
];

/// Words of jq's grammar, which are no names.
const WORDS: &[&str] = &[
    "and", "or", "if", "then", "elif", "else", "end", "as", "def", "reduce", "foreach", "try", "catch", "label",
    "import", "include", "__loc__",
];

/// What to say of a name that is not defined.
pub(super) fn undefined(source: &str, name: &str, what: &Undefined, variables: &[&str]) -> CompileError {
    let inside = source.as_bytes().as_ptr_range().contains(&name.as_ptr());
    let span = if inside { span(source, name) } else { 0..source.len() };
    let (message, help) = match what {
        Undefined::Var => variable(name, variables),
        Undefined::Label => (format!("there is no label `{name}` around this `break`"), None),
        Undefined::Mod => (format!("there is no module `{name}`: an expression reads no files"), None),
        Undefined::Filter(arity) => filter(name, *arity),
        other => (format!("undefined {} `{name}`", other.as_str()), None),
    };
    CompileError { message, span, help }
}

fn variable(name: &str, variables: &[&str]) -> (String, Option<String>) {
    if name == "$ENV" {
        return (
            "`$ENV` is not available here: an expression does not see the environment of the process".to_owned(),
            None,
        );
    }
    let bare = name.trim_start_matches('$');
    let help = match closest(bare, variables.iter().copied()) {
        Some(near) => Some(format!("did you mean `${near}`?")),
        None if variables.is_empty() => None,
        None => Some(format!(
            "known here: {}",
            variables.iter().map(|known| format!("`${known}`")).collect::<Vec<_>>().join(", ")
        )),
    };
    (format!("undefined variable `{name}`"), help)
}

fn filter(name: &str, arity: usize) -> (String, Option<String>) {
    if let Some((_, why)) = ABSENT.iter().find(|(absent, _)| *absent == name) {
        return (format!("`{name}` is not available here: {why}"), None);
    }
    if WORDS.contains(&name) {
        return (format!("expected a term here, not the word `{name}`"), None);
    }
    let counts: Vec<usize> =
        library::names().iter().filter(|(known, _)| *known == name).map(|(_, count)| *count).collect();
    if !counts.is_empty() {
        let counts: Vec<String> = counts.iter().map(ToString::to_string).collect();
        return (
            format!("undefined function `{name}` with {}", arguments(arity)),
            Some(format!("it takes {}", alternatives(&counts))),
        );
    }
    let known = library::names().iter().map(|(known, _)| *known);
    let help = closest(name, known).map(|near| format!("did you mean `{near}`?"));
    (format!("undefined function `{name}` with {}", arguments(arity)), help)
}

fn arguments(count: usize) -> String {
    match count {
        0 => "no arguments".to_owned(),
        1 => "1 argument".to_owned(),
        count => format!("{count} arguments"),
    }
}

fn alternatives(counts: &[String]) -> String {
    match counts {
        [one] if one == "0" => "no arguments".to_owned(),
        [one] if one == "1" => "1 argument".to_owned(),
        [one] => format!("{one} arguments"),
        [first @ .., last] => format!("{} or {last} arguments", first.join(", ")),
        [] => "no arguments".to_owned(),
    }
}
