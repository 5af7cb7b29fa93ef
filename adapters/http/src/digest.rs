//! Digest access authentication, RFC 7616: MD5 and SHA-256, their session forms, `qop=auth` and its absence (RFC 2069).
//! `auth-int` and user-name hashing are not offered: no service in use asks for them.

use md5::Md5;
use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::client::Outgoing;

/// What a server asks for.
#[derive(Debug, PartialEq)]
pub(crate) struct Challenge {
    realm: String,
    nonce: String,
    opaque: Option<String>,
    algorithm: Algorithm,
    /// As it was spelled.
    algorithm_name: Option<String>,
    session: bool,
    /// Whether `qop=auth` is offered.
    protected: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Algorithm {
    Md5,
    Sha256,
}

impl Challenge {
    /// The strongest challenge that can be answered.
    pub(crate) fn choose(headers: &HeaderMap) -> Option<Self> {
        headers
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(challenges)
            .filter_map(|parameters| Self::read(&parameters))
            .max_by_key(|challenge| challenge.algorithm)
    }

    fn read(parameters: &[(String, String)]) -> Option<Self> {
        let get = |name: &str| parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        let algorithm_name = get("algorithm");
        let spelled = algorithm_name.clone().unwrap_or_else(|| "MD5".to_owned()).to_ascii_uppercase();
        let (base, session) = spelled.strip_suffix("-SESS").map_or((spelled.as_str(), false), |base| (base, true));
        let algorithm = match base {
            "MD5" => Algorithm::Md5,
            "SHA-256" => Algorithm::Sha256,
            _ => return None,
        };
        let protected = match get("qop") {
            Some(offered) if offered.split(',').any(|word| word.trim().eq_ignore_ascii_case("auth")) => true,
            Some(_) => return None,
            None => false,
        };
        Some(Self {
            realm: get("realm")?,
            nonce: get("nonce")?,
            opaque: get("opaque"),
            algorithm,
            algorithm_name,
            session,
            protected,
        })
    }

    /// The value of `Authorization` that answers this challenge.
    pub(crate) fn answer(&self, request: &Outgoing, username: &str, password: &str) -> String {
        let url = &request.url;
        let uri = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        self.answer_with(request.method.as_str(), &uri, username, password, &Uuid::new_v4().simple().to_string())
    }

    fn answer_with(&self, method: &str, uri: &str, username: &str, password: &str, cnonce: &str) -> String {
        // Every challenge is answered once, so that the counter of its nonce is always 1.
        const COUNT: &str = "00000001";
        let hash = |text: String| self.hash(&text);
        let nonce = &self.nonce;
        let mut secret = hash(format!("{username}:{}:{password}", self.realm));
        if self.session {
            secret = hash(format!("{secret}:{nonce}:{cnonce}"));
        }
        let request = hash(format!("{method}:{uri}"));
        let response = if self.protected {
            hash(format!("{secret}:{nonce}:{COUNT}:{cnonce}:auth:{request}"))
        } else {
            hash(format!("{secret}:{nonce}:{request}"))
        };
        let mut answer = format!(
            "Digest username=\"{}\", realm=\"{}\", nonce=\"{}\", uri=\"{uri}\", response=\"{response}\"",
            quoted(username),
            quoted(&self.realm),
            quoted(nonce)
        );
        if let Some(algorithm) = &self.algorithm_name {
            answer.push_str(&format!(", algorithm={algorithm}"));
        }
        if self.protected {
            answer.push_str(&format!(", qop=auth, nc={COUNT}"));
        }
        if self.protected || self.session {
            answer.push_str(&format!(", cnonce=\"{cnonce}\""));
        }
        if let Some(opaque) = &self.opaque {
            answer.push_str(&format!(", opaque=\"{}\"", quoted(opaque)));
        }
        answer
    }

    fn hash(&self, text: &str) -> String {
        let bytes = match self.algorithm {
            Algorithm::Md5 => Md5::digest(text.as_bytes()).to_vec(),
            Algorithm::Sha256 => Sha256::digest(text.as_bytes()).to_vec(),
        };
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// The parameters of every `Digest` challenge in a header that may hold several challenges of several schemes.
fn challenges(header: &str) -> Vec<Vec<(String, String)>> {
    let mut found: Vec<(bool, Vec<(String, String)>)> = Vec::new();
    for part in parts(header) {
        let (name, value) = part.split_once('=').unwrap_or((&part, ""));
        let mut name = name.trim();
        // `Digest realm="x"`: a scheme stands before the first parameter of its challenge.
        if let Some((scheme, first)) = name.split_once(char::is_whitespace) {
            found.push((scheme.eq_ignore_ascii_case("digest"), Vec::new()));
            name = first.trim();
        }
        if let Some((true, parameters)) = found.last_mut() {
            parameters.push((name.to_ascii_lowercase(), unquoted(value.trim())));
        }
    }
    found.into_iter().filter(|(digest, _)| *digest).map(|(_, parameters)| parameters).collect()
}

/// Splits at commas outside quotes.
fn parts(header: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let (mut quoted, mut escaped) = (false, false);
    for character in header.chars() {
        match character {
            ',' if !quoted => {
                parts.push(String::new());
                continue;
            }
            '"' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = quoted && character == '\\' && !escaped;
        if let Some(part) = parts.last_mut() {
            part.push(character);
        }
    }
    parts.iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return value.to_owned() };
    let mut escaped = false;
    inner
        .chars()
        .filter(|character| {
            escaped = *character == '\\' && !escaped;
            !escaped
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};

    use super::Challenge;

    const COMMON: &str = r#"realm="http-auth@example.org", qop="auth, auth-int", nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS""#;
    const CNONCE: &str = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";

    fn header(value: &str) -> HeaderMap {
        [(WWW_AUTHENTICATE, HeaderValue::from_str(value).unwrap())].into_iter().collect()
    }

    /// The worked example of RFC 7616, section 3.9.1.
    #[test]
    fn the_examples_of_the_rfc_come_out() {
        for (algorithm, response) in [
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ] {
            let challenge = Challenge::choose(&header(&format!("Digest {COMMON}, algorithm={algorithm}"))).unwrap();
            let answer = challenge.answer_with("GET", "/dir/index.html", "Mufasa", "Circle of Life", CNONCE);
            assert!(answer.contains(&format!("response=\"{response}\"")), "{answer}");
            assert!(answer.contains("qop=auth, nc=00000001, cnonce="), "{answer}");
        }
    }

    #[test]
    fn the_strongest_challenge_is_chosen_among_several_schemes_in_one_header() {
        let both = format!("Basic realm=\"a, b\", Digest {COMMON}, algorithm=MD5, Digest {COMMON}, algorithm=SHA-256");
        let challenge = Challenge::choose(&header(&both)).unwrap();
        assert_eq!(challenge.algorithm_name.as_deref(), Some("SHA-256"));
        assert_eq!(challenge.realm, "http-auth@example.org");
        assert_eq!(Challenge::choose(&header("Digest realm=\"x\", nonce=\"y\", qop=\"auth-int\"")), None);
        assert_eq!(Challenge::choose(&header("Bearer realm=\"x\"")), None);
    }
}
