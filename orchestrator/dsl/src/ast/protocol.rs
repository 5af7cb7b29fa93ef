//! The calls that nothing runs yet: their arguments are read for their mistakes, then the call is refused.

use super::{AuthenticationChoice, Duration, Endpoint, List, authentication::check_texts, data::ExternalResource};
use crate::{
    fields::{Fields, Object, Text, word, wrong_type},
    problems::Problems,
    tree::{Content, Node},
};

/// A protocol of `call`.
pub(crate) struct Protocol {
    pub(crate) name: &'static str,
    /// What to do instead.
    pub(crate) help: &'static str,
    /// Reports what is wrong with `with`.
    pub(crate) check: for<'a> fn(&'a Node, &'a Problems<'a>),
}

const PROTOCOLS: [Protocol; 5] = [
    Protocol { name: "a2a", help: "talk to the agent's server with `call: http`", check: check_a2a },
    Protocol { name: "asyncapi", help: "use `emit` and `listen`, or `call: http`", check: check_asyncapi },
    Protocol { name: "grpc", help: "call the service with `call: http`, or from a script", check: check_grpc },
    Protocol { name: "mcp", help: "talk to the server with `call: http`", check: check_mcp },
    Protocol { name: "openapi", help: "call the operation with `call: http`", check: check_openapi },
];

/// The protocol of this name.
pub(crate) fn find(name: &str) -> Option<&'static Protocol> {
    const ALL: &[Protocol] = &PROTOCOLS;
    ALL.iter().find(|protocol| protocol.name == name)
}

fn check_openapi<'a>(node: &'a Node, problems: &'a Problems<'a>) {
    let Some(mut fields) = Fields::of(node, "`with` of `call: openapi`", problems) else { return };
    let _: Option<ExternalResource> = fields.required("document");
    let _: Option<Text<'a>> = fields.required("operationId");
    let _: Option<Object<'a>> = fields.optional("parameters");
    let _: Option<AuthenticationChoice<'a>> = fields.optional("authentication");
    word(fields.node("output"), &["raw", "content", "response"].map(|output| (output, ())), problems);
    let _: Option<bool> = fields.optional("redirect");
    fields.close();
}

fn check_grpc<'a>(node: &'a Node, problems: &'a Problems<'a>) {
    let Some(mut fields) = Fields::of(node, "`with` of `call: grpc`", problems) else { return };
    let _: Option<ExternalResource> = fields.required("proto");
    let service = fields.required::<&Node>("service");
    if let Some(mut fields) = service.and_then(|node| Fields::of(node, "`service`", problems)) {
        let _: Option<Text<'a>> = fields.required("name");
        let _: Option<Text<'a>> = fields.required("host");
        let _: Option<u64> = fields.optional("port");
        let _: Option<AuthenticationChoice<'a>> = fields.optional("authentication");
        fields.close();
    }
    let _: Option<Text<'a>> = fields.required("method");
    let _: Option<Object<'a>> = fields.optional("arguments");
    fields.close();
}

fn check_asyncapi<'a>(node: &'a Node, problems: &'a Problems<'a>) {
    let Some(mut fields) = Fields::of(node, "`with` of `call: asyncapi`", problems) else { return };
    let _: Option<ExternalResource> = fields.required("document");
    fields.one_of(&["operation", "channel"]);
    fields.one_of(&["message", "subscription"]);
    for key in ["channel", "operation", "protocol"] {
        let _: Option<Text<'a>> = fields.optional(key);
    }
    if let Some(mut fields) = fields.node("server").and_then(|node| Fields::of(node, "`server`", problems)) {
        let _: Option<Text<'a>> = fields.required("name");
        let _: Option<Object<'a>> = fields.optional("variables");
        fields.close();
    }
    if let Some(mut fields) = fields.node("message").and_then(|node| Fields::of(node, "`message`", problems)) {
        let _: Option<Object<'a>> = fields.optional("payload");
        let _: Option<Object<'a>> = fields.optional("headers");
        fields.close();
    }
    if let Some(node) = fields.node("subscription") {
        check_subscription(node, problems);
    }
    let _: Option<AuthenticationChoice<'a>> = fields.optional("authentication");
    fields.close();
}

fn check_subscription<'a>(node: &'a Node, problems: &'a Problems<'a>) {
    let Some(mut fields) = Fields::of(node, "`subscription`", problems) else { return };
    let _: Option<Text<'a>> = fields.optional("filter");
    let consume = fields.required::<&Node>("consume");
    if let Some(mut fields) = consume.and_then(|node| Fields::of(node, "`consume`", problems)) {
        fields.one_of(&["amount", "while", "until"]);
        let _: Option<u64> = fields.optional("amount");
        let _: Option<Text<'a>> = fields.optional("while");
        let _: Option<Text<'a>> = fields.optional("until");
        let _: Option<Duration<'a>> = fields.optional("for");
        fields.close();
    }
    if let Some(mut fields) = fields.node("foreach").and_then(|node| Fields::of(node, "`foreach`", problems)) {
        let _: Option<Text<'a>> = fields.optional("item");
        let _: Option<Text<'a>> = fields.optional("at");
        let _: Option<List<'a>> = fields.optional("do");
        let _: Option<super::Output<'a>> = fields.optional("output");
        let _: Option<super::Export<'a>> = fields.optional("export");
        fields.close();
    }
    fields.close();
}

fn check_a2a<'a>(node: &'a Node, problems: &'a Problems<'a>) {
    let Some(mut fields) = Fields::of(node, "`with` of `call: a2a`", problems) else { return };
    let _: Option<Text<'a>> = fields.required("method");
    let _: Option<ExternalResource> = fields.optional("agentCard");
    let _: Option<Endpoint<'a>> = fields.optional("server");
    check_parameters(fields.node("parameters"), problems);
    fields.close();
}

fn check_mcp<'a>(node: &'a Node, problems: &'a Problems<'a>) {
    let Some(mut fields) = Fields::of(node, "`with` of `call: mcp`", problems) else { return };
    let _: Option<Text<'a>> = fields.optional("protocolVersion");
    let _: Option<Text<'a>> = fields.required("method");
    check_parameters(fields.node("parameters"), problems);
    let _: Option<Duration<'a>> = fields.optional("timeout");
    check_texts(fields.node("client"), "`client`", &["name", "version"], problems);
    let transport = fields.required::<&Node>("transport");
    if let Some(mut fields) = transport.and_then(|node| Fields::of(node, "`transport`", problems)) {
        fields.one_of(&["http", "stdio"]);
        if let Some(mut fields) = fields.node("http").and_then(|node| Fields::of(node, "`http`", problems)) {
            let _: Option<Endpoint<'a>> = fields.required("endpoint");
            let _: Option<Object<'a>> = fields.optional("headers");
            fields.close();
        }
        if let Some(mut fields) = fields.node("stdio").and_then(|node| Fields::of(node, "`stdio`", problems)) {
            let _: Option<Text<'a>> = fields.required("command");
            let _: Option<Vec<Text<'a>>> = fields.optional("arguments");
            let _: Option<Object<'a>> = fields.optional("environment");
            fields.close();
        }
        let _: Option<Object<'a>> = fields.optional("options");
        fields.close();
    }
    fields.close();
}

fn check_parameters(node: Option<&Node>, problems: &Problems<'_>) {
    if let Some(node) = node
        && !matches!(node.content, Content::Object(_) | Content::String(_))
    {
        wrong_type(node, "an object or an expression", None, problems);
    }
}
