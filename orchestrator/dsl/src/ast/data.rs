//! `input`, `output`, `export`, schemas, durations and timeouts.

use crate::{
    fields::{Fields, Read, Text, wrong_type},
    problems::{Problems, quoted},
    tree::{Content, Node, Span},
};

/// `input` of a workflow or task.
#[derive(Default)]
pub(crate) struct Input<'a> {
    pub(crate) schema: Option<SchemaDocument<'a>>,
    pub(crate) from: Option<Transform<'a>>,
}

/// `output` of a workflow or task.
#[derive(Default)]
pub(crate) struct Output<'a> {
    pub(crate) schema: Option<SchemaDocument<'a>>,
    pub(crate) transform: Option<Transform<'a>>,
}

/// `export` of a task.
#[derive(Default)]
pub(crate) struct Export<'a> {
    pub(crate) schema: Option<SchemaDocument<'a>>,
    pub(crate) transform: Option<Transform<'a>>,
}

impl<'a> Read<'a> for Input<'a> {
    fn read(node: &'a Node, problems: &'a Problems<'a>) -> Option<Self> {
        let mut fields = Fields::of(node, "`input`", problems)?;
        let input = Self { schema: read_schema(&mut fields), from: fields.optional("from") };
        fields.close();
        Some(input)
    }
}

impl<'a> Read<'a> for Output<'a> {
    fn read(node: &'a Node, problems: &'a Problems<'a>) -> Option<Self> {
        let mut fields = Fields::of(node, "`output`", problems)?;
        let output = Self { schema: read_schema(&mut fields), transform: fields.optional("as") };
        fields.close();
        Some(output)
    }
}

impl<'a> Read<'a> for Export<'a> {
    fn read(node: &'a Node, problems: &'a Problems<'a>) -> Option<Self> {
        let mut fields = Fields::of(node, "`export`", problems)?;
        let export = Self { schema: read_schema(&mut fields), transform: fields.optional("as") };
        fields.close();
        Some(export)
    }
}

/// `from` and `as`: a string, which is an expression, or an object with expressions inside.
#[derive(Clone, Copy)]
pub(crate) struct Transform<'a>(pub(crate) &'a Node);

impl<'a> Read<'a> for Transform<'a> {
    fn read(node: &'a Node, problems: &'a Problems<'a>) -> Option<Self> {
        let fits = matches!(node.content, Content::String(_) | Content::Object(_));
        if !fits {
            wrong_type(node, "an expression or an object", None, problems);
        }
        fits.then_some(Self(node))
    }
}

/// An inline JSON Schema.
#[derive(Clone, Copy)]
pub(crate) struct SchemaDocument<'a>(pub(crate) &'a Node);

/// `schema`, which may be absent.
fn read_schema<'a>(outer: &mut Fields<'a>) -> Option<SchemaDocument<'a>> {
    let problems = outer.problems();
    let mut fields = Fields::of(outer.node("schema")?, "`schema`", problems)?;
    if let Some(format) = fields.optional::<Text<'a>>("format")
        && format.value != "json"
        && !format.value.starts_with("json:")
    {
        let what = format!("the schema format {}", quoted(format.value));
        problems.not_supported(format.place(), &what, "write it as JSON Schema, `format: json`");
    }
    let which = fields.one_of(&["document", "resource"]);
    let document = fields.node("document");
    if let Some(resource) = fields.optional::<ExternalResource>("resource") {
        let help = "write the schema inline, under `document`";
        problems.not_supported(resource.place, "a schema from an external resource", help);
    }
    fields.close();
    which.and(document).map(SchemaDocument)
}

/// A resource to be fetched from elsewhere: nothing runs it yet, so only its place is kept.
pub(crate) struct ExternalResource {
    pub(crate) place: Span,
}

impl<'a> Read<'a> for ExternalResource {
    fn read(node: &'a Node, problems: &'a Problems<'a>) -> Option<Self> {
        let mut fields = Fields::of(node, "an external resource", problems)?;
        let _: Option<Text<'a>> = fields.optional("name");
        let _: Option<super::Endpoint<'a>> = fields.required("endpoint");
        fields.close();
        Some(Self { place: node.place() })
    }
}

/// A duration.
#[derive(Clone, Copy)]
pub(crate) enum Duration<'a> {
    /// `{seconds: 3}`, in milliseconds.
    Constant(u64),
    /// ISO 8601 or an expression.
    Text(Text<'a>),
}

impl<'a> Read<'a> for Duration<'a> {
    fn read(node: &'a Node, problems: &'a Problems<'a>) -> Option<Self> {
        match &node.content {
            Content::String(_) => Text::read(node, problems).map(Self::Text),
            Content::Object(_) => read_parts(node, problems).map(Self::Constant),
            _ => {
                let help = "write `PT3S`, or `{ seconds: 3 }`".to_owned();
                wrong_type(node, "a duration", Some(help), problems);
                None
            }
        }
    }
}

/// The sum of the parts in milliseconds.
fn read_parts<'a>(node: &'a Node, problems: &'a Problems<'a>) -> Option<u64> {
    const UNITS: [(&str, u64); 5] =
        [("days", 86_400_000), ("hours", 3_600_000), ("minutes", 60_000), ("seconds", 1_000), ("milliseconds", 1)];
    let mut fields = Fields::of(node, "a duration", problems)?;
    if !UNITS.iter().any(|(unit, _)| fields.has(unit)) {
        let help = "write for example `{ seconds: 3 }`".to_owned();
        problems.error_help(node.place(), "duration", "the duration names no unit", help);
    }
    let mut total = Some(0u64);
    for (unit, milliseconds) in UNITS {
        if let Some(amount) = fields.optional::<u64>(unit) {
            total = total.and_then(|total| amount.checked_mul(milliseconds)?.checked_add(total));
        }
    }
    if total.is_none() {
        problems.error(node.place(), "duration", "the duration is longer than can be counted");
    }
    fields.close();
    total
}

/// `timeout`: inline, or the name of one of `use.timeouts`.
#[derive(Clone, Copy)]
pub(crate) enum Timeout<'a> {
    After(Duration<'a>),
    Named(Text<'a>),
}

impl<'a> Read<'a> for Timeout<'a> {
    fn read(node: &'a Node, problems: &'a Problems<'a>) -> Option<Self> {
        if node.as_str().is_some() {
            return Text::read(node, problems).map(Self::Named);
        }
        let mut fields = Fields::of(node, "`timeout`", problems)?;
        let after = fields.required("after");
        fields.close();
        after.map(Self::After)
    }
}
