//! The source as a tree in which every key and value knows its place. Nothing here knows the language.

mod align;
mod yaml;

use std::ops::Range;

use serde_json::{Map, Number, Value};

pub(crate) use yaml::parse;

/// Bytes of the source.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Span {
    pub(crate) const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }
}

/// A value with its place.
#[derive(Debug)]
pub(crate) struct Node {
    /// A scalar's bytes, quotes included; of an array or object only where it starts.
    pub(crate) span: Span,
    /// The key that it stands under, if it is a member of an object.
    pub(crate) key: Option<Span>,
    pub(crate) content: Content,
}

#[derive(Debug)]
pub(crate) enum Content {
    Null,
    Bool(bool),
    Number(Number),
    String(String),
    Array(Vec<Node>),
    Object(Vec<(Key, Node)>),
}

/// A key of an object.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) span: Span,
}

impl Node {
    /// Where to point at for a problem with the value as a whole: its key, or else its first bytes.
    pub(crate) fn place(&self) -> Span {
        match (&self.content, self.key) {
            (_, Some(key)) => key,
            (Content::Object(entries), None) if !entries.is_empty() => entries[0].0.span,
            _ => self.span,
        }
    }

    /// Where to point at for a problem with the value itself: the scalar, or for all else as [`Node::place`].
    pub(crate) fn value_place(&self) -> Span {
        match self.content {
            Content::Array(_) | Content::Object(_) => self.place(),
            _ if self.span.start == self.span.end => self.place(),
            _ => self.span,
        }
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match &self.content {
            Content::String(text) => Some(text),
            _ => None,
        }
    }

    /// Where a part of a string's value stands in the source, if that can be told.
    pub(crate) fn part(&self, source: &str, part: Range<usize>) -> Option<Span> {
        let raw = source.get(self.span.start..self.span.end)?;
        let line_start = source[..self.span.start].rfind('\n').map_or(0, |at| at + 1);
        let found = align::locate(raw, self.as_str()?, self.span.start - line_start, part)?;
        Some(Span::new(self.span.start + found.start, self.span.start + found.end))
    }

    /// What it is, for messages: `a string`, `the number 3`.
    pub(crate) fn describe(&self) -> String {
        match &self.content {
            Content::Null => "nothing".to_owned(),
            Content::Bool(value) => format!("`{value}`"),
            Content::Number(number) => format!("the number {number}"),
            Content::String(_) => "a string".to_owned(),
            Content::Array(_) => "a list".to_owned(),
            Content::Object(_) => "an object".to_owned(),
        }
    }

    /// The plain JSON value.
    pub(crate) fn to_value(&self) -> Value {
        match &self.content {
            Content::Null => Value::Null,
            Content::Bool(value) => Value::Bool(*value),
            Content::Number(number) => Value::Number(number.clone()),
            Content::String(text) => Value::String(text.clone()),
            Content::Array(items) => Value::Array(items.iter().map(Self::to_value).collect()),
            Content::Object(entries) => Value::Object(
                entries.iter().map(|(key, value)| (key.name.clone(), value.to_value())).collect::<Map<_, _>>(),
            ),
        }
    }
}
