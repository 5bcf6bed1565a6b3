//! Makes `fixtures/model/SERVICE.json` from a raw service model.
//!
//! ```text
//! cargo run --example model -- RAW.json > fixtures/model/iam.json
//! ```
//!
//! The raw model is JSON with `operations`, `shapes` and `errors`, as extracted from the service
//! description that AWS publishes for its SDKs. What comes out is what this project asks of it and
//! nothing else: for each operation the input and output types, the declared errors and the paged
//! results; the types that these reach; and each error's status and fault. One line an entry, so
//! that a new version of the model reads as a short diff.
//!
//! AWS writes patterns for Java. A `matcher` is added where the same text would mean something else
//! to the `regex` crate.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt::Write;

use serde_json::{Map, Value, json};

/// Patterns with look-ahead, which the `regex` crate does not have, and their equals.
const REWRITTEN: &[(&str, &str)] =
    &[("^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$", "(?:[a-z0-9](?:-?[a-z0-9])+)")];

/// Types that take more than their pattern says, by their documentation.
const WIDER: &[(&str, &str)] = &[
    // "Wildcard characters are supported to match multiple entities" (IAM API Reference,
    // InlinePolicyIdentifierType).
    ("AttachmentName", "[A-Za-z0-9_+=,.@*?-]+"),
];

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: model RAW.json")?;
    let raw: Value = serde_json::from_slice(&std::fs::read(path)?)?;
    print!("{}", convert(&raw)?);
    Ok(())
}

fn convert(raw: &Value) -> Result<String, Box<dyn Error>> {
    let shapes = object(raw, "shapes")?;
    let mut reached = BTreeSet::new();
    let mut operations = BTreeMap::new();
    for (name, operation) in object(raw, "operations")? {
        for side in ["input", "output"] {
            if let Some(shape) = operation.get(side).and_then(Value::as_str) {
                reach(shape, shapes, &mut reached);
            }
        }
        operations.insert(name.clone(), operation_entry(operation));
    }
    let mut types = BTreeMap::new();
    for name in reached {
        let shape = shapes.get(&name).ok_or_else(|| format!("no shape {name}"))?;
        let mut entry = type_entry(shape)?;
        if let Some((_, matcher)) = WIDER.iter().find(|(wider, _)| *wider == name)
            && let Some(limits) = entry.get_mut("string").and_then(Value::as_object_mut)
        {
            limits.insert("matcher".to_owned(), json!(matcher));
        }
        types.insert(name, entry);
    }
    let mut errors = BTreeMap::new();
    for error in object(raw, "errors")?.values() {
        let code = error.get("code").and_then(Value::as_str).ok_or("an error without code")?;
        errors.insert(code.to_owned(), pick(error, &["status", "fault"]).into());
    }

    let mut out = String::from("{\n");
    for (name, key) in
        [("service", "service"), ("version", "api_version"), ("namespace", "xml_namespace")]
    {
        let value = raw.get(key).ok_or_else(|| format!("no {key}"))?;
        writeln!(out, "\"{name}\":{value},")?;
    }
    section(&mut out, "operations", &operations, ",")?;
    section(&mut out, "types", &types, ",")?;
    section(&mut out, "errors", &errors, "")?;
    out.push_str("}\n");
    Ok(out)
}

/// One member of the whole, with one line for each of its entries.
fn section(
    out: &mut String,
    name: &str,
    entries: &BTreeMap<String, Value>,
    end: &str,
) -> std::fmt::Result {
    writeln!(out, "\"{name}\":{{")?;
    for (index, (key, value)) in entries.iter().enumerate() {
        let comma = if index + 1 < entries.len() { "," } else { "" };
        writeln!(out, "\"{key}\":{value}{comma}")?;
    }
    writeln!(out, "}}{end}")
}

fn object<'a>(value: &'a Value, key: &str) -> Result<&'a Map<String, Value>, Box<dyn Error>> {
    Ok(value.get(key).and_then(Value::as_object).ok_or_else(|| format!("no object {key}"))?)
}

fn pick(value: &Value, keys: &[&str]) -> Map<String, Value> {
    let kept = keys.iter().filter_map(|key| Some(((*key).to_owned(), value.get(key)?.clone())));
    kept.collect()
}

fn reach(name: &str, shapes: &Map<String, Value>, reached: &mut BTreeSet<String>) {
    if !reached.insert(name.to_owned()) {
        return;
    }
    let Some(shape) = shapes.get(name) else { return };
    let members = shape.get("members").and_then(Value::as_object).into_iter().flatten();
    let parts = ["member", "key", "value"].iter().filter_map(|part| shape.get(part));
    for reference in members.map(|(_, member)| member).chain(parts) {
        if let Some(next) = reference.get("shape").and_then(Value::as_str) {
            reach(next, shapes, reached);
        }
    }
}

fn operation_entry(raw: &Value) -> Value {
    let mut entry = pick(raw, &["input", "output", "errors"]);
    if let Some(results) = raw.pointer("/paginated/result_key") {
        entry.insert(
            "pages".to_owned(),
            if results.is_array() { results.clone() } else { json!([results]) },
        );
    }
    if raw.get("auth").and_then(Value::as_str) == Some("none") {
        entry.insert("unsigned".to_owned(), json!(true));
    }
    entry.into()
}

fn type_entry(raw: &Value) -> Result<Value, Box<dyn Error>> {
    let target = |part: &str| raw.get(part).and_then(|part| part.get("shape")).cloned();
    let kind = raw.get("type").and_then(Value::as_str).ok_or("a shape without type")?;
    let content = match kind {
        "string" => {
            let mut limits = pick(raw, &["min", "max", "pattern", "enum", "sensitive"]);
            if let Some(pattern) = raw.get("pattern").and_then(Value::as_str) {
                let matcher = for_rust(pattern)?;
                if matcher != pattern {
                    limits.insert("matcher".to_owned(), json!(matcher));
                }
            }
            limits
        }
        "integer" => pick(raw, &["min", "max"]),
        "blob" => pick(raw, &["sensitive"]),
        "boolean" | "timestamp" => Map::new(),
        "list" => {
            let mut list = pick(raw, &["min", "max"]);
            list.insert("of".to_owned(), target("member").ok_or("a list of nothing")?);
            list
        }
        "map" => {
            let mut map = pick(raw, &["min", "max"]);
            map.insert("key".to_owned(), target("key").ok_or("a map without key")?);
            map.insert("value".to_owned(), target("value").ok_or("a map without value")?);
            map
        }
        "structure" => structure(object(raw, "members")?)?,
        other => return Err(format!("shapes of type {other} are not known here").into()),
    };
    Ok(json!({ kind: content }))
}

fn structure(members: &Map<String, Value>) -> Result<Map<String, Value>, Box<dyn Error>> {
    let mut fields = Map::new();
    let mut required = Vec::new();
    for (name, member) in members {
        let shape = member.get("shape").ok_or("a member without shape")?;
        fields.insert(name.clone(), shape.clone());
        if member.get("required") == Some(&json!(true)) {
            required.push(name);
        }
    }
    let mut entry = Map::from_iter([("fields".to_owned(), fields.into())]);
    if !required.is_empty() {
        entry.insert("required".to_owned(), json!(required));
    }
    Ok(entry)
}

/// A Java pattern in the words of the `regex` crate: `\w` and `\d` are ASCII in Java, and
/// characters are `\uXXXX`. `\u10000` and `\u10FFFF`, which Java itself would misread, are taken
/// for what their author meant.
fn for_rust(pattern: &str) -> Result<String, Box<dyn Error>> {
    if let Some((_, equal)) = REWRITTEN.iter().find(|(java, _)| *java == pattern) {
        return Ok((*equal).to_owned());
    }
    let mut out = String::new();
    let mut in_class = false;
    let mut rest = pattern;
    while let Some(character) = rest.chars().next() {
        let after = rest.get(character.len_utf8()..).unwrap_or_default();
        if character != '\\' {
            match character {
                '[' => in_class = true,
                ']' => in_class = false,
                _ => {}
            }
            out.push(character);
            rest = after;
            continue;
        }
        let escaped = after.chars().next().ok_or("a pattern that ends in a backslash")?;
        rest = after.get(escaped.len_utf8()..).unwrap_or_default();
        let ascii = match escaped {
            'w' => "A-Za-z0-9_",
            'd' => "0-9",
            'u' => {
                let length = if rest.starts_with("10FFFF") {
                    6
                } else if rest.starts_with("10000") {
                    5
                } else {
                    4
                };
                let digits = rest.get(..length).ok_or("a pattern with a short \\u")?;
                write!(out, "\\x{{{digits}}}")?;
                rest = rest.get(length..).unwrap_or_default();
                continue;
            }
            _ => {
                out.push('\\');
                out.push(escaped);
                continue;
            }
        };
        if in_class {
            out.push_str(ascii);
        } else {
            write!(out, "[{ascii}]")?;
        }
    }
    Ok(out)
}
