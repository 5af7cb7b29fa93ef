//! Reads objects of the tree key by key: what is missing, unknown or of the wrong type is reported with its place.

use sagabus_core::suggest::closest;

use crate::{
    problems::{Problems, alternatives, quoted},
    tree::{Content, Key, Node, Span},
};

/// Something that can be read from a node. What is wrong is reported; `None` means that nothing could be made of it.
pub(crate) trait Read<'a>: Sized {
    fn read(node: &'a Node, problems: &'a Problems<'a>) -> Option<Self>;
}

/// The members of an object, asked for one by one.
pub(crate) struct Fields<'a> {
    /// What the object is, for messages: `a task`, `` `catch` ``.
    what: &'static str,
    place: Span,
    entries: &'a [(Key, Node)],
    asked: Vec<&'static str>,
    problems: &'a Problems<'a>,
}

impl<'a> Fields<'a> {
    /// Expects an object.
    pub(crate) fn of(node: &'a Node, what: &'static str, problems: &'a Problems<'a>) -> Option<Self> {
        let Content::Object(entries) = &node.content else {
            let message = format!("{what} must be an object, found {}", node.describe());
            problems.error(node.value_place(), "wrong-type", message);
            return None;
        };
        Some(Self { what, place: node.place(), entries, asked: Vec::new(), problems })
    }

    pub(crate) fn problems(&self) -> &'a Problems<'a> {
        self.problems
    }

    pub(crate) fn place(&self) -> Span {
        self.place
    }

    /// Whether a key is there; says nothing about its being known.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|(known, _)| known.name == key)
    }

    /// A member as it is.
    pub(crate) fn node(&mut self, key: &'static str) -> Option<&'a Node> {
        self.asked.push(key);
        self.entries.iter().find(|(known, _)| known.name == key).map(|(_, node)| node)
    }

    /// Takes these keys as known, whether they are there or not.
    pub(crate) fn know(&mut self, keys: &[&'static str]) {
        self.asked.extend_from_slice(keys);
    }

    /// A member that may be absent.
    pub(crate) fn optional<T: Read<'a>>(&mut self, key: &'static str) -> Option<T> {
        self.node(key).and_then(|node| T::read(node, self.problems))
    }

    /// A member that must be there.
    pub(crate) fn required<T: Read<'a>>(&mut self, key: &'static str) -> Option<T> {
        let node = self.node(key);
        if node.is_none() {
            self.missing(key);
        }
        node.and_then(|node| T::read(node, self.problems))
    }

    /// Exactly one of these must be there: gives which.
    pub(crate) fn one_of(&mut self, keys: &[&'static str]) -> Option<&'static str> {
        self.know(keys);
        let found: Vec<&'static str> = keys.iter().copied().filter(|key| self.has(key)).collect();
        match found.as_slice() {
            [one] => Some(one),
            [] => {
                let message = format!("{} needs one of {}", self.what, alternatives(keys.iter().copied()));
                self.problems.error_help(self.place, "missing-key", message, self.slip(keys));
                None
            }
            [first, second, ..] => {
                let message = format!("{} cannot have both {} and {}", self.what, quoted(first), quoted(second));
                let place = self.key_place(second);
                self.problems.error_help(place, "exactly-one", message, "keep one of them".to_owned());
                None
            }
        }
    }

    /// Reports the keys that were never asked for.
    pub(crate) fn close(self) {
        for (key, _) in self.entries {
            if !self.asked.contains(&key.name.as_str()) {
                let message = format!("unknown key {} in {}", quoted(&key.name), self.what);
                let absent = self.asked.iter().copied().filter(|known| !self.has(known));
                self.problems.error_help(key.span, "unknown-key", message, self.problems.suggestion(&key.name, absent));
            }
        }
    }

    fn missing(&self, key: &'static str) {
        let message = format!("{} lacks {}", self.what, quoted(key));
        self.problems.error_help(self.place, "missing-key", message, self.slip(&[key]));
    }

    /// A member that was perhaps meant to be one of these keys.
    fn slip(&self, keys: &[&'static str]) -> Option<String> {
        self.entries.iter().find_map(|(found, _)| {
            let meant = closest(&found.name, keys.iter().copied())?;
            Some(format!("is {} meant to be {}?", quoted(&found.name), quoted(meant)))
        })
    }

    fn key_place(&self, name: &str) -> Span {
        self.entries.iter().find(|(key, _)| key.name == name).map_or(self.place, |(key, _)| key.span)
    }
}

impl<'a> Read<'a> for &'a Node {
    fn read(node: &'a Node, _problems: &'a Problems<'a>) -> Option<Self> {
        Some(node)
    }
}

/// A string with its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'a> {
    pub(crate) value: &'a str,
    pub(crate) node: &'a Node,
}

impl Text<'_> {
    pub(crate) fn place(&self) -> Span {
        self.node.value_place()
    }
}

impl<'a> Read<'a> for Text<'a> {
    fn read(node: &'a Node, problems: &'a Problems<'a>) -> Option<Self> {
        let Some(value) = node.as_str() else {
            let help = match node.content {
                Content::Bool(_) | Content::Number(_) => Some("put it in quotes".to_owned()),
                Content::Object(_) => Some("quote it if a text with `{` or `:` is meant".to_owned()),
                _ => None,
            };
            wrong_type(node, "a string", help, problems);
            return None;
        };
        Some(Self { value, node })
    }
}

impl<'a> Read<'a> for bool {
    fn read(node: &'a Node, problems: &'a Problems<'a>) -> Option<Self> {
        if let Content::Bool(value) = node.content {
            return Some(value);
        }
        wrong_type(node, "`true` or `false`", None, problems);
        None
    }
}

impl<'a> Read<'a> for u64 {
    fn read(node: &'a Node, problems: &'a Problems<'a>) -> Option<Self> {
        if let Content::Number(number) = &node.content
            && let Some(value) = number.as_u64()
        {
            return Some(value);
        }
        wrong_type(node, "a whole number that is not negative", None, problems);
        None
    }
}

/// An object of any members.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Object<'a> {
    pub(crate) node: &'a Node,
    pub(crate) entries: &'a [(Key, Node)],
}

impl<'a> Read<'a> for Object<'a> {
    fn read(node: &'a Node, problems: &'a Problems<'a>) -> Option<Self> {
        if let Content::Object(entries) = &node.content {
            return Some(Self { node, entries });
        }
        wrong_type(node, "an object", None, problems);
        None
    }
}

/// A list of anything readable.
impl<'a, T: Read<'a>> Read<'a> for Vec<T> {
    fn read(node: &'a Node, problems: &'a Problems<'a>) -> Option<Self> {
        let Content::Array(items) = &node.content else {
            wrong_type(node, "a list", None, problems);
            return None;
        };
        Some(items.iter().filter_map(|item| T::read(item, problems)).collect())
    }
}

/// An object as a mapping from names to one kind of thing.
pub(crate) struct Named<'a, T>(pub(crate) Vec<(&'a Key, T)>);

impl<T> Default for Named<'_, T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'a, T> Named<'a, T> {
    pub(crate) fn get(&self, name: &str) -> Option<&T> {
        self.0.iter().find(|(key, _)| key.name == name).map(|(_, value)| value)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &'a str> + Clone {
        self.0.iter().map(|(key, _)| key.name.as_str())
    }
}

impl<'a, T: Read<'a>> Read<'a> for Named<'a, T> {
    fn read(node: &'a Node, problems: &'a Problems<'a>) -> Option<Self> {
        let object = Object::read(node, problems)?;
        let read = |(key, node): &'a (Key, Node)| T::read(node, problems).map(|value| (key, value));
        Some(Self(object.entries.iter().filter_map(read).collect()))
    }
}

/// Expects one of some words.
pub(crate) fn word<'a, T: Copy>(
    node: Option<&'a Node>,
    words: &[(&'static str, T)],
    problems: &'a Problems<'a>,
) -> Option<T> {
    let text = Text::read(node?, problems)?;
    let found = words.iter().find(|(word, _)| *word == text.value).map(|(_, value)| *value);
    if found.is_none() {
        let message =
            format!("{} is none of {}", quoted(text.value), alternatives(words.iter().map(|(word, _)| *word)));
        let nearest = closest(text.value, words.iter().map(|(word, _)| *word));
        problems.error_help(text.place(), "wrong-value", message, nearest.map(|one| format!("did you mean `{one}`?")));
    }
    found
}

pub(crate) fn wrong_type(node: &Node, expected: &str, help: Option<String>, problems: &Problems<'_>) {
    let message = format!("expected {expected}, found {}", node.describe());
    problems.error_help(node.value_place(), "wrong-type", message, help);
}
