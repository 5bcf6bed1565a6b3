//! Through roles: when somebody could do something as a role that it could take on, one after another.
//!
//! Spans are joined backwards, as `who-can` searches: whoever could assume a role while that role could do it
//! could do it too, for as long as both held. First along what is certain, then along what hangs on context
//! that nobody gave; what an earlier way covers as surely is not told again, so that each moment is told with
//! the shortest of the surest ways.
//!
//! Cost: one pass over the roles' trust policies, as far as they ever were, to find those that the principal
//! could have come to; then the spans of those alone.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use super::line::{Asked, Epoch, Line};
use super::span::Span;
use crate::identity::id::UniqueId;
use crate::identity::{arn, codec};
use crate::policy::Document;
use crate::projection::directory::Directory;
use crate::projection::tables::{ROLES, RoleRow};
use crate::service::fault::Fault;
use crate::service::supposed::{Kind, Supposed};

/// What takes on a role.
pub const ASSUME: &str = "sts:AssumeRole";
/// Roles that are taken on after one another at most; longer chains have no place in a day's sessions.
const LONGEST: usize = 10;

/// Somebody, over time.
pub struct Member {
    /// Its id.
    pub id: UniqueId,
    /// Who it was when.
    pub epochs: Vec<Epoch>,
    /// Of a role: the trust policies that it ever had.
    trusts: Vec<Arc<Document>>,
}

impl Member {
    /// A user, a role, or the root user; the trust policies are a role's.
    pub fn new(id: UniqueId, epochs: Vec<Epoch>, trusts: Vec<Arc<Document>>) -> Self {
        Member { id, epochs, trusts }
    }

    /// What it was made of, but for the epochs.
    pub fn into_parts(self) -> (UniqueId, Vec<Arc<Document>>) {
        (self.id, self.trusts)
    }

    /// Since which position it was there.
    pub fn since(&self) -> Option<u64> {
        self.epochs.iter().find(|epoch| epoch.someone.is_some()).map(|epoch| epoch.from)
    }

    /// As it was last.
    pub fn newest(&self) -> Option<&Supposed> {
        let someone = self.epochs.iter().rev().find_map(|epoch| epoch.someone.as_ref())?;
        Some(&someone.supposed)
    }

    fn is_root(&self) -> bool {
        self.newest().is_some_and(|newest| newest.kind == Kind::Root)
    }

    /// Whether its own permissions ever allowed to assume some role; a yes may be mistaken.
    fn may_assume_some(&self) -> bool {
        self.epochs.iter().any(|epoch| {
            let grants = epoch.someone.as_ref().map(|someone| &someone.grants);
            grants.is_some_and(|grants| grants.identity.may_allow_within(ASSUME, "arn:aws:iam::"))
        })
    }

    /// Whether some of a role's trust policies names it, without regard to its own permissions; a yes may be mistaken.
    fn is_trusted(&self, trusts: &[Arc<Document>]) -> bool {
        let names = |document: &Arc<Document>| {
            document.names_others() || document.named_ids().any(|id| id == self.id.as_str())
        };
        !self.is_root() && trusts.iter().any(names)
    }

    /// Whether its own permissions ever allowed to assume a role; a yes may be mistaken.
    fn may_assume(&self, arn: &str) -> bool {
        let is_allowed = |epoch: &Epoch| {
            let grants = epoch.someone.as_ref().map(|someone| &someone.grants);
            grants.is_some_and(|grants| grants.identity.may_allow(ASSUME, arn))
        };
        !self.is_root() && self.epochs.iter().any(is_allowed)
    }
}

/// A span in which a member could, as the last of these roles, by their numbers.
#[derive(Clone, Debug)]
pub struct Way {
    /// When.
    pub span: Span,
    /// The roles to assume, in order; empty for by itself.
    pub via: Vec<usize>,
}

/// A role that there ever was: its newest row, and every trust policy that it ever had.
pub struct Role {
    row: RoleRow,
    /// The trust policies.
    pub trusts: Vec<Arc<Document>>,
}

/// Every role that there ever was.
///
/// # Errors
/// Whatever keeps the rows from being read.
pub fn roles(line: &Line<'_>) -> Result<BTreeMap<UniqueId, Role>, Fault> {
    let (view, documents) = (line.history.view(), line.service.documents());
    let mut rows: Vec<RoleRow> = Vec::new();
    view.versions(line.account, &ROLES.prefix(&()), &mut |_, _, row| {
        rows.extend(row.map(codec::decode::<RoleRow>).transpose()?);
        Ok(())
    })?;
    let mut roles: BTreeMap<UniqueId, Role> = BTreeMap::new();
    for row in rows {
        let document = documents.trust(view, &row.trust)?;
        let fresh = || Role { row: row.clone(), trusts: Vec::new() };
        let known = roles.entry(row.id.clone()).or_insert_with(fresh);
        if !known.trusts.iter().any(|other| Arc::ptr_eq(other, &document)) {
            known.trusts.push(document);
        }
    }
    Ok(roles)
}

/// The roles that somebody could ever have come to, by whatever chain; more than it could, perhaps.
///
/// # Errors
/// Whatever keeps the rows from being read.
pub fn reachable(line: &Line<'_>, from: &Member) -> Result<Vec<Member>, Fault> {
    let mut left = roles(line)?;
    left.remove(&from.id);
    let directory = Directory::new(line.history.view(), line.account);
    let digits = directory.digits()?;
    let mut found: Vec<Member> = Vec::new();
    let mut arns: HashMap<UniqueId, String> = HashMap::new();
    let mut next: usize = 0;
    loop {
        let member = match next.checked_sub(1) {
            None => from,
            Some(number) => match found.get(number) {
                None => return Ok(found),
                Some(member) => member,
            },
        };
        // Names are opened only where a permission might name a role by them.
        let by_name = member.may_assume_some();
        let mut new = Vec::new();
        for (id, Role { row, trusts }) in &left {
            if by_name && !arns.contains_key(id) {
                // A role keeps name and path for as long as it is there.
                let name = directory.name_once(row)?;
                arns.insert(id.clone(), arn::iam(&digits, "role", &row.path, &name));
            }
            let arn = arns.get(id).map_or("", String::as_str);
            if by_name && member.may_assume(arn) || member.is_trusted(trusts) {
                new.push(id.clone());
            }
        }
        for id in new {
            let trusts = left.remove(&id).map(|role| role.trusts).unwrap_or_default();
            let epochs = line.epochs(&id)?;
            found.push(Member::new(id, epochs, trusts));
        }
        next += 1;
    }
}

/// When each of some members could do something, by itself and through the roles among them.
pub struct Search<'s, 'v> {
    line: &'s Line<'v>,
    members: &'s [Member],
    asked: Asked<'s>,
    ways: Vec<Vec<Way>>,
    by_id: HashMap<&'s str, usize>,
    /// Who may assume some role by permissions of its own.
    permitted: Vec<usize>,
    /// What is left out: whatever touches nothing that is asked about.
    counts: &'s dyn Fn(&Span) -> bool,
}

impl<'s, 'v> Search<'s, 'v> {
    /// Searches; `counts` says which spans are of interest.
    ///
    /// # Errors
    /// Whatever keeps the ledger from being read.
    pub fn run(
        line: &'s Line<'v>,
        members: &'s [Member],
        asked: Asked<'s>,
        counts: &'s dyn Fn(&Span) -> bool,
    ) -> Result<Vec<Vec<Way>>, Fault> {
        let grounds = line.grounds(asked.action, asked.resource)?;
        let mut ways = Vec::with_capacity(members.len());
        for member in members {
            let mut spans = line.spans(&member.epochs, &grounds, asked)?;
            spans.retain(counts);
            ways.push(spans.into_iter().map(|span| Way { span, via: Vec::new() }).collect());
        }
        let numbered = members.iter().enumerate();
        let by_id = numbered.clone().map(|(number, member)| (member.id.as_str(), number)).collect();
        let permitted = numbered.filter(|(_, member)| member.may_assume_some());
        let permitted = permitted.map(|(number, _)| number).collect();
        let mut search = Search { line, members, asked, ways, by_id, permitted, counts };
        search.extend(true)?;
        search.extend(false)?;
        Ok(search.ways)
    }

    /// Follows roles backwards to the fixed point: along what is certain, or along everything.
    fn extend(&mut self, certain: bool) -> Result<(), Fault> {
        // What of each role's ways is to be followed.
        let mut pending: Vec<Vec<Way>> = self.ways.clone();
        for ways in &mut pending {
            ways.retain(|way| !certain || way.span.held.is_sure());
        }
        let is_waiting = |number: &usize| {
            self.members.get(*number).is_some_and(|member| !member.trusts.is_empty())
                && pending.get(*number).is_some_and(|ways| !ways.is_empty())
        };
        let mut queue: VecDeque<usize> = (0..self.members.len()).filter(is_waiting).collect();
        while let Some(role) = queue.pop_front() {
            let ways = pending.get_mut(role).map(std::mem::take).unwrap_or_default();
            let Some(target) = self.members.get(role).filter(|_| !ways.is_empty()) else {
                continue;
            };
            let arn = target.newest().map_or("", |newest| newest.arn.as_str());
            let grounds = self.line.grounds(ASSUME, arn)?;
            let asked = Asked { action: ASSUME, resource: arn, given: self.asked.given };
            for number in self.candidates(target) {
                let Some(member) = self.members.get(number) else { continue };
                let may = member.may_assume(arn) || member.is_trusted(&target.trusts);
                if number == role || !may {
                    continue;
                }
                let assumes = self.line.spans(&member.epochs, &grounds, asked)?;
                for way in &ways {
                    let new = self.join((number, role), &assumes, way, certain);
                    if let Some(waiting) = pending.get_mut(number)
                        && !new.is_empty()
                        && !member.trusts.is_empty()
                    {
                        waiting.extend(new.iter().cloned());
                        queue.push_back(number);
                    }
                    if let Some(known) = self.ways.get_mut(number) {
                        known.extend(new);
                    }
                }
            }
        }
        Ok(())
    }

    /// Who might assume a role.
    fn candidates(&self, role: &Member) -> Vec<usize> {
        if role.trusts.iter().any(|document| document.names_others()) {
            return (0..self.members.len()).collect();
        }
        let named = role.trusts.iter().flat_map(|document| document.named_ids());
        let named = named.filter_map(|id| self.by_id.get(id).copied());
        let mut candidates: Vec<usize> = self.permitted.iter().copied().chain(named).collect();
        candidates.sort_unstable();
        candidates.dedup();
        candidates
    }

    /// What a member gains by assuming a role while that could.
    fn join(
        &self,
        (number, role): (usize, usize),
        assumes: &[Span],
        way: &Way,
        certain: bool,
    ) -> Vec<Way> {
        if way.via.len() >= LONGEST || way.via.contains(&number) {
            return Vec::new();
        }
        let known = self.ways.get(number).map_or(&[][..], Vec::as_slice);
        let via: Vec<usize> = std::iter::once(role).chain(way.via.iter().copied()).collect();
        let mut new = Vec::new();
        for span in assumes.iter().filter_map(|span| span.and(&way.span)) {
            if certain && !span.held.is_sure() || !(self.counts)(&span) {
                continue;
            }
            let mut left = vec![span];
            for other in known.iter().map(|way| &way.span) {
                left = left
                    .into_iter()
                    .flat_map(|span| match other.held.is_sure() || !span.held.is_sure() {
                        true => span.without(other),
                        false => vec![span],
                    })
                    .collect();
            }
            new.extend(left.into_iter().map(|span| Way { span, via: via.clone() }));
        }
        new
    }
}

/// The chain of a way, as names.
pub fn called(members: &[Member], via: &[usize]) -> Vec<String> {
    let newest = via.iter().filter_map(|number| members.get(*number)?.newest());
    newest.map(Supposed::called).collect()
}
