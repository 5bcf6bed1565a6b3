//! Whom roles trust, on both sides.
//!
//! Who may take on a role hangs on its trust policy, and on the other side of it may stand anybody: a user, everybody who
//! was given `sts:AssumeRole`, another account. So it is told of the role, as what `sts:AssumeRole` on it hangs on, with
//! the statements of both sides. Where one principal is asked about, it is told besides which of these roles that one
//! could assume on either side ([`towards`]).

use std::collections::BTreeMap;

use super::{Changed, Member, Permission, Told};
use crate::identity::id::UniqueId;
use crate::ledger::AccountId;
use crate::policy::{Document, Effect};
use crate::projection::Reader;
use crate::projection::directory::{Directory, Named};
use crate::projection::tables::RoleRow;
use crate::service::audit::names;
use crate::service::authorize::{Grants, trust_of};
use crate::service::documents::Documents;
use crate::service::fault::Fault;
use crate::service::grounds::Gathering;
use crate::service::supposed::{Could, Supposed, set_tags};

const ASSUME: &str = "sts:AssumeRole";

/// What stands for a role that is not there, or trusts nobody.
const NOBODY: &str = "nobody";

/// How whom a role trusts differs between the sides, if it does.
///
/// # Errors
/// If a trust policy cannot be read.
pub fn changed(
    documents: &Documents,
    sides: &[Gathering<'_>; 2],
    both: &[Option<Member>; 2],
) -> Result<Option<Changed>, Fault> {
    let [before, after] = both;
    let trust = |member: &Option<Member>| member.as_ref().and_then(|member| member.trust.clone());
    let Some(role) = after.as_ref().or(before.as_ref()).filter(|role| role.trust.is_some()) else {
        return Ok(None);
    };
    if trust(before) == trust(after) {
        return Ok(None);
    }
    let told = |side: usize| -> Result<Vec<String>, Fault> {
        let (Some(gathering), Some(Some(member))) = (sides.get(side), both.get(side)) else {
            return Ok(vec![NOBODY.to_owned()]);
        };
        let Some(trust) = &member.trust else { return Ok(vec![NOBODY.to_owned()]) };
        Ok(terms(&*documents.trust(gathering.directory().reader, trust)?))
    };
    let (before, after) = (told(0)?, told(1)?);
    let actions = [ASSUME.to_owned()].into();
    let resource = role.found.arn.clone();
    Ok((before != after).then_some(Changed { actions, resource, before, after }))
}

/// What somebody gained and lost by whom roles trust, roles that were made and deleted included; and those roles.
///
/// # Errors
/// Whatever keeps either side from being read.
pub fn towards(
    documents: &Documents,
    readers: [&dyn Reader; 2],
    account: AccountId,
    id: &UniqueId,
) -> Result<(Told, Vec<UniqueId>), Fault> {
    let directories = readers.map(|reader| Directory::new(reader, account));
    let mut roles: BTreeMap<UniqueId, [Option<Named<RoleRow>>; 2]> = BTreeMap::new();
    for (side, directory) in directories.iter().enumerate() {
        for role in directory.all::<RoleRow>()? {
            let both = roles.entry(role.row.id.clone()).or_default();
            if let Some(place) = both.get_mut(side) {
                *place = Some(role);
            }
        }
    }
    let trust = |role: &Option<Named<RoleRow>>| role.as_ref().map(|role| role.row.trust.clone());
    roles.retain(|_, [before, after]| trust(before) != trust(after));
    let [before, after] = directories.map(|directory| Asking::of(documents, directory, id));
    let (before, after) = (before?, after?);
    let (mut told, mut closure) = (Told::default(), Vec::new());
    for (id, [earlier, later]) in roles {
        let Some(resource) = later.as_ref().or(earlier.as_ref()).map(|role| role.arn.clone())
        else {
            continue;
        };
        let actions = [ASSUME.to_owned()].into();
        let [was, is] = [before.could(earlier.as_ref())?, after.could(later.as_ref())?];
        let permission = |could: &Could| {
            let conditional = matches!(could, Could::Under(_));
            Permission {
                actions: [ASSUME.to_owned()].into(),
                resource: resource.clone(),
                conditional,
            }
        };
        match (&was, &is) {
            (Could::No, Could::No) | (Could::Yes, Could::Yes) => continue,
            (Could::Under(_), Could::Under(_)) => {
                let (before, after) = (before.terms(earlier)?, after.terms(later)?);
                if before == after {
                    continue;
                }
                told.changed.push(Changed { actions, resource, before, after });
            }
            (Could::No, _) | (_, Could::Yes) => told.gained.push(permission(&is)),
            (_, Could::No) | (Could::Yes, _) => told.lost.push(permission(&was)),
        }
        closure.push(id);
    }
    Ok((told, closure))
}

/// Whether what is told already says that a role could be assumed, as surely.
pub fn covers(known: &Permission, one: &Permission) -> bool {
    let actions = [ASSUME, "sts:*", "*"];
    let names = |action: &String| actions.contains(&action.as_str());
    (known.resource == "*" || known.resource == one.resource)
        && known.conditional <= one.conditional
        && known.actions.iter().any(names)
}

/// Somebody on one side, asked which roles it could assume.
struct Asking<'a> {
    documents: &'a Documents,
    directory: Directory<'a>,
    /// `None` if it is not there.
    who: Option<(Supposed, Grants)>,
}

impl<'a> Asking<'a> {
    fn of(
        documents: &'a Documents,
        directory: Directory<'a>,
        id: &UniqueId,
    ) -> Result<Self, Fault> {
        let mut asking = Asking { documents, directory, who: None };
        if directory.is_closed()? {
            return Ok(asking);
        }
        let digits = directory.digits()?;
        let found = names::by_id(directory, id)?;
        let found =
            found.map(|found| Supposed::of_found(directory, &digits, &found)).transpose()?;
        if let Some(supposed) = found.flatten() {
            let grants = supposed.grants(documents, &directory)?;
            asking.who = Some((supposed, grants));
        }
        Ok(asking)
    }

    fn could(&self, role: Option<&Named<RoleRow>>) -> Result<Could, Fault> {
        let (Some((supposed, grants)), Some(role)) = (&self.who, role) else {
            return Ok(Could::No);
        };
        let document = self.documents.trust(self.directory.reader, &role.row.trust)?;
        let trust = trust_of(&role.arn, Some(document));
        let mut context = supposed.context();
        set_tags(&mut context, &self.directory.tags(&role.row.id)?);
        let policies = grants.policies_on(ASSUME, trust.as_ref());
        let explored = supposed.explore((ASSUME, &role.arn), &policies, &mut context, true);
        Ok(Could::of(&explored, &context))
    }

    fn terms(&self, role: Option<Named<RoleRow>>) -> Result<Vec<String>, Fault> {
        let Some(role) = role else { return Ok(vec![NOBODY.to_owned()]) };
        Ok(terms(&*self.documents.trust(self.directory.reader, &role.row.trust)?))
    }
}

/// The statements of a trust policy, a line each.
fn terms(document: &Document) -> Vec<String> {
    let line = |statement: &crate::policy::Statement| {
        let effect = match statement.effect() {
            Effect::Allow => "Allow",
            Effect::Deny => "Deny",
        };
        let actions = statement.written_actions().join(", ");
        let whom = statement.written_principals().join(", ");
        match statement.written_conditions() {
            none if none.is_empty() => format!("{effect} {actions} to {whom}"),
            conditions => format!("{effect} {actions} to {whom} if {}", conditions.join(" and ")),
        }
    };
    let lines: Vec<String> = document.statements().iter().map(line).collect();
    if lines.is_empty() { vec![NOBODY.to_owned()] } else { lines }
}
