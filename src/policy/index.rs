//! Which statements of a set could apply to a request: by its action, then by its resource.
//!
//! The index only narrows down; what a statement means stays with [`Statement`]. Three kinds of lists
//! are made when it is built, and one of them is walked per decision:
//!
//! - for every action that some statement spells out, the statements that name it, by wildcards too:
//!   about the action nothing is left to ask;
//! - for every service, the statements that name actions of it by wildcards: for actions that nobody
//!   spells out, each is asked about the action;
//! - the statements about any service (`*`, `NotAction`), for all other actions.
//!
//! Where the first kind would grow large, it is left out, and every statement is asked about the action.
//! Each list holds one [`Item`] for each resource pattern of its statements. An item knows the literal
//! text that the pattern begins with, and most patterns say no more (`arn:aws:s3:::logs/*`) or only what
//! must follow after other wildcards, so that neither statement nor pattern is touched to say yes or no. Short lists are walked; in long ones,
//! sorted by that text, the patterns that fit are found by bisection: every text that a string begins
//! with sorts before it, and is the beginning of each one sorted in between.
//!
//! Everything lies in four flat arrays. What a decision costs with many principals is the number of
//! cache lines that it touches, not the number of instructions.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hasher;

use super::arn::Fit;
use super::document::Statement;
use super::grammar::Effect;
use super::pattern::Glob;

/// Lists up to this length are walked.
const WALKED: usize = 24;
/// Literal text beyond this many bytes is left to the pattern.
const LITERAL: usize = 1024;
/// Lists of single actions may repeat this many items; whoever writes policies must not be able to make
/// their index grow with the product of their statements.
const REPEATED: usize = 50_000;
/// No item.
const NONE: u32 = u32::MAX;

/// One resource pattern of a statement, or the statement where it has none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    /// The last four bytes of the literal text, to say no by; unless it is shorter.
    tail: u32,
    length: u16,
    flags: u16,
    /// Where the literal text stands in `texts`.
    text: u32,
    /// The item that holds the longest other literal text that this one begins with; in long lists.
    parent: u32,
    /// The statement's number in the set.
    pub statement: u32,
    /// The number of the pattern in the statement; [`NONE`] for all of them together.
    pattern: u32,
}

impl Item {
    /// The resource is the literal text and nothing more.
    const EXACT: u16 = 1;
    /// Fits any resource, and requests on none in particular.
    const ANY: u16 = 2;
    /// The pattern has to be asked.
    const ASK_RESOURCE: u16 = 4;
    /// The statement has to be asked about the action.
    const ASK_ACTION: u16 = 8;
    /// The statement has conditions or names principals.
    const ASK_REST: u16 = 16;
    const DENY: u16 = 32;
    /// What the resource goes on with stands in `texts` after the literal text.
    const RUNS: u16 = 64;

    fn is(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    /// Whether the statement denies.
    pub fn denies(&self) -> bool {
        self.is(Item::DENY)
    }

    /// Whether the statement has to be asked about anything.
    pub fn asks(&self) -> bool {
        self.is(Item::ASK_RESOURCE | Item::ASK_ACTION | Item::ASK_REST)
    }

    /// Whether the statement has to be asked about the action.
    pub fn asks_action(&self) -> bool {
        self.is(Item::ASK_ACTION)
    }

    /// Whether the statement has to be asked about conditions and principals.
    pub fn asks_rest(&self) -> bool {
        self.is(Item::ASK_REST)
    }

    /// The pattern that has to be asked about the resource; `Some(None)`: all of them.
    pub fn asks_resource(&self) -> Option<Option<usize>> {
        let pattern = (self.pattern != NONE).then(|| usize::try_from(self.pattern).ok()).flatten();
        self.is(Item::ASK_RESOURCE).then_some(pattern)
    }
}

/// A range of items.
#[derive(Clone, Copy, Debug, Default)]
struct List {
    start: u32,
    length: u32,
}

/// An action or a service and its list.
#[derive(Clone, Copy, Debug)]
struct Slot {
    hash: u32,
    name: u32,
    length: u32,
    list: List,
}

/// The index over the statements of some documents.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    /// A hash table with open addressing; its length is a power of two, or nought.
    slots: Box<[Option<Slot>]>,
    items: Box<[Item]>,
    texts: Box<[u8]>,
    any_service: List,
}

impl Index {
    /// The index over statements, numbered from 0.
    pub fn of(statements: &[Statement]) -> Index {
        let mut builder = Builder::default();
        builder.add(0, statements);
        builder.finish()
    }

    /// Calls `visit` with every item that could apply to the action (lower case) on the resource
    /// (`None`: on none in particular); a statement may be visited more than once.
    pub fn candidates(&self, action: &str, resource: Option<&str>, mut visit: impl FnMut(&Item)) {
        let list = self.list(action);
        let start = usize::try_from(list.start).unwrap_or(usize::MAX);
        let length = usize::try_from(list.length).unwrap_or_default();
        let Some(items) = self.items.get(start..start.saturating_add(length)) else { return };
        let Some(resource) = resource else {
            return items.iter().filter(|item| item.is(Item::ANY)).for_each(visit);
        };
        let resource = resource.as_bytes();
        if items.len() <= WALKED {
            return items.iter().filter(|item| self.fits(item, resource)).for_each(visit);
        }
        let after = items.partition_point(|item| self.literal(item) <= resource);
        let mut next = after.checked_sub(1).and_then(|at| items.get(at));
        while let Some(item) = next {
            if self.fits(item, resource) {
                visit(item);
            }
            next = usize::try_from(item.parent).ok().and_then(|parent| items.get(parent));
        }
    }

    fn list(&self, action: &str) -> List {
        let service = || action.split_once(':').and_then(|(service, _)| self.find(service));
        self.find(action).or_else(service).unwrap_or(self.any_service)
    }

    fn find(&self, name: &str) -> Option<List> {
        let name = name.as_bytes();
        let hash = hash(name);
        let mask = self.slots.len().checked_sub(1)?;
        let mut at = usize::try_from(hash).ok()? & mask;
        while let Some(Some(slot)) = self.slots.get(at) {
            if slot.hash == hash && self.text(slot.name, slot.length) == name {
                return Some(slot.list);
            }
            at = (at + 1) & mask;
        }
        None
    }

    fn fits(&self, item: &Item, resource: &[u8]) -> bool {
        if item.is(Item::ANY) {
            return true;
        }
        let length = usize::from(item.length);
        let Some(beginning) = resource.get(..length) else { return false };
        if let Some(tail) = beginning.last_chunk::<4>()
            && u32::from_le_bytes(*tail) != item.tail
        {
            return false;
        }
        let exact = item.is(Item::EXACT) && resource.len() != length;
        if exact || self.literal(item) != beginning {
            return false;
        }
        !item.is(Item::RUNS) || {
            let start = usize::try_from(item.text).unwrap_or(usize::MAX).saturating_add(length);
            let runs = self.texts.get(start..).unwrap_or_default();
            goes_on(runs, resource.get(length..).unwrap_or_default()).unwrap_or(false)
        }
    }

    fn literal(&self, item: &Item) -> &[u8] {
        self.text(item.text, u32::from(item.length))
    }

    fn text(&self, start: u32, length: u32) -> &[u8] {
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        let length = usize::try_from(length).unwrap_or_default();
        self.texts.get(start..start.saturating_add(length)).unwrap_or_default()
    }
}

/// Packs the texts that follow after each `*`: how many, and each with its length before it.
/// `None` for more or longer ones than a byte and two can count.
fn pack(runs: &[&str]) -> Option<Vec<u8>> {
    let mut packed = vec![u8::try_from(runs.len()).ok()?];
    for text in runs {
        packed.extend(u16::try_from(text.len()).ok()?.to_le_bytes());
        packed.extend(text.as_bytes());
    }
    Some(packed)
}

/// Whether a text is any characters and the first packed text, any and the second, and so on; with the
/// last it ends. Each is taken where it is first found: what comes after has most room then.
fn goes_on(packed: &[u8], mut text: &[u8]) -> Option<bool> {
    let (count, mut packed) = packed.split_first()?;
    for left in (0..*count).rev() {
        let (length, rest) = packed.split_first_chunk::<2>()?;
        let (wanted, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
        if left == 0 {
            return Some(text.ends_with(wanted));
        }
        packed = rest;
        match find(wanted, text) {
            Some(after) => text = after,
            None => return Some(false),
        }
    }
    Some(true)
}

/// What follows after the first place where `wanted` stands.
fn find<'t>(wanted: &[u8], mut text: &'t [u8]) -> Option<&'t [u8]> {
    let Some(first) = wanted.first() else { return Some(text) };
    loop {
        text = text.get(memchr::memchr(*first, text)?..)?;
        match text.strip_prefix(wanted) {
            Some(after) => return Some(after),
            None => text = text.get(1..)?,
        }
    }
}

fn hash(name: &[u8]) -> u32 {
    let mut hasher = rustc_hash::FxHasher::default();
    hasher.write(name);
    let [a, b, c, d, ..] = hasher.finish().to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

/// What is collected before the lists are laid out.
#[derive(Default)]
pub(super) struct Builder<'d> {
    statements: Vec<(&'d Statement, Vec<Item>)>,
    texts: Vec<u8>,
    literals: HashMap<Box<[u8]>, u32>,
    exact: BTreeMap<&'d str, BTreeSet<usize>>,
    by_service: BTreeMap<&'d str, BTreeSet<usize>>,
    any_service: BTreeSet<usize>,
}

impl<'d> Builder<'d> {
    /// Adds statements; `first` is the number of the first of them.
    pub fn add(&mut self, first: u32, statements: &'d [Statement]) {
        for (number, statement) in (first..).zip(statements) {
            self.add_one(number, statement);
        }
    }

    fn add_one(&mut self, number: u32, statement: &'d Statement) {
        let items = self.items_of(statement, number);
        let number = self.statements.len();
        self.statements.push((statement, items));
        let (not, globs) = statement.actions();
        if not {
            self.any_service.insert(number);
            return;
        }
        for glob in globs {
            match (glob, glob.literal().split_once(':')) {
                (Glob::Exact(action), _) => self.exact.entry(action).or_default().insert(number),
                (_, Some((service, _))) => {
                    self.by_service.entry(service).or_default().insert(number)
                }
                (_, None) => self.any_service.insert(number),
            };
        }
    }

    fn items_of(&mut self, statement: &Statement, number: u32) -> Vec<Item> {
        let mut flags = 0;
        if statement.effect() == Effect::Deny {
            flags |= Item::DENY;
        }
        if !statement.is_unconditional() {
            flags |= Item::ASK_REST;
        }
        let mut item = |literal: &[u8], runs: &[u8], more: u16, pattern: u32| Item {
            tail: literal.last_chunk::<4>().map_or(0, |tail| u32::from_le_bytes(*tail)),
            length: u16::try_from(literal.len()).unwrap_or(u16::MAX),
            flags: flags | more,
            text: self.literal(&[literal, runs].concat()),
            parent: NONE,
            statement: number,
            pattern,
        };
        match statement.resources() {
            None => vec![item(b"", b"", Item::ANY, NONE)],
            Some((true, _)) => vec![item(b"", b"", Item::ANY | Item::ASK_RESOURCE, NONE)],
            Some((false, patterns)) => {
                let mut items = Vec::with_capacity(patterns.len());
                for (pattern, glob) in (0..).zip(patterns) {
                    let (literal, fit) = glob.literal();
                    let (kept, fit) = match literal.as_bytes().get(..LITERAL) {
                        Some(kept) if kept.len() < literal.len() => (kept, Fit::Ask),
                        _ => (literal.as_bytes(), fit),
                    };
                    items.extend(match fit {
                        Fit::Never => None,
                        Fit::Any => Some(item(b"", b"", Item::ANY, pattern)),
                        Fit::Exact => Some(item(kept, b"", Item::EXACT, pattern)),
                        Fit::Prefix => Some(item(kept, b"", 0, pattern)),
                        Fit::Runs => match glob.runs().and_then(|runs| pack(&runs)) {
                            Some(runs) => Some(item(kept, &runs, Item::RUNS, pattern)),
                            None => Some(item(kept, b"", Item::ASK_RESOURCE, pattern)),
                        },
                        Fit::Ask => Some(item(kept, b"", Item::ASK_RESOURCE, pattern)),
                    });
                }
                items
            }
        }
    }

    /// Where a text stands; each stands once.
    fn literal(&mut self, text: &[u8]) -> u32 {
        if let Some(at) = self.literals.get(text) {
            return *at;
        }
        let at = u32::try_from(self.texts.len()).unwrap_or(NONE);
        self.texts.extend_from_slice(text);
        self.literals.insert(text.into(), at);
        at
    }

    /// How many items the lists of single actions would repeat.
    fn repeated(&self) -> usize {
        let items = |numbers: &BTreeSet<usize>| -> usize {
            let each = numbers.iter().filter_map(|number| self.statements.get(*number));
            each.map(|(_, items)| items.len()).sum()
        };
        let wild: BTreeMap<&str, usize> =
            self.by_service.iter().map(|(service, numbers)| (*service, items(numbers))).collect();
        let any_service = items(&self.any_service);
        let of = |(action, spelled): (&&str, &BTreeSet<usize>)| {
            let service = action.split_once(':').map_or("", |(service, _)| service);
            items(spelled) + wild.get(service).copied().unwrap_or_default() + any_service
        };
        self.exact.iter().map(of).sum()
    }

    /// Lays out the index.
    pub fn finish(mut self) -> Index {
        if self.statements.is_empty() {
            return Index::default();
        }
        let mut lists = Lists::default();
        let mut named: Vec<(&str, List)> = Vec::new();
        let names = |number: &usize, action: &str| {
            self.statements.get(*number).is_some_and(|(statement, _)| statement.names(action))
        };
        let nothing = BTreeSet::new();
        if self.repeated() > REPEATED {
            for (action, spelled) in std::mem::take(&mut self.exact) {
                let service = action.split_once(':').map_or("", |(service, _)| service);
                self.by_service.entry(service).or_default().extend(spelled);
            }
        }
        for (action, spelled) in &self.exact {
            let service = action.split_once(':').map_or("", |(service, _)| service);
            let wild = self.by_service.get(service).unwrap_or(&nothing);
            let wild = wild.iter().chain(&self.any_service).filter(|n| names(n, action));
            let all: BTreeSet<usize> = spelled.iter().chain(wild).copied().collect();
            named.push((action, lists.of(&all, 0, &self.statements, &self.texts)));
        }
        for (service, wild) in &self.by_service {
            let all = wild.union(&self.any_service).copied().collect();
            named.push((service, lists.of(&all, Item::ASK_ACTION, &self.statements, &self.texts)));
        }
        let any_service =
            lists.of(&self.any_service, Item::ASK_ACTION, &self.statements, &self.texts);
        let mut slots = vec![None; (named.len() * 2).next_power_of_two()].into_boxed_slice();
        for (name, list) in named {
            let hash = hash(name.as_bytes());
            let length = u32::try_from(name.len()).unwrap_or_default();
            let slot = Slot { hash, name: self.literal(name.as_bytes()), length, list };
            let mask = slots.len() - 1;
            let mut at = usize::try_from(hash).unwrap_or_default() & mask;
            while let Some(Some(_)) = slots.get(at) {
                at = (at + 1) & mask;
            }
            if let Some(free) = slots.get_mut(at) {
                *free = Some(slot);
            }
        }
        Index { slots, items: lists.items.into(), texts: self.texts.into(), any_service }
    }
}

/// The lists that were laid out, each once.
#[derive(Default)]
struct Lists {
    items: Vec<Item>,
    known: HashMap<(Vec<usize>, u16), List>,
}

impl Lists {
    fn of(
        &mut self,
        statements: &BTreeSet<usize>,
        flags: u16,
        items: &[(&Statement, Vec<Item>)],
        texts: &[u8],
    ) -> List {
        let key = (statements.iter().copied().collect::<Vec<_>>(), flags);
        if let Some(list) = self.known.get(&key) {
            return *list;
        }
        let each = statements.iter().filter_map(|number| items.get(*number));
        let mut list: Vec<Item> = each.flat_map(|(_, items)| items).copied().collect();
        for item in &mut list {
            item.flags |= flags;
        }
        if list.len() > WALKED {
            chain(&mut list, texts);
        }
        let start = u32::try_from(self.items.len()).unwrap_or(NONE);
        let length = u32::try_from(list.len()).unwrap_or_default();
        self.items.append(&mut list);
        self.known.insert(key, List { start, length });
        List { start, length }
    }
}

/// Sorts a list by literal text and links each item to the longest text that its own begins with.
fn chain(list: &mut [Item], texts: &[u8]) {
    let literal = |item: &Item| {
        let start = usize::try_from(item.text).unwrap_or(usize::MAX);
        texts.get(start..start.saturating_add(usize::from(item.length))).unwrap_or_default()
    };
    list.sort_by(|one, other| literal(one).cmp(literal(other)));
    let mut open: Vec<(u32, &[u8])> = Vec::new();
    for (at, item) in (0..).zip(list.iter_mut()) {
        let text = literal(item);
        while open.pop_if(|(_, outer)| !text.starts_with(outer)).is_some() {}
        item.parent = open.last().map_or(NONE, |(outer, _)| *outer);
        open.push((at, text));
    }
}
