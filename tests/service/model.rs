//! The operations held against the published model, and against the list of what is built.

use domesday::service::limits::model;
use domesday::service::operations;

/// Fields of the model that an operation here does not know, each with its reason.
const LEFT_OUT: &[(&str, &str, &str)] =
    &[("AssumeRole", "ProvidedContexts", "context assertions need identity-center federation")];

#[test]
fn every_operation_knows_every_field_of_the_model() {
    for row in operations::all() {
        let inputs = model(row.api).unwrap().inputs(row.name);
        let known = (row.fields)();
        for (field, _, _) in &inputs {
            let left_out = LEFT_OUT.iter().any(|(operation, name, reason)| {
                *operation == row.name && name == field && !reason.is_empty()
            });
            assert!(known.contains(field) || left_out, "{} does not know {field}", row.name);
        }
        for field in known {
            assert!(
                inputs.iter().any(|(name, _, _)| name == field),
                "{} knows {field}, which the model does not have",
                row.name
            );
        }
    }
}

#[test]
fn what_is_required_is_missed() {
    use domesday::base::form_tree::Form;
    for row in operations::all() {
        let inputs = model(row.api).unwrap().inputs(row.name);
        let required: Vec<_> = inputs.iter().filter(|(_, _, required)| *required).collect();
        let outcome = domesday::service::limits::check(row.api, row.name, &Form::default());
        match outcome {
            Ok(()) => assert!(required.is_empty(), "{} misses nothing", row.name),
            Err(fault) => {
                assert_eq!(fault.code, "ValidationError");
                for (field, _, _) in required {
                    let mut name = field.to_string();
                    name[..1].make_ascii_lowercase();
                    assert!(fault.message.contains(&name), "{}: {}", row.name, fault.message);
                }
            }
        }
    }
}

#[test]
fn the_list_of_operations_is_what_is_built() {
    let listed =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/operations.txt"))
            .unwrap();
    let mut built: Vec<String> =
        operations::all().map(|row| format!("{} {}", row.api.prefix(), row.name)).collect();
    built.sort();
    let listed: Vec<&str> = listed.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(listed, built);
    let mut names = built.clone();
    names.dedup();
    assert_eq!(names.len(), built.len(), "an operation is declared twice");
}
