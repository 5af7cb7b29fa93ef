//! URI templates, RFC 6570: simple string expansion.

use serde_json::{Map, Value};

/// Expands `{name}` and `{a,b}` from the arguments and gives the names that were used.
///
/// # Errors
/// Names a variable without a value, or one that is an object or an array: a path with a hole in it would be another
/// resource.
pub(crate) fn expand(template: &str, arguments: &Map<String, Value>) -> Result<(String, Vec<String>), String> {
    let mut expanded = String::with_capacity(template.len());
    let mut used = Vec::new();
    let mut rest = template;
    while let Some((before, expression)) = rest.split_once('{') {
        let (names, after) =
            expression.split_once('}').ok_or_else(|| format!("`{template}` has a `{{` without its `}}`"))?;
        expanded.push_str(before);
        for (index, name) in names.split(',').enumerate() {
            if index > 0 {
                expanded.push(',');
            }
            let argument = || format!("the argument `{name}` of `{template}`");
            let value = arguments.get(name).ok_or_else(|| format!("{} is missing", argument()))?;
            let text =
                scalar(value).ok_or_else(|| format!("{} has to be a text, a number or a boolean", argument()))?;
            // A URL without its empty and dotted segments is another URL.
            if matches!(text.as_str(), "" | "." | "..") {
                return Err(format!("{} must not be `{text}`", argument()));
            }
            expanded.push_str(&encoded(&text));
            used.push(name.to_owned());
        }
        rest = after;
    }
    expanded.push_str(rest);
    Ok((expanded, used))
}

/// A scalar as text; `None` for null, arrays and objects.
pub(crate) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(boolean) => Some(boolean.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Everything but unreserved characters as `%XX` of its UTF-8.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::expand;

    fn arguments() -> Map<String, Value> {
        json!({ "id": "a/b ü", "n": 7, "none": null, "up": ".." }).as_object().unwrap().clone()
    }

    #[test]
    fn variables_are_encoded_and_told() {
        let (path, used) = expand("/orders/{id}/lines/{n}", &arguments()).unwrap();
        assert_eq!((path.as_str(), used), ("/orders/a%2Fb%20%C3%BC/lines/7", vec!["id".to_owned(), "n".to_owned()]));
    }

    #[test]
    fn a_hole_is_an_error() {
        for template in ["/{missing}", "/{none}", "/{id", "/{up}"] {
            assert!(expand(template, &arguments()).is_err(), "{template}");
        }
    }
}
