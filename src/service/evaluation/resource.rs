//! What is asked for, as an action of IAM and an ARN.
//!
//! | action name | resource type | id | action | ARN |
//! |---|---|---|---|---|
//! | `docs:Read` | `document` | `7` | `docs:Read` | `arn:aws:docs::ACCOUNT:document/7` |
//! | `Read` | `docs:document` | `7` | `docs:Read` | `arn:aws:docs::ACCOUNT:document/7` |
//! | `s3:GetObject` | `object` | `b/k` | `s3:GetObject` | `arn:aws:s3:::b/k` |
//! | `iam:GetUser` | `user` | `team/alice` | `iam:GetUser` | `arn:aws:iam::ACCOUNT:user/team/alice` |
//! | any | `arn` | an ARN, or `*` | as above | the id itself |
//!
//! A type without a service is one of the action's service, an action without a service one of the type's.
//! `resource.properties.region` and `.account` go into the ARN. Types that AWS writes otherwise than
//! `TYPE/ID` stand in `SHAPES`. Only the type `arn` takes an ARN: whoever chooses ids within a type
//! cannot reach out of it.

use serde_json::{Map, Value};

use super::{Undecided, malformed, properties, text};
use crate::identity::id::is_account_digits;

/// What the resource part of an ARN looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// The id alone, in no region and no account.
    Global,
    /// The id alone.
    Bare,
    /// `TYPE:ID`.
    Colon,
}

/// The types whose ARNs are not `arn:aws:SERVICE:REGION:ACCOUNT:TYPE/ID`.
///
/// Source: Service Authorization Reference, the resource types of each service.
const SHAPES: [(&str, &str, Shape); 11] = [
    ("s3", "bucket", Shape::Global),
    ("s3", "object", Shape::Global),
    ("sqs", "queue", Shape::Bare),
    ("sns", "topic", Shape::Bare),
    ("lambda", "function", Shape::Colon),
    ("logs", "log-group", Shape::Colon),
    ("secretsmanager", "secret", Shape::Colon),
    ("states", "stateMachine", Shape::Colon),
    ("rds", "db", Shape::Colon),
    ("rds", "cluster", Shape::Colon),
    ("cloudwatch", "alarm", Shape::Colon),
];

/// An action and a resource.
#[derive(Debug, PartialEq, Eq)]
pub struct Wanted {
    /// `docs:Read`.
    pub action: String,
    /// The ARN, or `*`.
    pub arn: String,
}

fn is_word(text: &str, more: &[u8]) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || more.contains(&byte);
    !text.is_empty() && text.len() <= 128 && text.bytes().all(fits)
}

impl Wanted {
    /// Reads action and resource of a request whose caller is of the account `digits`.
    pub fn read(
        action: &Map<String, Value>,
        resource: &Map<String, Value>,
        digits: &str,
    ) -> Result<Self, Undecided> {
        let name = text(action, "action", "name")?;
        let kind = text(resource, "resource", "type")?;
        let id = text(resource, "resource", "id")?;
        let (of_action, bare) = match name.split_once(':') {
            Some((service, bare)) => (Some(service), bare),
            None => (None, name),
        };
        let (of_type, kind) = match kind.split_once(':') {
            Some((service, kind)) => (Some(service), kind),
            None => (None, kind),
        };
        let Some(service) = of_action.or(of_type) else {
            return malformed(
                "Neither `action.name` (SERVICE:NAME) nor `resource.type` (SERVICE:TYPE) names a \
                 service.",
            );
        };
        if !is_word(service, b"-") || !is_word(bare, b"-_.") {
            return malformed("`action.name` is SERVICE:NAME, without wildcards.");
        }
        let action = format!("{service}:{bare}");
        let owner = of_type.unwrap_or(service);
        if !is_word(owner, b"-") || !is_word(kind, b"-_.") {
            return malformed("`resource.type` is TYPE, SERVICE:TYPE or arn.");
        }
        let given = properties(resource, "resource")?;
        let part = |name: &str| match given.and_then(|given| given.get(name)) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => malformed(format!("`resource.properties.{name}` is not a string.")),
        };
        let region = part("region")?.unwrap_or_default();
        let account = part("account")?.unwrap_or(digits);
        if !region.is_empty() && !is_word(region, b"-") {
            return malformed("`resource.properties.region` is the name of a region.");
        }
        if !is_account_digits(account) {
            return malformed("`resource.properties.account` is 12 digits.");
        }
        if kind == "arn" && of_type.is_none() {
            let is_arn = id == "*" || crate::identity::arn::Arn::parse(id).is_some();
            return match is_arn {
                true => Ok(Wanted { action, arn: id.to_owned() }),
                false => malformed("`resource.id` is not an ARN."),
            };
        }
        let shape = SHAPES.iter().find(|(service, name, _)| *service == owner && *name == kind);
        let arn = match shape.map(|(_, _, shape)| *shape) {
            Some(Shape::Global) => format!("arn:aws:{owner}:::{id}"),
            Some(Shape::Bare) => format!("arn:aws:{owner}:{region}:{account}:{id}"),
            Some(Shape::Colon) => format!("arn:aws:{owner}:{region}:{account}:{kind}:{id}"),
            None => format!("arn:aws:{owner}:{region}:{account}:{kind}/{id}"),
        };
        Ok(Wanted { action, arn })
    }

    /// The service of the action.
    pub fn service(&self) -> &str {
        self.action.split_once(':').map_or("", |(service, _)| service)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(name: &str, kind: &str, id: &str, given: Value) -> Option<(String, String)> {
        let action = json!({ "name": name });
        let resource = json!({ "type": kind, "id": id, "properties": given });
        let (action, resource) = (action.as_object().unwrap(), resource.as_object().unwrap());
        let wanted = Wanted::read(action, resource, "123456789012").ok()?;
        Some((wanted.action, wanted.arn))
    }

    #[test]
    fn types_become_arns() {
        let arn = |name, kind, id, given| read(name, kind, id, given).unwrap().1;
        let document = "arn:aws:docs::123456789012:document/7";
        assert_eq!(arn("docs:Read", "document", "7", json!({})), document);
        assert_eq!(
            read("Read", "docs:document", "7", json!({})),
            Some(("docs:Read".into(), document.into()))
        );
        assert_eq!(arn("s3:GetObject", "object", "b/k", json!({})), "arn:aws:s3:::b/k");
        let place = json!({ "region": "eu-central-1", "account": "210987654321" });
        let queue = "arn:aws:sqs:eu-central-1:210987654321:q";
        assert_eq!(arn("sqs:SendMessage", "queue", "q", place.clone()), queue);
        let function = "arn:aws:lambda:eu-central-1:210987654321:function:f";
        assert_eq!(arn("lambda:InvokeFunction", "function", "f", place), function);
        assert_eq!(arn("s3:ListAllMyBuckets", "arn", "*", json!({})), "*");
    }

    #[test]
    fn ids_stay_within_their_type() {
        let arn = read("docs:Read", "document", "arn:aws:s3:::secret", json!({})).unwrap().1;
        assert_eq!(arn, "arn:aws:docs::123456789012:document/arn:aws:s3:::secret");
        for (name, kind) in [
            ("Read", "document"),
            ("docs:*", "document"),
            (":Read", "document"),
            ("docs:Read", "document/7"),
            ("docs:Read", "a:b:c"),
            ("docs:Read", "arn"),
        ] {
            assert_eq!(read(name, kind, "7", json!({})), None, "{name} {kind}");
        }
        for wrong in
            [json!({ "account": "1" }), json!({ "account": 1 }), json!({ "region": "a:b" })]
        {
            assert_eq!(read("docs:Read", "document", "7", wrong.clone()), None, "{wrong}");
        }
    }
}
