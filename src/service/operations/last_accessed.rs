//! When services were last accessed, and which policies let somebody use them. How answers come about:
//! [`crate::service::reports::accessed`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::policies;
use super::shapes::{page, policy_arn};
use crate::base::time::Timestamp;
use crate::identity::arn::Arn;
use crate::identity::id::UniqueId;
use crate::policy::{Document, Label, PolicySet};
use crate::projection::directory::{Directory, Named, Principal};
use crate::projection::tables::{ATTACHED, GroupRow, INLINE_POLICIES, RoleRow, UserRow};
use crate::projection::view::ReadTables;
use crate::service::fault::{self, Fault};
use crate::service::operation::{Read, Reading, operations};
use crate::service::reports::Pinned;
use crate::service::reports::accessed::{
    Access, Entity, Job, Report, ServiceUse, Subject, granted_actions, granted_services,
    grants_service, service_name,
};
use crate::service::target::{self, Scene, Target};

operations! { Iam:
    read GenerateServiceLastAccessedDetails on |op, scene| of_arn(scene, &op.arn) => GenerateServiceLastAccessedDetailsResult,
    read GetServiceLastAccessedDetails on |op, scene| Ok(Target::any()) => GetServiceLastAccessedDetailsResult,
    read GetServiceLastAccessedDetailsWithEntities on |op, scene| Ok(Target::any()) => GetServiceLastAccessedDetailsWithEntitiesResult,
    read ListPoliciesGrantingServiceAccess on |op, scene| of_arn(scene, &op.arn) => ListPoliciesGrantingServiceAccessResult,
}

const ACTION_LEVEL: &str = "ACTION_LEVEL";
const SERVICE_LEVEL: &str = "SERVICE_LEVEL";
const COMPLETED: &str = "COMPLETED";

/// What an ARN of the account names: the type and the name. It may not exist.
fn named<'a>(directory: Directory<'_>, arn: &'a str) -> Result<Option<Arn<'a>>, Fault> {
    let digits = directory.digits()?;
    Ok(Arn::parse(arn).filter(|parsed| parsed.service == "iam" && parsed.account == digits))
}

/// What is reported on, as a resource.
fn of_arn(scene: &Scene<'_>, arn: &str) -> Result<Target, Fault> {
    let Some(parsed) = named(scene.directory, arn)? else {
        return Ok(Target::on(arn, &UniqueId::root()));
    };
    fn exact<P: Principal>(scene: &Scene<'_>, name: &str, arn: &str) -> Result<Target, Fault> {
        match scene.directory.find::<P>(name)?.filter(|found| found.arn == arn) {
            Some(found) => target::existing(scene, &found),
            None => Ok(Target::on(arn, &UniqueId::root())),
        }
    }
    match parsed.kind() {
        "user" => exact::<UserRow>(scene, parsed.name(), arn),
        "group" => exact::<GroupRow>(scene, parsed.name(), arn),
        "role" => exact::<RoleRow>(scene, parsed.name(), arn),
        "policy" => target::policy(scene, arn),
        _ => Ok(Target::on(arn, &UniqueId::root())),
    }
}

/// A user, group or role by exactly this ARN.
fn identity(directory: Directory<'_>, arn: &str) -> Result<Option<(Subject, String)>, Fault> {
    fn exact<P: Principal>(
        directory: Directory<'_>,
        name: &str,
        arn: &str,
    ) -> Result<Option<Named<P>>, Fault> {
        Ok(directory.find::<P>(name)?.filter(|found| found.arn == arn))
    }
    let parsed = Arn::parse(arn).filter(|parsed| parsed.service == "iam");
    let parsed = parsed.filter(|parsed| matches!(parsed.kind(), "user" | "group" | "role"));
    let Some(parsed) = parsed else { return Ok(None) };
    let (name, gone) = (parsed.name(), || fault::NO_ENTITY_OF_ARN.with(&[arn]));
    Ok(Some(match parsed.kind() {
        "user" => {
            let found = exact::<UserRow>(directory, name, arn)?.ok_or_else(gone)?;
            (Subject::User(found.row.id), found.name)
        }
        "group" => {
            let found = exact::<GroupRow>(directory, name, arn)?.ok_or_else(gone)?;
            (Subject::Group(found.row.id), found.name)
        }
        _ => {
            let found = exact::<RoleRow>(directory, name, arn)?.ok_or_else(gone)?;
            (Subject::Role(found.row.id), found.name)
        }
    }))
}

/// `GenerateServiceLastAccessedDetails`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GenerateServiceLastAccessedDetails {
    arn: String,
    granularity: Option<String>,
}

/// The job.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GenerateServiceLastAccessedDetailsResult {
    job_id: String,
}

impl Read for GenerateServiceLastAccessedDetails {
    fn read(self, at: &Reading<'_>) -> Result<GenerateServiceLastAccessedDetailsResult, Fault> {
        let subject = match identity(at.directory, &self.arn)? {
            Some((subject, _)) => subject,
            None if policies::check_arn(&self.arn).is_ok() => {
                let policy = policies::find(at.directory, at.documents, &self.arn)?;
                Subject::Policy(policy.reference())
            }
            None => return Err(fault::NO_ENTITY_ARN.with(&[&self.arn])),
        };
        let job_id = at.reports.new_id()?;
        let job = Job {
            account: at.directory.account,
            owner: at.caller.principal_id(),
            subject,
            by_action: self.granularity.as_deref() == Some(ACTION_LEVEL),
            pinned: Pinned { cut: at.cut, at: at.instant },
            created: at.caller.at,
        };
        at.reports.jobs.add(job_id.clone(), job);
        Ok(GenerateServiceLastAccessedDetailsResult { job_id })
    }
}

/// `GetServiceLastAccessedDetails`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetServiceLastAccessedDetails {
    job_id: String,
    max_items: Option<usize>,
    marker: Option<String>,
}

/// A page of services.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetServiceLastAccessedDetailsResult {
    job_status: &'static str,
    job_type: &'static str,
    job_creation_date: Timestamp,
    services_last_accessed: Vec<ServiceLastAccessed>,
    job_completion_date: Timestamp,
    is_truncated: bool,
    marker: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ServiceLastAccessed {
    service_name: String,
    last_authenticated: Option<Timestamp>,
    service_namespace: String,
    last_authenticated_entity: Option<String>,
    last_authenticated_region: Option<String>,
    total_authenticated_entities: Option<usize>,
    tracked_actions_last_accessed: Option<Vec<TrackedActionLastAccessed>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TrackedActionLastAccessed {
    action_name: String,
    last_accessed_entity: Option<String>,
    last_accessed_time: Option<Timestamp>,
    last_accessed_region: Option<String>,
}

/// When, by whom and where.
fn shown(
    report: &Report<'_>,
    access: Option<&Access>,
) -> (Option<Timestamp>, Option<String>, Option<String>) {
    let Some(access) = access else { return (None, None, None) };
    let entity = report.entities.get(access.entity).map(|entity| report.arn(entity));
    let region = Some(access.last.region.clone()).filter(|region| !region.is_empty());
    (Some(access.last.at), entity, region)
}

impl Read for GetServiceLastAccessedDetails {
    fn read(self, at: &Reading<'_>) -> Result<GetServiceLastAccessedDetailsResult, Fault> {
        let (account, owner) = (at.directory.account, at.caller.principal_id());
        let job = at.reports.jobs.get(&self.job_id, account, &owner, at.caller.at)?;
        let view = at.reports.view(&job.pinned);
        let directory = Directory::new(&view, account);
        let report = Report::new(&job, directory, at.documents, at.activity)?;
        let (reach, uses) = (report.reach(), report.uses(None)?);
        let services = granted_services(&reach, &uses);
        let paged = page(services, Clone::clone, self.max_items, self.marker.as_deref())?;
        let actions =
            |service: &str, used: Option<&ServiceUse>| -> Vec<TrackedActionLastAccessed> {
                let granted: BTreeMap<String, String> = granted_actions(&reach, service, used);
                let one = |(lower, action_name): (String, String)| {
                    let access = used.and_then(|used| used.actions.get(&lower));
                    let (last_accessed_time, last_accessed_entity, last_accessed_region) =
                        shown(&report, access.map(|(_, access)| access));
                    TrackedActionLastAccessed {
                        action_name,
                        last_accessed_entity,
                        last_accessed_time,
                        last_accessed_region,
                    }
                };
                granted.into_iter().map(one).collect()
            };
        let one = |service: String| {
            let used = uses.get(&service);
            let last = used.and_then(|used| used.last.as_ref());
            let (last_authenticated, last_authenticated_entity, last_authenticated_region) =
                shown(&report, last);
            ServiceLastAccessed {
                service_name: service_name(&service),
                last_authenticated,
                last_authenticated_entity,
                last_authenticated_region,
                total_authenticated_entities: used.map(|used| used.entities),
                tracked_actions_last_accessed: job.by_action.then(|| actions(&service, used)),
                service_namespace: service,
            }
        };
        Ok(GetServiceLastAccessedDetailsResult {
            job_status: COMPLETED,
            job_type: if job.by_action { ACTION_LEVEL } else { SERVICE_LEVEL },
            job_creation_date: job.created,
            services_last_accessed: paged.items.into_iter().map(one).collect(),
            job_completion_date: job.created,
            is_truncated: paged.is_truncated,
            marker: paged.marker,
        })
    }

    fn is_long(&self) -> bool {
        true
    }
}

/// `GetServiceLastAccessedDetailsWithEntities`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetServiceLastAccessedDetailsWithEntities {
    job_id: String,
    service_namespace: String,
    max_items: Option<usize>,
    marker: Option<String>,
}

/// A page of users and roles.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetServiceLastAccessedDetailsWithEntitiesResult {
    job_status: &'static str,
    job_creation_date: Timestamp,
    job_completion_date: Timestamp,
    entity_details_list: Vec<EntityDetails>,
    is_truncated: bool,
    marker: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct EntityDetails {
    entity_info: EntityInfo,
    last_authenticated: Option<Timestamp>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct EntityInfo {
    arn: String,
    name: String,
    r#type: &'static str,
    id: UniqueId,
    path: String,
}

impl Read for GetServiceLastAccessedDetailsWithEntities {
    fn read(
        self,
        at: &Reading<'_>,
    ) -> Result<GetServiceLastAccessedDetailsWithEntitiesResult, Fault> {
        let (account, owner) = (at.directory.account, at.caller.principal_id());
        let job = at.reports.jobs.get(&self.job_id, account, &owner, at.caller.at)?;
        let view = at.reports.view(&job.pinned);
        let directory = Directory::new(&view, account);
        let report = Report::new(&job, directory, at.documents, at.activity)?;
        let service = self.service_namespace.to_ascii_lowercase();
        let uses = report.uses(Some(&service))?;
        // Nobody could have used what the policies do not reach.
        let accesses = match grants_service(&report.reach(), &service, uses.get(&service)) {
            true => report.accesses(&service)?,
            false => Vec::new(),
        };
        // The most recent access first, and who never did in the order of names.
        let key = |(entity, last): &(&Entity, Option<Timestamp>)| {
            let ago = u64::MAX - last.map_or(0, Timestamp::micros);
            format!("{ago:020}{}\0{}", entity.name.to_lowercase(), entity.id)
        };
        let paged = page(accesses, key, self.max_items, self.marker.as_deref())?;
        let one = |(entity, last_authenticated): (&Entity, Option<Timestamp>)| EntityDetails {
            entity_info: EntityInfo {
                arn: report.arn(entity),
                name: entity.name.clone(),
                r#type: entity.kind,
                id: entity.id.clone(),
                path: entity.path.clone(),
            },
            last_authenticated,
        };
        Ok(GetServiceLastAccessedDetailsWithEntitiesResult {
            job_status: COMPLETED,
            job_creation_date: job.created,
            job_completion_date: job.created,
            entity_details_list: paged.items.into_iter().map(one).collect(),
            is_truncated: paged.is_truncated,
            marker: paged.marker,
        })
    }

    fn is_long(&self) -> bool {
        true
    }
}

/// `ListPoliciesGrantingServiceAccess`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListPoliciesGrantingServiceAccess {
    arn: String,
    service_namespaces: Vec<String>,
    marker: Option<String>,
}

/// A page of services with the policies that grant them.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListPoliciesGrantingServiceAccessResult {
    policies_granting_service_access: Vec<ListPoliciesGrantingServiceAccessEntry>,
    is_truncated: bool,
    marker: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ListPoliciesGrantingServiceAccessEntry {
    service_namespace: String,
    policies: Vec<PolicyGrantingServiceAccess>,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct PolicyGrantingServiceAccess {
    policy_name: String,
    policy_type: &'static str,
    policy_arn: Option<String>,
    entity_type: Option<&'static str>,
    entity_name: Option<String>,
}

/// The policies of an owner, inline ones first, as answers show them.
fn policies_of(
    at: &Reading<'_>,
    owner: &UniqueId,
    entity_type: &'static str,
    name: &str,
) -> Result<Vec<(PolicyGrantingServiceAccess, PolicySet)>, Fault> {
    let Directory { reader, account } = at.directory;
    let alone = |document: std::sync::Arc<Document>| PolicySet::of(document, Label::default());
    let mut policies = Vec::new();
    for inline in reader.list(account, &INLINE_POLICIES, owner)? {
        let document = at.documents.identity(reader, &inline.document)?;
        let shown = PolicyGrantingServiceAccess {
            policy_name: inline.name,
            policy_type: "INLINE",
            policy_arn: None,
            entity_type: Some(entity_type),
            entity_name: Some(name.to_owned()),
        };
        policies.push((shown, alone(document)));
    }
    for attached in reader.list(account, &ATTACHED, owner)? {
        let digits = at.directory.digits()?;
        let found = at.documents.managed(reader, account, &digits, &attached.policy)?;
        let Some(found) = found else { continue };
        let arn = policy_arn(at.directory, &attached.policy)?;
        let shown = PolicyGrantingServiceAccess {
            policy_name: Arn::parse(&arn).map_or(arn.as_str(), |arn| arn.name()).to_owned(),
            policy_type: "MANAGED",
            policy_arn: Some(arn.clone()),
            entity_type: None,
            entity_name: None,
        };
        policies.push((shown, alone(found.document)));
    }
    Ok(policies)
}

impl Read for ListPoliciesGrantingServiceAccess {
    fn read(self, at: &Reading<'_>) -> Result<ListPoliciesGrantingServiceAccessResult, Fault> {
        let found = identity(at.directory, &self.arn)?;
        let (subject, name) = found.ok_or_else(|| fault::NO_ENTITY_ARN.with(&[&self.arn]))?;
        let policies = match &subject {
            Subject::Group(id) => policies_of(at, id, "GROUP", &name)?,
            Subject::Role(id) => policies_of(at, id, "ROLE", &name)?,
            Subject::User(id) => {
                let mut policies = policies_of(at, id, "USER", &name)?;
                for group in at.directory.groups_of(id)? {
                    policies.extend(policies_of(at, &group.row.id, "GROUP", &group.name)?);
                }
                policies
            }
            Subject::Policy(_) => Vec::new(),
        };
        let reaches: Vec<_> = policies.iter().map(|(shown, set)| (shown, set.reach())).collect();
        let numbered: Vec<(usize, String)> =
            self.service_namespaces.into_iter().enumerate().collect();
        let key = |(number, _): &(usize, String)| format!("{number:04}");
        let paged = page(numbered, key, None, self.marker.as_deref())?;
        let one = |(_, service_namespace): (usize, String)| {
            let service = service_namespace.to_ascii_lowercase();
            let granting =
                reaches.iter().filter(|(_, reach)| grants_service(reach, &service, None));
            let mut policies: Vec<PolicyGrantingServiceAccess> = Vec::new();
            for (shown, _) in granting {
                // A managed policy may come from several groups.
                let known = |one: &PolicyGrantingServiceAccess| {
                    one.policy_arn.is_some() && one.policy_arn == shown.policy_arn
                };
                if !policies.iter().any(known) {
                    policies.push((*shown).clone());
                }
            }
            ListPoliciesGrantingServiceAccessEntry { service_namespace, policies }
        };
        Ok(ListPoliciesGrantingServiceAccessResult {
            policies_granting_service_access: paged.items.into_iter().map(one).collect(),
            is_truncated: paged.is_truncated,
            marker: paged.marker,
        })
    }

    fn is_long(&self) -> bool {
        true
    }
}
