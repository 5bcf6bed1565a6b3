//! The policy simulator: what policies would decide about requests that nobody made.
//!
//! AWS's simulator is a second evaluator, and differs from what AWS enforces. Here there is one: each action
//! is asked on each resource by [`explore`], the function that decides real requests, with policies gathered
//! by the same code. Where that gives another answer than AWS's simulator, enforcement is right:
//!
//! | | AWS's simulator | here |
//! |---|---|---|
//! | trust policies for `sts:AssumeRole` and its kin | read, then ignored (aws/aws-cli 10314) | they decide, as they do when a role is assumed |
//! | ... in SimulatePrincipalPolicy, without a ResourcePolicy | the identity side alone | a role of the account is asked by its own trust policy, and one that is not there trusts nobody |
//! | condition keys of SCPs | evaluated as missing, not listed (aws/aws-cli 10525) | listed in MissingContextValues with the others |
//! | an explicit denial in an SCP | `implicitDeny` | `explicitDeny`; as in AWS, no SCP is among the MatchedStatements |
//! | RCPs | not supported | the account's own deny on its resources, as they do in requests; an exclusion leaves them out |
//! | a resource of another account, without a ResourcePolicy | not documented | that account allows nothing: `implicitDeny`, with both sides in EvalDecisionDetails |
//! | an explicit denial beside an Allow | the Allow was seen among the MatchedStatements | the denying statements only, as documented |
//! | a role as caller, with a ResourcePolicy | refused ("Caller must be an IAM user") | decided; a group is refused, being no principal |
//! | what follows from the caller (`aws:PrincipalArn`, `aws:username`, tags ...) | partly to be given | known, where PolicySourceArn or CallerArn says it; ContextEntries win |
//! | a ResourcePolicy that is about another resource | `InvalidInput` | grants and denies nothing on this one |
//! | GetContextKeysForPrincipalPolicy | identity-based policies | the permissions boundary's keys, too: the simulation asks for them |
//! | EvalResourceName above several resources | the action's ARN template | `*` |
//!
//! A simulation costs no more than so many steps an answer ([`MOST_STEPS`]): what does not fit on a page goes to
//! the next one, and an action that would not fit on a page of its own is refused.

mod exclusion;
mod given;
mod shapes;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

pub use exclusion::{Exclusion, exclude};
pub use given::{
    ContextEntry, caller, check_action, check_handling, check_resource, documents, owner, source,
    with_entries,
};
pub use shapes::SimulatePolicyResult;

use super::fault::{self, Fault};
use super::organization::resource_control_reaches;
use super::supposed::{Supposed, needs_trust};
use crate::base::text::{base64_url, from_base64_url};
use crate::identity::arn::Arn;
use crate::identity::id::is_account_digits;
use crate::policy::{
    self, Attached, Context, Document, DocumentKind, Exploration, Label, Policies, PolicySet,
    Request, explore,
};
use shapes::{EvaluationResult, Verdict};

/// The most steps that one answer takes (see [`Document::steps`]): some 15,000 decisions on policies of
/// 10,000 characters, 500 on the longest of AWS's.
pub const MOST_STEPS: u64 = 600_000_000;
/// [`explore`] decides up to three times and looks for keys that are missing.
const DECISIONS_EACH: u64 = 4;

/// A stored policy under the name by which AWS's simulator calls it: a managed one by its name, an inline one by
/// its owner and its name (answers of AWS as its users show them: `AdministratorAccess`,
/// `role_deploy_read-secrets`).
pub fn stored(attached: &Attached) -> Attached {
    let Label { policy, via, .. } = &attached.label;
    let id = match exclusion::is_inline(attached) {
        true => format!("{}_{policy}", via.replacen(' ', "_", 1)),
        false => Arn::parse(policy).map_or(&**policy, |arn| arn.name()).to_owned(),
    };
    named(attached.document.clone(), &id)
}

/// A document as answers call it.
fn named(document: Arc<Document>, id: &str) -> Attached {
    Attached::new(document, Label::new(id, "", ""))
}

/// A simulation, understood.
pub struct Scenario {
    /// Who asks; `None` for a user of whichever account the resource belongs to.
    pub caller: Option<Supposed>,
    /// What it asks for.
    pub actions: Vec<String>,
    /// On what; empty for `*`.
    pub resources: Vec<String>,
    /// The owner of resources whose ARN names none.
    pub owner: Option<String>,
    /// Identity-based policies.
    pub identity: PolicySet,
    /// The permissions boundary.
    pub boundary: Option<PolicySet>,
    /// Service control policies by level.
    pub scp: Vec<PolicySet>,
    /// Resource control policies by level, and the account on whose resources they deny.
    pub rcp: (String, Vec<PolicySet>),
    /// The policy that each resource is supposed to have.
    pub resource_policy: Option<String>,
    /// Trust policies of roles, by ARN, where no policy is supposed; `None` where none is looked up.
    pub trusts: Option<HashMap<String, PolicySet>>,
    /// Condition keys.
    pub context: Context<'static>,
}

/// The policies of a scenario as the evaluator takes them.
struct Stage<'a> {
    scenario: &'a Scenario,
    /// The supposed resource policy, read as a resource's and as a role's.
    resource: Option<PolicySet>,
    trust: Option<PolicySet>,
}

/// What answers call the ResourcePolicy.
const RESOURCE_POLICY: &str = "ResourcePolicy";

impl Scenario {
    /// Answers a page of it: one result an action.
    ///
    /// # Errors
    /// A ResourcePolicy that cannot be read, a bad marker, and more work than an answer may take.
    pub fn run(
        &self,
        max_items: Option<usize>,
        marker: Option<&str>,
    ) -> Result<SimulatePolicyResult, Fault> {
        let first = marker.map_or(Ok(0), |marker| self.read_marker(marker))?;
        let parse = |trusts: bool, kind| match &self.resource_policy {
            Some(text) if self.actions.iter().any(|action| needs_trust(action) == trusts) => {
                let document = given::document(RESOURCE_POLICY, text, kind)?;
                Ok::<_, Fault>(Some(PolicySet::new([named(document.into(), RESOURCE_POLICY)])))
            }
            _ => Ok(None),
        };
        let stage = Stage {
            scenario: self,
            resource: parse(false, DocumentKind::Resource)?,
            trust: parse(true, DocumentKind::Trust)?,
        };
        let most = stage.actions_that_fit()?;
        let limit = max_items.unwrap_or(100).clamp(1, 1_000).min(most);
        let page = self.actions.iter().skip(first).take(limit);
        let evaluation_results: Vec<EvaluationResult> =
            page.map(|action| stage.evaluate(action)).collect();
        let next = first + evaluation_results.len();
        let is_truncated = next < self.actions.len();
        let marker = is_truncated.then(|| base64_url(next.to_string().as_bytes()));
        Ok(SimulatePolicyResult { evaluation_results, is_truncated, marker })
    }

    /// How many actions were answered before.
    fn read_marker(&self, marker: &str) -> Result<usize, Fault> {
        from_base64_url(marker)
            .and_then(|bytes| String::from_utf8(bytes).ok()?.parse().ok())
            .filter(|first| *first < self.actions.len())
            .ok_or_else(|| fault::BAD_MARKER.with(&[]))
    }
}

impl<'a> Stage<'a> {
    /// How many actions an answer can hold.
    fn actions_that_fit(&self) -> Result<usize, Fault> {
        let Scenario { actions, resources, trusts, context, .. } = self.scenario;
        let values = context.iter().flat_map(|(_, values)| match values {
            policy::Values::One(value) => std::slice::from_ref(value),
            policy::Values::Many(values) => values.as_slice(),
            policy::Values::Absent => &[],
        });
        let texts = actions.iter().chain(resources).map(String::len);
        let longest = texts.chain(values.map(|value| value.len())).max().unwrap_or(0);
        let own = std::iter::once(&self.scenario.identity).chain(&self.scenario.boundary);
        let sets = own.chain(&self.scenario.scp).chain(&self.resource).chain(&self.trust);
        let sets = sets.chain(trusts.iter().flat_map(HashMap::values));
        let sets = sets.chain(&self.scenario.rcp.1);
        // A context is made once a resource, and asked for each key.
        let keys = u64::try_from(longest + context.iter().count()).unwrap_or(u64::MAX);
        let documents = sets.flat_map(PolicySet::attached).map(|attached| &attached.document);
        let steps =
            documents.fold(keys, |all, document| all.saturating_add(document.steps(longest)));
        let asked = u64::try_from(resources.len().max(1)).unwrap_or(u64::MAX);
        let each = steps.saturating_mul(DECISIONS_EACH).saturating_mul(asked);
        if each > MOST_STEPS {
            return Err(fault::SIMULATION_TOO_LARGE.with(&[]));
        }
        Ok(usize::try_from(MOST_STEPS / each.max(1)).unwrap_or(usize::MAX))
    }

    fn evaluate(&self, action: &str) -> EvaluationResult {
        let scenario = self.scenario;
        let whole = [String::from("*")];
        let anything = scenario.resources.is_empty() || scenario.resources == whole;
        let resources = if anything { &whole } else { scenario.resources.as_slice() };
        let mut contexts: BTreeMap<Option<&str>, Context<'static>> = BTreeMap::new();
        for resource in resources {
            let owner = self.owner_of(resource);
            contexts.entry(owner).or_insert_with(|| {
                let mut context = scenario.context.clone();
                if let Some(owner) = owner
                    && context.get("aws:ResourceAccount").is_none()
                {
                    context.set("aws:ResourceAccount", owner.to_owned());
                }
                context
            });
        }
        let empty = Context::new();
        let verdicts = resources
            .iter()
            .map(|resource| {
                let owner = self.owner_of(resource);
                let context = contexts.get(&owner).unwrap_or(&empty);
                self.decide(action, resource, owner, context)
            })
            .collect();
        EvaluationResult::of(action, anything, verdicts)
    }

    /// The account of a resource: its ARN's, else the supposed owner's, else the caller's.
    fn owner_of<'s>(&'s self, resource: &'s str) -> Option<&'s str> {
        let named = Arn::parse(resource).map(|arn| arn.account).filter(|of| is_account_digits(of));
        named
            .or(self.scenario.owner.as_deref())
            .or_else(|| self.scenario.caller.as_ref().map(|caller| caller.digits.as_str()))
    }

    fn decide<'r>(
        &'r self,
        action: &str,
        resource: &'r str,
        owner: Option<&'r str>,
        context: &Context<'_>,
    ) -> Verdict<'r> {
        let scenario = self.scenario;
        let principal = match &scenario.caller {
            Some(caller) => caller.principal(),
            None => policy::Principal::User { account: owner.unwrap_or_default(), id: "", arn: "" },
        };
        let trusting = needs_trust(action);
        let supposed = if trusting { self.trust.as_ref() } else { self.resource.as_ref() };
        let parsed = Arn::parse(resource);
        let is = |service: &str, kind: &str| {
            parsed.is_some_and(|arn| arn.service == service && arn.kind() == kind)
        };
        // A role's trust policy and a key's policy must allow, also within the account.
        let must_allow = match (&scenario.trusts, supposed) {
            (_, Some(_)) => trusting || is("kms", "key"),
            (Some(_), None) => trusting && is("iam", "role"),
            (None, None) => false,
        };
        let looked_up = scenario.trusts.as_ref().filter(|_| trusting && supposed.is_none());
        let own = looked_up.and_then(|trusts| trusts.get(resource));
        let (reached, levels) = &scenario.rcp;
        let reaches = resource_control_reaches(action) && owner == Some(reached.as_str());
        let rcp = if reaches { levels.as_slice() } else { &[] };
        let policies = Policies {
            identity: Some(&scenario.identity),
            boundary: scenario.boundary.as_ref(),
            scp: &scenario.scp,
            rcp,
            resource: supposed.or(own),
            resource_must_allow: must_allow,
            ..Policies::default()
        };
        let mut request = Request::new(principal, action, resource, context);
        if let Some(owner) = owner {
            request = request.owned_by(owner);
        }
        let across = !request.is_same_account();
        let exploration: Exploration<'r> = explore(&request, &policies);
        Verdict { resource, across, exploration }
    }
}
