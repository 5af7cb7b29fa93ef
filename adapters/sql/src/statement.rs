//! Statements with named parameters: `:name` outside of literals, quoted names and comments.

use thiserror::Error;

/// What SQL differs in for us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
    MySql,
}

/// A statement, split at its parameters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Statement {
    pieces: Vec<Piece>,
    /// Its parameters' names, each once, in order of appearance.
    pub(crate) parameters: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Piece {
    Text(String),
    /// Index into the parameters.
    Parameter(usize),
}

/// A statement that cannot be read.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum StatementError {
    /// A literal, quoted name or comment without its end.
    #[error("a {what} that begins at `{beginning}` does not end")]
    Unterminated {
        /// What.
        what: &'static str,
        /// The first characters of it.
        beginning: String,
    },
    /// The database's own placeholders.
    #[error("`{0}` is a placeholder of the database; write parameters as `:name`")]
    Placeholder(String),
    /// Nothing to run.
    #[error("there is no statement; give `statement = \"…\"`")]
    Empty,
}

impl Statement {
    /// Reads one or several statements, separated by `;`.
    pub(crate) fn read(sql: &str, dialect: Dialect) -> Result<Vec<Self>, StatementError> {
        let mut statements = Vec::new();
        let mut current = Self::empty();
        let mut rest = sql;
        while let Some(character) = rest.chars().next() {
            let length = token(rest, dialect)?;
            let (text, after) = rest.split_at(length);
            match character {
                ';' => statements.push(std::mem::replace(&mut current, Self::empty())),
                ':' if length > 1 && text != "::" && text != ":=" => current.parameter(&text[1..]),
                _ => current.text(text),
            }
            rest = after;
        }
        statements.push(current);
        statements.retain(|statement| !statement.is_blank());
        if statements.is_empty() { Err(StatementError::Empty) } else { Ok(statements) }
    }

    /// Its text, with `placeholder` giving what stands for the parameter of an index.
    pub(crate) fn render(&self, mut placeholder: impl FnMut(usize) -> String) -> String {
        self.pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.clone(),
                Piece::Parameter(index) => placeholder(*index),
            })
            .collect()
    }

    /// The parameters' indexes in order of appearance, repetitions included.
    pub(crate) fn occurrences(&self) -> impl Iterator<Item = usize> + '_ {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Text(_) => None,
            Piece::Parameter(index) => Some(*index),
        })
    }

    /// As it was written.
    pub(crate) fn source(&self) -> String {
        self.render(|index| format!(":{}", self.parameters[index])).trim().to_owned()
    }

    fn empty() -> Self {
        Self { pieces: Vec::new(), parameters: Vec::new() }
    }

    fn is_blank(&self) -> bool {
        self.pieces.iter().all(|piece| matches!(piece, Piece::Text(text) if text.trim().is_empty()))
    }

    fn text(&mut self, text: &str) {
        match self.pieces.last_mut() {
            Some(Piece::Text(before)) => before.push_str(text),
            _ => self.pieces.push(Piece::Text(text.to_owned())),
        }
    }

    fn parameter(&mut self, name: &str) {
        let index = self.parameters.iter().position(|known| known == name).unwrap_or_else(|| {
            self.parameters.push(name.to_owned());
            self.parameters.len() - 1
        });
        self.pieces.push(Piece::Parameter(index));
    }
}

/// The length of the token that a text begins with; a text that is no token of interest is one character long.
fn token(text: &str, dialect: Dialect) -> Result<usize, StatementError> {
    let mysql = dialect == Dialect::MySql;
    let postgres = dialect == Dialect::Postgres;
    let first = text.chars().next().map_or(0, char::len_utf8);
    let word = |start: usize| {
        start + text[start..].find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text[start..].len())
    };
    if text.starts_with("--") || (mysql && text.starts_with('#')) {
        return Ok(text.find('\n').unwrap_or(text.len()));
    }
    if text.starts_with("/*") {
        return comment(text, postgres);
    }
    if text.starts_with("::") || text.starts_with(":=") {
        return Ok(2);
    }
    match &text[..first] {
        "'" => quoted(text, '\'', mysql, "text literal"),
        "\"" => quoted(text, '"', mysql, "quoted name"),
        "`" if !postgres => quoted(text, '`', false, "quoted name"),
        "[" if dialect == Dialect::Sqlite => quoted(text, ']', false, "quoted name"),
        ":" if text[1..].starts_with(|c: char| c.is_alphabetic() || c == '_') => Ok(word(1)),
        "$" if postgres => dollar(text),
        "?" if !postgres => Err(StatementError::Placeholder("?".to_owned())),
        "@" | "$" if dialect == Dialect::Sqlite && word(1) > 1 => {
            Err(StatementError::Placeholder(text[..word(1)].to_owned()))
        }
        // PostgreSQL's escaped literals are the only ones of its own in which a backslash escapes.
        "e" | "E" if postgres && text[1..].starts_with('\'') => {
            quoted(&text[1..], '\'', true, "text literal").map(|n| n + 1)
        }
        letter if letter.starts_with(|c: char| c.is_alphanumeric() || c == '_') => Ok(word(0)),
        _ => Ok(first),
    }
}

/// A literal or name in quotes, of which two stand for one; `escapes` if a backslash escapes, too.
fn quoted(text: &str, quote: char, escapes: bool, what: &'static str) -> Result<usize, StatementError> {
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((index, character)) = characters.next() {
        if escapes && character == '\\' {
            characters.next();
        } else if character == quote && characters.next_if(|(_, next)| *next == quote).is_none() {
            return Ok(index + quote.len_utf8());
        }
    }
    Err(unterminated(what, text))
}

/// A comment; PostgreSQL's nest.
fn comment(text: &str, nests: bool) -> Result<usize, StatementError> {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") && (depth == 0 || nests) {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Ok(at);
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    Err(unterminated("comment", text))
}

/// `$tag$ … $tag$`, or PostgreSQL's own placeholder.
fn dollar(text: &str) -> Result<usize, StatementError> {
    let Some(end) = text[1..].find(|c: char| !(c.is_alphanumeric() || c == '_')).map(|end| end + 1) else {
        return Err(StatementError::Placeholder(text.to_owned()));
    };
    if !text[end..].starts_with('$') {
        return Err(StatementError::Placeholder(text[..end].to_owned()));
    }
    let tag = &text[..=end];
    text[tag.len()..].find(tag).map(|at| at + 2 * tag.len()).ok_or_else(|| unterminated("dollar-quoted text", text))
}

fn unterminated(what: &'static str, text: &str) -> StatementError {
    StatementError::Unterminated { what, beginning: text.chars().take(20).collect() }
}

#[cfg(test)]
mod tests {
    use super::{Dialect, Statement, StatementError};

    fn read(sql: &str, dialect: Dialect) -> Vec<(String, Vec<String>)> {
        Statement::read(sql, dialect)
            .unwrap()
            .into_iter()
            .map(|statement| {
                (statement.render(|index| format!("?{}", index + 1)).trim().to_owned(), statement.parameters)
            })
            .collect()
    }

    #[test]
    fn parameters_are_found_outside_of_literals_names_and_comments_only() {
        for (dialect, sql, rendered, parameters) in [
            (Dialect::Sqlite, "SELECT :a, :b_2, :a", "SELECT ?1, ?2, ?1", "a b_2"),
            (
                Dialect::Sqlite,
                "SELECT ':a', 'it''s :b', \":c\", `:d`, [:e], :f",
                "SELECT ':a', 'it''s :b', \":c\", `:d`, [:e], ?1",
                "f",
            ),
            (Dialect::Sqlite, "SELECT :a -- :b ' \n, :c /* :d ' */", "SELECT ?1 -- :b ' \n, ?2 /* :d ' */", "a c"),
            (
                Dialect::Postgres,
                "SELECT :a::int, x::text, $$ :b $$, $q$ :c $$ $q$",
                "SELECT ?1::int, x::text, $$ :b $$, $q$ :c $$ $q$",
                "a",
            ),
            (
                Dialect::Postgres,
                "SELECT /* /* :a */ :b */ :c, E'\\' :d', d ? 'k'",
                "SELECT /* /* :a */ :b */ ?1, E'\\' :d', d ? 'k'",
                "c",
            ),
            (Dialect::MySql, "SELECT 'it\\'s :a', @n := :b # :c\n", "SELECT 'it\\'s :a', @n := ?1 # :c", "b"),
            (Dialect::MySql, "SELECT '10:30', 10 :ü", "SELECT '10:30', 10 ?1", "ü"),
        ] {
            let expected = vec![(rendered.to_owned(), parameters.split(' ').map(str::to_owned).collect())];
            assert_eq!(read(sql, dialect), expected, "{sql}");
        }
    }

    #[test]
    fn several_statements_are_told_apart() {
        let both = read("UPDATE a SET b = ';' WHERE c = :c; ; INSERT INTO d VALUES (:e);", Dialect::Sqlite);
        assert_eq!(both.len(), 2);
        assert_eq!(
            (both[0].0.as_str(), both[1].1.as_slice()),
            ("UPDATE a SET b = ';' WHERE c = ?1", ["e".to_owned()].as_slice())
        );
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let placeholder = |text: &str| Err(StatementError::Placeholder(text.to_owned()));
        assert_eq!(Statement::read("SELECT ?", Dialect::MySql), placeholder("?"));
        assert_eq!(Statement::read("SELECT $1", Dialect::Postgres), placeholder("$1"));
        assert_eq!(Statement::read("SELECT @a", Dialect::Sqlite), placeholder("@a"));
        assert_eq!(Statement::read(" ; ", Dialect::Sqlite), Err(StatementError::Empty));
        for sql in ["SELECT 'a", "SELECT \"a", "SELECT /* a", "SELECT $$ a"] {
            let read = Statement::read(sql, Dialect::Postgres);
            assert!(matches!(read, Err(StatementError::Unterminated { .. })), "{sql}: {read:?}");
        }
    }
}
