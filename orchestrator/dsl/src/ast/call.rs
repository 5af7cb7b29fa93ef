//! `call`.

use super::{AuthenticationChoice, protocol};
use crate::{
    fields::{Fields, Object, Read, Text, word, wrong_type},
    problems::{Problems, quoted},
    tree::{Content, Node},
};

/// `call` with `with`.
pub(crate) enum Call<'a> {
    Http(Http<'a>),
    /// A function of an adapter: `function[:version]@adapter`.
    Adapter {
        function: &'a str,
        version: Option<&'a str>,
        adapter: &'a str,
        with: Option<Object<'a>>,
    },
    /// A function of `use.functions`.
    Function {
        name: Text<'a>,
        with: Option<Object<'a>>,
    },
}

/// The arguments of `call: http`.
pub(crate) struct Http<'a> {
    pub(crate) method: Option<Text<'a>>,
    pub(crate) endpoint: Option<Endpoint<'a>>,
    pub(crate) headers: Option<&'a Node>,
    pub(crate) query: Option<&'a Node>,
    pub(crate) body: Option<&'a Node>,
    pub(crate) output: Option<&'static str>,
    pub(crate) redirect: Option<bool>,
}

/// An endpoint.
pub(crate) struct Endpoint<'a> {
    pub(crate) uri: Option<Text<'a>>,
    pub(crate) authentication: Option<AuthenticationChoice<'a>>,
}

impl<'a> Call<'a> {
    pub(crate) fn read_task(task: &mut Fields<'a>) -> Option<Self> {
        let problems = task.problems();
        let name: Text<'a> = task.required("call")?;
        if let Some(protocol) = protocol::find(name.value) {
            let with = task.required::<&Node>("with");
            if let Some(with) = with {
                (protocol.check)(with, problems);
            }
            problems.not_supported(name.place(), &format!("`call: {}`", protocol.name), protocol.help);
            return None;
        }
        if name.value == "http" {
            return task.required("with").map(Self::Http);
        }
        let with = task.optional("with");
        if name.value.contains("://") {
            let help = "declare the function under `use.functions`, or call an adapter's: `function@adapter`";
            problems.not_supported(name.place(), "a function by URL", help);
            return None;
        }
        match name.value.split_once('@') {
            None => Some(Self::Function { name, with }),
            Some((function, adapter)) => {
                let (function, version) =
                    function.split_once(':').map_or((function, None), |(name, version)| (name, Some(version)));
                is_adapter_call(name, function, version, adapter, problems).then_some(Self::Adapter {
                    function,
                    version,
                    adapter,
                    with,
                })
            }
        }
    }
}

/// Whether the three parts of `function:version@adapter` can be names.
fn is_adapter_call(
    name: Text<'_>,
    function: &str,
    version: Option<&str>,
    adapter: &str,
    problems: &Problems<'_>,
) -> bool {
    let is_name = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    };
    let fits = is_name(function) && is_name(adapter) && version.is_none_or(super::workflow::is_semantic_version);
    if !fits {
        let message = format!("{} is not a function of an adapter", quoted(name.value));
        let help = "write `function@adapter`, or `function:1.0.0@adapter`".to_owned();
        problems.error_help(name.place(), "name", message, help);
    }
    fits
}

impl<'a> Read<'a> for Http<'a> {
    fn read(node: &'a Node, problems: &'a Problems<'a>) -> Option<Self> {
        let mut fields = Fields::of(node, "`with` of `call: http`", problems)?;
        let outputs = ["raw", "content", "response"].map(|word| (word, word));
        let http = Self {
            method: fields.required("method"),
            endpoint: fields.required("endpoint"),
            headers: fields.node("headers").filter(|node| is_map_of_scalars(node, problems)),
            query: fields.node("query").filter(|node| is_map_or_expression(node, problems)),
            body: fields.node("body"),
            output: word(fields.node("output"), &outputs, problems),
            redirect: fields.optional("redirect"),
        };
        fields.close();
        Some(http)
    }
}

fn is_map_or_expression(node: &Node, problems: &Problems<'_>) -> bool {
    let fits = match &node.content {
        Content::Object(_) => true,
        Content::String(text) => text.trim_start().starts_with("${"),
        _ => false,
    };
    if !fits {
        wrong_type(node, "an object or an expression `${ … }`", None, problems);
    }
    fits
}

/// Header fields are text: a list or an object has no one way to be written as such.
fn is_map_of_scalars(node: &Node, problems: &Problems<'_>) -> bool {
    if let Content::Object(entries) = &node.content {
        for (_, value) in entries {
            if !matches!(value.content, Content::String(_) | Content::Number(_) | Content::Bool(_)) {
                wrong_type(value, "a string", None, problems);
            }
        }
    }
    is_map_or_expression(node, problems)
}

impl<'a> Read<'a> for Endpoint<'a> {
    fn read(node: &'a Node, problems: &'a Problems<'a>) -> Option<Self> {
        if node.as_str().is_some() {
            return Some(Self { uri: Text::read(node, problems), authentication: None });
        }
        let mut fields = Fields::of(node, "an endpoint", problems)?;
        let endpoint = Self { uri: fields.required("uri"), authentication: fields.optional("authentication") };
        fields.close();
        Some(endpoint)
    }
}
