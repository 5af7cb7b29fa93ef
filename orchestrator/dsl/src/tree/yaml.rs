//! Reads YAML 1.2 (of which JSON is a part) within limits. The only place that knows the YAML library.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use serde_saphyr::{
    Error, Location, MessageFormatter, Options, Spanned, UserMessageFormatter,
    budget::BudgetBreach,
    options::{MergeKeyPolicy, NonFiniteFloatPolicy},
};

use super::{Content, Key, Node, Span};
use crate::problems::{Problems, quoted};

/// A definition is written by people: this is a hundred times a long one, and small enough to store with each version.
const SOURCE_BYTES_MAX: usize = 512 * 1024;
/// Levels of nesting. Real definitions stay under 30; recursion over the tree stays far from the stack's end.
const DEPTH_MAX: usize = 64;
/// Values in the whole document, those that aliases repeat counted each time.
const NODES_MAX: usize = 20_000;
/// Uses of anchors.
const ALIASES_MAX: usize = 256;

/// Reads the source; reports why it cannot be read.
pub(crate) fn parse(problems: &Problems<'_>) -> Option<Node> {
    let source = problems.source();
    if !acceptable(source, problems) {
        return None;
    }
    match serde_saphyr::from_str_with_options::<Spanned<Content>>(source, options()) {
        Ok(root) => Some(node(root, None)),
        Err(error) => {
            report(&error, problems);
            None
        }
    }
}

/// What must hold before a parser sees the text.
fn acceptable(source: &str, problems: &Problems<'_>) -> bool {
    if source.len() > SOURCE_BYTES_MAX {
        let message = format!("the definition has {} bytes; at most {SOURCE_BYTES_MAX} are read", source.len());
        let help = "move large data out of the definition, or split it into several workflows".to_owned();
        problems.error_help(Span::default(), "limit", message, help);
        return false;
    }
    let refused = source.char_indices().find(|(at, character)| match character {
        '\t' | '\n' | '\r' => false,
        '\u{feff}' => *at == 0,
        other => other.is_control(),
    });
    let Some((at, character)) = refused else {
        return true;
    };
    let (message, help) = if character == '\u{feff}' {
        ("the definition starts with a byte order mark".to_owned(), "save it as UTF-8 without one")
    } else {
        (format!("control character U+{:04X}", u32::from(character)), "remove it, or write it as an escape in \"…\"")
    };
    problems.error_help(Span::new(at, at + character.len_utf8()), "encoding", message, help.to_owned());
    false
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX,
            flow_nesting_limit: DEPTH_MAX,
            max_nodes: NODES_MAX,
            max_aliases: ALIASES_MAX,
            max_documents: 1,
            max_inclusion_depth: 0,
        },
        // YAML 1.2 has no merge keys, and they hide where a value comes from.
        merge_keys: MergeKeyPolicy::Error,
        // YAML 1.2's core schema: `yes`, `017` and `1_000` are strings.
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        reject_unsupported_tags: true,
        non_finite_float_policy: NonFiniteFloatPolicy::Reject,
        with_snippet: false,
    }
}

fn node(spanned: Spanned<Content>, key: Option<Span>) -> Node {
    Node { span: span(&spanned.defined), key, content: spanned.value }
}

fn span(location: &Location) -> Span {
    let place = location.span();
    let start = place.byte_offset().and_then(|offset| usize::try_from(offset).ok()).unwrap_or(0);
    let length = place.byte_len().and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    Span::new(start, start + length)
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(Content::Null)
    }

    fn visit_none<E>(self) -> Result<Content, E> {
        Ok(Content::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Content, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Content, E> {
        Ok(Content::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Content, E> {
        Ok(Content::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Content, E> {
        Ok(Content::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Content, E> {
        Number::from_f64(value).map(Content::Number).ok_or_else(|| E::custom("numbers must be finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Content, E> {
        Ok(Content::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Content, E> {
        Ok(Content::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Content, A::Error> {
        let mut nodes = Vec::new();
        while let Some(item) = items.next_element::<Spanned<Content>>()? {
            nodes.push(node(item, None));
        }
        Ok(Content::Array(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Content, A::Error> {
        let mut members = Vec::new();
        while let Some((key, value)) = entries.next_entry::<Spanned<String>, Spanned<Content>>()? {
            let place = span(&key.defined);
            members.push((Key { name: key.value, span: place }, node(value, Some(place))));
        }
        Ok(Content::Object(members))
    }
}

fn report(error: &Error, problems: &Problems<'_>) {
    let error = error.without_snippet();
    let place = error.location().map_or_else(Span::default, |location| place_of(&location, problems.source()));
    let (code, message, help) = explain(error);
    problems.error_help(place, code, message, help.map(str::to_owned));
}

/// The library gives some errors a line and a column only.
fn place_of(location: &Location, source: &str) -> Span {
    if location.span().byte_offset().is_some() {
        return span(location);
    }
    let line_index = usize::try_from(location.line().saturating_sub(1)).unwrap_or(usize::MAX);
    let column_index = usize::try_from(location.column().saturating_sub(1)).unwrap_or(usize::MAX);
    let line_start: usize = source.split_inclusive('\n').take(line_index).map(str::len).sum();
    let line = source[line_start..].split('\n').next().unwrap_or_default();
    let start = line_start + line.chars().take(column_index).map(char::len_utf8).sum::<usize>();
    Span::new(start, start)
}

/// Code, message and remedy.
fn explain(error: &Error) -> (&'static str, String, Option<&'static str>) {
    match error {
        Error::AliasError { error, .. } => explain(error),
        Error::DuplicateMappingKey { key, .. } => {
            let name = key.as_deref().map_or_else(|| "this key".to_owned(), quoted);
            ("duplicate-key", format!("{name} stands twice in the same object"), Some("keep one of the two"))
        }
        Error::MergeKeyNotAllowed { .. } => (
            "merge-key",
            "merge keys (`<<`) are not part of YAML 1.2".to_owned(),
            Some("write the members out, or put what is shared under `use`"),
        ),
        Error::NonFiniteFloat { value, .. } => {
            ("number", format!("{} is not a finite number", quoted(value)), Some("quote it if a text is meant"))
        }
        Error::UnsupportedTag { tag, .. } => {
            ("tag", format!("the YAML tag {} is not read", quoted(tag)), Some("remove the tag"))
        }
        Error::NullIntoString { .. } => {
            ("syntax", "a key must be a text".to_owned(), Some("quote it if a text is meant"))
        }
        Error::Budget { breach, .. } => explain_limit(breach),
        other => {
            let text = UserMessageFormatter.format_message(other);
            if text.contains("recursion limit") {
                return too_deep();
            }
            ("syntax", text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect(), None)
        }
    }
}

fn explain_limit(breach: &BudgetBreach) -> (&'static str, String, Option<&'static str>) {
    match breach {
        BudgetBreach::Documents { .. } => (
            "syntax",
            "a second document starts here; a definition is one document".to_owned(),
            Some("put each workflow into its own file"),
        ),
        BudgetBreach::Depth { .. } => too_deep(),
        BudgetBreach::Nodes { .. } => (
            "limit",
            format!("more than {NODES_MAX} values (what aliases repeat counts each time)"),
            Some("move large data out of the definition, or split it into several workflows"),
        ),
        BudgetBreach::Aliases { .. } | BudgetBreach::AliasAnchorRatio { .. } => (
            "limit",
            format!("more than {ALIASES_MAX} aliases, or far more aliases than anchors"),
            Some("put what is shared under `use`"),
        ),
        other => ("limit", format!("the YAML is too large: {other:?}"), None),
    }
}

fn too_deep() -> (&'static str, String, Option<&'static str>) {
    (
        "limit",
        format!("more than {DEPTH_MAX} levels of nesting"),
        Some("move inner tasks into `use.functions` or into another workflow"),
    )
}
