//! What a request is judged on: resources and the condition keys that the operation itself supplies.

use crate::identity::arn;
use crate::identity::change::{PolicyRef, Trust};
use crate::identity::id::UniqueId;
use crate::projection::ProjectionError;
use crate::projection::directory::{Directory, Named, Principal};

use super::caller::Caller;
use super::fault::Fault;

/// What an operation is judged against: who asks, and the account as some reader shows it.
pub struct Scene<'a> {
    /// The account whose resources are asked for.
    pub directory: Directory<'a>,
    /// Who asks.
    pub caller: &'a Caller,
    /// Policies that every account shares.
    pub documents: &'a super::documents::Documents,
}

/// The value of a condition key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A single value.
    One(String),
    /// A set of values.
    Many(Vec<String>),
    /// None that a condition could match: names of keys are compared without regard to case, and two tags
    /// differ in nothing else ("matches a resource tag key named either TagKey1 or tagkey1, but not both",
    /// IAM User Guide, "AWS global condition context keys").
    Ambiguous,
}

/// One decision that an operation needs.
#[derive(Clone, Debug)]
pub struct Check {
    /// The action, where it is not the operation's own: `iam:PassRole`.
    pub action: Option<&'static str>,
    /// An ARN, or `*`.
    pub resource: String,
    /// The unique id behind it, or `root` for what has none.
    pub id: UniqueId,
    /// The account it belongs to, if it is not the caller's.
    pub owner: Option<(crate::ledger::AccountId, String)>,
    /// The keys that this operation supplies.
    pub keys: Vec<(String, Value)>,
    /// How a denial calls the resource, where not by its ARN. Source: IAM's denials as its users report
    /// them: what is named in the request is called by kind and name (`role deploy`: aws/aws-cdk 27067,
    /// `user x`: hashicorp/boundary 3877, `instance profile x`: skypilot-org/skypilot 3366), a policy by
    /// kind and ARN (cds-snc/dns 523), or name while it is made (galaxyproject/cloudlaunch 205); by its ARN
    /// whatever else is made (f5devcentral/xcmcndemoguide 8), the caller itself where it is not named
    /// (realestate-com-au/credulous 79), and a role that is passed (alphagov/govuk-infrastructure 2439). Of
    /// groups no report was found; they are called as users are.
    pub called: Option<String>,
    /// Whether a role must trust the caller, by its trust policy.
    pub needs_trust: bool,
    /// That trust policy; without one, nobody is trusted.
    pub trust: Option<Trust>,
}

impl Check {
    /// The same about a role that does not exist: without tags, and trusting nobody.
    pub fn as_if_missing(&self) -> Check {
        let mut check = Check { trust: None, ..self.clone() };
        check.keys.retain(|(name, _)| {
            !name.starts_with(RESOURCE_TAG) && !name.starts_with(IAM_RESOURCE_TAG)
        });
        check
    }
}

const RESOURCE_TAG: &str = "aws:ResourceTag/";
const IAM_RESOURCE_TAG: &str = "iam:ResourceTag/";

/// Everything that must be allowed for an operation to go on.
#[derive(Clone, Debug)]
pub struct Target {
    /// The decisions, all of which must come out as allowed.
    pub checks: Vec<Check>,
}

impl Target {
    /// A target that is one resource.
    pub fn on(resource: impl Into<String>, id: &UniqueId) -> Self {
        Target {
            checks: vec![Check {
                action: None,
                resource: resource.into(),
                id: id.clone(),
                owner: None,
                keys: Vec::new(),
                called: None,
                needs_trust: false,
                trust: None,
            }],
        }
    }

    /// An operation without resource-level permissions: judged on `*`.
    pub fn any() -> Self {
        Target::on("*", &UniqueId::root())
    }

    /// Whether the resource of another instant's target is no longer there in this one: it had a unique id
    /// then, and has none now.
    pub fn lost_what(&self, then: &Target) -> bool {
        let id = |target: &Target| target.checks.first().map(|check| check.id.clone());
        let root = Some(UniqueId::root());
        id(self) == root && id(then) != root
    }

    /// About what has this unique id already.
    fn of(mut self, id: &UniqueId) -> Self {
        if let Some(first) = self.checks.first_mut() {
            first.id = id.clone();
        }
        self
    }

    /// With a single-valued key.
    pub fn key(mut self, name: &str, value: impl Into<String>) -> Self {
        self.set(name, Value::One(value.into()));
        self
    }

    /// With a key that may be absent from the request.
    pub fn key_if(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.key(name, value),
            None => self,
        }
    }

    /// Asked with a second factor, just now: in every decision.
    pub fn with_factor(mut self) -> Self {
        for check in &mut self.checks {
            let given = |name: &str, value: &str| (name.to_owned(), Value::One(value.to_owned()));
            check.keys.push(given("aws:MultiFactorAuthPresent", "true"));
            check.keys.push(given("aws:MultiFactorAuthAge", "0"));
        }
        self
    }

    /// With the tags that the resource has.
    pub fn tagged(mut self, tags: Vec<(String, String)>) -> Self {
        self.set_tags(RESOURCE_TAG, &tags);
        self.set_tags(IAM_RESOURCE_TAG, &tags);
        self
    }

    /// With the tags that the request wants to set.
    pub fn requesting(mut self, tags: &[(String, String)]) -> Self {
        if !tags.is_empty() {
            self.set_tags("aws:RequestTag/", tags);
            let keys = tags.iter().map(|(key, _)| key.clone()).collect();
            self.set("aws:TagKeys", Value::Many(keys));
        }
        self
    }

    /// About what is made with tags: whoever makes it must be allowed to tag it as well, by an action of its
    /// own (IAM User Guide, "IAM: Create new users only with specific tags", which allows both).
    pub fn making(self, tags: &[(String, String)], tag_action: &'static str) -> Self {
        if tags.is_empty() {
            return self;
        }
        let made = self.requesting(tags);
        let mut tagged = made.clone();
        for check in &mut tagged.checks {
            check.called = None;
        }
        made.and(tag_action, tagged)
    }

    /// With the tag keys that the request names.
    pub fn naming(mut self, keys: &[String]) -> Self {
        self.set("aws:TagKeys", Value::Many(keys.to_vec()));
        self
    }

    /// Called so in denials.
    pub fn called(mut self, name: impl Into<String>) -> Self {
        if let Some(first) = self.checks.first_mut() {
            first.called = Some(name.into());
        }
        self
    }

    /// And another decision, which must be allowed as well.
    pub fn and(mut self, action: &'static str, other: Target) -> Self {
        self.checks
            .extend(other.checks.into_iter().map(|check| Check { action: Some(action), ..check }));
        self
    }

    fn set_tags(&mut self, prefix: &str, tags: &[(String, String)]) {
        for (key, value) in tags {
            let alike = tags.iter().filter(|(other, _)| other.eq_ignore_ascii_case(key)).count();
            let value = if alike > 1 { Value::Ambiguous } else { Value::One(value.clone()) };
            self.set(&format!("{prefix}{key}"), value);
        }
    }

    fn set(&mut self, name: &str, value: Value) {
        if let Some(first) = self.checks.first_mut() {
            first.keys.push((name.to_owned(), value));
        }
    }
}

/// The account itself, as a resource.
pub fn account(scene: &Scene<'_>) -> Result<Target, Fault> {
    Ok(Target::on(arn::root(&scene.directory.digits()?), &UniqueId::root()))
}

/// A user, group or role by its name. One that does not exist is judged by the ARN it would have with
/// the path `/`: the caller learns that it does not exist only if it may ask.
pub fn named<P: Principal>(scene: &Scene<'_>, name: &str) -> Result<Target, Fault> {
    Ok(unnamed::<P>(scene, name)?.called(format!("{} {name}", P::ARN_TYPE)))
}

/// As [`named`], but that a denial says the ARN.
pub fn unnamed<P: Principal>(scene: &Scene<'_>, name: &str) -> Result<Target, Fault> {
    match scene.directory.find::<P>(name)? {
        Some(found) => existing(scene, &found),
        None => Ok(Target::on(
            arn::iam(&scene.directory.digits()?, P::ARN_TYPE, "/", name),
            &UniqueId::root(),
        )),
    }
}

/// A user, group or role that was found.
pub fn existing<P: Principal>(scene: &Scene<'_>, found: &Named<P>) -> Result<Target, Fault> {
    let tags = scene.directory.tags(found.row.id())?;
    Ok(Target::on(found.arn.clone(), found.row.id()).tagged(tags))
}

/// A user, group or role that is about to be made.
pub fn new<P: Principal>(
    scene: &Scene<'_>,
    path: Option<&str>,
    name: &str,
) -> Result<Target, Fault> {
    let path = path.unwrap_or("/");
    Ok(Target::on(arn::iam(&scene.directory.digits()?, P::ARN_TYPE, path, name), &UniqueId::root()))
}

/// A user or group that is to take another name or path. It must be allowed as what it is and as what it
/// becomes, and has its tags as both; what is not given stays.
pub fn renamed<P: Principal>(
    scene: &Scene<'_>,
    action: &'static str,
    name: &str,
    (new_path, new_name): (Option<&str>, Option<&str>),
) -> Result<Target, Fault> {
    let old = named::<P>(scene, name)?;
    let found = scene.directory.find::<P>(name)?;
    let path = new_path.or(found.as_ref().map(|found| found.row.path()));
    let mut new = new::<P>(scene, path, new_name.unwrap_or(name))?;
    if let Some(found) = &found {
        new = new.of(found.row.id()).tagged(scene.directory.tags(found.row.id())?);
    }
    Ok(old.and(action, new))
}

/// A user by the name in the request or, where that is left out, the caller's own; the root user's
/// requests about itself are judged on the account.
pub fn user_or_self(scene: &Scene<'_>, name: Option<&str>) -> Result<Target, Fault> {
    match name {
        Some(name) => named::<crate::projection::tables::UserRow>(scene, name),
        None if scene.caller.is_root() => account(scene),
        None => {
            // By its id: at another moment somebody else bore its name.
            let (id, arn) = scene.caller.own_user()?;
            match scene.directory.by_id::<crate::projection::tables::UserRow>(id)? {
                Some(found) => existing(scene, &found),
                None => Ok(Target::on(arn, &UniqueId::root())),
            }
        }
    }
}

/// A managed policy by its ARN.
pub fn policy(scene: &Scene<'_>, arn: &str) -> Result<Target, Fault> {
    let target = match find_policy(&scene.directory, arn)? {
        Some(PolicyRef(reference)) if !reference.starts_with("arn:") => {
            let id = UniqueId::parse(&reference).unwrap_or_else(UniqueId::root);
            let tags = scene.directory.tags(&id)?;
            Target::on(arn, &id).tagged(tags)
        }
        _ => Target::on(arn, &UniqueId::root()),
    };
    Ok(target.called(format!("policy {arn}")))
}

/// What a policy ARN names: one of the account's, or one that every account shares (which may not be
/// in the catalogue); `None` for an ARN of this account that names nothing.
pub fn find_policy(
    directory: &Directory<'_>,
    policy_arn: &str,
) -> Result<Option<PolicyRef>, ProjectionError> {
    if policy_arn.starts_with(arn::AWS_POLICIES) {
        return Ok(Some(PolicyRef(policy_arn.to_owned())));
    }
    let Some(parsed) = arn::Arn::parse(policy_arn) else { return Ok(None) };
    if parsed.account != directory.digits()? || parsed.kind() != "policy" {
        return Ok(None);
    }
    let kind = crate::projection::sealing::NameKind::Policy;
    let Some(id) = directory.find_id(kind, parsed.name())? else { return Ok(None) };
    use crate::projection::view::ReadTables;
    let row = directory.reader.get(directory.account, &crate::projection::tables::POLICIES, &id)?;
    // The whole ARN, to the letter: a look-alike must not stand for the policy in a condition.
    let digits = directory.digits()?;
    Ok(row
        .filter(|row| arn::iam(&digits, "policy", &row.path, &row.name) == policy_arn)
        .map(|row| PolicyRef(row.id.to_string())))
}
