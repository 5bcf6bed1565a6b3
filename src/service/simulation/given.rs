//! What a simulation is given, read and checked.

use serde::Deserialize;

use super::named;
use crate::identity::arn::Arn;
use crate::identity::id::is_account_digits;
use crate::policy::{Attached, Context, Document, DocumentKind, ValueType};
use crate::service::fault::{self, Fault};
use crate::service::supposed::{Kind, Supposed};

/// A document of the request; `id` is what the answer calls it.
///
/// # Errors
/// `InvalidInput` with AWS's sentence, what exactly is wrong, and where. Documents are read like stored
/// ones, old versions included: what is asked is what they do, not whether they could be saved today.
pub fn document(id: &str, text: &str, kind: DocumentKind) -> Result<Document, Fault> {
    Document::parse(text, kind).map_err(|error| {
        let position = error.position();
        Fault::invalid_input(format!(
            "{id}: {} ({}; line {}, column {})",
            error.message(),
            error.detail(),
            position.line,
            position.column
        ))
    })
}

/// The documents of a list, called `LIST.1` and so on.
pub fn documents(list: &str, texts: &[String], kind: DocumentKind) -> Result<Vec<Attached>, Fault> {
    let one = |(number, text): (usize, &String)| {
        let id = format!("{list}.{}", number + 1);
        let document = document(&id, text, kind)?;
        Ok(named(document.into(), &id))
    };
    texts.iter().enumerate().map(one).collect()
}

/// A condition key with its values.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContextEntry {
    context_key_name: Option<String>,
    #[serde(default)]
    context_key_values: Vec<String>,
    context_key_type: Option<KeyType>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
enum KeyType {
    String,
    StringList,
    Numeric,
    NumericList,
    Boolean,
    BooleanList,
    Ip,
    IpList,
    Binary,
    BinaryList,
    Date,
    DateList,
}

impl KeyType {
    /// The type of each value, and whether the key is multi-valued.
    fn parts(self) -> (ValueType, bool) {
        match self {
            KeyType::String => (ValueType::Text, false),
            KeyType::StringList => (ValueType::Text, true),
            KeyType::Numeric => (ValueType::Number, false),
            KeyType::NumericList => (ValueType::Number, true),
            KeyType::Boolean => (ValueType::Bool, false),
            KeyType::BooleanList => (ValueType::Bool, true),
            KeyType::Ip => (ValueType::Address, false),
            KeyType::IpList => (ValueType::Address, true),
            KeyType::Binary => (ValueType::Binary, false),
            KeyType::BinaryList => (ValueType::Binary, true),
            KeyType::Date => (ValueType::Date, false),
            KeyType::DateList => (ValueType::Date, true),
        }
    }
}

/// A context with the entries of a request, which win over what it has.
///
/// # Errors
/// `InvalidInput`: a name without service prefix, one given twice, values that are not of their type, and
/// not exactly one value of a key that is not a list.
pub fn with_entries(
    mut context: Context<'static>,
    entries: Vec<ContextEntry>,
) -> Result<Context<'static>, Fault> {
    let mut seen = std::collections::BTreeSet::new();
    for entry in entries {
        let ContextEntry { context_key_name, mut context_key_values, context_key_type } = entry;
        let name = context_key_name
            .ok_or_else(|| Fault::invalid_input("A context entry needs a ContextKeyName."))?;
        if !name.contains(':') {
            return Err(fault::BAD_KEY_NAME.with(&[&name]));
        }
        if !seen.insert(name.to_lowercase()) {
            return Err(fault::KEY_TWICE.with(&[&name]));
        }
        // Without a type: a text or, where there are several, a list of texts.
        let (value_type, many) = match context_key_type {
            Some(key_type) => key_type.parts(),
            None => (ValueType::Text, context_key_values.len() > 1),
        };
        if let Some(bad) = context_key_values.iter().find(|value| !value_type.reads(value)) {
            return Err(fault::BAD_KEY_VALUE.with(&[bad, &name, value_type.noun()]));
        }
        if many {
            context.set_many(name, context_key_values);
            continue;
        }
        match (context_key_values.pop(), context_key_values.is_empty()) {
            (Some(value), true) => context.set(name, value),
            _ => return Err(fault::NOT_ONE_VALUE.with(&[&name])),
        }
    }
    Ok(context)
}

/// Refuses what is not the name of one action.
pub fn check_action(name: &str) -> Result<(), Fault> {
    let fits = name.split_once(':').is_some_and(|(service, action)| {
        !service.is_empty() && !action.is_empty() && !action.contains(':')
    });
    let plain = !name.contains(|c: char| matches!(c, '*' | '?' | ',') || c.is_whitespace());
    if fits && plain { Ok(()) } else { Err(fault::BAD_ACTION.with(&[name])) }
}

/// Refuses a resource that is no ARN; `*` stands alone.
pub fn check_resource(text: &str, alone: bool) -> Result<(), Fault> {
    let fits = match Arn::parse(text) {
        Some(arn) => ![arn.partition, arn.service, arn.resource].iter().any(|part| part.is_empty()),
        None => alone && text == "*",
    };
    if fits { Ok(()) } else { Err(fault::BAD_RESOURCE.with(&[text])) }
}

/// The digits of the account that owns resources: given so, or as the ARN of the account.
pub fn owner(text: &str) -> Result<String, Fault> {
    let of_arn = Arn::parse(text)
        .filter(|arn| arn.service == "iam" && arn.region.is_empty() && arn.resource == "root");
    let digits = of_arn.map_or(text, |arn| arn.account);
    if is_account_digits(digits) {
        Ok(digits.to_owned())
    } else {
        Err(fault::BAD_OWNER.with(&[text]))
    }
}

/// The user, group or role whose policies are asked for: one of the account with these digits.
pub fn source(text: &str, digits: &str) -> Result<Supposed, Fault> {
    let source = Supposed::of_arn(text).ok_or_else(|| fault::NO_ENTITY_ARN.with(&[text]))?;
    if source.digits == digits {
        Ok(source)
    } else {
        Err(fault::FOREIGN_SOURCE.with(&[digits, &source.digits]))
    }
}

/// The simulated caller; only who can be a principal meets a resource's policy.
pub fn caller(text: &str, meets_policy: bool) -> Result<Supposed, Fault> {
    let caller = Supposed::of_arn(text).ok_or_else(|| fault::NO_ENTITY_ARN.with(&[text]))?;
    if meets_policy && caller.kind == Kind::Group {
        return Err(fault::GROUP_CALLS.with(&[]));
    }
    Ok(caller)
}

/// What each scenario of EC2 needs among the resources (IAM API Reference, ResourceHandlingOption).
const HANDLING: &[(&str, &[&str])] = &[
    ("EC2-VPC-InstanceStore", &["instance", "image", "security-group", "network-interface"]),
    (
        "EC2-VPC-InstanceStore-Subnet",
        &["instance", "image", "security-group", "network-interface", "subnet"],
    ),
    ("EC2-VPC-EBS", &["instance", "image", "security-group", "network-interface", "volume"]),
    (
        "EC2-VPC-EBS-Subnet",
        &["instance", "image", "security-group", "network-interface", "subnet", "volume"],
    ),
];

/// Refuses an unknown scenario, and one whose resources are not all there.
pub fn check_handling(option: &str, resources: &[String]) -> Result<(), Fault> {
    let Some((_, needed)) = HANDLING.iter().find(|(known, _)| *known == option) else {
        return Err(fault::BAD_HANDLING.with(&[option]));
    };
    let is_missing = |kind: &&&str| {
        !resources
            .iter()
            .filter_map(|resource| Arn::parse(resource))
            .any(|arn| arn.service == "ec2" && arn.resource.contains('/') && arn.kind() == **kind)
    };
    match needed.iter().find(is_missing) {
        None => Ok(()),
        Some(missing) => Err(fault::HANDLING_LACKS.with(&[option, missing])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, values: &[&str], key_type: Option<KeyType>) -> ContextEntry {
        ContextEntry {
            context_key_name: Some(name.to_owned()),
            context_key_values: values.iter().map(|value| (*value).to_owned()).collect(),
            context_key_type: key_type,
        }
    }

    fn refusal(entries: Vec<ContextEntry>) -> Option<&'static str> {
        with_entries(Context::new(), entries).err().map(|fault| fault.code)
    }

    #[test]
    fn values_are_held_to_their_types() {
        for (key_type, list, good, bad) in [
            (KeyType::Numeric, KeyType::NumericList, "12.5", "twelve"),
            (KeyType::Boolean, KeyType::BooleanList, "true", "yes"),
            (KeyType::Ip, KeyType::IpList, "10.0.0.1", "10.0.0"),
            (KeyType::Binary, KeyType::BinaryList, "AQI=", "?"),
            (KeyType::Date, KeyType::DateList, "2026-03-01T00:00:00Z", "soon"),
        ] {
            for key_type in [key_type, list] {
                assert_eq!(refusal(vec![entry("a:key", &[good], Some(key_type))]), None);
                let refused = refusal(vec![entry("a:key", &[bad], Some(key_type))]);
                assert_eq!(refused, Some("InvalidInput"));
            }
        }
        assert_eq!(refusal(vec![entry("a:key", &["x"], Some(KeyType::String))]), None);
        assert_eq!(refusal(vec![entry("a:key", &[], Some(KeyType::StringList))]), None);
        for wrong in [
            vec![entry("username", &["x"], None)],
            vec![entry("a:key", &[], None)],
            vec![entry("a:key", &["x", "y"], Some(KeyType::String))],
            vec![entry("a:key", &["x"], None), entry("A:KEY", &["y"], None)],
        ] {
            assert_eq!(refusal(wrong), Some("InvalidInput"));
        }
    }

    #[test]
    fn what_is_given_wins() {
        let mut known = Context::new();
        known.set("aws:username", "alice");
        let entries = vec![entry("AWS:UserName", &["bob"], None), entry("a:l", &["x", "y"], None)];
        let context = with_entries(known, entries).unwrap();
        assert_eq!(context.get("aws:username"), Some(&crate::policy::Values::One("bob".into())));
        assert!(matches!(context.get("a:l"), Some(crate::policy::Values::Many(_))));
    }

    #[test]
    fn actions_resources_and_owners_are_read_or_refused() {
        for good in ["s3:GetObject", "s3api:list-buckets", "a:b"] {
            assert_eq!(check_action(good), Ok(()), "{good}");
        }
        for bad in ["GetObject", "s3:", ":x", "s3:Get*", "s3:Get?bject", "*", "a:b:c", "s3: Get"] {
            assert!(check_action(bad).is_err(), "{bad}");
        }
        assert_eq!(check_resource("*", true), Ok(()));
        assert!(check_resource("*", false).is_err() && check_resource("bucket", true).is_err());
        assert!(check_resource("arn:aws:s3", true).is_err());
        assert!(check_resource("arn:aws:s3:::", true).is_err());
        assert_eq!(check_resource("arn:aws:s3:::b/*", false), Ok(()));
        assert_eq!(owner("123456789012").unwrap(), "123456789012");
        assert_eq!(owner("arn:aws:iam::123456789012:root").unwrap(), "123456789012");
        assert!(owner("arn:aws:iam::123456789012:user/root").is_err() && owner("1234").is_err());
    }

    #[test]
    fn scenarios_of_ec2_need_their_resources() {
        let arn = |kind: &str| format!("arn:aws:ec2:eu-west-1:123456789012:{kind}/x");
        for (option, needed) in HANDLING {
            let mut all: Vec<String> = needed.iter().map(|kind| arn(kind)).collect();
            assert_eq!(check_handling(option, &all), Ok(()));
            all.pop();
            assert_eq!(check_handling(option, &all).unwrap_err().code, "InvalidInput");
        }
        assert!(check_handling("EC2-Classic-EBS", &[]).is_err());
    }
}
