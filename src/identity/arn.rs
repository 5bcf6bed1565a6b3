//! Amazon resource names, `arn:partition:service:region:account:resource`.
//!
//! Source: IAM User Guide, "IAM ARNs" and "Reference ARNs".

use std::fmt;

/// An ARN taken apart, borrowing from its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arn<'a> {
    /// `aws`.
    pub partition: &'a str,
    /// `iam`, `sts`, ...
    pub service: &'a str,
    /// Empty for IAM.
    pub region: &'a str,
    /// 12 digits, `aws` for the managed policies of AWS, or empty.
    pub account: &'a str,
    /// `user/division/alice`.
    pub resource: &'a str,
}

impl<'a> Arn<'a> {
    /// Reads an ARN; `None` if it has fewer than six parts or another scheme.
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        let ("arn", partition, service, region, account, resource) = (
            parts.next()?,
            parts.next()?,
            parts.next()?,
            parts.next()?,
            parts.next()?,
            parts.next()?,
        ) else {
            return None;
        };
        Some(Arn { partition, service, region, account, resource })
    }

    /// The type of the resource: what stands before the first slash (`user`, `role`, ...).
    pub fn kind(&self) -> &'a str {
        self.resource.split_once('/').map_or(self.resource, |(kind, _)| kind)
    }

    /// The name: what stands after the last slash.
    pub fn name(&self) -> &'a str {
        self.resource.rsplit_once('/').map_or(self.resource, |(_, name)| name)
    }

    /// The path of an IAM entity with its slashes: `/` or `/division/`.
    pub fn path(&self) -> &'a str {
        match (self.resource.find('/'), self.resource.rfind('/')) {
            (Some(first), Some(last)) => self.resource.get(first..=last).unwrap_or("/"),
            _ => "/",
        }
    }
}

impl fmt::Display for Arn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Arn { partition, service, region, account, resource } = self;
        write!(f, "arn:{partition}:{service}:{region}:{account}:{resource}")
    }
}

/// The ARN of an IAM entity: `kind` is `user`, `group`, `role`, `policy` or `instance-profile`.
pub fn iam(account: &str, kind: &str, path: &str, name: &str) -> String {
    ["arn:aws:iam::", account, ":", kind, path, name].concat()
}

/// The ARN of an account's root user, which also stands for the account.
pub fn root(account: &str) -> String {
    format!("arn:aws:iam::{account}:root")
}

/// The ARN of a role session. The role's path is not part of it.
pub fn assumed_role(account: &str, role: &str, session: &str) -> String {
    format!("arn:aws:sts::{account}:assumed-role/{role}/{session}")
}

/// The ARN prefix of the managed policies that every account shares.
pub const AWS_POLICIES: &str = "arn:aws:iam::aws:policy/";

/// The path of the roles that belong to AWS's services, and of the policies that only these can have: organizations do
/// not bind such roles, and nobody else makes or changes them (IAM User Guide, "Service-linked roles").
pub const OF_SERVICES: &str = "/aws-service-role/";

/// Whether an ARN is one of a role that belongs to an AWS service.
pub fn is_of_a_service(arn: &str) -> bool {
    Arn::parse(arn).is_some_and(|arn| arn.kind() == "role" && arn.path().starts_with(OF_SERVICES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_of_a_service_is_known_by_its_path() {
        let iam = |rest: &str| format!("arn:aws:iam::123456789012:{rest}");
        assert!(is_of_a_service(&iam("role/aws-service-role/x.amazonaws.com/Linked")));
        for other in ["role/Linked", "role/a/aws-service-role/b", "user/aws-service-role/x/y"] {
            assert!(!is_of_a_service(&iam(other)), "{other}");
        }
    }

    #[test]
    fn parts_and_back() {
        let text = iam("123456789012", "user", "/a/b/", "alice");
        let arn = Arn::parse(&text).unwrap();
        assert_eq!((arn.kind(), arn.path(), arn.name()), ("user", "/a/b/", "alice"));
        assert_eq!(arn.to_string(), text);
        let arn = Arn::parse("arn:aws:iam::123456789012:root").unwrap();
        assert_eq!((arn.kind(), arn.path(), arn.name()), ("root", "/", "root"));
        assert_eq!(Arn::parse("arn:aws:iam::1:policy/x:y").unwrap().resource, "policy/x:y");
        assert_eq!(Arn::parse("arn:aws:iam:root"), None);
        assert_eq!(Arn::parse("urn:a:b:c:d:e"), None);
    }
}
