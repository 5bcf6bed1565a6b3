//! Privilege escalation: what somebody could come to do by granting itself more, and by which steps.
//!
//! The steps are the known ones:
//!
//! | step | what it brings |
//! |---|---|
//! | `iam:PutUserPolicy`, `PutRolePolicy`, `PutGroupPolicy` | an inline policy that allows everything, in place of those there were |
//! | `iam:AttachUserPolicy`, `AttachRolePolicy`, `AttachGroupPolicy` | AdministratorAccess, or a policy of the account that allows the goal |
//! | `iam:AddUserToGroup` | the policies of a group |
//! | `iam:CreatePolicyVersion`, `SetDefaultPolicyVersion` | another text of a policy that is attached, or bounds |
//! | `iam:DeleteUserPermissionsBoundary`, `PutUserPermissionsBoundary`, and those of roles | no boundary |
//! | `iam:UpdateAssumeRolePolicy` | a role that trusts everybody |
//! | `sts:AssumeRole` | acting as the role |
//! | `iam:CreateAccessKey`, `CreateLoginProfile`, `UpdateLoginProfile` | acting as another user |
//! | `iam:CreateRole`, `CreateUser` | a new role that trusts everybody, or a new user, to be granted something |
//! | `iam:CreatePolicy` | a policy that allows everything, to be attached where no other one may be |
//!
//! Each is a decision that the evaluator is asked for on the concrete resource, with the keys that the request
//! would supply; what it brings is put into the policies that judge the next one ([`climb`]). So a boundary, a
//! denial and the organisation's policies bind after a grant as before it: a way is told only if the goal would
//! be allowed at its end. Quotas that would refuse a step (two access keys, five versions, ten policies, ten
//! groups) are minded, and so are second factors, which a new password does not give.
//!
//! Not followed: making a new group, which helps where those that are there may not be used; tagging oneself, or what
//! a grant reads the tags of; moving to another path or name (`iam:UpdateUser`); attaching a policy that allows nothing
//! of the goal yet, and rewriting it then; deleting what fills a quota, a second factor (`iam:DeactivateMFADevice`), or
//! what denies; and passing a role to a service that computes (`iam:PassRole`), which leads out of this account's
//! identities into services that are not here.

pub mod climb;
pub mod world;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use self::climb::Climb;
use self::world::{Deed, World};
use crate::identity::arn;
use crate::ledger::AccountId;
use crate::projection::directory::Directory;
use crate::projection::{Reader, Whole};
use crate::service::documents::Documents;
use crate::service::fault::Fault;
use crate::service::supposed::{Could, Supposed};

/// Policies of the account that are tried to be attached.
const ATTACHABLE: usize = 20;

/// What somebody may want to come to: all of these, as one principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Goal {
    asks: Vec<(String, String)>,
}

impl Goal {
    /// An action on a resource.
    pub fn of(action: &str, resource: &str) -> Self {
        Goal { asks: vec![(action.to_owned(), resource.to_owned())] }
    }

    /// To be an administrator: to grant anything to anybody, and to do what no policy speaks of by name.
    pub fn administrator(digits: &str) -> Self {
        let anybody = |kind: &str| arn::iam(digits, kind, "/", "anybody");
        let ask = |action: &str, resource: String| (action.to_owned(), resource);
        Goal {
            asks: vec![
                ask("iam:PutUserPolicy", anybody("user")),
                ask("iam:AttachRolePolicy", anybody("role")),
                ask("anything:Whatever", "*".to_owned()),
            ],
        }
    }

    fn deeds(&self) -> Vec<Deed<'_>> {
        let mut deeds = Vec::new();
        for (action, resource) in &self.asks {
            deeds.push(Deed { action, resource, tags: None, keys: &[], trust: None });
        }
        deeds
    }
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Who takes it: `user/alice`.
    pub by: String,
    /// The action: `iam:PutUserPolicy`.
    pub action: String,
    /// Its resource, an ARN.
    pub on: String,
    /// What it brings, in words.
    pub gives: String,
    /// The keys that it hangs on.
    pub missing: Vec<String>,
}

/// How somebody reaches the goal.
#[derive(Clone, Debug)]
pub struct Way {
    /// Who.
    pub who: Supposed,
    /// The steps; none for whom policies allow it as it is.
    pub steps: Vec<Step>,
    /// The keys that the goal itself hangs on after them.
    pub missing: Vec<String>,
}

impl Way {
    /// The keys that any of it hangs on.
    pub fn missing(&self) -> Vec<&str> {
        let of_steps = self.steps.iter().flat_map(|step| &step.missing);
        let mut keys: Vec<&str> = of_steps.chain(&self.missing).map(String::as_str).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// As JSON.
    pub fn shown(&self) -> Value {
        let step = |step: &Step| {
            json!({
                "by": step.by,
                "action": step.action,
                "on": step.on,
                "gives": step.gives,
                "conditional": !step.missing.is_empty(),
                "missing_context": step.missing,
            })
        };
        let missing = self.missing();
        json!({
            "principal": self.who.arn,
            "name": self.who.called(),
            "conditional": !missing.is_empty(),
            "missing_context": missing,
            "steps": self.steps.iter().map(step).collect::<Vec<_>>(),
        })
    }
}

/// Everybody who reaches a goal.
#[derive(Clone, Debug, Default)]
pub struct Ways {
    /// Each with a shortest way, a certain one where there is any.
    pub ways: Vec<Way>,
    /// Principals that were looked at.
    pub examined: usize,
    /// Whether somebody had more to try than was tried.
    pub truncated: bool,
}

/// Who could come to a goal, as a reader shows the account. `given` are condition keys that are known.
///
/// # Errors
/// Whatever keeps the account from being read.
pub fn paths(
    documents: &Documents,
    reader: &dyn Reader,
    account: AccountId,
    goal: &Goal,
    given: &[(String, String)],
) -> Result<Ways, Fault> {
    if Directory::new(reader, account).is_closed()? {
        return Ok(Ways::default());
    }
    let whole = Whole::new(reader, account);
    let world = World::read(documents, &whole, account, given)?;
    let deeds = goal.deeds();
    let reaches = |number: &usize| {
        world.members.get(*number).is_some_and(|member| {
            let could = |deed: &Deed<'_>| world.could(&member.supposed, &member.grants, *deed);
            deeds.iter().all(|deed| could(deed) == Could::Yes)
        })
    };
    let winners: BTreeSet<usize> = (0..world.members.len()).filter(reaches).collect();
    let attachable = match goal.asks.first() {
        Some((action, resource)) => world.attachable((action, resource), ATTACHABLE)?,
        None => Vec::new(),
    };
    let mut found = Ways { examined: world.members.len(), ..Ways::default() };
    for (number, member) in world.members.iter().enumerate() {
        let who = member.supposed.clone();
        if winners.contains(&number) {
            found.ways.push(Way { who, steps: Vec::new(), missing: Vec::new() });
            continue;
        }
        for certain in [true, false] {
            let mut climb = Climb::new(&world, goal, &attachable, &winners, certain);
            let way = climb.run(number)?;
            found.truncated |= climb.is_exhausted();
            if let Some((steps, missing)) = way {
                found.ways.push(Way { who, steps, missing });
                break;
            }
            if !climb.was_open() {
                break;
            }
        }
    }
    Ok(found)
}
