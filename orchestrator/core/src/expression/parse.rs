//! From text to syntax tree: every syntax error with its place, in words.

use jaq_core::load::{lex, parse as syntax, span};

use super::CompileError;

pub(super) type Term<'s> = syntax::Term<&'s str>;

/// Parses the text of an expression.
///
/// # Errors
/// All syntax errors, in order of place.
pub(super) fn parse(source: &str) -> Result<Term<'_>, Vec<CompileError>> {
    let tokens =
        lex::Lexer::new(source).lex().map_err(|errors| ordered(errors.iter().map(|error| lexical(source, error))))?;
    if let Some(error) = module(source, &tokens) {
        return Err(vec![error]);
    }
    syntax::Parser::new(&tokens)
        .parse(|parser| parser.term())
        .map_err(|errors| ordered(errors.into_iter().map(|error| syntactic(source, error))))
}

fn ordered(errors: impl Iterator<Item = CompileError>) -> Vec<CompileError> {
    let mut errors: Vec<CompileError> = errors.collect();
    errors.sort_by_key(|error| (error.span.start, error.span.end));
    errors.dedup();
    errors
}

fn lexical(source: &str, (expected, rest): &lex::Error<&str>) -> CompileError {
    let start = span(source, rest).start;
    let found = rest.chars().next();
    let span = start..start + found.map_or(0, char::len_utf8);
    let (message, help) = match (expected, found) {
        (lex::Expect::Delim(open), None) => {
            let what = if *open == "\"" {
                "this text is never closed: expected a closing quote".to_owned()
            } else {
                format!("`{open}` is never closed: expected a {} here", expected.as_str())
            };
            (what, None)
        }
        (lex::Expect::Token, Some('?')) | (_, Some('?')) => ("this is not jq".to_owned(), None),
        (lex::Expect::Token, Some(char @ (')' | ']' | '}'))) => (format!("`{char}` closes nothing"), None),
        (lex::Expect::Token, Some('\'')) => {
            ("unexpected character `'`".to_owned(), Some("texts are written with double quotes".to_owned()))
        }
        (lex::Expect::Token, Some('&')) => {
            ("unexpected character `&`".to_owned(), Some("did you mean `and`?".to_owned()))
        }
        (lex::Expect::Token, Some(char)) => (format!("unexpected character `{char}`"), None),
        (_, _) => (format!("expected a {} here", expected.as_str()), None),
    };
    CompileError { message, span, help }
}

/// Modules would be read from files.
fn module(source: &str, tokens: &[lex::Token<&str>]) -> Option<CompileError> {
    let first = tokens.first().filter(|token| matches!(token.as_str(), "import" | "include" | "module"))?;
    Some(CompileError {
        message: format!("`{}` is not available here: an expression reads no files", first.as_str()),
        span: span(source, first.as_str()),
        help: Some("define the functions in the expression itself: `def f: …; …`".to_owned()),
    })
}

fn syntactic(source: &str, (expected, found): syntax::TError<'_, &str>) -> CompileError {
    use syntax::Expect;
    let text = lex::Token::opt_as_str(found, source);
    let span = span(source, text);
    // A block's text is the whole block: its opening is what was not expected.
    let span = if text.starts_with(['(', '[', '{', '"']) { span.start..span.start + 1 } else { span };
    let wanted = match &expected {
        Expect::Just("") | Expect::Nothing => {
            let help = (text == "=>").then(|| "jq compares with `>=`".to_owned());
            return CompileError {
                message: format!("unexpected `{}`: the expression ends before it", &source[span.clone()]),
                span,
                help,
            };
        }
        Expect::Just(token) => format!("`{token}`"),
        Expect::Term => "a term".to_owned(),
        Expect::Var => "a variable".to_owned(),
        Expect::Pattern => "a pattern (`$name`, `[…]` or `{…}`)".to_owned(),
        Expect::ElseOrEnd => "`else`, `elif` or `end`".to_owned(),
        Expect::CommaOrRBrack => "`,` or `]`".to_owned(),
        Expect::CommaOrRBrace => "`,` or `}`".to_owned(),
        Expect::SemicolonOrRParen => "`;` or `)`".to_owned(),
        Expect::Key => "a key".to_owned(),
        Expect::Ident => "a name".to_owned(),
        Expect::Arg => "the name of an argument".to_owned(),
        Expect::Str => "a text".to_owned(),
        other => format!("a {}", other.as_str()),
    };
    let help = match (text, &expected) {
        ("==" | "=", Expect::Term) => Some("jq compares with `==` and assigns with `=`".to_owned()),
        ("||", _) => Some("did you mean `or`?".to_owned()),
        ("&&", _) => Some("did you mean `and`?".to_owned()),
        ("!", Expect::Term) => Some("jq negates with `| not`".to_owned()),
        _ => None,
    };
    CompileError { message: format!("expected {wanted} here"), span, help }
}
