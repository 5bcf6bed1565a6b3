//! Postings: at which positions of an account somebody did something, of which operation, about whom, for
//! which ticket, in which session. They answer rare questions of long ledgers; common ones find what they
//! look for among the newest events.
//!
//! | part of the stored key | size | what |
//! |---|---|---|
//! | account | 16 | whose event |
//! | table | 1 | 240, which no table of rows has |
//! | kind | 1 | what the term is, see [`Of`] |
//! | term | 8 | the first bytes of BLAKE3 of the text |
//! | position | 8 | complement of the event's position, big-endian: newest first |
//!
//! They lie among the rows, as if each term were a row that every event of it supersedes, so that a rebuild
//! makes them anew and a verification compares them. Views do not read them as rows. A hash may stand for two
//! texts: whoever finds an event by a posting looks at the event.
//!
//! Several terms together are found by stepping from one to the other: the cost is that of the rarest.

use super::row;
use super::{ProjectionError, View};
use crate::base::crypto::content_hash;
use crate::identity::Event;
use crate::identity::id::IdKind;
use crate::ledger::{AccountId, Actor};
use crate::store::{Batch, Cursor, Family};

/// Beyond the numbers of all tables.
const NUMBER: u8 = 240;

/// What a term is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// The unique id of who did it.
    Actor,
    /// The unique id, or the ARN of a shared policy, of whom or what it is about.
    About,
    /// The operation, without regard to case.
    Operation,
    /// The ticket.
    Ticket,
    /// The access key of temporary credentials that asked for it.
    Session,
}

/// What postings are kept by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Term([u8; 10]);

impl Term {
    /// The term of a text.
    pub fn new(of: Of, text: &str) -> Self {
        let kind = match of {
            Of::Actor => b'a',
            Of::About => b'b',
            Of::Operation => b'o',
            Of::Session => b's',
            Of::Ticket => b't',
        };
        let hash = match of {
            Of::Operation => content_hash(text.to_ascii_lowercase().as_bytes()),
            _ => content_hash(text.as_bytes()),
        };
        let mut term = [NUMBER, kind, 0, 0, 0, 0, 0, 0, 0, 0];
        for (place, byte) in term.iter_mut().skip(2).zip(hash) {
            *place = byte;
        }
        Term(term)
    }
}

/// The terms of an event, each once.
fn terms(actor: Actor, event: &Event) -> Vec<Term> {
    let origin = &event.origin;
    let mut terms = vec![
        Term::new(Of::Actor, actor.as_str()),
        Term::new(Of::Operation, &origin.operation),
        Term::new(Of::About, origin.target.as_str()),
    ];
    terms.extend(origin.ticket.as_ref().map(|ticket| Term::new(Of::Ticket, ticket)));
    let session = origin.credential.as_ref().filter(|key| key.kind() == Some(IdKind::SessionKey));
    terms.extend(session.map(|key| Term::new(Of::Session, key.as_str())));
    for change in &event.changes {
        change.each_id(&mut |id| terms.push(Term::new(Of::About, id)));
    }
    terms.sort();
    terms.dedup();
    terms
}

/// Adds an event's postings to the batch that it, or its rows, are written in.
pub fn write(
    (account, position): (AccountId, u64),
    actor: Actor,
    event: &Event,
    side: Family,
    batch: &mut Batch,
) {
    for Term(term) in terms(actor, event) {
        batch.put(side, row::stored_key(account, &term, position), row::stored_value(Some(&[])));
    }
}

/// Which events come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The newest.
    #[default]
    Newest,
    /// The oldest.
    Oldest,
}

/// What is looked for: of every list some term. `first` and `last` are the first and the last position that
/// counts.
pub struct Sought<'a> {
    /// The lists.
    pub all: &'a [Vec<Term>],
    /// The first position that counts.
    pub first: u64,
    /// The last position that counts.
    pub last: u64,
    /// Which come first.
    pub order: Order,
    /// How many steps are taken at most.
    pub steps: u64,
}

/// How a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Everything was looked at.
    Done,
    /// Whoever was shown the positions had enough.
    Stopped,
    /// The steps were used up; the search goes on at this position.
    At(u64),
}

impl View {
    /// Hands out the positions of an account's events of which postings say that they are what is sought;
    /// `false` stops.
    ///
    /// # Errors
    /// Whatever keeps the rows from being read, or whoever looks at the events says.
    pub fn postings(
        &self,
        account: AccountId,
        sought: &Sought<'_>,
        each: &mut dyn FnMut(u64) -> Result<bool, ProjectionError>,
    ) -> Result<Ended, ProjectionError> {
        let mut lists: Vec<List> = sought
            .all
            .iter()
            .map(|terms| terms.iter().map(|term| Head::new(account, term, sought)).collect())
            .collect();
        let mut ended = Ended::Done;
        self.walk_rows(&mut |cursor| {
            ended = step_through(cursor, &mut lists, sought, each)?;
            Ok(())
        })?;
        Ok(ended)
    }
}

/// The postings of a term, from where the search is on.
struct Head {
    /// The stored key without its position.
    stem: Vec<u8>,
    order: Order,
    /// The next posting there is, if that is known: where it stands, or none any more.
    next: Option<Option<u64>>,
}

type List = Vec<Head>;

impl Head {
    fn new(account: AccountId, Term(term): &Term, sought: &Sought<'_>) -> Self {
        Head { stem: row::stored_prefix(account, term), order: sought.order, next: None }
    }

    /// The next posting at `at` or after it, in the order of the search.
    fn next(
        &mut self,
        cursor: &mut dyn Cursor,
        at: u64,
        steps: &mut u64,
    ) -> Result<Option<u64>, ProjectionError> {
        match self.next {
            Some(None) => return Ok(None),
            Some(Some(next)) if next == later(self.order, next, at) => return Ok(Some(next)),
            _ => {}
        }
        *steps = steps.saturating_sub(1);
        let key = [self.stem.as_slice(), &(!at).to_be_bytes()].concat();
        match self.order {
            Order::Newest => cursor.seek(&key)?,
            Order::Oldest => cursor.seek_back(&key)?,
        }
        let found = cursor.current().and_then(|(key, _)| row::split_stored(key));
        let next = found.filter(|(stem, _)| *stem == self.stem).map(|(_, position)| position);
        self.next = Some(next);
        Ok(next)
    }
}

/// Of two positions the one that a search comes to later.
fn later(order: Order, one: u64, other: u64) -> u64 {
    match order {
        Order::Newest => one.min(other),
        Order::Oldest => one.max(other),
    }
}

/// Of two positions the one that a search comes to sooner.
fn sooner(order: Order, one: u64, other: u64) -> u64 {
    match order {
        Order::Newest => one.max(other),
        Order::Oldest => one.min(other),
    }
}

fn step_through(
    cursor: &mut dyn Cursor,
    lists: &mut [List],
    sought: &Sought<'_>,
    each: &mut dyn FnMut(u64) -> Result<bool, ProjectionError>,
) -> Result<Ended, ProjectionError> {
    let order = sought.order;
    let (mut at, end) = match order {
        Order::Newest => (sought.last, sought.first),
        Order::Oldest => (sought.first, sought.last),
    };
    let mut steps = sought.steps;
    loop {
        // Until every list has a posting here.
        let mut agreed = false;
        while !agreed {
            agreed = true;
            for list in lists.iter_mut() {
                if at != sooner(order, at, end) || sought.first > sought.last {
                    return Ok(Ended::Done);
                }
                if steps == 0 {
                    return Ok(Ended::At(at));
                }
                let mut next: Option<u64> = None;
                for head in list {
                    if let Some(found) = head.next(cursor, at, &mut steps)? {
                        next = Some(next.map_or(found, |next| sooner(order, next, found)));
                    }
                }
                let Some(next) = next else { return Ok(Ended::Done) };
                if next != at {
                    at = next;
                    agreed = false;
                }
            }
        }
        if at != sooner(order, at, end) {
            return Ok(Ended::Done);
        }
        if !each(at)? {
            return Ok(Ended::Stopped);
        }
        let next = match order {
            Order::Newest => at.checked_sub(1).filter(|next| *next > 0),
            Order::Oldest => at.checked_add(1),
        };
        match next {
            Some(next) => at = next,
            None => return Ok(Ended::Done),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryStore;
    use crate::store::{self, Durability, Store};

    const ACCOUNT: AccountId = AccountId([7; 16]);

    fn put(store: &MemoryStore, account: AccountId, name: &str, positions: &[u64]) {
        let Term(term) = Term::new(Of::Actor, name);
        let mut batch = Batch::default();
        for position in positions {
            batch.put(Family::RowsA, row::stored_key(account, &term, *position), *b"\x01");
        }
        store.commit(&batch, Durability::Synced).unwrap();
    }

    fn find(store: &dyn Store, sought: &Sought<'_>) -> (Vec<u64>, Ended) {
        let mut lists: Vec<List> = sought
            .all
            .iter()
            .map(|terms| terms.iter().map(|term| Head::new(ACCOUNT, term, sought)).collect())
            .collect();
        let mut found = Vec::new();
        let ended = store::walk(store, Family::RowsA, |cursor| {
            Ok(step_through(cursor, &mut lists, sought, &mut |position| {
                found.push(position);
                Ok(true)
            })
            .unwrap())
        });
        (found, ended.unwrap())
    }

    #[test]
    fn what_is_found_is_in_every_list() {
        let store = MemoryStore::default();
        let threes: Vec<u64> = (1..200).filter(|n| n % 3 == 0).collect();
        let fives: Vec<u64> = (1..200).filter(|n| n % 5 == 0).collect();
        put(&store, ACCOUNT, "three", &threes);
        put(&store, ACCOUNT, "five", &fives);
        put(&store, ACCOUNT, "late", &[190, 191]);
        put(&store, AccountId([6; 16]), "three", &[1, 2, 4]);
        put(&store, AccountId([8; 16]), "five", &[1, 2, 4]);
        let term = |name: &str| Term::new(Of::Actor, name);
        let both = [vec![term("three")], vec![term("five")]];
        let either = [vec![term("three"), term("five")]];
        let mixed = [vec![term("late"), term("five")], vec![term("three"), term("five")]];
        let none = [vec![term("three")], vec![term("nobody")]];
        let empty = [vec![term("three")], Vec::new()];
        let is = |list: &[u64], n: &u64| list.contains(n);
        for order in [Order::Newest, Order::Oldest] {
            for (first, last) in [(1, 199), (15, 60), (16, 59), (15, 15), (60, 15), (150, 1_000)] {
                let expect = |holds: &dyn Fn(&u64) -> bool| {
                    let mut all: Vec<u64> = (first..=last).filter(|n| holds(n)).collect();
                    if order == Order::Newest {
                        all.reverse();
                    }
                    (all, Ended::Done)
                };
                let find = |all: &[Vec<Term>]| {
                    find(&store, &Sought { all, first, last, order, steps: u64::MAX })
                };
                assert_eq!(find(&both), expect(&|n| is(&threes, n) && is(&fives, n)));
                assert_eq!(find(&either), expect(&|n| is(&threes, n) || is(&fives, n)));
                let late = |n: &u64| [190, 191].contains(n) || is(&fives, n);
                assert_eq!(find(&mixed), expect(&|n| late(n) && (is(&threes, n) || is(&fives, n))));
                assert_eq!(find(&none), expect(&|_| false));
                assert_eq!(find(&empty), expect(&|_| false));
            }
        }
    }

    #[test]
    fn a_search_that_was_ended_goes_on() {
        let store = MemoryStore::default();
        put(&store, ACCOUNT, "even", &(1..100).map(|n| 2 * n).collect::<Vec<_>>());
        put(&store, ACCOUNT, "seven", &(1..40).map(|n| 7 * n).collect::<Vec<_>>());
        let all = [vec![Term::new(Of::Actor, "even")], vec![Term::new(Of::Actor, "seven")]];
        for order in [Order::Newest, Order::Oldest] {
            let sought = |first, last, steps| Sought { all: &all, first, last, order, steps };
            let (whole, _) = find(&store, &sought(1, 300, u64::MAX));
            assert_eq!(whole.len(), 14);
            let (mut first, mut last, mut parts) = (1, 300, Vec::new());
            loop {
                let (found, ended) = find(&store, &sought(first, last, 5));
                parts.extend(found);
                match (ended, order) {
                    (Ended::At(at), Order::Newest) => last = at,
                    (Ended::At(at), Order::Oldest) => first = at,
                    _ => break,
                }
            }
            assert_eq!(parts, whole);
        }
    }
}
