//! Cedar (`cedar-policy`): a policy for each statement, a policy set for each principal.
//!
//! - Wildcards on actions are action groups: `s3:Get*` is an entity above the actions that it names, so
//!   that `action in [...]` is a look-up among an action's ancestors. One entity store serves all.
//! - A resource is an entity, compared where the pattern has no wildcard; its ARN also stands in the
//!   context as a string, since only a string can be held against a pattern by `like`.
//! - The address is an `ipaddr` value of the context; deny over allow is Cedar's own rule, and the reasons
//!   of a denial are empty where no policy forbids.

use std::collections::{BTreeSet, HashSet};
use std::str::FromStr;

use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityId, EntityTypeName, EntityUid,
    PolicySet, Request, RestrictedExpression,
};

use super::{Engine, Outcome, every_action, named};
use crate::workload::{Answer, Condition, Principal, Statement, Workload};

struct Compiled {
    authorizer: Authorizer,
    actions: Entities,
    principals: Vec<PolicySet>,
    requests: Vec<(usize, Request)>,
}

pub fn build(workload: &Workload) -> Outcome<Box<dyn Engine>> {
    let mut requests = Vec::new();
    for request in &workload.requests {
        let text = |value: &str| RestrictedExpression::new_string(value.to_owned());
        let context = Context::from_pairs([
            ("arn".to_owned(), text(&request.resource)),
            ("region".to_owned(), text(request.keys.region)),
            ("address".to_owned(), RestrictedExpression::new_ip(&request.keys.address)),
        ])?;
        let asked = Request::new(
            entity("User", &workload.principals[request.principal].arn)?,
            entity("Action", &request.action)?,
            entity("Resource", &request.resource)?,
            context,
            None,
        )?;
        requests.push((request.principal, asked));
    }
    Ok(Box::new(Compiled {
        authorizer: Authorizer::new(),
        actions: actions(workload)?,
        principals: workload.principals.iter().map(policies).collect::<Outcome<_>>()?,
        requests,
    }))
}

impl Engine for Compiled {
    fn decide(&self, request: usize) -> Outcome<Answer> {
        let (principal, request) = &self.requests[request];
        let policies = &self.principals[*principal];
        let response = self.authorizer.is_authorized(request, policies, &self.actions);
        Ok(match response.decision() {
            Decision::Allow => Answer::Allowed,
            Decision::Deny if response.diagnostics().reason().next().is_some() => {
                Answer::ExplicitDeny
            }
            Decision::Deny => Answer::ImplicitDeny,
        })
    }
}

fn entity(kind: &str, id: &str) -> Outcome<EntityUid> {
    Ok(EntityUid::from_type_name_and_id(EntityTypeName::from_str(kind)?, EntityId::new(id)))
}

/// Every action, below the wildcards that name it.
fn actions(workload: &Workload) -> Outcome<Entities> {
    let statements = workload.principals.iter().flat_map(|one| &one.policies);
    let groups: BTreeSet<&str> = statements
        .flat_map(|policy| &policy.statements)
        .flat_map(|statement| &statement.actions)
        .map(String::as_str)
        .filter(|pattern| pattern.contains('*'))
        .collect();
    let mut entities = Vec::new();
    for action in every_action() {
        let above = groups.iter().filter(|group| named(group, &action));
        let above = above.map(|group| entity("Action", group)).collect::<Outcome<HashSet<_>>>()?;
        entities.push(Entity::new_no_attrs(entity("Action", &action)?, above));
    }
    for group in groups {
        entities.push(Entity::new_no_attrs(entity("Action", group)?, HashSet::new()));
    }
    Ok(Entities::from_entities(entities, None)?)
}

fn policies(principal: &Principal) -> Outcome<PolicySet> {
    let statements = principal.policies.iter().flat_map(|policy| &policy.statements);
    Ok(statements.map(policy).collect::<String>().parse()?)
}

/// A statement in Cedar. Names and ARNs of the workload hold nothing that a Cedar string would escape.
fn policy(statement: &Statement) -> String {
    let effect = if statement.deny { "forbid" } else { "permit" };
    let actions: Vec<String> =
        statement.actions.iter().map(|action| format!("Action::\"{action}\"")).collect();
    let resources = statement.resources.iter().map(|pattern| {
        if pattern.contains('*') {
            format!("context.arn like \"{pattern}\"")
        } else {
            format!("resource == Resource::\"{pattern}\"")
        }
    });
    let condition = match &statement.condition {
        None => String::new(),
        Some(Condition::Region([one, other])) => {
            format!(" && (context.region == \"{one}\" || context.region == \"{other}\")")
        }
        Some(Condition::Network(second)) => {
            format!(" && context.address.isInRange(ip(\"10.{second}.0.0/16\"))")
        }
    };
    format!(
        "{effect}(principal, action in [{}], resource) when {{ ({}){condition} }};\n",
        actions.join(", "),
        resources.collect::<Vec<_>>().join(" || "),
    )
}
