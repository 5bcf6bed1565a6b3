//! Those outside an account who could do something as one of its roles: other accounts, and whoever an identity
//! provider vouches for, as far as the roles' trust policies tell.
//!
//! What their own account allows them is not known here: that it allows them to assume the role is taken for granted.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::can::known;
use crate::policy::{
    Attached, Context, Document, Outsider, PolicySet, Principal, Request, explore,
};
use crate::service::authorize::{Grants, trust_of};
use crate::service::supposed::{Could, set_tags};

/// A role that could do what is asked, or that is asked about itself.
pub struct Entrance<'a> {
    /// Its ARN.
    pub arn: &'a str,
    /// Its trust policy.
    pub trust: &'a Arc<Document>,
    /// Its tags.
    pub tags: Vec<(String, String)>,
    /// The roles on the way, this one first; none if assuming it is what was asked.
    pub via: Vec<String>,
    /// Whether what the role could do hangs on something.
    pub conditional: bool,
    /// The keys that it hangs on.
    pub missing: Vec<String>,
}

/// Somebody who could come in, and how.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Way<'a> {
    conditional: bool,
    length: usize,
    via: &'a [String],
    named: String,
    missing: Vec<String>,
}

/// Who could come in by some roles, each once, by the surest and then the shortest way. `digits` are this account's;
/// `grants` judge the outsiders ([`grants`]), and `given` are condition keys that are known.
pub fn who_could(
    entrances: &[Entrance<'_>],
    (digits, grants): (&str, &Grants),
    given: &[(String, String)],
) -> Vec<Value> {
    let mut ways = Vec::new();
    for entrance in entrances {
        let policy = trust_of(entrance.arn, Some(entrance.trust.clone()));
        for outsider in entrance.trust.outsiders(digits) {
            let found = assumes(entrance, &outsider, policy.as_ref(), (digits, grants), given);
            let Some((conditional, keys)) = found else { continue };
            let mut missing = [&entrance.missing[..], &keys].concat();
            missing.sort();
            missing.dedup();
            ways.push(Way {
                conditional: entrance.conditional || conditional,
                length: entrance.via.len(),
                via: &entrance.via,
                named: outsider.named,
                missing,
            });
        }
    }
    ways.sort();
    let mut told = HashSet::new();
    ways.retain(|way| told.insert(way.named.clone()));
    ways.sort_by(|one, other| one.named.cmp(&other.named));
    let shown = |way: Way<'_>| {
        json!({
            "principal": way.named,
            "name": way.named,
            "via": way.via,
            "conditional": way.conditional,
            "missing_context": way.missing,
        })
    };
    ways.into_iter().map(shown).collect()
}

/// Whether it hangs on something that an outsider takes on a role, and on which keys; `None` if it cannot.
fn assumes(
    entrance: &Entrance<'_>,
    outsider: &Outsider<'_>,
    trust: Option<&PolicySet>,
    (digits, grants): (&str, &Grants),
    given: &[(String, String)],
) -> Option<(bool, Vec<String>)> {
    let action = match outsider.principal {
        Principal::Federated(provider) if provider.contains(":saml-provider/") => {
            "sts:AssumeRoleWithSAML"
        }
        Principal::Federated(_) => "sts:AssumeRoleWithWebIdentity",
        _ => "sts:AssumeRole",
    };
    let mut context = of(&outsider.principal);
    set_tags(&mut context, &entrance.tags);
    let context = known(given, context);
    let policies = grants.policies_on(action, trust);
    let request = Request::new(outsider.principal, action, entrance.arn, &context);
    let explored = explore(&request.owned_by(digits), &policies);
    match Could::of(&explored, &context) {
        Could::No => None,
        Could::Yes => Some((false, Vec::new())),
        Could::Under(missing) => Some((true, missing)),
    }
}

/// The condition keys that follow from who an outsider is.
fn of(principal: &Principal<'_>) -> Context<'static> {
    let mut context = Context::new();
    if let Some(account) = principal.account().filter(|account| !account.is_empty()) {
        context.set("aws:PrincipalAccount", account.to_owned());
    }
    let arn = match *principal {
        Principal::User { arn, .. } => arn,
        Principal::RoleSession { role_arn, .. } => role_arn,
        _ => "",
    };
    if !arn.is_empty() {
        context.set("aws:PrincipalArn", arn.to_owned());
    }
    context
}

/// What judges an outsider: all that its own account could allow, and what the organisation says of the roles here.
pub fn grants(of_account: &Grants, everything: Attached) -> Grants {
    let mut grants = Grants { identity: PolicySet::new([everything]), ..Grants::default() };
    grants.organization.rcp = of_account.organization.rcp.clone();
    grants
}
