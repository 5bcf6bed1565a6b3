//! Stretches of time in which something held, and what began and ended each.

use crate::base::time::Timestamp;
use crate::service::supposed::Could;

/// A point in an account's time: after so many events of the store, at an instant. Events are in the order of
/// their positions and times never run backwards, so that either part alone orders two points of one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    /// How many events there were.
    pub position: u64,
    /// When.
    pub at: Timestamp,
}

/// Why something began or ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The event of this position.
    Event(u64),
    /// Conditions on the time that turned, in words.
    Clock(Vec<String>),
    /// What was before is not known.
    Baseline,
}

/// A beginning or an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Where.
    pub point: Point,
    /// Why.
    pub cause: Cause,
    /// Why the answer is another one from here on: the decision, in words.
    pub because: String,
}

/// How something held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// For certain.
    Surely,
    /// Under conditions: keys that nobody gave.
    Under(Vec<String>),
    /// Nobody knows.
    Unknown,
}

impl Held {
    /// Of what was found; `None` for a no.
    pub fn of(could: &Could) -> Option<Self> {
        match could {
            Could::No => None,
            Could::Under(keys) => Some(Held::Under(keys.clone())),
            Could::Yes => Some(Held::Surely),
        }
    }

    /// Both together.
    pub fn and(&self, other: &Held) -> Held {
        match (self, other) {
            (Held::Unknown, _) | (_, Held::Unknown) => Held::Unknown,
            (Held::Surely, Held::Surely) => Held::Surely,
            (one, other) => {
                let mut keys: Vec<String> =
                    [one.keys(), other.keys()].into_iter().flatten().cloned().collect();
                keys.sort();
                keys.dedup();
                Held::Under(keys)
            }
        }
    }

    /// The keys that it hangs on.
    pub fn keys(&self) -> &[String] {
        match self {
            Held::Under(keys) => keys,
            _ => &[],
        }
    }

    /// Whether nothing is open.
    pub fn is_sure(&self) -> bool {
        *self == Held::Surely
    }

    /// The word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Held::Surely => "allowed",
            Held::Under(_) => "conditional",
            Held::Unknown => "unknown",
        }
    }
}

/// A stretch of time in which something held in one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its beginning, which is part of it.
    pub from: Bound,
    /// Its end, which is not; `None` while it lasts.
    pub to: Option<Bound>,
    /// How it held.
    pub held: Held,
}

impl Span {
    fn ends_before(&self, point: Point) -> bool {
        self.to.as_ref().is_some_and(|to| to.point <= point)
    }

    /// What is common to two spans.
    pub fn and(&self, other: &Span) -> Option<Span> {
        let later = if self.from.point >= other.from.point { self } else { other };
        let from = later.from.clone();
        let to = match (&self.to, &other.to) {
            (Some(one), Some(two)) => Some(if one.point <= two.point { one } else { two }),
            (one, two) => one.as_ref().or(two.as_ref()),
        };
        let is_there = to.is_none_or(|to| from.point < to.point);
        let held = self.held.and(&other.held);
        is_there.then(|| Span { from, to: to.cloned(), held })
    }

    /// What is left of a span without another one: up to two pieces.
    pub fn without(self, other: &Span) -> Vec<Span> {
        if self.ends_before(other.from.point) || other.ends_before(self.from.point) {
            return vec![self];
        }
        let mut left = Vec::new();
        if self.from.point < other.from.point {
            let to = Some(other.from.clone());
            left.push(Span { from: self.from, to, held: self.held.clone() });
        }
        if let Some(end) = &other.to
            && self.to.as_ref().is_none_or(|to| end.point < to.point)
        {
            left.push(Span { from: end.clone(), to: self.to, held: self.held });
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bound(position: u64) -> Bound {
        let point = Point { position, at: Timestamp::from_seconds(position * 10) };
        Bound { point, cause: Cause::Event(position), because: String::new() }
    }

    fn span((from, length, sure): (u64, u64, bool)) -> Span {
        let held = if sure { Held::Surely } else { Held::Under(vec!["k".into()]) };
        let to = (length < 8).then(|| bound(from + length));
        Span { from: bound(from), to, held }
    }

    fn covers(span: &Span, position: u64) -> bool {
        span.from.point.position <= position
            && span.to.as_ref().is_none_or(|to| to.point.position > position)
    }

    proptest! {
        #[test]
        fn spans_are_the_sets_of_their_points(
            one in (0..20u64, 1..10u64, any::<bool>()),
            two in (0..20u64, 1..10u64, any::<bool>()),
        ) {
            let (one, two) = (span(one), span(two));
            let both = one.and(&two);
            let left = one.clone().without(&two);
            for position in 0..40 {
                let (in_one, in_two) = (covers(&one, position), covers(&two, position));
                let common = both.as_ref().is_some_and(|both| covers(both, position));
                prop_assert_eq!(common, in_one && in_two);
                let rest = left.iter().filter(|left| covers(left, position)).count();
                prop_assert_eq!(rest, usize::from(in_one && !in_two));
            }
            if let Some(both) = both {
                prop_assert_eq!(both.held.is_sure(), one.held.is_sure() && two.held.is_sure());
            }
        }
    }
}
