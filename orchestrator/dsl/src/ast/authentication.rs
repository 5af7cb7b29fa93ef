//! Authentication policies.

use crate::{
    fields::{Fields, Read, Text, word, wrong_type},
    problems::Problems,
    tree::{Content, Node},
};

/// An authentication policy; absent inside where this runtime cannot do what it says.
pub(crate) struct Authentication<'a>(pub(crate) Option<(Scheme, Credentials<'a>)>);

/// An authentication scheme that runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Basic,
    Bearer,
    Digest,
}

impl Scheme {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Bearer => "bearer",
            Self::Digest => "digest",
        }
    }
}

/// What a scheme authenticates with.
pub(crate) enum Credentials<'a> {
    User {
        username: Option<&'a Node>,
        password: Option<&'a Node>,
    },
    Token(Option<&'a Node>),
    /// Name of a secret that has the scheme's members.
    Secret(Text<'a>),
}

/// Inline, or the name of one of `use.authentications`.
pub(crate) enum AuthenticationChoice<'a> {
    Inline(Authentication<'a>),
    Named(Text<'a>),
}

impl<'a> Read<'a> for AuthenticationChoice<'a> {
    fn read(node: &'a Node, problems: &'a Problems<'a>) -> Option<Self> {
        if node.as_str().is_some() {
            return Text::read(node, problems).map(Self::Named);
        }
        let mut fields = Fields::of(node, "an authentication", problems)?;
        if !fields.has("use") {
            return Authentication::read(node, problems).map(Self::Inline);
        }
        let name = fields.required("use");
        fields.close();
        name.map(Self::Named)
    }
}

impl<'a> Read<'a> for Authentication<'a> {
    fn read(node: &'a Node, problems: &'a Problems<'a>) -> Option<Self> {
        let mut fields = Fields::of(node, "an authentication policy", problems)?;
        let which = fields.one_of(&["basic", "bearer", "digest", "oauth2", "oidc"]);
        let policy = which.and_then(|which| {
            let node = fields.node(which)?;
            match which {
                "basic" => read_user(node, problems).map(|credentials| (Scheme::Basic, credentials)),
                "digest" => read_user(node, problems).map(|credentials| (Scheme::Digest, credentials)),
                "bearer" => read_token(node, problems).map(|credentials| (Scheme::Bearer, credentials)),
                other => {
                    check_oauth2(node, other == "oauth2", problems);
                    let help = "fetch a token with `call: http` and pass it as `bearer`";
                    problems.not_supported(node.place(), &format!("`{other}` authentication"), help);
                    None
                }
            }
        });
        fields.close();
        Some(Self(policy))
    }
}

fn read_user<'a>(node: &'a Node, problems: &'a Problems<'a>) -> Option<Credentials<'a>> {
    let mut fields = Fields::of(node, "the policy", problems)?;
    let credentials = if fields.has("use") {
        fields.required("use").map(Credentials::Secret)
    } else {
        let username = fields.required::<&Node>("username").filter(|node| is_scalar(node, problems));
        let password = fields.required::<&Node>("password").filter(|node| is_scalar(node, problems));
        Some(Credentials::User { username, password })
    };
    fields.close();
    credentials
}

/// `bearer`: the examples give the token directly, the schema under `token`.
fn read_token<'a>(node: &'a Node, problems: &'a Problems<'a>) -> Option<Credentials<'a>> {
    if node.as_str().is_some() {
        return Some(Credentials::Token(Some(node)));
    }
    let mut fields = Fields::of(node, "the policy", problems)?;
    let credentials = if fields.has("use") {
        fields.required("use").map(Credentials::Secret)
    } else {
        let token = fields.required::<&Node>("token").filter(|node| is_scalar(node, problems));
        Some(Credentials::Token(token))
    };
    fields.close();
    credentials
}

/// The specification's examples write numbers as passwords, its schema wants strings.
fn is_scalar(node: &Node, problems: &Problems<'_>) -> bool {
    let fits = matches!(node.content, Content::String(_) | Content::Number(_));
    if !fits {
        wrong_type(node, "a string", None, problems);
    }
    fits
}

/// Reads `oauth2` and `oidc` for their mistakes; nothing runs them yet.
fn check_oauth2<'a>(node: &'a Node, has_endpoints: bool, problems: &'a Problems<'a>) {
    let Some(mut fields) = Fields::of(node, "the policy", problems) else { return };
    if fields.has("use") {
        let _: Option<Text<'a>> = fields.required("use");
        return fields.close();
    }
    let _: Option<Text<'a>> = fields.required("authority");
    // The text's example writes `client-credentials`, the schema `client_credentials`.
    const GRANTS: [&str; 6] = [
        "authorization_code",
        "client_credentials",
        "client-credentials",
        "password",
        "refresh_token",
        "urn:ietf:params:oauth:grant-type:token-exchange",
    ];
    let grant = fields.required::<&Node>("grant");
    word(grant, &GRANTS.map(|grant| (grant, ())), problems);
    check_client(fields.node("client"), problems);
    if has_endpoints {
        check_texts(fields.node("endpoints"), "`endpoints`", &["token", "revocation", "introspection"], problems);
    }
    check_texts(fields.node("request"), "`request`", &["encoding"], problems);
    for key in ["issuers", "scopes", "audiences"] {
        let _: Option<Vec<Text<'a>>> = fields.optional(key);
    }
    for key in ["username", "password"] {
        let _: Option<Text<'a>> = fields.optional(key);
    }
    for key in ["subject", "actor"] {
        check_texts(fields.node(key), "a token", &["token", "type"], problems);
    }
    fields.close();
}

fn check_client<'a>(node: Option<&'a Node>, problems: &'a Problems<'a>) {
    check_texts(node, "`client`", &["id", "secret", "assertion", "authentication"], problems);
}

/// An object of optional strings.
pub(crate) fn check_texts<'a>(
    node: Option<&'a Node>,
    what: &'static str,
    keys: &[&'static str],
    problems: &'a Problems<'a>,
) {
    let Some(mut fields) = node.and_then(|node| Fields::of(node, what, problems)) else { return };
    for key in keys {
        let _: Option<Text<'a>> = fields.optional(key);
    }
    fields.close();
}
