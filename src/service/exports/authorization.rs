//! The account's users, groups, roles and policies as of a moment, as
//! `aws iam get-account-authorization-details` prints them: documents as JSON, dates with their offset, four
//! spaces. Tools that read an account by that file - Cloudsplaining, PMapper - read it of any moment.

use std::io::Write;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use serde_json::ser::PrettyFormatter;

use super::manifest::Output;
use crate::base::form_tree::Form;
use crate::base::text::percent_decode;
use crate::projection::View;
use crate::projection::directory::Directory;
use crate::service::Service;
use crate::service::caller::Caller;
use crate::service::fault::Fault;
use crate::service::operation::{Api, Prepared, Reading};
use crate::service::operations;

/// The file.
pub const FILE: &str = "authorization-details.json";

const OPERATION: &str = "GetAccountAuthorizationDetails";
/// The lists of the answer, in the order in which pages go through them.
const LISTS: [&str; 4] = ["UserDetailList", "GroupDetailList", "RoleDetailList", "Policies"];
/// Fields that hold a document, percent-encoded on the wire.
const DOCUMENTS: [&str; 3] = ["PolicyDocument", "AssumeRolePolicyDocument", "Document"];

/// Writes the file, page by page.
///
/// # Errors
/// Whatever the operation says, and the sink.
pub fn write(
    service: &Arc<Service>,
    caller: &Caller,
    view: &View,
    output: &mut Output<'_>,
) -> Result<(), Fault> {
    output.begin(FILE)?;
    output.write(b"{\n")?;
    let mut marker = None;
    let mut list = 0;
    let mut items = 0u64;
    loop {
        let mut page = page(service, caller, view, marker.as_deref())?;
        for (number, name) in LISTS.into_iter().enumerate() {
            let found = page.get_mut(name).map(Value::take);
            let Some(Value::Array(found)) = found else { continue };
            for item in found {
                while list < number {
                    output.write(&end_of(list, items, true))?;
                    (list, items) = (list + 1, 0);
                }
                output.write(&beginning(list, items))?;
                output.write(&indented(&shown(item))?)?;
                items += 1;
            }
        }
        match page.get("Marker").and_then(Value::as_str) {
            Some(next) => marker = Some(next.to_owned()),
            None => break,
        }
    }
    while list < LISTS.len() {
        output.write(&end_of(list, items, list + 1 < LISTS.len()))?;
        (list, items) = (list + 1, 0);
    }
    output.write(b"}\n")?;
    output.end()
}

fn name_of(list: usize) -> &'static str {
    LISTS.get(list).copied().unwrap_or_default()
}

/// What stands before an item.
fn beginning(list: usize, items: u64) -> Vec<u8> {
    match items {
        0 => format!("    \"{}\": [\n", name_of(list)).into_bytes(),
        _ => b",\n".to_vec(),
    }
}

/// What stands after the last one.
fn end_of(list: usize, items: u64, more: bool) -> Vec<u8> {
    let comma = if more { "," } else { "" };
    match items {
        0 => format!("    \"{}\": []{comma}\n", name_of(list)).into_bytes(),
        _ => format!("\n    ]{comma}\n").into_bytes(),
    }
}

/// A page of the operation's answer, at the view.
fn page(
    service: &Arc<Service>,
    caller: &Caller,
    view: &View,
    marker: Option<&str>,
) -> Result<Value, Fault> {
    let mut form = Form::default();
    let mut give = |name: &str, value: &str| {
        form.insert(name, value.to_owned()).map_err(|error| Fault::validation(error.to_string()))
    };
    give("MaxItems", "1000")?;
    if let Some(marker) = marker {
        give("Marker", marker)?;
    }
    let row = operations::find(Api::Iam, OPERATION);
    let row = row.ok_or_else(|| Fault::internal("there is no such operation"))?;
    let Prepared::Read(operation) = (row.prepare)(&form)? else {
        return Err(Fault::internal("not a read"));
    };
    let reading = Reading {
        directory: Directory::new(view, caller.account),
        caller,
        documents: service.documents(),
        activity: service.activity(),
        reports: &service.reports,
        instant: service.instant(view, caller)?,
        cut: view.cut(),
        is_past: true,
    };
    match operation.run(&reading)? {
        Some(answer) => serde_json::to_value(&*answer).map_err(Fault::internal),
        None => Ok(Value::Null),
    }
}

/// An answer as the command line shows it: documents decoded, dates with an offset, nothing that is null.
fn shown(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(shown).collect(),
        Value::Object(fields) => {
            let present = fields.into_iter().filter(|(_, value)| !value.is_null());
            let shown = present.map(|(name, value)| {
                let value = match value {
                    Value::String(text) if DOCUMENTS.contains(&name.as_str()) => document(&text),
                    Value::String(text) if name.ends_with("Date") => {
                        Value::String(text.replace('Z', "+00:00"))
                    }
                    value => shown(value),
                };
                (name, value)
            });
            Value::Object(shown.collect())
        }
        value => value,
    }
}

/// A document as JSON; as its text, where it is none.
fn document(encoded: &str) -> Value {
    let text = percent_decode(encoded).and_then(|bytes| String::from_utf8(bytes).ok());
    let text = text.unwrap_or_else(|| encoded.to_owned());
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}

/// An item of a list, two levels deep.
fn indented(item: &Value) -> Result<Vec<u8>, Fault> {
    let mut text = Vec::new();
    let mut serializer =
        serde_json::Serializer::with_formatter(&mut text, PrettyFormatter::with_indent(b"    "));
    item.serialize(&mut serializer).map_err(Fault::internal)?;
    let mut moved = Vec::with_capacity(text.len() * 5 / 4);
    for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
        if number > 0 {
            moved.push(b'\n');
        }
        moved.write_all(b"        ").map_err(Fault::internal)?;
        moved.extend_from_slice(line);
    }
    Ok(moved)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn answers_are_shown_as_the_command_line_does() {
        let answer = json!({
            "UserName": "zed", "PermissionsBoundary": null, "CreateDate": "2026-01-01T00:00:00Z",
            "UserPolicyList": [{ "PolicyDocument": "%7B%22Statement%22%3A%5B%5D%7D" }],
        });
        let expected = json!({
            "UserName": "zed", "CreateDate": "2026-01-01T00:00:00+00:00",
            "UserPolicyList": [{ "PolicyDocument": { "Statement": [] } }],
        });
        let found = shown(answer);
        assert_eq!(found, expected);
        let text = String::from_utf8(indented(&found).unwrap()).unwrap();
        assert!(text.starts_with("        {\n            \"UserName\": \"zed\","), "{text}");
    }
}
