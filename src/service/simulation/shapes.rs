//! Answers in AWS's shapes: one result an action, which sums up what was decided on each resource.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::policy::{self, Deciding, Exploration, Outcome, PolicyType};

/// What one resource came to.
pub(super) struct Verdict<'a> {
    /// Its ARN, or `*`.
    pub resource: &'a str,
    /// Whether it belongs to another account than the caller.
    pub across: bool,
    /// The decision.
    pub exploration: Exploration<'a>,
}

/// A page of results.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SimulatePolicyResult {
    pub(super) evaluation_results: Vec<EvaluationResult>,
    pub(super) is_truncated: bool,
    pub(super) marker: Option<String>,
}

/// What an action came to. Members whose content would be misleading are left out, as AWS does: see the API
/// Reference, EvaluationResult.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct EvaluationResult {
    eval_action_name: String,
    eval_resource_name: String,
    eval_decision: &'static str,
    matched_statements: Vec<Statement>,
    missing_context_values: Vec<String>,
    organizations_decision_detail: Option<OrganizationsDecisionDetail>,
    permissions_boundary_decision_detail: Option<PermissionsBoundaryDecisionDetail>,
    eval_decision_details: Option<Details>,
    resource_specific_results: Option<Vec<ResourceSpecificResult>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ResourceSpecificResult {
    eval_resource_name: String,
    eval_resource_decision: &'static str,
    matched_statements: Vec<Statement>,
    missing_context_values: Vec<String>,
    eval_decision_details: Option<Details>,
    permissions_boundary_decision_detail: Option<PermissionsBoundaryDecisionDetail>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct OrganizationsDecisionDetail {
    allowed_by_organizations: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PermissionsBoundaryDecisionDetail {
    allowed_by_permissions_boundary: bool,
}

/// By type of policy.
type Details = BTreeMap<&'static str, &'static str>;

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    source_policy_id: String,
    source_policy_type: &'static str,
    start_position: Position,
    end_position: Position,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Position {
    line: u32,
    column: u32,
}

impl From<policy::Position> for Position {
    fn from(policy::Position { line, column }: policy::Position) -> Self {
        Position { line, column }
    }
}

/// AWS's words for types of policies: those that it answers, which are not those that its model declares
/// (soto-project/soto 230, and answers that AWS's users show).
fn type_word(policy_type: PolicyType) -> &'static str {
    match policy_type {
        PolicyType::Resource | PolicyType::Trust => "Resource Policy",
        PolicyType::Boundary => "Permissions Boundary Policy",
        _ => "IAM Policy",
    }
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Allowed => "allowed",
        Outcome::ImplicitDeny => "implicitDeny",
        Outcome::ExplicitDeny => "explicitDeny",
    }
}

/// The more restrictive an outcome, the greater.
fn restriction(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Allowed => 0,
        Outcome::ImplicitDeny => 1,
        Outcome::ExplicitDeny => 2,
    }
}

impl Statement {
    fn of(deciding: &Deciding<'_>) -> Self {
        Statement {
            source_policy_id: deciding.label.policy.to_string(),
            source_policy_type: type_word(deciding.policy_type),
            start_position: deciding.statement.after().into(),
            end_position: deciding.statement.end().into(),
        }
    }
}

impl Verdict<'_> {
    fn outcome(&self) -> Outcome {
        self.exploration.decision.outcome
    }

    /// The statements that decided. SCPs are never among them, and a boundary, which grants nothing, only
    /// where it denies.
    fn matched(&self) -> Vec<Statement> {
        let denied = self.outcome() == Outcome::ExplicitDeny;
        let told = |deciding: &Deciding<'_>| match deciding.policy_type {
            PolicyType::Scp | PolicyType::Rcp => false,
            PolicyType::Boundary => denied,
            _ => true,
        };
        let deciding = self.exploration.decision.deciding().filter(told);
        deciding.map(|deciding| Statement::of(&deciding)).collect()
    }

    /// Every key that a policy refers to and that nobody gave, those of SCPs included.
    fn missing(&self) -> Vec<String> {
        let Exploration { missing_keys, missing_organization_keys, .. } = &self.exploration;
        merged(missing_keys.iter().chain(missing_organization_keys).map(|key| (*key).to_owned()))
    }

    /// What the policies of a type come to by themselves, if there are any.
    fn of(&self, policy_type: PolicyType) -> Option<Outcome> {
        self.exploration.decision.of(policy_type)
    }

    fn allowed_by_organizations(&self) -> Option<bool> {
        self.of(PolicyType::Scp).map(|outcome| outcome == Outcome::Allowed)
    }

    fn allowed_by_boundary(&self) -> Option<bool> {
        self.of(PolicyType::Boundary).map(|outcome| outcome == Outcome::Allowed)
    }

    /// What each type of policy contributes, across accounts; a resource without a policy allows nothing.
    fn details(&self) -> Option<BTreeMap<&'static str, Outcome>> {
        if !self.across || self.allowed_by_organizations() == Some(false) {
            return None;
        }
        let resource = self.of(PolicyType::Resource).or(self.of(PolicyType::Trust));
        let identity = self.of(PolicyType::Identity);
        let boundary = self.of(PolicyType::Boundary);
        Some(
            [
                (PolicyType::Identity, identity),
                (PolicyType::Resource, resource.or(Some(Outcome::ImplicitDeny))),
                (PolicyType::Boundary, boundary),
            ]
            .into_iter()
            .filter_map(|(policy_type, outcome)| Some((type_word(policy_type), outcome?)))
            .collect(),
        )
    }

    fn shown(&self) -> ResourceSpecificResult {
        let boundary = self.allowed_by_boundary();
        ResourceSpecificResult {
            eval_resource_name: self.resource.to_owned(),
            eval_resource_decision: word(self.outcome()),
            matched_statements: self.matched(),
            missing_context_values: self.missing(),
            eval_decision_details: self.details().map(worded),
            permissions_boundary_decision_detail: boundary.map(|allowed| {
                PermissionsBoundaryDecisionDetail { allowed_by_permissions_boundary: allowed }
            }),
        }
    }
}

fn worded(details: BTreeMap<&'static str, Outcome>) -> Details {
    details.into_iter().map(|(policy_type, outcome)| (policy_type, word(outcome))).collect()
}

/// Whether all allow who have a say; `None` if nobody has.
fn all(verdicts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    verdicts.flatten().reduce(|all, one| all && one)
}

/// In alphabetical order, each once, without regard to case.
fn merged(keys: impl Iterator<Item = String>) -> Vec<String> {
    let mut all: Vec<String> = keys.collect();
    all.sort_by_key(|key| key.to_lowercase());
    all.dedup_by(|one, other| one.eq_ignore_ascii_case(other));
    all
}

impl EvaluationResult {
    /// Sums up verdicts on `anything`, or on each of the resources of the request.
    pub(super) fn of(action: &str, anything: bool, verdicts: Vec<Verdict<'_>>) -> Self {
        let decisive = verdicts.iter().map(Verdict::outcome);
        let outcome = decisive.max_by_key(|one| restriction(*one)).unwrap_or(Outcome::ImplicitDeny);
        // All of the statements that made for this outcome, each once, in their order.
        let mut seen = BTreeSet::new();
        let contributed = verdicts.iter().filter(|verdict| verdict.outcome() == outcome);
        let matched = contributed.flat_map(Verdict::matched).filter(|one| seen.insert(one.clone()));
        let matched_statements = matched.collect();
        let by_organizations = all(verdicts.iter().map(Verdict::allowed_by_organizations));
        let by_boundary = all(verdicts.iter().map(Verdict::allowed_by_boundary));
        let mut details: Option<BTreeMap<&'static str, Outcome>> = None;
        for (policy_type, outcome) in verdicts.iter().filter_map(Verdict::details).flatten() {
            let worst = details.get_or_insert_default().entry(policy_type).or_insert(outcome);
            if restriction(outcome) > restriction(*worst) {
                *worst = outcome;
            }
        }
        // A denial by the organization ends the simulation.
        let ended =
            verdicts.iter().all(|verdict| verdict.allowed_by_organizations() == Some(false));
        let details = match details {
            Some(details) => Some(worded(details)),
            None => (!anything && !ended).then(Details::new),
        };
        EvaluationResult {
            eval_action_name: action.to_owned(),
            eval_resource_name: match verdicts.as_slice() {
                [one] => one.resource.to_owned(),
                _ => "*".to_owned(),
            },
            eval_decision: word(outcome),
            matched_statements,
            missing_context_values: merged(verdicts.iter().flat_map(Verdict::missing)),
            organizations_decision_detail: by_organizations
                .map(|allowed| OrganizationsDecisionDetail { allowed_by_organizations: allowed }),
            permissions_boundary_decision_detail: by_boundary.map(|allowed| {
                PermissionsBoundaryDecisionDetail { allowed_by_permissions_boundary: allowed }
            }),
            eval_decision_details: details,
            resource_specific_results: (!anything && !ended)
                .then(|| verdicts.iter().map(Verdict::shown).collect()),
        }
    }
}
