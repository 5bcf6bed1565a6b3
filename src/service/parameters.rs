//! A request's parameters as an event keeps them: JSON without secrets, documents by their hash.

use serde_json::{Map, Value};

use crate::base::crypto::content_hash;
use crate::base::form_tree::Form;
use crate::base::text::hex;

/// Parameters whose values never reach an event.
const SECRET: &[&str] = &[
    "Password",
    "NewPassword",
    "OldPassword",
    "SecretAccessKey",
    "TokenCode",
    "AuthenticationCode1",
    "AuthenticationCode2",
    "PrivateKey",
];
/// Parameters that are kept by the hash of their content.
pub const DOCUMENTS: &[&str] = &["PolicyDocument", "AssumeRolePolicyDocument", "Policy"];
/// Parameters of the protocol itself.
const PROTOCOL: &[&str] = &["Action", "Version"];

/// The parameters as JSON text.
pub fn recorded(form: &Form) -> String {
    value(form, true).to_string()
}

fn value(form: &Form, top: bool) -> Value {
    if let Some(text) = form.text() {
        return Value::String(text.to_owned());
    }
    if let Ok(elements) = form.elements()
        && !elements.is_empty()
    {
        return Value::Array(elements.into_iter().map(|(_, one)| value(one, false)).collect());
    }
    let mut fields = Map::new();
    for name in form.names() {
        if (top && PROTOCOL.contains(&name)) || SECRET.contains(&name) {
            continue;
        }
        let Some(child) = form.get(name) else { continue };
        let shown = match child.text() {
            Some(text) if DOCUMENTS.contains(&name) => {
                serde_json::json!({ "blake3": hex(&content_hash(text.as_bytes())) })
            }
            _ => value(child, false),
        };
        fields.insert(name.to_owned(), shown);
    }
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_left_out_and_documents_hashed() {
        let mut form = Form::default();
        for (name, value) in [
            ("Action", "CreateUser"),
            ("UserName", "alice"),
            ("Password", "hunter2"),
            ("PolicyDocument", "{}"),
            ("Tags.member.1.Key", "team"),
            ("Tags.member.1.Value", "red"),
        ] {
            form.insert(name, value.into()).unwrap();
        }
        let hash = hex(&content_hash(b"{}"));
        assert_eq!(
            recorded(&form),
            format!(
                r#"{{"PolicyDocument":{{"blake3":"{hash}"}},"Tags":[{{"Key":"team","Value":"red"}}],"UserName":"alice"}}"#
            )
        );
    }
}
