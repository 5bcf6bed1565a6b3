//! Whom a trust policy names that is none of an account's own: other accounts, their users, roles and sessions,
//! everybody, and whoever an identity provider vouches for.
//!
//! AWS's services are left out: they act for the account itself.

use super::arn::Arn;
use super::document::Document;
use super::grammar::Effect;
use super::principal::{Binding, Entry, Named, Principal, Principals};

/// Somebody outside an account whom a policy names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outsider<'a> {
    /// As policies write it: an ARN, `arn:aws:iam::123456789012:root` for an account, `*`, a provider's host name.
    pub named: String,
    /// As policies judge it. Of an account, and of everybody, this is somebody in it of whom nothing else is known.
    pub principal: Principal<'a>,
}

impl Document {
    /// The outsiders that statements which allow name, with repetitions; an account is told by its 12 digits.
    pub fn outsiders(&self, account: &str) -> Vec<Outsider<'_>> {
        let allows = self.statements().iter().filter(|one| one.effect() == Effect::Allow);
        let mut found = Vec::new();
        for statement in allows {
            match statement.principals() {
                Principals::Unnamed => {}
                Principals::AllBut(_) => found.push(everybody()),
                Principals::Named(entries) => {
                    found.extend(entries.iter().filter_map(|entry| outsider(entry, account)));
                }
            }
        }
        found
    }
}

fn everybody() -> Outsider<'static> {
    Outsider { named: "*".to_owned(), principal: Principal::User { account: "", id: "", arn: "" } }
}

fn outsider<'a>(entry: &'a Entry, own: &str) -> Option<Outsider<'a>> {
    // A name that was bound to somebody who is gone names nobody.
    let bound = |named: &'a Named| match &named.binding {
        None => Some((&*named.text, "")),
        Some(Binding::Id(id)) => Some((&*named.text, id.as_str())),
        Some(Binding::Gone) => None,
    };
    let (named, principal) = match entry {
        Entry::Everyone => return Some(everybody()),
        Entry::Account(digits) => {
            let principal = Principal::User { account: digits, id: "", arn: "" };
            (format!("arn:aws:iam::{digits}:root"), principal)
        }
        Entry::User(user) => {
            let (arn, id) = bound(user)?;
            (arn.to_owned(), Principal::User { account: account_of(arn)?, id, arn })
        }
        Entry::Role(role) => {
            let (role_arn, role_id) = bound(role)?;
            let account = account_of(role_arn)?;
            let principal = Principal::RoleSession { account, role_id, role_arn, session_arn: "" };
            (role_arn.to_owned(), principal)
        }
        Entry::Session(arn) => {
            let account = account_of(arn)?;
            let principal = match arn.contains(":federated-user/") {
                true => Principal::FederatedUser { account, user_id: "", user_arn: "", arn },
                false => {
                    let (role_id, role_arn) = ("", "");
                    Principal::RoleSession { account, role_id, role_arn, session_arn: arn }
                }
            };
            (arn.to_string(), principal)
        }
        Entry::Federated(provider) => (provider.to_string(), Principal::Federated(provider)),
        Entry::UniqueId(_) | Entry::Service(_) | Entry::Nobody => return None,
    };
    (principal.account() != Some(own)).then_some(Outsider { named, principal })
}

fn account_of(arn: &str) -> Option<&str> {
    let Arn { fields: [_, _, _, _, account, _], .. } = Arn::parse(arn)?;
    Some(account)
}

#[cfg(test)]
mod tests {
    use crate::policy::{Document, DocumentKind};

    #[test]
    fn who_is_of_the_account_is_no_outsider_and_services_are_none() {
        let trust = r#"{"Version":"2012-10-17","Statement":[
            {"Effect":"Allow","Action":"sts:AssumeRole","Principal":{
                "AWS":["111122223333","arn:aws:iam::111122223333:user/ann","999988887777",
                    "arn:aws:iam::999988887777:role/x/deploy","arn:aws:sts::999988887777:assumed-role/deploy/s"],
                "Service":"ec2.amazonaws.com"}},
            {"Effect":"Allow","Action":"sts:AssumeRoleWithWebIdentity",
                "Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/ci.example.com"}},
            {"Effect":"Deny","Action":"sts:AssumeRole","Principal":{"AWS":"555566667777"}},
            {"Effect":"Allow","Action":"sts:AssumeRole","Principal":"*"}]}"#;
        let trust = Document::parse(trust, DocumentKind::Trust).unwrap();
        let named: Vec<String> =
            trust.outsiders("111122223333").into_iter().map(|one| one.named).collect();
        let expected = [
            "arn:aws:iam::999988887777:root",
            "arn:aws:iam::999988887777:role/x/deploy",
            "arn:aws:sts::999988887777:assumed-role/deploy/s",
            "arn:aws:iam::111122223333:oidc-provider/ci.example.com",
            "*",
        ];
        assert_eq!(named, expected);
    }
}
