//! The messages, and the data behind them.

use regex::Regex;

use super::{Model, Type, check, model};
use crate::base::form_tree::Form;
use crate::service::fault::Fault;
use crate::service::operation::Api;

fn form(pairs: &[(&str, &str)]) -> Form {
    let mut form = Form::default();
    for (name, value) in pairs {
        form.insert(name, (*value).to_owned()).unwrap();
    }
    form
}

fn refused(api: Api, operation: &str, pairs: &[(&str, &str)]) -> Fault {
    check(api, operation, &form(pairs)).unwrap_err()
}

fn iam(operation: &str, pairs: &[(&str, &str)]) -> String {
    let fault = refused(Api::Iam, operation, pairs);
    assert_eq!((fault.code, fault.status), ("ValidationError", 400));
    fault.message
}

#[test]
fn a_request_within_its_limits_passes() {
    let pairs = [
        ("Action", "CreateUser"),
        ("Version", "2010-05-08"),
        ("UserName", "alice+=,.@_-"),
        ("Path", "/a/b/"),
        ("Tags.member.1.Key", "caf\u{e9} / \u{5b57}"),
        ("Tags.member.1.Value", ""),
        ("Nonsense", "ignored"),
    ];
    assert_eq!(check(Api::Iam, "CreateUser", &form(&pairs)), Ok(()));
    assert_eq!(model(Api::Iam).unwrap().unknown_names("CreateUser", &form(&pairs)), ["Nonsense"]);
    assert_eq!(check(Api::Iam, "GetAccountSummary", &form(&[])), Ok(()));
    assert_eq!(check(Api::Iam, "ListUsers", &form(&[("MaxItems", "1000")])), Ok(()));
}

#[test]
fn one_violation_is_told_in_the_words_of_aws() {
    let long = "a".repeat(65);
    assert_eq!(
        iam("CreateUser", &[("UserName", &long)]),
        "1 validation error detected: Value at 'userName' failed to satisfy constraint: Member must \
         have length less than or equal to 64"
    );
    assert_eq!(
        iam("CreateUser", &[]),
        "1 validation error detected: Value at 'userName' failed to satisfy constraint: \
         Member must not be null"
    );
    assert_eq!(
        iam("ListUsers", &[("MaxItems", "0")]),
        "1 validation error detected: Value at 'maxItems' failed to satisfy constraint: Member \
         must have value greater than or equal to 1"
    );
    let key = [("AccessKeyId", "AKIAIOSFODNN7EXAMPLE"), ("Status", "active")];
    assert_eq!(
        iam("UpdateAccessKey", &key),
        "1 validation error detected: Value at 'status' failed to satisfy constraint: \
         Member must satisfy enum value set: [Active, Inactive, Expired]"
    );
}

#[test]
fn all_violations_stand_in_one_message() {
    let pairs = [
        ("UserName", "alice"),
        ("Tags.member.1.Key", "#"),
        ("Tags.member.1.Value", "*"),
        ("Tags.member.3.Key", ""),
    ];
    assert_eq!(
        iam("TagUser", &pairs),
        "5 validation errors detected: Value at 'tags.1.member.key' failed to satisfy \
         constraint: Member must satisfy regular expression pattern: [\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+; \
         Value at 'tags.1.member.value' failed to satisfy constraint: Member must satisfy \
         regular expression pattern: [\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*; Value at \
         'tags.2.member.key' failed to satisfy constraint: Member must have length greater than or \
         equal to 1; Value at 'tags.2.member.key' failed to satisfy constraint: Member must \
         satisfy regular expression pattern: [\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+; Value at \
         'tags.2.member.value' failed to satisfy constraint: Member must not be null"
    );
}

#[test]
fn a_list_of_texts_is_judged_as_a_whole() {
    let pairs = [("UserName", "alice"), ("TagKeys.member.1", "a"), ("TagKeys.member.2", "")];
    assert_eq!(
        iam("UntagUser", &pairs),
        "1 validation error detected: Value at 'tagKeys' failed to satisfy constraint: \
         Member must satisfy constraint: [Member must have length less than or equal to 128, Member \
         must have length greater than or equal to 1, Member must satisfy regular expression \
         pattern: [\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+, Member must not be null]"
    );
    let filter = iam("GetAccountAuthorizationDetails", &[("Filter.member.1", "Users")]);
    assert!(filter.contains("Value at 'filter' failed"), "{filter}");
    let keys: Vec<String> = (1..=51).map(|n| format!("TagKeys.member.{n}")).collect();
    let mut pairs = vec![("UserName", "alice")];
    pairs.extend(keys.iter().map(|name| (name.as_str(), "k")));
    let message = iam("UntagUser", &pairs);
    assert!(message.ends_with("Member must have length less than or equal to 50"), "{message}");
}

#[test]
fn names_and_paths_have_sentences_of_their_own_and_come_last() {
    assert_eq!(
        iam("CreateUser", &[("UserName", "a b")]),
        "The specified value for userName is invalid. It must contain only alphanumeric characters \
         and/or the following: +=,.@_-"
    );
    assert_eq!(
        iam("CreateUser", &[("UserName", "a b"), ("Path", "x")]),
        "The specified value for path is invalid. It must begin and end with / and contain only \
         alphanumeric characters and/or / characters."
    );
    let both = [("UserName", "a b"), ("PermissionsBoundary", "short")];
    assert!(iam("CreateUser", &both).starts_with("1 validation error detected: Value at"));
    let arn = "arn:aws:iam::123456789012:role/deploy";
    let session = [("RoleArn", arn), ("RoleSessionName", "a b")];
    assert_eq!(
        refused(Api::Sts, "AssumeRole", &session).message,
        "1 validation error detected: Value 'a b' at 'roleSessionName' failed to satisfy \
         constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*"
    );
    assert_eq!(
        refused(Api::Sts, "AssumeRole", &[("RoleSessionName", "session")]).message,
        "1 validation error detected: Value null at 'roleArn' failed to satisfy constraint: Member \
         must not be null"
    );
}

#[test]
fn secrets_and_long_values_are_not_repeated() {
    let arn = ("RoleArn", "arn:aws:iam::123456789012:role/deploy");
    let pairs = [arn, ("RoleSessionName", "s"), ("WebIdentityToken", "key")];
    assert_eq!(
        refused(Api::Sts, "AssumeRoleWithWebIdentity", &pairs).message,
        "2 validation errors detected: Value 's' at 'roleSessionName' failed to satisfy constraint: \
         Member must have length greater than or equal to 2; Value at 'webIdentityToken' failed to \
         satisfy constraint: Member must have length greater than or equal to 4"
    );
    let long = "\u{101}".repeat(3000);
    let pairs = [arn, ("RoleSessionName", "session"), ("Policy", long.as_str())];
    assert!(refused(Api::Sts, "AssumeRole", &pairs).message.len() < 300);
}

#[test]
fn lengths_are_counted_in_characters() {
    let key = "\u{5b57}".repeat(128);
    let pairs =
        [("UserName", "a"), ("Tags.member.1.Key", key.as_str()), ("Tags.member.1.Value", "")];
    assert_eq!(check(Api::Iam, "TagUser", &form(&pairs)), Ok(()));
}

#[test]
fn a_wrong_shape_is_malformed_input() {
    for (operation, pair, problem) in [
        (
            "ListUsers",
            ("MaxItems", "many"),
            "Value at 'maxItems' is malformed: it must be a whole number.",
        ),
        (
            "ListUsers",
            ("MaxItems.member.1", "1"),
            "Value at 'maxItems' is malformed: it must be a single value.",
        ),
        (
            "CreateUser",
            ("Tags.1.Key", "k"),
            "Value at 'tags' is malformed: expected a list, written as NAME.member.N.",
        ),
        (
            "CreateUser",
            ("Tags.member.1", "k"),
            "Value at 'tags.1.member' is malformed: it must have named parts.",
        ),
        (
            "CreatePolicyVersion",
            ("SetAsDefault", "True"),
            "Value at 'setAsDefault' is malformed: it must be true or false.",
        ),
    ] {
        let fault = refused(Api::Iam, operation, &[("UserName", "alice"), pair]);
        assert_eq!((fault.code, fault.status), ("MalformedInput", 400));
        assert_eq!(fault.message, problem);
    }
}

#[test]
fn the_alias_pattern_with_look_ahead_has_a_true_equal() {
    let passes = |alias: &str| {
        check(Api::Iam, "CreateAccountAlias", &form(&[("AccountAlias", alias)])).is_ok()
    };
    for right in ["abc", "a-b", "a-b-c", "0a9", &"a".repeat(63)] {
        assert!(passes(right), "{right}");
    }
    for wrong in ["ab", "a--b", "-ab", "ab-", "aBc", "a_b", "a b", &"a".repeat(64)] {
        assert!(!passes(wrong), "{wrong}");
    }
}

#[test]
fn every_reference_resolves_and_every_pattern_compiles() {
    for (api, operations) in [(Api::Iam, 180), (Api::Sts, 11)] {
        let model = model(api).unwrap();
        assert_eq!(model.service, api.prefix());
        assert_eq!(model.version, api.version());
        assert_eq!(model.operations.len(), operations);
        for operation in model.operations.values() {
            for shape in operation.input.iter().chain(&operation.output) {
                assert!(matches!(model.types.get(shape), Some(Type::Structure { .. })), "{shape}");
            }
            assert!(operation.errors.iter().all(|code| model.errors.contains_key(code)));
        }
        for (name, shape) in &model.types {
            assert_resolves(model, name, shape);
        }
    }
}

fn assert_resolves(model: &Model, name: &str, shape: &Type) {
    let known = |other: &String| assert!(model.types.contains_key(other), "{name} -> {other}");
    match shape {
        Type::List { of, .. } => known(of),
        Type::Map { key, value, .. } => [key, value].into_iter().for_each(known),
        Type::Structure { fields, required } => {
            fields.iter().for_each(|(_, of)| known(of));
            for field in required {
                assert!(fields.iter().any(|(name, _)| name == field), "{name}.{field}");
            }
        }
        Type::String(text) => {
            if let Some(matcher) = text.matcher() {
                Regex::new(&format!(r"\A(?:{matcher})\z")).unwrap();
                assert!(!matcher.contains(r"\w") && !matcher.contains(r"\u"), "{name}: {matcher}");
            }
        }
        Type::Integer(_) | Type::Boolean {} | Type::Timestamp {} | Type::Blob { .. } => {}
    }
}

#[test]
fn the_model_answers_questions_about_operations() {
    let model = model(Api::Iam).unwrap();
    let inputs: Vec<(&str, bool)> =
        model.inputs("CreateUser").iter().map(|(name, _, required)| (*name, *required)).collect();
    let expected =
        [("Path", false), ("UserName", true), ("PermissionsBoundary", false), ("Tags", false)];
    assert_eq!(inputs, expected);
    assert_eq!(model.outputs("CreateUser").first().map(|(name, ..)| *name), Some("User"));
    assert_eq!(model.operations["ListUsers"].pages, ["Users"]);
    assert_eq!(model.errors["NoSuchEntity"].status, 404);
    assert!(super::model(Api::Sts).unwrap().operations["AssumeRoleWithSAML"].unsigned);
}
