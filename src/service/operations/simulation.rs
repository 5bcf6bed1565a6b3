//! The policy simulator, and what it wants to know. How answers come about, and where they differ from
//! AWS's, is in [`crate::service::simulation`].

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::identity::id::UniqueId;
use crate::policy::{Attached, Context, DocumentKind, PolicySet};
use crate::projection::directory::{Directory, Principal};
use crate::projection::tables::{GroupRow, RoleRow, UserRow};
use crate::service::authorize::trust_of;
use crate::service::fault::{self, Fault};
use crate::service::operation::{Read, Reading, operations};
use crate::service::simulation::{self, ContextEntry, Exclusion, Scenario};
use crate::service::supposed::{Kind, Supposed, needs_trust, trust_policy};
use crate::service::target::{self, Scene, Target};

pub use crate::service::simulation::SimulatePolicyResult;

operations! { Iam:
    read SimulateCustomPolicy on |op, scene| Ok(Target::any()) => SimulatePolicyResult,
    read SimulatePrincipalPolicy on |op, scene| about(scene, &op.policy_source_arn) => SimulatePolicyResult,
    read GetContextKeysForCustomPolicy on |op, scene| Ok(Target::any()) => ContextKeys,
    read GetContextKeysForPrincipalPolicy on |op, scene| about(scene, &op.policy_source_arn) => ContextKeys,
}

/// Whoever asks about a principal is judged on that principal. An ARN that is nobody's, to the letter, is
/// judged as it is written.
fn about(scene: &Scene<'_>, source: &str) -> Result<Target, Fault> {
    fn one<P: Principal>(scene: &Scene<'_>, source: &Supposed) -> Result<Target, Fault> {
        match scene.directory.find::<P>(&source.name)?.filter(|found| found.arn == source.arn) {
            Some(found) => target::existing(scene, &found),
            None => Ok(Target::on(&source.arn, &UniqueId::root())),
        }
    }
    let source = simulation::source(source, &scene.caller.digits)?;
    match source.kind {
        Kind::Group => one::<GroupRow>(scene, &source),
        Kind::Role => one::<RoleRow>(scene, &source),
        _ => one::<UserRow>(scene, &source),
    }
}

/// The principal whose policies are asked for.
fn find(at: &Reading<'_>, source: &str) -> Result<Supposed, Fault> {
    let source = simulation::source(source, &at.caller.digits)?;
    let sentence = match source.kind {
        Kind::Group => fault::NO_GROUP,
        Kind::Role => fault::NO_ROLE,
        _ => fault::NO_USER,
    };
    match source.looked_up(at.directory)? {
        (found, true) => Ok(found),
        (source, false) => Err(sentence.with(&[&source.name])),
    }
}

const POLICIES: &str = "PolicyInputList";
const BOUNDARIES: &str = "PermissionsBoundaryPolicyInputList";

/// The identity-based policies of a request.
fn given(texts: &[String]) -> Result<Vec<Attached>, Fault> {
    simulation::documents(POLICIES, texts, DocumentKind::Identity)
}

/// The boundary of a request, if it brings one: there is one boundary at most.
fn boundary(texts: &[String]) -> Result<Option<Vec<Attached>>, Fault> {
    match texts {
        [] => Ok(None),
        [_] => simulation::documents(BOUNDARIES, texts, DocumentKind::Identity).map(Some),
        _ => Err(fault::TWO_BOUNDARIES.with(&[])),
    }
}

/// Refuses what both simulations would refuse.
fn check(actions: &[String], resources: &[String], handling: Option<&String>) -> Result<(), Fault> {
    if actions.is_empty() {
        return Err(fault::NO_ACTIONS.with(&[]));
    }
    actions.iter().try_for_each(|action| simulation::check_action(action))?;
    let alone = resources.len() == 1;
    resources.iter().try_for_each(|resource| simulation::check_resource(resource, alone))?;
    handling.map_or(Ok(()), |option| simulation::check_handling(option, resources))
}

/// `SimulateCustomPolicy`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SimulateCustomPolicy {
    policy_input_list: Vec<String>,
    #[serde(default)]
    permissions_boundary_policy_input_list: Vec<String>,
    #[serde(default)]
    ordered_organization_policy_input_list: Vec<Level>,
    action_names: Vec<String>,
    #[serde(default)]
    resource_arns: Vec<String>,
    resource_policy: Option<String>,
    resource_owner: Option<String>,
    caller_arn: Option<String>,
    #[serde(default)]
    context_entries: Vec<ContextEntry>,
    resource_handling_option: Option<String>,
    max_items: Option<usize>,
    marker: Option<String>,
}

/// One level of an organization, from the root down.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Level {
    #[serde(default)]
    service_control_policy_input_list: Vec<String>,
}

impl Level {
    /// Where service control policies are used at all, each level has one at least.
    fn documents(&self, number: usize) -> Result<PolicySet, Fault> {
        let list = format!(
            "OrderedOrganizationPolicyInputList.{}.ServiceControlPolicyInputList",
            number + 1
        );
        if self.service_control_policy_input_list.is_empty() {
            return Err(fault::EMPTY_LEVEL.with(&[&list]));
        }
        let texts = &self.service_control_policy_input_list;
        simulation::documents(&list, texts, DocumentKind::Scp).map(PolicySet::new)
    }
}

impl Read for SimulateCustomPolicy {
    /// Nothing of the account is looked up: whoever may do this learns nothing about others.
    fn read(self, _: &Reading<'_>) -> Result<SimulatePolicyResult, Fault> {
        let handling = self.resource_handling_option.as_ref();
        check(&self.action_names, &self.resource_arns, handling)?;
        let meets_policy = self.resource_policy.is_some();
        let caller = match &self.caller_arn {
            Some(arn) => Some(simulation::caller(arn, meets_policy)?),
            None if meets_policy => return Err(fault::NEED_CALLER.with(&[])),
            None => None,
        };
        let levels = self.ordered_organization_policy_input_list.iter().enumerate();
        let known = caller.as_ref().map_or_else(somebody, Supposed::context);
        let scenario = Scenario {
            caller,
            actions: self.action_names,
            resources: self.resource_arns,
            owner: self.resource_owner.as_deref().map(simulation::owner).transpose()?,
            identity: PolicySet::new(given(&self.policy_input_list)?),
            boundary: boundary(&self.permissions_boundary_policy_input_list)?.map(PolicySet::new),
            scp: levels.map(|(number, level)| level.documents(number)).collect::<Result<_, _>>()?,
            rcp: (String::new(), Vec::new()),
            resource_policy: self.resource_policy,
            trusts: None,
            context: simulation::with_entries(known, self.context_entries)?,
        };
        scenario.run(self.max_items, self.marker.as_deref())
    }

    fn is_long(&self) -> bool {
        true
    }
}

/// What is known of any user: it is no service.
fn somebody() -> Context<'static> {
    let mut context = Context::new();
    context.set("aws:PrincipalIsAWSService", "false");
    context.set("aws:ViaAWSService", "false");
    context
}

/// `SimulatePrincipalPolicy`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SimulatePrincipalPolicy {
    policy_source_arn: String,
    #[serde(default)]
    policy_input_list: Vec<String>,
    #[serde(default)]
    permissions_boundary_policy_input_list: Vec<String>,
    #[serde(default)]
    policy_exclusion_list: Vec<Exclusion>,
    action_names: Vec<String>,
    #[serde(default)]
    resource_arns: Vec<String>,
    resource_policy: Option<String>,
    resource_owner: Option<String>,
    caller_arn: Option<String>,
    #[serde(default)]
    context_entries: Vec<ContextEntry>,
    resource_handling_option: Option<String>,
    max_items: Option<usize>,
    marker: Option<String>,
}

impl SimulatePrincipalPolicy {
    /// Who asks: the source itself or, as if with its policies, another. Of another no tags are looked up,
    /// since nobody was asked for leave to tell them.
    fn caller(&self, source: Supposed, directory: Directory<'_>) -> Result<Supposed, Fault> {
        let arn = self.caller_arn.as_ref().unwrap_or(&source.arn);
        let caller = simulation::caller(arn, self.resource_policy.is_some())?;
        if caller.arn == source.arn {
            return Ok(source);
        }
        if caller.digits != source.digits {
            return Ok(caller);
        }
        let (caller, _) = caller.looked_up(directory)?;
        Ok(Supposed { tags: Vec::new(), ..caller })
    }

    /// The trust policies of the roles that are to be assumed.
    fn trusts(&self, at: &Reading<'_>) -> Result<HashMap<String, PolicySet>, Fault> {
        let mut trusts = HashMap::new();
        let assumes = self.action_names.iter().any(|action| needs_trust(action));
        if self.resource_policy.is_none() && assumes {
            for arn in &self.resource_arns {
                let trust = trust_of(arn, trust_policy(at.documents, at.directory, arn)?);
                trusts.extend(trust.map(|trust| (arn.clone(), trust)));
            }
        }
        Ok(trusts)
    }
}

impl Read for SimulatePrincipalPolicy {
    fn read(self, at: &Reading<'_>) -> Result<SimulatePolicyResult, Fault> {
        let handling = self.resource_handling_option.as_ref();
        check(&self.action_names, &self.resource_arns, handling)?;
        let source = find(at, &self.policy_source_arn)?;
        let mut grants = source.grants(at.documents, &at.directory)?;
        let (left, bound) = simulation::exclude(&mut grants, &self.policy_exclusion_list)?;
        let called = |policies: Vec<Attached>| policies.iter().map(simulation::stored).collect();
        let mut identity: Vec<Attached> = called(left);
        identity.extend(given(&self.policy_input_list)?);
        let boundary = match boundary(&self.permissions_boundary_policy_input_list)? {
            Some(given) => Some(given),
            None => bound.map(called),
        };
        let trusts = self.trusts(at)?;
        let digits = source.digits.clone();
        let caller = self.caller(source, at.directory)?;
        if caller.digits != digits {
            grants.organization.scp.clear();
        }
        let known = caller.context();
        let scenario = Scenario {
            caller: Some(caller),
            actions: self.action_names,
            resources: self.resource_arns,
            owner: self.resource_owner.as_deref().map(simulation::owner).transpose()?,
            identity: PolicySet::new(identity),
            boundary: boundary.map(PolicySet::new),
            scp: grants.organization.scp,
            rcp: (digits, grants.organization.rcp),
            resource_policy: self.resource_policy,
            trusts: Some(trusts),
            context: simulation::with_entries(known, self.context_entries)?,
        };
        scenario.run(self.max_items, self.marker.as_deref())
    }

    fn is_long(&self) -> bool {
        true
    }
}

/// The condition keys that policies refer to.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContextKeys {
    context_key_names: Vec<String>,
}

impl ContextKeys {
    /// Of these documents, each once, in the order and spelling in which they are first met: a statement's
    /// resources come before its conditions, as in AWS's answers.
    fn of(policies: &[Attached]) -> Self {
        let mut seen = std::collections::BTreeSet::new();
        let statements = policies.iter().flat_map(|policy| policy.document.statements());
        let keys = statements.flat_map(|statement| statement.context_keys());
        let first = keys.filter(|key| seen.insert(key.to_lowercase()));
        ContextKeys { context_key_names: first.map(str::to_owned).collect() }
    }
}

/// `GetContextKeysForCustomPolicy`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetContextKeysForCustomPolicy {
    policy_input_list: Vec<String>,
}

impl Read for GetContextKeysForCustomPolicy {
    fn read(self, _: &Reading<'_>) -> Result<ContextKeys, Fault> {
        Ok(ContextKeys::of(&given(&self.policy_input_list)?))
    }

    fn is_long(&self) -> bool {
        true
    }
}

/// `GetContextKeysForPrincipalPolicy`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetContextKeysForPrincipalPolicy {
    policy_source_arn: String,
    #[serde(default)]
    policy_input_list: Vec<String>,
}

impl Read for GetContextKeysForPrincipalPolicy {
    fn read(self, at: &Reading<'_>) -> Result<ContextKeys, Fault> {
        let grants = find(at, &self.policy_source_arn)?.grants(at.documents, &at.directory)?;
        let sets = std::iter::once(&grants.identity).chain(&grants.boundary);
        let mut policies: Vec<Attached> = sets.flat_map(PolicySet::attached).cloned().collect();
        policies.extend(given(&self.policy_input_list)?);
        Ok(ContextKeys::of(&policies))
    }

    fn is_long(&self) -> bool {
        true
    }
}
