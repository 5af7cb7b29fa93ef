//! Events to emit and to listen to.

use sagabus_core::plan::{Consumption, Correlation, EventFilter, Match, Template, Until};

use super::{
    Lowering,
    expression::object,
    scope::{Scope, Stage},
};
use crate::{
    ast,
    fields::{Object, Text},
    problems::quoted,
    template::{Opening, whole},
    tree::{Content, Key, Node},
};

impl<'a> Lowering<'a> {
    /// The attributes of an event to emit.
    pub(super) fn emit(&self, attributes: Object<'a>, scope: &Scope<'a>) -> Template {
        let attribute = |(key, value): &'a (Key, Node)| {
            self.check_time(key, value);
            let template = match (key.name.as_str(), value.as_str()) {
                // The schema has URI templates for these two.
                ("source" | "dataschema", Some(text)) => {
                    self.uri(Text { value: text, node: value }, Stage::Definition, scope)
                }
                _ => self.template(value, Stage::Definition, scope),
            };
            (key.name.clone(), template)
        };
        object(attributes.entries.iter().map(attribute).collect())
    }

    /// `time` is RFC 3339 where it is written out (CloudEvents 1.0).
    fn check_time(&self, key: &Key, value: &'a Node) {
        if let Some(text) = value.as_str()
            && key.name == "time"
            && !text.contains("${")
            && sagabus_core::time::Timestamp::parse(text).is_none()
        {
            let message = format!("{} is not a time", quoted(text));
            let help = "write it by RFC 3339, for example `2026-01-31T12:00:00Z`".to_owned();
            self.problems.error_help(value.value_place(), "time", message, help);
        }
    }

    pub(super) fn consumption(&self, consumption: &'a ast::Consumption<'a>, scope: &Scope<'a>) -> Consumption {
        match consumption {
            ast::Consumption::One(filter) => Consumption::One(self.filter(filter, scope)),
            ast::Consumption::All(filters) => Consumption::All(self.filters(filters, scope)),
            ast::Consumption::Any { filters, until } => Consumption::Any {
                filters: self.filters(filters, scope),
                until: until.as_ref().and_then(|until| self.until(until, scope)),
            },
        }
    }

    fn filters(&self, filters: &'a [ast::EventFilter<'a>], scope: &Scope<'a>) -> Vec<EventFilter> {
        filters.iter().map(|filter| self.filter(filter, scope)).collect()
    }

    fn until(&self, until: &'a ast::Until<'a>, scope: &Scope<'a>) -> Option<Until> {
        match until {
            ast::Until::Condition(text) => self.condition(Some(*text), Stage::Definition, scope).map(Until::Condition),
            ast::Until::Events(events) => Some(Until::Events(Box::new(self.consumption(events, scope)))),
        }
    }

    fn filter(&self, filter: &'a ast::EventFilter<'a>, scope: &Scope<'a>) -> EventFilter {
        let entries = filter.with.map_or(&[][..], |with| with.entries);
        EventFilter {
            with: entries.iter().filter_map(|entry| self.attribute(entry, scope)).collect(),
            correlate: filter
                .correlate
                .0
                .iter()
                .filter_map(|(key, correlation)| Some((key.name.clone(), self.correlation(correlation, scope)?)))
                .collect(),
        }
    }

    /// What an attribute must be.
    fn attribute(&self, (key, node): &'a (Key, Node), scope: &Scope<'a>) -> Option<(String, Match)> {
        let test = match node.as_str() {
            Some(value) if whole(value).is_some() || self.is_loose_expression(Text { value, node }, scope) => {
                Match::Expression(self.condition(Some(Text { value, node }), Stage::Definition, scope)?)
            }
            Some(value) if value.contains("${") => return self.refuse_mixture(node),
            _ if contains_expression(node) => return self.refuse_mixture(node),
            _ => {
                self.check_pattern(node);
                Match::Constant(node.to_value())
            }
        };
        Some((key.name.clone(), test))
    }

    /// Whether a text without `${ }` is an expression all the same: in loose mode, if it compiles. A literal stays one.
    fn is_loose_expression(&self, text: Text<'a>, scope: &Scope<'a>) -> bool {
        self.mode == ast::Mode::Loose
            && serde_json::from_str::<serde_json::Value>(text.value).is_err()
            && matches!(self.string(text, Stage::Definition, scope, Opening::Any), Template::Loose(_))
    }

    /// A constant is compared as text first, so that one which is no regular expression may still be meant.
    fn check_pattern(&self, node: &Node) {
        if let Some(text) = node.as_str()
            && let Err(reason) = sagabus_core::event::pattern(text)
        {
            let last = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
            let message = format!("this is not a regular expression: {last}");
            let help = "it matches only an attribute that equals it; write `\\(` for `(` in a regular expression";
            self.problems.warning(node.value_place(), "regular-expression", message, help);
        }
    }

    fn refuse_mixture<T>(&self, node: &Node) -> Option<T> {
        let help = "write one expression over the attribute, for example `${ .temperature > 38 }`";
        self.problems.not_supported(node.value_place(), "an expression inside a value of an event filter", help);
        None
    }

    fn correlation(&self, correlation: &'a ast::Correlation<'a>, scope: &Scope<'a>) -> Option<Correlation> {
        let from = correlation.from.and_then(|from| self.expression(from, Stage::Definition, scope));
        let expect = correlation.expect.map(|expect| self.template(expect, Stage::Definition, scope));
        Some(Correlation { from: from?, expect })
    }
}

fn contains_expression(node: &Node) -> bool {
    match &node.content {
        Content::String(text) => text.contains("${"),
        Content::Array(items) => items.iter().any(contains_expression),
        Content::Object(entries) => entries.iter().any(|(_, value)| contains_expression(value)),
        _ => false,
    }
}
