//! Whether the transcripts show all that there is to see: every operation, every error that it declares,
//! every member of its answers. What cannot be seen stands in `fixtures/transcripts/unseen.txt` with the
//! reason, and only as long as it is not seen.

use std::collections::{BTreeMap, BTreeSet};

use domesday::service::limits::{Model, Type};

use super::table::{Entry, Row, pairs, parse};
use super::{FILES, folder, model_of, read, updates};

/// The operations that are built.
fn operations() -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/operations.txt");
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().filter_map(|line| line.split(' ').nth(1)).map(str::to_owned).collect()
}

/// All rows; none while they are being updated, since a file may be half done.
fn rows() -> Option<Vec<Row>> {
    if updates() {
        return None;
    }
    let entries = FILES.iter().flat_map(|name| parse(&read(name)).unwrap());
    let row = |entry| if let Entry::Row(row) = entry { Some(row) } else { None };
    Some(entries.filter_map(row).collect())
}

fn answer(row: &Row) -> (u16, String) {
    let answer = row.answer.clone();
    answer.unwrap_or_else(|| panic!("no answer is written to {}", row.to_text()))
}

/// A row of the table of what is not seen: `kind | operations or * | what | reason`.
struct Unseen {
    line: String,
    operations: Vec<String>,
    what: String,
}

impl Unseen {
    fn of_kind(kind: &str) -> Vec<Unseen> {
        let text = read("unseen");
        let rows = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let row = |line: &str| {
            let columns: Vec<&str> = line.split(" | ").collect();
            let [of, operations, what, reason] = columns[..] else { panic!("unseen.txt: {line}") };
            assert!(["error", "member"].contains(&of) && !reason.is_empty(), "{line}");
            let operations = operations.split(' ').map(str::to_owned).collect();
            (of == kind).then(|| Unseen {
                line: line.to_owned(),
                operations,
                what: what.to_owned(),
            })
        };
        rows.filter_map(row).collect()
    }

    /// A member is meant by any part of its path, and all that is in it with it.
    fn means(&self, operation: &str, what: &str) -> bool {
        self.operations.iter().any(|one| one == "*" || one == operation)
            && format!(".{what}.").contains(&format!(".{}.", self.what))
    }
}

/// Holds what was seen against what there is, operation by operation.
fn compare(
    kind: &str,
    there_is: &BTreeMap<String, BTreeSet<String>>,
    seen: &BTreeMap<String, BTreeSet<String>>,
) {
    let unseen = Unseen::of_kind(kind);
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    let none = BTreeSet::new();
    for (operation, all) in there_is {
        let seen = seen.get(operation).unwrap_or(&none);
        for what in all {
            let excuses: Vec<&Unseen> =
                unseen.iter().filter(|one| one.means(operation, what)).collect();
            used.extend(excuses.iter().map(|one| &one.line));
            match (seen.contains(what), excuses.first()) {
                (true, None) | (false, Some(_)) => {}
                (false, None) => wrong.push(format!("not seen: {kind} | {operation} | {what}")),
                (true, Some(excuse)) => {
                    wrong.push(format!("seen after all in {operation}: {}", excuse.line));
                }
            }
        }
    }
    let stale = unseen.iter().filter(|one| !used.contains(&one.line));
    wrong.extend(stale.map(|one| format!("means nothing: {}", one.line)));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_transcript_is_played() {
    let entries = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name());
    let names = entries.map(|name| name.into_string().unwrap());
    let mut found: Vec<String> =
        names.filter_map(|name| name.strip_suffix(".txt").map(str::to_owned)).collect();
    found.retain(|name| name != "unseen");
    found.sort();
    assert_eq!(found, FILES);
}

#[test]
fn every_operation_is_shown_to_succeed_and_by_each_of_its_errors() {
    let mut seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let Some(rows) = rows() else { return };
    for row in rows {
        let (status, fields) = answer(&row);
        let code = fields.split(':').next().unwrap_or_default().to_owned();
        let what = if status < 300 { "success".to_owned() } else { code };
        seen.entry(row.action().to_owned()).or_default().insert(what);
    }
    let declared = operations().into_iter().map(|operation| {
        let errors = &model_of(&operation).1.operations[&operation].errors;
        let mut all: BTreeSet<String> = errors.iter().cloned().collect();
        // Not declared, since any operation can be denied.
        all.extend(["success".to_owned(), "AccessDenied".to_owned()]);
        (operation, all)
    });
    compare("error", &declared.collect(), &seen);
}

/// The paths of all members of a type; elements of a list bear the list's path.
fn members(model: &Model, of: &str, path: &str, all: &mut BTreeSet<String>) {
    match &model.types[of] {
        Type::Structure { fields, .. } => {
            for (name, of) in fields {
                let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                all.insert(below.clone());
                members(model, of, &below, all);
            }
        }
        Type::List { of, .. } => members(model, of, path, all),
        Type::Map { key, .. } => {
            if let Type::String(limits) = &model.types[key] {
                all.extend(limits.values.iter().map(|key| format!("{path}.{key}")));
            }
        }
        _ => {}
    }
}

#[test]
fn every_member_of_every_answer_is_shown() {
    let mut seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let Some(rows) = rows() else { return };
    for row in rows {
        let (status, fields) = answer(&row);
        if status >= 300 {
            continue;
        }
        let seen = seen.entry(row.action().to_owned()).or_default();
        for (path, _) in pairs(&fields).unwrap() {
            let names = path.split('.').filter(|name| name.parse::<usize>().is_err());
            let names: Vec<&str> = names.collect();
            for length in 1..=names.len() {
                seen.insert(names[..length].join("."));
            }
        }
    }
    let mut there_is = BTreeMap::new();
    for operation in operations() {
        let model = model_of(&operation).1;
        let mut all = BTreeSet::new();
        if let Some(output) = &model.operations[&operation].output {
            members(model, output, "", &mut all);
        }
        there_is.insert(operation, all);
    }
    compare("member", &there_is, &seen);
}
