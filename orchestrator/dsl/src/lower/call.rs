//! `call` and `run`: what adapters get.

use sagabus_core::{
    plan::{Call, CallKeyword, Kind, SubFlow, Template},
    suggest::closest,
};
use serde_json::Value;

use super::{
    Lowering,
    expression::{constant, object, value},
    scope::{Scope, Stage},
};
use crate::{
    ast,
    ast::{Program, run::Process},
    fields::{Object, Text},
    problems::quoted,
    template::Opening,
    tree::Node,
};

/// Members of an object to be.
type Entries = Vec<(String, Template)>;

impl<'a> Lowering<'a> {
    pub(super) fn call(&mut self, call: &'a ast::Call<'a>, scope: &Scope<'a>) -> Option<Kind> {
        match call {
            ast::Call::Http(http) => Some(Kind::Call(self.http(http, scope))),
            ast::Call::Adapter { function, version, adapter, with } => Some(Kind::Call(Call {
                keyword: CallKeyword::Call,
                adapter: (*adapter).into(),
                function: (*function).into(),
                version: version.map(Into::into),
                arguments: self.with(*with, scope).unwrap_or_else(|| object(Vec::new())),
                authentication: None,
                wait: true,
            })),
            ast::Call::Function { name, with } => {
                let with = self.with(*with, scope);
                let index = self.uses.functions.names().position(|known| known == name.value);
                let Some(index) = index else {
                    self.unknown_function(*name);
                    return None;
                };
                if let Some(caller) = self.function {
                    self.calls.push((caller, index, name.place()));
                }
                Some(self.function_call(index, with))
            }
        }
    }

    fn with(&self, with: Option<Object<'a>>, scope: &Scope<'a>) -> Option<Template> {
        with.map(|with| self.template(with.node, Stage::Definition, scope))
    }

    fn unknown_function(&self, name: Text<'a>) {
        let message = format!("there is no function {}", quoted(name.value));
        let known = self.uses.functions.names().chain(["http"]);
        let help = closest(name.value, known.clone())
            .map(|nearest| format!("did you mean {}?", quoted(nearest)))
            .or_else(|| self.problems.suggestion(name.value, self.uses.functions.names()))
            .unwrap_or_else(|| "declare it under `use.functions`, or call an adapter's: `function@adapter`".to_owned());
        self.problems.error_help(name.place(), "unknown-function", message, help);
    }

    fn http(&self, http: &'a ast::Http<'a>, scope: &Scope<'a>) -> Call {
        let stage = Stage::Definition;
        let text = |text: Text<'a>| self.string(text, stage, scope, Opening::Any);
        let node = |node: &'a Node| self.template(node, stage, scope);
        let endpoint = http.endpoint.as_ref();
        let uri = endpoint.and_then(|endpoint| endpoint.uri).map(|uri| self.uri(uri, stage, scope));
        let authentication = endpoint.and_then(|endpoint| endpoint.authentication.as_ref());
        let entries = [
            ("method", http.method.map(text)),
            ("endpoint", uri),
            ("headers", http.headers.map(node)),
            ("query", http.query.map(node)),
            ("body", http.body.map(node)),
            ("output", http.output.map(constant)),
            ("redirect", http.redirect.map(|redirect| value(Value::Bool(redirect)))),
        ];
        Call {
            keyword: CallKeyword::Call,
            adapter: "http".into(),
            function: "request".into(),
            version: None,
            arguments: present(entries),
            authentication: authentication.and_then(|choice| self.authentication(choice, scope)),
            wait: true,
        }
    }

    pub(super) fn run(&self, run: &'a ast::Run<'a>, scope: &Scope<'a>) -> Option<Kind> {
        let returns = ("return", run.returns.map(constant));
        let (function, arguments) = match run.program.as_ref()? {
            Program::Workflow(flow) => return self.sub_flow(flow, run, scope).map(Kind::SubFlow),
            Program::Shell { command, process } => {
                let command = ("command", command.map(|command| self.command(command, scope)));
                ("shell", [vec![command], self.process(process, scope), vec![returns]].concat())
            }
            Program::Script { language, code, process } => {
                let language = ("language", language.map(constant));
                // Never a template: `${x}` is JavaScript's own in it.
                let code = ("code", code.map(|code| constant(code.value)));
                ("script", [vec![language, code], self.process(process, scope), vec![returns]].concat())
            }
        };
        Some(Kind::Call(Call {
            keyword: CallKeyword::Run,
            adapter: "process".into(),
            function: function.into(),
            version: None,
            arguments: present(arguments),
            authentication: None,
            wait: run.wait,
        }))
    }

    /// A shell command. Values that get into it become part of the program.
    fn command(&self, command: Text<'a>, scope: &Scope<'a>) -> Template {
        let template = self.string(command, Stage::Definition, scope, Opening::NotOfShell);
        if matches!(template, Template::Text(_)) {
            let message = "a value in the text of a command can run other commands";
            let help = "pass it in `arguments` (`\"$1\"`) or `environment` (`\"$NAME\"`)";
            self.problems.warning(command.place(), "shell-injection", message, help);
        }
        template
    }

    fn process(&self, process: &'a Process<'a>, scope: &Scope<'a>) -> Vec<(&'static str, Option<Template>)> {
        let stage = Stage::Definition;
        vec![
            ("arguments", process.arguments.map(|node| self.template(node, stage, scope))),
            ("environment", process.environment.map(|object| self.template(object.node, stage, scope))),
            ("stdin", process.stdin.map(|text| self.string(text, stage, scope, Opening::Any))),
        ]
    }

    fn sub_flow(&self, flow: &'a ast::SubFlow<'a>, run: &'a ast::Run<'a>, scope: &Scope<'a>) -> Option<SubFlow> {
        let input = flow.input.map(|node| self.template(node, Stage::Definition, scope));
        Some(SubFlow {
            namespace: flow.namespace?.value.to_owned(),
            name: flow.name?.value.to_owned(),
            version: flow.version.map(|version| version.value.to_owned()),
            input,
            wait: run.wait,
            returns: run.returns != Some("none"),
        })
    }
}

/// An object of the members that are there.
fn present(entries: impl IntoIterator<Item = (&'static str, Option<Template>)>) -> Template {
    let entries: Entries =
        entries.into_iter().filter_map(|(name, template)| Some((name.to_owned(), template?))).collect();
    object(entries)
}
