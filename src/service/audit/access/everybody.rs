//! Who could do something at any time within a stretch of it, and when: every principal that there was then,
//! those that are gone by now among them, by itself and through roles.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::line::{Asked, Line};
use super::span::Span;
use super::through::{self, Member, Search};
use super::{shown, touches};
use crate::identity::codec;
use crate::identity::id::UniqueId;
use crate::ledger::AccountId;
use crate::policy::Document;
use crate::projection::tables::{USERS, UserRow};
use crate::projection::{History, View};
use crate::service::Service;
use crate::service::audit::who_can::Ask;
use crate::service::fault::Fault;
use crate::service::supposed::Supposed;

/// Answers.
///
/// # Errors
/// Whatever keeps the ledger from being read.
pub fn who_could(
    service: &Service,
    account: AccountId,
    view: &View,
    ask: &Ask,
) -> Result<Value, Fault> {
    let history = History::new(view);
    let line = Line::new(service, &history, account)?;
    let asked =
        Asked { action: &ask.action, resource: &ask.resource, given: ask.context.as_slice() };
    let counts = |span: &Span| touches(span, &ask.range);
    // First who it was, which the range alone tells; then since when and until when, of those.
    let roles = through::roles(&line)?;
    let ids = ids(&line)?;
    let examined = ids.len() + roles.len();
    let everybody = ids
        .into_iter()
        .map(|id| (id, Vec::new()))
        .chain(roles.into_iter().map(|(id, role)| (id, role.trusts)));
    let narrow = Line::new(service, &history, account)?.within(&ask.range)?;
    let members = of(&narrow, everybody)?;
    let ways = Search::run(&narrow, &members, asked, &counts)?;
    let found = members.into_iter().zip(ways).filter(|(_, ways)| !ways.is_empty());
    let members = of(&line, found.map(|(member, _)| member.into_parts()))?;
    let ways = Search::run(&line, &members, asked, &counts)?;
    let mut intervals = Vec::new();
    for (member, ways) in members.iter().zip(ways) {
        let mut ways = ways;
        ways.sort_by_key(|way| (way.span.from.point, way.via.len()));
        for way in &ways {
            let mut fields = shown::span(&line, &way.span, true)?;
            let newest = member.newest();
            for (name, value) in [
                ("principal", newest.map(|newest| newest.arn.as_str()).into()),
                ("name", newest.map(Supposed::called).into()),
                ("id", member.id.as_str().into()),
                ("via", through::called(&members, &way.via).into()),
            ] {
                fields.insert(name.to_owned(), value);
            }
            intervals.push(Value::Object(fields));
        }
    }
    Ok(json!({
        "action": ask.action,
        "resource": ask.resource,
        "position": view.cut().position,
        "known_since": line.baseline().map(|point| point.at.to_precise()),
        "from": ask.range.from.map(|from| from.to_string()),
        "to": ask.range.to.map(|to| to.to_string()),
        "examined": examined,
        "intervals": intervals,
    }))
}

/// The root user and every user that there ever was.
fn ids(line: &Line<'_>) -> Result<BTreeSet<UniqueId>, Fault> {
    let mut ids = BTreeSet::from([UniqueId::root()]);
    line.history.view().versions(line.account, &USERS.prefix(&()), &mut |_, _, row| {
        let row = row.map(codec::decode::<UserRow>).transpose()?;
        ids.extend(row.map(|row| row.id));
        Ok(())
    })?;
    Ok(ids)
}

/// An id and, of a role, the trust policies that it ever had.
type Parts = (UniqueId, Vec<Arc<Document>>);

/// Those of some ids who are there on a line: the root user, users, roles, by name.
fn of(line: &Line<'_>, ids: impl Iterator<Item = Parts>) -> Result<Vec<Member>, Fault> {
    let mut members = Vec::new();
    for (id, trusts) in ids {
        let epochs = line.epochs(&id)?;
        if !epochs.is_empty() {
            members.push(Member::new(id, epochs, trusts));
        }
    }
    members.sort_by_cached_key(|member| {
        let newest = member.newest();
        newest.map(|newest| (newest.kind as u8, newest.name.to_lowercase(), member.since()))
    });
    Ok(members)
}
