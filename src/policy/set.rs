//! The policies of one type that judge a request, compiled together.
//!
//! A [`PolicySet`] is made once for a principal (or a boundary, a session, a level of SCPs) and asked
//! for as long as none of its documents changes. It owns what it needs, so that whoever keeps it
//! keeps nothing else alive or borrowed.

use std::sync::Arc;

use super::arn::Arn;
use super::document::{Document, Statement};
use super::grammar::{DocumentKind, Effect};
use super::index::{Builder, Index, Item};

/// Where a document comes from, in the words of whoever collected it; handed back with decisions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Label {
    /// The policy's ARN or, inline, its name.
    pub policy: Arc<str>,
    /// The version, such as `v3`; empty for inline policies.
    pub version: Arc<str>,
    /// How it applies, such as `user alice` or `group admins`.
    pub via: Arc<str>,
}

impl Label {
    /// A label.
    pub fn new(policy: &str, version: &str, via: &str) -> Self {
        Label { policy: policy.into(), version: version.into(), via: via.into() }
    }
}

/// A document and where it comes from.
#[derive(Clone, Debug)]
pub struct Attached {
    /// The parsed document.
    pub document: Arc<Document>,
    /// Its origin.
    pub label: Label,
}

impl Attached {
    /// A document with its label.
    pub fn new(document: Arc<Document>, label: Label) -> Self {
        Attached { document, label }
    }
}

/// Documents with more statements and actions than this are indexed by themselves, once for everybody
/// they are attached to; smaller ones together, for their one principal.
const LARGE: usize = 100;

/// Policies of one type, in an order that reasons keep, with an index over their statements.
#[derive(Clone, Debug, Default)]
pub struct PolicySet {
    attached: Box<[Attached]>,
    /// Which policy and which of its statements bears a number.
    places: Box<[(u32, u32)]>,
    /// The index over the small documents.
    index: Index,
    /// The large documents: the number of the first statement of each.
    large: Box<[(u32, Arc<Document>)]>,
}

impl PolicySet {
    /// Compiles policies together. The cost is about that of reading the statements once.
    pub fn new(attached: impl IntoIterator<Item = Attached>) -> Self {
        let attached: Box<[Attached]> = attached.into_iter().collect();
        let mut places = Vec::new();
        let mut builder = Builder::default();
        let mut large = Vec::new();
        for (policy, Attached { document, .. }) in (0..).zip(&attached) {
            let first = number(places.len());
            match document.weight() > LARGE {
                true => large.push((first, document.clone())),
                false => builder.add(first, document.statements()),
            }
            places.extend((0..number(document.statements().len())).map(|at| (policy, at)));
        }
        let index = builder.finish();
        PolicySet { places: places.into(), index, large: large.into(), attached }
    }

    /// A set of one policy.
    pub fn of(document: Arc<Document>, label: Label) -> Self {
        PolicySet::new([Attached::new(document, label)])
    }

    /// The policies.
    pub fn attached(&self) -> &[Attached] {
        &self.attached
    }

    /// How much there is to look at: the statements, with their actions and resources.
    pub fn weight(&self) -> usize {
        self.attached.iter().map(|attached| attached.document.weight()).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.attached.is_empty()
    }

    /// What the first document is for.
    pub(super) fn kind(&self) -> Option<DocumentKind> {
        self.attached.first().map(|attached| attached.document.kind())
    }

    /// Whether some statement allows the action on the resource (an ARN or `*`), under whatever conditions; a
    /// yes may be mistaken, a no is not.
    pub fn may_allow(&self, action: &str, resource: &str) -> bool {
        let resource = Arn::parse(resource).map(|arn| arn.text);
        let mut allows = false;
        self.candidates(&action.to_ascii_lowercase(), resource, |_, item| allows |= !item.denies());
        allows
    }

    /// Whether some statement allows the action, under whatever conditions, on some resource whose ARN begins so: as
    /// far as what its patterns begin with can tell, so that a yes may be mistaken; a no is not.
    pub fn may_allow_within(&self, action: &str, beginning: &str) -> bool {
        let action = action.to_ascii_lowercase();
        let fits = |pattern: &String| {
            let literal = pattern.split(['*', '?', '$']).next().unwrap_or_default();
            beginning.starts_with(literal) || literal.starts_with(beginning)
        };
        self.each().any(|(_, statement)| {
            statement.effect() == Effect::Allow
                && statement.names(&action)
                && statement.written_resources().iter().any(fits)
        })
    }

    /// Calls `visit` with the number of each statement that could apply to the action (lower case) on
    /// the resource (`None`: on none in particular), and with what is left to ask; more than once, if
    /// several patterns of the statement fit.
    pub(super) fn candidates(
        &self,
        action: &str,
        resource: Option<&str>,
        mut visit: impl FnMut(u32, &Item),
    ) {
        self.index.candidates(action, resource, |item| visit(item.statement, item));
        for (first, document) in &self.large {
            let mut visit = |item: &Item| visit(first.saturating_add(item.statement), item);
            document.index().candidates(action, resource, &mut visit);
        }
    }

    /// Every statement with its number.
    pub(super) fn statements(&self) -> impl Iterator<Item = (u32, &Statement)> {
        let all = self.attached.iter().flat_map(|attached| attached.document.statements());
        (0..).zip(all)
    }

    /// Every statement with its policy.
    pub(super) fn each(&self) -> impl Iterator<Item = (&Attached, &Statement)> {
        self.attached.iter().flat_map(|attached| {
            attached.document.statements().iter().map(move |statement| (attached, statement))
        })
    }

    /// The policy and the statement that bear a number.
    pub(super) fn find(&self, number: u32) -> Option<(&Attached, &Statement)> {
        let (policy, statement) = self.places.get(usize::try_from(number).ok()?)?;
        let attached = self.attached.get(usize::try_from(*policy).ok()?)?;
        let statements = attached.document.statements();
        Some((attached, statements.get(usize::try_from(*statement).ok()?)?))
    }
}

/// No set comes near to four milliards of statements.
fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

impl FromIterator<Attached> for PolicySet {
    fn from_iter<I: IntoIterator<Item = Attached>>(attached: I) -> Self {
        PolicySet::new(attached)
    }
}
