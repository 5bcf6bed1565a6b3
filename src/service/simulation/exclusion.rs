//! Policies that a simulation leaves out: "what would be, if this policy were removed".

use serde::Deserialize;

use crate::identity::arn::{self, Arn};
use crate::identity::id::is_account_digits;
use crate::policy::Attached;
use crate::service::authorize::Grants;
use crate::service::fault::{self, Fault};

/// One entry of a PolicyExclusionList: exactly one of its members says what is left out. What matches no
/// policy is ignored (IAM API Reference, SimulatePrincipalPolicy).
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Exclusion {
    policy_type: Option<PolicyType>,
    policy_arn: Option<String>,
    inline_policy_identifier: Option<Inline>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum PolicyType {
    Inline,
    AwsManaged,
    UserManaged,
    PermissionBoundary,
    Scp,
    Rcp,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inline {
    policy_name: String,
    attachment_type: AttachmentType,
    attachment_name: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum AttachmentType {
    User,
    Group,
    Role,
}

impl AttachmentType {
    fn word(self) -> &'static str {
        match self {
            AttachmentType::User => "user",
            AttachmentType::Group => "group",
            AttachmentType::Role => "role",
        }
    }
}

/// Whether a policy is written into its owner, and not a managed one.
pub(super) fn is_inline(attached: &Attached) -> bool {
    attached.label.version.is_empty()
}

/// What is left of the identity-based policies and of the boundary; the organization's are taken from the
/// grants themselves.
///
/// # Errors
/// `InvalidInput` for an entry with none or several members, a malformed ARN, and wildcards where none may
/// stand.
pub fn exclude(
    grants: &mut Grants,
    exclusions: &[Exclusion],
) -> Result<(Vec<Attached>, Option<Vec<Attached>>), Fault> {
    let mut identity = grants.identity.attached().to_vec();
    let mut boundary = grants.boundary.as_ref().map(|boundary| boundary.attached().to_vec());
    for exclusion in exclusions {
        match (exclusion.policy_type, &exclusion.policy_arn, &exclusion.inline_policy_identifier) {
            (Some(PolicyType::PermissionBoundary), None, None) => boundary = None,
            (Some(PolicyType::Scp), None, None) => grants.organization.scp.clear(),
            (Some(PolicyType::Rcp), None, None) => grants.organization.rcp.clear(),
            (Some(policy_type), None, None) => identity.retain(|policy| {
                let of_aws = policy.label.policy.starts_with(arn::AWS_POLICIES);
                let of = match (is_inline(policy), of_aws) {
                    (true, _) => PolicyType::Inline,
                    (false, true) => PolicyType::AwsManaged,
                    (false, false) => PolicyType::UserManaged,
                };
                of != policy_type
            }),
            (None, Some(pattern), None) => {
                check_arn(pattern)?;
                identity.retain(|policy| is_inline(policy) || !fits(pattern, &policy.label.policy));
            }
            (None, None, Some(inline)) => {
                if inline.attachment_name.matches('*').count() > 1 {
                    return Err(fault::BAD_EXCLUSION.with(&[&inline.attachment_name]));
                }
                // Names of users, groups and roles are told apart without regard to case.
                let owner = inline.attachment_name.to_lowercase();
                let named = |policy: &Attached| {
                    is_inline(policy)
                        && *policy.label.policy == *inline.policy_name
                        && policy.label.via.split_once(' ').is_some_and(|(kind, name)| {
                            kind == inline.attachment_type.word()
                                && fits(&owner, &name.to_lowercase())
                        })
                };
                identity.retain(|policy| !named(policy));
            }
            _ => return Err(fault::EXCLUSION_UNCLEAR.with(&[])),
        }
    }
    Ok((identity, boundary))
}

/// Refuses what is not the ARN of a managed policy; its name may have wildcards, one `*` at most.
fn check_arn(text: &str) -> Result<(), Fault> {
    let wild = |text: &str| text.contains(['*', '?']);
    let sound = Arn::parse(text).is_some_and(|arn| {
        let account = is_account_digits(arn.account) || arn.account == "aws";
        let head = [arn.partition, arn.service, arn.region, arn.account].iter().any(|f| wild(f));
        let name = arn.resource.strip_prefix("policy/").is_some_and(|name| !name.is_empty());
        !head && arn.partition.starts_with("aws") && arn.service == "iam" && account && name
    });
    if sound && text.matches('*').count() <= 1 {
        Ok(())
    } else {
        Err(fault::BAD_EXCLUSION.with(&[text]))
    }
}

/// Whether a text fits a pattern with one `*` at most, and any number of `?`.
fn fits(pattern: &str, text: &str) -> bool {
    let same = |pattern: &[char], text: &[char]| {
        pattern.len() == text.len()
            && pattern.iter().zip(text).all(|(one, other)| *one == '?' || one == other)
    };
    let text: Vec<char> = text.chars().collect();
    let pattern: Vec<char> = pattern.chars().collect();
    let mut parts = pattern.splitn(2, |character| *character == '*');
    match (parts.next(), parts.next()) {
        (Some(before), Some(after)) => {
            let Some(middle) = text.len().checked_sub(after.len()) else { return false };
            let (Some(head), Some(tail)) = (text.get(..before.len()), text.get(middle..)) else {
                return false;
            };
            before.len() <= middle && same(before, head) && same(after, tail)
        }
        _ => same(&pattern, &text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_have_one_star_and_many_question_marks() {
        for (pattern, text) in [
            ("a*c", "abc"),
            ("a*c", "ac"),
            ("*", ""),
            ("a?c", "abc"),
            ("a?*", "ab"),
            ("abc", "abc"),
        ] {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in
            [("a*a", "a"), ("a?c", "ac"), ("abc", "abcd"), ("a*c", "abd"), ("", "a"), ("?", "")]
        {
            assert!(!fits(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn only_the_name_of_a_policy_may_have_wildcards() {
        for good in [
            "arn:aws:iam::aws:policy/ReadOnlyAccess",
            "arn:aws:iam::123456789012:policy/team/p-?-*",
        ] {
            assert_eq!(check_arn(good), Ok(()), "{good}");
        }
        for bad in [
            "ReadOnlyAccess",
            "arn:aws:iam::*:policy/p",
            "arn:aws:iam::123456789012:policy/*a*",
            "arn:aws:iam::123456789012:policy/",
            "arn:aws:iam::123456789012:user/u",
            "arn:*:iam::123456789012:policy/p",
        ] {
            assert_eq!(check_arn(bad).unwrap_err().code, "InvalidInput", "{bad}");
        }
    }
}
