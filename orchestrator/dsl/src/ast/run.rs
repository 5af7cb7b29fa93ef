//! `run`.

use super::data::ExternalResource;
use crate::{
    fields::{Fields, Object, Text, word, wrong_type},
    problems::{Problems, quoted},
    tree::{Content, Node},
};

/// `run`.
pub(crate) struct Run<'a> {
    pub(crate) wait: bool,
    pub(crate) returns: Option<&'static str>,
    pub(crate) program: Option<Program<'a>>,
}

/// What is run.
pub(crate) enum Program<'a> {
    Shell { command: Option<Text<'a>>, process: Process<'a> },
    Script { language: Option<&'static str>, code: Option<Text<'a>>, process: Process<'a> },
    Workflow(SubFlow<'a>),
}

/// What shells and scripts share.
pub(crate) struct Process<'a> {
    pub(crate) arguments: Option<&'a Node>,
    pub(crate) environment: Option<Object<'a>>,
    pub(crate) stdin: Option<Text<'a>>,
}

/// `run.workflow`.
pub(crate) struct SubFlow<'a> {
    pub(crate) namespace: Option<Text<'a>>,
    pub(crate) name: Option<Text<'a>>,
    pub(crate) version: Option<Text<'a>>,
    pub(crate) input: Option<&'a Node>,
}

impl<'a> Run<'a> {
    pub(crate) fn read_task(task: &mut Fields<'a>) -> Option<Self> {
        let problems = task.problems();
        let mut fields = Fields::of(task.node("run")?, "`run`", problems)?;
        let returns = ["stdout", "stderr", "code", "all", "none"].map(|word| (word, word));
        let wait = fields.optional("await").unwrap_or(true);
        let returns = word(fields.node("return"), &returns, problems);
        let which = fields.one_of(&["container", "script", "shell", "workflow"]);
        let program = which.and_then(|which| {
            let node = fields.node(which)?;
            match which {
                "script" => read_script(node, problems),
                "shell" => read_shell(node, problems),
                "workflow" => {
                    check_return(fields.node("return"), returns, problems);
                    read_workflow(node, problems).map(Program::Workflow)
                }
                _ => {
                    check_container(node, problems);
                    problems.not_supported(node.place(), "`run.container`", "start it from a shell: `run.shell`");
                    None
                }
            }
        });
        fields.close();
        Some(Self { wait, returns, program })
    }
}

fn read_shell<'a>(node: &'a Node, problems: &'a Problems<'a>) -> Option<Program<'a>> {
    let mut fields = Fields::of(node, "`shell`", problems)?;
    let command = fields.required("command");
    let process = read_process(&mut fields);
    fields.close();
    Some(Program::Shell { command, process })
}

fn read_script<'a>(node: &'a Node, problems: &'a Problems<'a>) -> Option<Program<'a>> {
    let mut fields = Fields::of(node, "`script`", problems)?;
    let language = fields.required::<Text<'a>>("language").and_then(|text| read_language(text, problems));
    fields.one_of(&["code", "source"]);
    let code = fields.optional("code");
    if let Some(source) = fields.optional::<ExternalResource>("source") {
        problems.not_supported(source.place, "a script from an external resource", "write it inline, under `code`");
    }
    let process = read_process(&mut fields);
    fields.close();
    Some(Program::Script { language, code, process })
}

fn read_language(text: Text<'_>, problems: &Problems<'_>) -> Option<&'static str> {
    match text.value {
        "js" | "javascript" => Some("js"),
        "python" => Some("python"),
        other => {
            let what = format!("the script language {}", quoted(other));
            problems.not_supported(text.place(), &what, "write it in `js` or `python`, or call it by `run.shell`");
            None
        }
    }
}

fn read_process<'a>(fields: &mut Fields<'a>) -> Process<'a> {
    let problems = fields.problems();
    let arguments = fields.node("arguments").filter(|node| {
        // The schema says list, the examples of the catalog give named variables.
        let fits = match &node.content {
            Content::Array(_) | Content::Object(_) => true,
            Content::String(text) => text.trim_start().starts_with("${"),
            _ => false,
        };
        if !fits {
            wrong_type(node, "a list, or an object of named variables", None, problems);
        }
        fits
    });
    Process { arguments, environment: fields.optional("environment"), stdin: fields.optional("stdin") }
}

/// A workflow has one output, which stands where processes have their standard output, and no exit code.
fn check_return(node: Option<&Node>, returns: Option<&str>, problems: &Problems<'_>) {
    if let (Some(node), Some(returns @ ("stderr" | "code" | "all"))) = (node, returns) {
        let message = format!("a workflow has nothing to return as {}", quoted(returns));
        let help = "leave `return` out for its output, or write `none`".to_owned();
        problems.error_help(node.value_place(), "wrong-value", message, help);
    }
}

fn read_workflow<'a>(node: &'a Node, problems: &'a Problems<'a>) -> Option<SubFlow<'a>> {
    let mut fields = Fields::of(node, "`workflow`", problems)?;
    let flow = SubFlow {
        namespace: fields.required("namespace"),
        name: fields.required("name"),
        // The schema asks for it and gives a default at once; the default wins.
        version: fields.optional("version"),
        input: fields.node("input"),
    };
    fields.close();
    if let Some(version) = flow.version
        && version.value != "latest"
        && !super::workflow::is_semantic_version(version.value)
    {
        let message = format!("{} is not a semantic version", quoted(version.value));
        let help = "write three numbers, for example `1.0.0`, or `latest`".to_owned();
        problems.error_help(version.place(), "version", message, help);
    }
    Some(flow)
}

/// Reads `container` for its mistakes; nothing runs it yet.
fn check_container<'a>(node: &'a Node, problems: &'a Problems<'a>) {
    let Some(mut fields) = Fields::of(node, "`container`", problems) else { return };
    let _: Option<Text<'a>> = fields.required("image");
    for key in ["name", "command", "stdin", "pullPolicy"] {
        let _: Option<Text<'a>> = fields.optional(key);
    }
    for key in ["ports", "volumes", "environment"] {
        let _: Option<Object<'a>> = fields.optional(key);
    }
    let _: Option<Vec<Text<'a>>> = fields.optional("arguments");
    if let Some(lifetime) = fields.node("lifetime")
        && let Some(mut fields) = Fields::of(lifetime, "`lifetime`", problems)
    {
        let cleanup = fields.required::<&Node>("cleanup");
        word(cleanup, &["always", "never", "eventually"].map(|policy| (policy, ())), problems);
        let _: Option<super::Duration<'a>> = fields.optional("after");
        fields.close();
    }
    fields.close();
}
