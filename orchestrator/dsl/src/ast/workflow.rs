//! The workflow itself: `document`, `use`, `schedule`, `evaluate`.

use super::{
    Authentication, Duration, Error, Input, List, Output, Retry, Task, Timeout,
    event::Consumption,
    task::{TaskBody, check_name},
};
use crate::{
    fields::{Fields, Named, Object, Read, Text, word},
    problems::{Problems, quoted},
    tree::Node,
};

/// The DSL's versions whose documents are read: patches add no syntax.
const DSL_VERSIONS: &str = "1.0.";

/// Longest `namespace` and `name`: DNS labels (RFC 1123), as the schema has it.
const LABEL_LENGTH_MAX: usize = 63;

#[derive(Default)]
pub(crate) struct Workflow<'a> {
    pub(crate) namespace: Option<Text<'a>>,
    pub(crate) name: Option<Text<'a>>,
    pub(crate) version: Option<Text<'a>>,
    pub(crate) input: Input<'a>,
    pub(crate) output: Output<'a>,
    pub(crate) timeout: Option<Timeout<'a>>,
    pub(crate) uses: Use<'a>,
    pub(crate) mode: Mode,
    pub(crate) body: List<'a>,
}

/// `evaluate.mode`.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum Mode {
    #[default]
    Strict,
    Loose,
}

/// `use`.
#[derive(Default)]
pub(crate) struct Use<'a> {
    pub(crate) authentications: Named<'a, Authentication<'a>>,
    pub(crate) errors: Named<'a, Error<'a>>,
    pub(crate) functions: Named<'a, Task<'a>>,
    pub(crate) retries: Named<'a, Retry<'a>>,
    pub(crate) secrets: Vec<Text<'a>>,
    pub(crate) timeouts: Named<'a, Timeout<'a>>,
}

impl<'a> Read<'a> for Workflow<'a> {
    fn read(node: &'a Node, problems: &'a Problems<'a>) -> Option<Self> {
        let mut fields = Fields::of(node, "a workflow", problems)?;
        let mut workflow = Self::default();
        if let Some(document) = fields.required::<Document<'a>>("document") {
            workflow.namespace = document.namespace;
            workflow.name = document.name;
            workflow.version = document.version;
        }
        workflow.input = fields.optional("input").unwrap_or_default();
        workflow.uses = fields.optional("use").unwrap_or_default();
        workflow.body = fields.required("do").unwrap_or_default();
        workflow.timeout = fields.optional("timeout");
        workflow.output = fields.optional("output").unwrap_or_default();
        if let Some(node) = fields.node("schedule") {
            refuse_schedule(node, problems);
        }
        workflow.mode = fields.node("evaluate").and_then(|node| read_evaluate(node, problems)).unwrap_or_default();
        fields.close();
        Some(workflow)
    }
}

struct Document<'a> {
    namespace: Option<Text<'a>>,
    name: Option<Text<'a>>,
    version: Option<Text<'a>>,
}

impl<'a> Read<'a> for Document<'a> {
    fn read(node: &'a Node, problems: &'a Problems<'a>) -> Option<Self> {
        let mut fields = Fields::of(node, "`document`", problems)?;
        if let Some(dsl) = fields.required::<Text<'a>>("dsl") {
            check_dsl(dsl, problems);
        }
        let namespace = fields.required::<Text<'a>>("namespace").filter(|text| is_label(*text, problems));
        let name = fields.required::<Text<'a>>("name").filter(|text| is_label(*text, problems));
        let version = fields.required::<Text<'a>>("version").filter(|text| is_version(*text, problems));
        let _: Option<Text<'a>> = fields.optional("title");
        let _: Option<Text<'a>> = fields.optional("summary");
        let _: Option<Object<'a>> = fields.optional("tags");
        let _: Option<Object<'a>> = fields.optional("metadata");
        fields.close();
        Some(Self { namespace, name, version })
    }
}

fn check_dsl(dsl: Text<'_>, problems: &Problems<'_>) {
    if !is_semantic_version(dsl.value) {
        let message = format!("{} is not a semantic version", quoted(dsl.value));
        problems.error_help(dsl.place(), "version", message, "write `dsl: '1.0.3'`".to_owned());
    } else if !dsl.value.starts_with(DSL_VERSIONS) {
        let message = format!("version {} of the DSL is not read; {DSL_VERSIONS}x is", quoted(dsl.value));
        problems.error_help(dsl.place(), "version", message, "write `dsl: '1.0.3'`".to_owned());
    }
}

fn is_label(text: Text<'_>, problems: &Problems<'_>) -> bool {
    let value = text.value;
    let fits = !value.is_empty()
        && value.len() <= LABEL_LENGTH_MAX
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !value.starts_with('-')
        && !value.ends_with('-');
    if !fits {
        let message = format!("{} is no name: letters, digits and inner hyphens only", quoted(value));
        let help = format!("at most {LABEL_LENGTH_MAX} characters, for example `order-fulfilment`");
        problems.error_help(text.place(), "name", message, help);
    }
    fits
}

fn is_version(text: Text<'_>, problems: &Problems<'_>) -> bool {
    let fits = is_semantic_version(text.value);
    if !fits {
        let message = format!("{} is not a semantic version", quoted(text.value));
        problems.error_help(text.place(), "version", message, "write three numbers, for example `1.0.0`".to_owned());
    }
    fits
}

/// Semantic Versioning 2.0.0: three numbers, then perhaps `-` and a pre-release, then perhaps `+` and build metadata.
pub(crate) fn is_semantic_version(text: &str) -> bool {
    let number = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()) && (part == "0" || !part.starts_with('0'))
    };
    let identifier = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let prerelease = |part: &str| identifier(part) && (!part.bytes().all(|byte| byte.is_ascii_digit()) || number(part));
    let (rest, build) = text.split_once('+').map_or((text, None), |(rest, build)| (rest, Some(build)));
    let (core, pre) = rest.split_once('-').map_or((rest, None), |(core, pre)| (core, Some(pre)));
    core.split('.').count() == 3
        && core.split('.').all(number)
        && pre.is_none_or(|pre| pre.split('.').all(prerelease))
        && build.is_none_or(|build| build.split('.').all(identifier))
}

impl<'a> Read<'a> for Use<'a> {
    fn read(node: &'a Node, problems: &'a Problems<'a>) -> Option<Self> {
        let mut fields = Fields::of(node, "`use`", problems)?;
        let functions = fields.optional::<Named<'a, TaskBody<'a>>>("functions").unwrap_or_default();
        functions.0.iter().for_each(|(key, _)| check_name(key, problems));
        let uses = Self {
            authentications: fields.optional("authentications").unwrap_or_default(),
            errors: fields.optional("errors").unwrap_or_default(),
            functions: Named(functions.0.into_iter().map(|(key, body)| (key, body.0)).collect()),
            retries: fields.optional("retries").unwrap_or_default(),
            secrets: fields.optional("secrets").unwrap_or_default(),
            timeouts: fields.optional("timeouts").unwrap_or_default(),
        };
        if let Some(node) = fields.node("extensions") {
            refuse_extensions(node, problems);
        }
        if let Some(node) = fields.node("catalogs") {
            let _: Option<Named<'a, Catalog>> = Named::read(node, problems);
            let help = "functions of adapters need no catalog: write `call: function@adapter`";
            problems.not_supported(node.place(), "`use.catalogs`", help);
        }
        fields.close();
        Some(uses)
    }
}

/// `use.catalogs` and its members are read for their mistakes only.
struct Catalog;

impl<'a> Read<'a> for Catalog {
    fn read(node: &'a Node, problems: &'a Problems<'a>) -> Option<Self> {
        let mut fields = Fields::of(node, "a catalog", problems)?;
        let _: Option<super::Endpoint<'a>> = fields.required("endpoint");
        fields.close();
        Some(Self)
    }
}

fn refuse_extensions<'a>(node: &'a Node, problems: &'a Problems<'a>) {
    let _: Option<Vec<Named<'a, Extension>>> = Vec::read(node, problems);
    problems.not_supported(node.place(), "`use.extensions`", "put the tasks before and after the ones they extend");
}

struct Extension;

impl<'a> Read<'a> for Extension {
    fn read(node: &'a Node, problems: &'a Problems<'a>) -> Option<Self> {
        const TARGETS: [&str; 12] =
            ["call", "composite", "emit", "for", "listen", "raise", "run", "set", "switch", "try", "wait", "all"];
        let mut fields = Fields::of(node, "an extension", problems)?;
        let extend = fields.required::<&Node>("extend");
        word(extend, &TARGETS.map(|target| (target, ())), problems);
        let _: Option<Text<'a>> = fields.optional("when");
        let _: Option<List<'a>> = fields.optional("before");
        let _: Option<List<'a>> = fields.optional("after");
        fields.close();
        Some(Self)
    }
}

fn refuse_schedule<'a>(node: &'a Node, problems: &'a Problems<'a>) {
    if let Some(mut fields) = Fields::of(node, "`schedule`", problems) {
        let _: Option<Duration<'a>> = fields.optional("every");
        let _: Option<Text<'a>> = fields.optional("cron");
        let _: Option<Duration<'a>> = fields.optional("after");
        let _: Option<Consumption<'a>> = fields.optional("on");
        super::event::read_mode(fields.node("read"), problems);
        if fields.has("read") && !fields.has("on") {
            problems.error(fields.place(), "missing-key", "`read` needs `on`");
        }
        fields.close();
    }
    problems.not_supported(node.place(), "`schedule`", "start the workflow from outside, by cron or by a script");
}

fn read_evaluate<'a>(node: &'a Node, problems: &'a Problems<'a>) -> Option<Mode> {
    let mut fields = Fields::of(node, "`evaluate`", problems)?;
    if let Some(language) = fields.optional::<Text<'a>>("language")
        && language.value != "jq"
    {
        let what = format!("the expression language {}", quoted(language.value));
        problems.not_supported(language.place(), &what, "write expressions in jq");
    }
    let mode = word(fields.node("mode"), &[("strict", Mode::Strict), ("loose", Mode::Loose)], problems);
    fields.close();
    mode
}

#[cfg(test)]
mod tests {
    use super::is_semantic_version;

    #[test]
    fn semantic_versions() {
        for good in ["0.0.0", "1.0.3", "1.0.0-alpha.1", "1.2.3+build.5", "10.20.30-rc.1+x-y"] {
            assert!(is_semantic_version(good), "{good}");
        }
        for bad in ["", "1", "1.0", "01.0.0", "1.0.0-", "1.0.0-01", "1.0.0+", "v1.0.0", "1.0.0.0", "1.0.x"] {
            assert!(!is_semantic_version(bad), "{bad}");
        }
    }
}
