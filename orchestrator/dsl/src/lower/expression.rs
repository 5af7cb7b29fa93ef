//! Expressions, texts with expressions inside, templates and URIs.

use std::{ops::Range, sync::Arc};

use sagabus_core::{
    expression::Expression,
    plan::{Part, Template, UriPart},
};
use serde_json::{Map, Value};

use super::{
    Lowering,
    scope::{Scope, Stage},
};
use crate::{
    ast::Mode,
    fields::Text,
    problems::{alternatives, quoted},
    secrets::accesses,
    template::{Opening, Piece, split, whole},
    tree::{Content, Node, Span},
};

/// Problems that are told of one expression.
const FINDINGS_MAX: usize = 20;

/// What becomes of an expression's value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It becomes a value, or a part of a text.
    Value,
    /// Something is decided by it.
    Decision,
}

impl<'a> Lowering<'a> {
    /// A field that is an expression, with or without `${ }` around it, whose value is decided upon: `if`, `when`, ….
    pub(super) fn condition(&self, text: Option<Text<'a>>, stage: Stage, scope: &Scope<'a>) -> Option<Expression> {
        text.and_then(|text| self.field(text, stage, scope, Fate::Decision))
    }

    /// A field that is an expression, with or without `${ }` around it.
    pub(super) fn expression(&self, text: Text<'a>, stage: Stage, scope: &Scope<'a>) -> Option<Expression> {
        self.field(text, stage, scope, Fate::Value)
    }

    fn field(&self, text: Text<'a>, stage: Stage, scope: &Scope<'a>, fate: Fate) -> Option<Expression> {
        let range = whole(text.value).unwrap_or(0..text.value.len());
        self.compile(text, range, stage, scope, fate)
    }

    /// `from` and `as`, and everything else that is an expression when it is a string.
    pub(super) fn transform(&self, node: &'a Node, stage: Stage, scope: &Scope<'a>) -> Template {
        match node.as_str() {
            Some(value) => {
                self.expression(Text { value, node }, stage, scope).map_or_else(nothing, Template::Expression)
            }
            None => self.template(node, stage, scope),
        }
    }

    /// JSON in which some strings are expressions.
    pub(super) fn template(&self, node: &'a Node, stage: Stage, scope: &Scope<'a>) -> Template {
        match &node.content {
            Content::String(value) => self.string(Text { value, node }, stage, scope, Opening::Any),
            Content::Array(items) => array(items.iter().map(|item| self.template(item, stage, scope)).collect()),
            Content::Object(entries) => object(
                entries.iter().map(|(key, value)| (key.name.clone(), self.template(value, stage, scope))).collect(),
            ),
            _ => Template::Constant(Arc::new(node.to_value())),
        }
    }

    /// A string: a constant, an expression, or a text with expressions inside.
    pub(super) fn string(&self, text: Text<'a>, stage: Stage, scope: &Scope<'a>, opening: Opening) -> Template {
        let loose = self.mode == Mode::Loose;
        if !self.spend(text.place(), text.value.len(), usize::from(loose)) {
            return nothing();
        }
        if let Some(range) = whole(text.value) {
            return match self.compile(text, range, stage, scope, Fate::Value) {
                Some(expression) if loose => Template::Loose(expression),
                Some(expression) => Template::Expression(expression),
                None => nothing(),
            };
        }
        if loose && !text.value.contains("${") {
            return match Expression::compile(text.value, &scope.variables(stage)) {
                Ok(expression) => Template::Loose(expression),
                Err(_) => constant(text.value),
            };
        }
        self.pieces(text, stage, scope, opening)
    }

    fn pieces(&self, text: Text<'a>, stage: Stage, scope: &Scope<'a>, opening: Opening) -> Template {
        let pieces = match split(text.value, opening) {
            Ok(pieces) => pieces,
            Err(at) => {
                let place = self.inner_place(text, at..at + 2);
                let help = "close it with `}`; braces inside the expression must match".to_owned();
                self.problems.error_help(place, "expression", "this `${` is never closed", help);
                return nothing();
            }
        };
        if !pieces.iter().any(|piece| matches!(piece, Piece::Expression(_))) {
            return constant(text.value);
        }
        let part = |piece| match piece {
            Piece::Literal(range) => Some(Part::Literal(text.value[range].to_owned())),
            Piece::Expression(range) => self.compile(text, range, stage, scope, Fate::Value).map(Part::Expression),
        };
        Template::Text(pieces.into_iter().filter_map(part).collect())
    }

    /// A URI: an expression, a text with expressions inside, or a URI template.
    pub(super) fn uri(&self, text: Text<'a>, stage: Stage, scope: &Scope<'a>) -> Template {
        if text.value.contains("${") {
            return self.string(text, stage, scope, Opening::Any);
        }
        if self.mode == Mode::Loose && !text.value.contains('{') && self.spend(text.place(), text.value.len(), 1) {
            // No absolute URI is an expression: jq has no `//` behind a colon.
            if let Ok(expression) = Expression::compile(text.value, &scope.variables(stage)) {
                return Template::Loose(expression);
            }
        }
        self.uri_template(text)
    }

    fn uri_template(&self, text: Text<'a>) -> Template {
        if text.value.is_empty() || text.value.contains(char::is_whitespace) {
            let message = format!("{} is not a URI", quoted(text.value));
            self.problems.error_help(
                text.place(),
                "uri",
                message,
                "write for example `https://example.com/orders/{id}`".to_owned(),
            );
            return nothing();
        }
        let mut parts = Vec::new();
        let mut rest = text.value;
        while let Some(open) = rest.find('{') {
            let offset = text.value.len() - rest.len() + open;
            let Some(length) = rest[open + 1..].find('}') else {
                let help = "close it with `}`".to_owned();
                let place = self.inner_place(text, offset..offset + 1);
                self.problems.error_help(place, "uri", "this `{` of the URI template is never closed", help);
                return nothing();
            };
            let name = &rest[open + 1..open + 1 + length];
            if name.is_empty() || name.starts_with(['+', '#', '.', '/', ';', '?', '&', '=', ',', '!', '@', '|', '{']) {
                let message = format!("{{{name}}} is not a simple variable of a URI template");
                let help = "write `{name}`, or an expression `${ … }`".to_owned();
                let place = self.inner_place(text, offset..offset + length + 2);
                self.problems.error_help(place, "uri", message, help);
            }
            if open > 0 {
                parts.push(UriPart::Literal(rest[..open].to_owned()));
            }
            parts.push(UriPart::Variable(name.to_owned()));
            rest = &rest[open + length + 2..];
        }
        if parts.is_empty() {
            return constant(text.value);
        }
        if !rest.is_empty() {
            parts.push(UriPart::Literal(rest.to_owned()));
        }
        Template::Uri(parts)
    }

    /// Compiles a part of a text; everything wrong with it is reported where it stands.
    fn compile(
        &self,
        text: Text<'a>,
        range: Range<usize>,
        stage: Stage,
        scope: &Scope<'a>,
        fate: Fate,
    ) -> Option<Expression> {
        let outer = &text.value[range.clone()];
        let source = outer.trim();
        let start = range.start + outer.len() - outer.trim_start().len();
        let range = start..start + source.len();
        if source.is_empty() {
            let help = "write an expression, for example `.amount > 0`".to_owned();
            self.problems.error_help(text.place(), "expression", "the expression is empty", help);
            return None;
        }
        if !self.spend(text.place(), source.len(), 1) {
            return None;
        }
        self.check_secrets(text, &range, fate);
        let variables = scope.variables(stage);
        match Expression::compile(source, &variables) {
            Ok(expression) => Some(expression),
            Err(errors) => {
                for error in errors.into_iter().take(FINDINGS_MAX) {
                    let start = range.start + error.span.start.min(source.len());
                    let end = range.start + error.span.end.min(source.len());
                    let exact = self.exact_place(text, start..end);
                    let message = match exact {
                        Some(_) => error.message,
                        None => format!("{} in {}", error.message, quoted(source)),
                    };
                    let place = exact.unwrap_or_else(|| text.place());
                    self.problems.error_help(place, "expression", message, error.help);
                }
                None
            }
        }
    }

    fn check_secrets(&self, text: Text<'a>, range: &Range<usize>, fate: Fate) {
        let declared = |name: &String| self.uses.secrets.iter().any(|secret| secret.value == name);
        for access in accesses(&text.value[range.clone()]).into_iter().take(FINDINGS_MAX) {
            let unknown = access.name.as_ref().filter(|name| !declared(name));
            if unknown.is_none() && access.passed_on && fate == Fate::Value {
                continue;
            }
            let place = self.inner_place(text, range.start + access.range.start..range.start + access.range.end);
            if let Some(name) = unknown {
                self.unknown_secret(place, name);
            } else {
                let message = "an expression sees a reference to the secret here, never its value";
                let help = "pass `$secrets.NAME` on as it is or as a part of a text; the worker puts the value in";
                self.problems.warning(place, "secret-use", message, help);
            }
        }
    }

    pub(super) fn unknown_secret(&self, place: Span, name: &str) {
        let message = format!("the secret {} is not declared", quoted(name));
        let mut known = self.uses.secrets.iter().map(|secret| secret.value);
        // jq reads `$secrets.api-key` as a subtraction.
        let hyphenated = known.clone().find(|known| known.strip_prefix(name).is_some_and(|rest| rest.starts_with('-')));
        let help = match hyphenated {
            Some(whole) => format!("write `$secrets[\"{whole}\"]`: a hyphen ends a name in jq"),
            None => self
                .problems
                .suggestion(name, known.by_ref())
                .unwrap_or_else(|| format!("declare it: `use: {{ secrets: [{name}] }}`")),
        };
        self.problems.error_help(place, "unknown-secret", message, help);
    }

    /// Where some bytes of a text stand in the source; the whole text if they cannot be found in it.
    pub(super) fn inner_place(&self, text: Text<'a>, range: Range<usize>) -> Span {
        self.exact_place(text, range).unwrap_or_else(|| text.place())
    }

    /// Finding a place takes time with the length of the text, so that it is only done for problems that are shown.
    fn exact_place(&self, text: Text<'a>, range: Range<usize>) -> Option<Span> {
        if self.problems.is_full() { None } else { text.node.part(self.problems.source(), range) }
    }

    /// The name of a variable that a task declares.
    pub(super) fn variable(&self, text: Option<Text<'a>>, default: &'static str) -> &'a str {
        let Some(text) = text else { return default };
        let name = text.value;
        let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && name.chars().all(|next| next.is_ascii_alphanumeric() || next == '_');
        if !is_name {
            let message = format!("{} is no name of a variable", quoted(name));
            let help = "write it without `$`: letters, digits and `_`".to_owned();
            self.problems.error_help(text.place(), "variable-name", message, help);
        } else if Stage::reserved().contains(&name) {
            let message = format!("`${name}` is a variable of the runtime");
            let help = format!("use another name than {}", alternatives(Stage::reserved().iter().copied()));
            self.problems.error_help(text.place(), "variable-name", message, help);
        }
        name
    }
}

/// Stands where something could not be built; the plan is not built either then.
pub(super) fn nothing() -> Template {
    Template::Constant(Arc::new(Value::Null))
}

/// A string that stands for itself.
pub(super) fn constant(text: &str) -> Template {
    Template::Constant(Arc::new(Value::String(text.to_owned())))
}

/// An array, a constant if all its items are.
fn array(items: Vec<Template>) -> Template {
    match items.iter().map(as_constant).collect::<Option<Vec<Value>>>() {
        Some(values) => Template::Constant(Arc::new(Value::Array(values))),
        None => Template::Array(items),
    }
}

/// An object, a constant if all its members are.
pub(super) fn object(entries: Vec<(String, Template)>) -> Template {
    let constants = entries.iter().map(|(name, value)| Some((name.clone(), as_constant(value)?)));
    match constants.collect::<Option<Map<String, Value>>>() {
        Some(values) => Template::Constant(Arc::new(Value::Object(values))),
        None => Template::Object(entries),
    }
}

fn as_constant(template: &Template) -> Option<Value> {
    match template {
        Template::Constant(value) => Some(Value::clone(value)),
        _ => None,
    }
}

/// A constant of any type.
pub(super) fn value(value: Value) -> Template {
    Template::Constant(Arc::new(value))
}
