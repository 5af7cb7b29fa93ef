//! Taking secrets out of what comes back from third parties.

use std::collections::BTreeSet;

use base64::{
    Engine as _,
    alphabet::{STANDARD, URL_SAFE},
    engine::{GeneralPurpose, general_purpose::NO_PAD},
};
use serde_json::Value;

/// What stands where a secret was.
const SCRUBBED: &str = "[secret]";

/// Shorter texts are not scrubbed: they would turn up everywhere by chance, and nothing so short is secret.
const SHORTEST_BYTES: usize = 4;

/// Every form in which one of these values may come back, longest first, so that no form hides a longer one.
pub(super) fn forms<'a>(values: impl Iterator<Item = &'a Value>) -> Vec<String> {
    let mut forms = BTreeSet::new();
    for secret in values.map(plain).filter(|secret| secret.len() >= SHORTEST_BYTES) {
        forms.insert(percent_encoded(&secret));
        forms.insert(percent_encoded(&secret).replace("%20", "+"));
        let json = Value::String(secret.clone()).to_string();
        forms.insert(json[1..json.len() - 1].to_owned());
        forms.extend(base64_forms(secret.as_bytes()));
        forms.insert(secret);
    }
    let mut forms: Vec<String> = forms.into_iter().filter(|form| form.len() >= SHORTEST_BYTES).collect();
    forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
    forms
}

/// A leaf as text.
pub(super) fn plain(leaf: &Value) -> String {
    leaf.as_str().map_or_else(|| leaf.to_string(), str::to_owned)
}

pub(super) fn value(forms: &[String], value: Value) -> Value {
    if forms.is_empty() {
        return value;
    }
    match value {
        Value::String(content) => Value::String(text(forms, content)),
        // A secret that is a number may come back as one.
        Value::Number(number) if forms.contains(&number.to_string()) => Value::String(SCRUBBED.to_owned()),
        Value::Array(items) => items.into_iter().map(|item| self::value(forms, item)).collect(),
        Value::Object(members) => Value::Object(
            members.into_iter().map(|(name, member)| (text(forms, name), self::value(forms, member))).collect(),
        ),
        other => other,
    }
}

pub(super) fn text(forms: &[String], text: String) -> String {
    forms.iter().fold(text, |text, form| if text.contains(form.as_str()) { text.replace(form, SCRUBBED) } else { text })
}

/// Base64 of a text that has the secret in it begins the secret at one of three alignments; the characters that
/// depend on the secret alone are the same each time. (`Authorization: Basic` has it behind a user name.)
fn base64_forms(secret: &[u8]) -> Vec<String> {
    let mut forms = Vec::new();
    for alphabet in [STANDARD, URL_SAFE] {
        let engine = GeneralPurpose::new(&alphabet, NO_PAD);
        for offset in 0..3 {
            let shifted = [&[0; 3][..offset], secret].concat();
            let encoded = engine.encode(&shifted);
            // 6 bits a character: leave out those that mix in bits from before and from behind.
            let first = (offset * 8).div_ceil(6);
            let last = shifted.len() * 8 / 6;
            forms.push(encoded[first..last].to_owned());
        }
    }
    // Shorter forms would be found by chance in other base64.
    const SHORTEST_BASE64: usize = 6;
    forms.retain(|form| form.len() >= SHORTEST_BASE64);
    forms
}

fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
        encoded
    })
}
