//! The changes of imports: how far one is, and what came in as it had been made before.

use super::Folding;
use crate::identity::change::{Change, ImportBegun, PolicyImported, SharedPolicyImported};
use crate::identity::id::{IdKind, UniqueId};
use crate::projection::ProjectionError;
use crate::projection::tables::*;

/// Folds one of them; of any other it is said that it does not fit.
pub(super) fn fold(change: &Change, to: &mut Folding<'_>) -> Result<(), ProjectionError> {
    match change {
        Change::ImportBegun(ImportBegun { import, baseline }) => {
            let (import, baseline, since) = (*import, *baseline, to.meta.at);
            let row = ImportRow { import, baseline, since, stage: ImportStage::Begun };
            to.put(&IMPORT, &(), &row)
        }
        Change::BaselineTaken(_) => stage(to, ImportStage::Based),
        Change::ImportCompleted(_) => stage(to, ImportStage::Completed),
        Change::ImportDropped(_) => {
            // The digits, the address and the alias are free for an account to come.
            let account = to.need(&ACCOUNT, &())?;
            to.remove_global(&ACCOUNTS, &account.digits);
            to.remove_global(&EMAILS, &account.email_tag);
            if let Some(alias) = &account.alias {
                to.remove_global(&ALIASES, alias);
            }
            stage(to, ImportStage::Dropped)
        }
        Change::EntityDated(c) => date(to, &c.id, c.created),
        Change::PolicyImported(c) => policy(to, c),
        Change::SharedPolicyImported(c) => {
            let SharedPolicyImported { policy, id, version, document, created, updated } =
                c.clone();
            let row =
                SharedPolicyRow { policy: policy.clone(), id, version, document, created, updated };
            to.put(&SHARED_POLICIES, &policy, &row)
        }
        Change::RecordReplayed(c) => to.put(&IMPORTED_RECORDS, &c.record, &c.at),
        Change::LateEvidence(c) => to.put(&IMPORTED_RECORDS, &c.record, &c.at),
        // Beside the one that it contradicts, so that it is told once.
        Change::EvidenceContradicted(c) => {
            to.put(&IMPORTED_RECORDS, &contradiction(&c.record, &c.content), &c.at)
        }
        Change::OrderAmbiguous(_) => Ok(()),
        Change::RecordSaid(c) => to.put(&RECORD_CONTENTS, &c.record, &c.content),
        other => Err(to.unfit(format!("{} is no change of imports", other.name()))),
    }
}

fn stage(to: &mut Folding<'_>, stage: ImportStage) -> Result<(), ProjectionError> {
    to.update(&IMPORT, &(), |row| row.stage = stage)
}

fn date(
    to: &mut Folding<'_>,
    id: &UniqueId,
    created: crate::base::time::Timestamp,
) -> Result<(), ProjectionError> {
    match id.kind() {
        Some(IdKind::User) => to.update(&USERS, id, |row| row.created = created),
        Some(IdKind::Group) => to.update(&GROUPS, id, |row| row.created = created),
        Some(IdKind::Role) => to.update(&ROLES, id, |row| row.created = created),
        Some(IdKind::InstanceProfile) => {
            to.update(&INSTANCE_PROFILES, id, |row| row.created = created)
        }
        _ => Err(to.unfit(format!("{id} is nothing that has a date"))),
    }
}

fn policy(to: &mut Folding<'_>, c: &PolicyImported) -> Result<(), ProjectionError> {
    to.more(Counted::Policies)?;
    let row = PolicyRow {
        id: c.policy.clone(),
        path: c.path.clone(),
        name: c.name.clone(),
        name_tag: c.name_tag,
        description: c.description.clone(),
        created: c.created,
        updated: c.updated,
        default_version: c.default,
        latest_version: c.versions.iter().map(|(number, ..)| *number).max().unwrap_or(c.default),
    };
    to.put(&POLICIES, &c.policy, &row)?;
    to.put(&NAMES, &c.name_tag, &c.policy)?;
    for (version, document, created) in &c.versions {
        let (version, document, created) = (*version, *document, *created);
        let row = PolicyVersionRow { version, document, created };
        to.put(&POLICY_VERSIONS, &(c.policy.clone(), version), &row)?;
    }
    Ok(())
}
