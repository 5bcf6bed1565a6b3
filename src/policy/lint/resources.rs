//! Whether the actions of a statement can meet its resources.

use std::collections::BTreeMap;

use super::super::catalogue::{Named, ResourceType};
use super::super::grammar::Spot;
use super::actions::{Meaning, full_name};
use super::{Linter, Looked, is_all};

/// Which resources of a statement can be of which types of a service: a row a type, a place a resource.
type Table = BTreeMap<&'static str, Vec<Vec<bool>>>;

impl Linter<'_> {
    pub(super) fn resources(&mut self, looked: &Looked<'_>) {
        let Some(resource) = &looked.parts.resource else { return };
        for spot in &resource.entries {
            let head = spot.text.match_indices(':').nth(4).map_or(0, |(at, _)| at);
            self.variables(spot, looked, head);
        }
        if resource.not || looked.actions.not {
            return;
        }
        let entries = &resource.entries;
        let all = entries.iter().any(|spot| is_all(&spot.text));
        let mut table = Table::new();
        let mut met = vec![false; entries.len()];
        let mut idle = false;
        for (spot, meaning) in &looked.actions.entries {
            let Meaning::Known(known) = meaning else { continue };
            let mut some = false;
            for named in known {
                some |= all || meet(named, entries, &mut table, &mut met);
            }
            if !some {
                idle = true;
                self.idle(spot, known, entries);
            }
        }
        let known = looked.actions.all_known().is_some_and(|known| !known.is_empty());
        if !known || all || (idle && !met.contains(&true)) {
            return; // What there is to say has been said of the actions.
        }
        for (spot, _) in entries.iter().zip(met).filter(|(_, met)| !met) {
            self.warn(
                spot.at,
                "resource-of-another-type",
                format!("none of the actions is on a resource like {}", spot.text),
                "remove it, or add the actions that are meant for it",
            );
        }
    }

    /// An action that none of the resources can be asked for.
    fn idle(&mut self, spot: &Spot, known: &[Named], entries: &[Spot]) {
        let Some(first) = known.first() else { return };
        if known.iter().all(|named| named.action.uses.is_empty()) {
            let message =
                format!("{} is on no resource in particular: only \"*\" matches it", spot.text);
            let advice = "give it a statement of its own with \"Resource\": \"*\"";
            self.warn(spot.at, "no-resource-level-permissions", message, advice);
            return;
        }
        let service = first.service;
        let mut forms: Vec<&str> = known
            .iter()
            .flat_map(|named| &named.action.uses)
            .filter_map(|used| service.resources.get(used.resource))
            .flat_map(|resource| resource.arns.iter().copied())
            .collect();
        forms.sort_unstable();
        forms.dedup();
        forms.truncate(3);
        let what = match known {
            [one] => full_name(one),
            _ => spot.text.clone(),
        };
        let are = if entries.len() == 1 { "the resource is not" } else { "no resource is" };
        self.warn(
            spot.at,
            "action-without-its-resource",
            format!("{what} never matches: {are} of a type that it is on"),
            format!("it is on {}", forms.join(" or ")),
        );
    }
}

/// Whether one of the resources can be one that the action is on; notes which.
fn meet(named: &Named, entries: &[Spot], table: &mut Table, met: &mut [bool]) -> bool {
    let service = named.service;
    let rows = table.entry(service.prefix).or_insert_with(|| {
        let resources = service.resources.iter();
        resources
            .map(|resource| entries.iter().map(|spot| can_be(&spot.text, resource)).collect())
            .collect()
    });
    let mut some = false;
    for used in &named.action.uses {
        for (fits, met) in rows.get(used.resource).into_iter().flatten().zip(met.iter_mut()) {
            *met |= fits;
            some |= fits;
        }
    }
    some
}

/// Whether a resource as written in a policy can stand for one of this type.
fn can_be(written: &str, resource: &ResourceType) -> bool {
    resource.arns.iter().any(|arn| {
        let mut fields = arn.splitn(6, ':');
        let mut written = written.splitn(6, ':');
        fields.all(|field| written.next().is_none_or(|entry| share(&units(entry), &units(field))))
    })
}

/// A unit of a pattern.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// This character.
    Just(char),
    /// Any one character.
    One,
    /// Any characters.
    Run,
    /// Any characters but `/`: a bucket's name, which would otherwise swallow the keys of objects.
    Segment,
}

impl Unit {
    fn repeats(self) -> bool {
        matches!(self, Unit::Run | Unit::Segment)
    }

    /// Whether there is a character that both can stand for.
    fn meets(self, other: Unit) -> bool {
        match (self, other) {
            (Unit::Just(one), Unit::Just(other)) => one == other,
            (Unit::Segment, Unit::Just('/')) | (Unit::Just('/'), Unit::Segment) => false,
            _ => true,
        }
    }
}

/// A pattern of a policy or of the catalogue; `${...}` is whatever it may come to be.
fn units(text: &str) -> Vec<Unit> {
    let mut units = Vec::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let variable = rest.strip_prefix("${").and_then(|inner| inner.split_once('}'));
        let unit = match (next, variable) {
            (_, Some((inner, after))) => {
                rest = after;
                match inner {
                    "*" | "?" | "$" => Unit::Just(inner.chars().next().unwrap_or('*')),
                    "BucketName" => Unit::Segment,
                    _ => Unit::Run,
                }
            }
            (next, None) => {
                rest = rest.strip_prefix(next).unwrap_or_default();
                match next {
                    '*' => Unit::Run,
                    '?' => Unit::One,
                    other => Unit::Just(other),
                }
            }
        };
        if unit != Unit::Run || units.last() != Some(&Unit::Run) {
            units.push(unit);
        }
    }
    units
}

/// Whether two patterns have a text in common. One row for each unit of `one`: which beginnings of `other`
/// it can be brought to an end with.
fn share(one: &[Unit], other: &[Unit]) -> bool {
    let skip = |row: &mut [bool]| {
        for at in 0..other.len() {
            let (from, repeats) = (row.get(at) == Some(&true), other.get(at));
            if let (true, Some(unit), Some(to)) = (from, repeats, row.get_mut(at + 1)) {
                *to |= unit.repeats();
            }
        }
    };
    let mut row = vec![false; other.len() + 1];
    if let Some(first) = row.first_mut() {
        *first = true;
    }
    skip(&mut row);
    for &unit in one {
        // What a run stands for may be empty: all that was reached stays reached.
        let mut next = if unit.repeats() { row.clone() } else { vec![false; row.len()] };
        for (at, &theirs) in other.iter().enumerate() {
            // From before or, where the unit repeats, from what it has already taken.
            let before =
                row.get(at) == Some(&true) || (unit.repeats() && next.get(at) == Some(&true));
            if before && unit.meets(theirs) {
                // Theirs may go on, or be done.
                if let (true, Some(stay)) = (theirs.repeats(), next.get_mut(at)) {
                    *stay = true;
                }
                if let Some(to) = next.get_mut(at + 1) {
                    *to = true;
                }
            }
        }
        skip(&mut next);
        row = next;
    }
    row.last() == Some(&true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_that_have_a_text_in_common() {
        for (one, other, expected) in [
            ("", "", true),
            ("*", "", true),
            ("a*", "*b", true),
            ("a*c", "ab*", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("user/*", "role/${Name}", false),
            ("u*", "user/${Name}", true),
            ("*r/x", "user/${Name}", true),
            ("bucket/*", "${BucketName}", false),
            ("bucket/*", "${BucketName}/${ObjectName}", true),
            ("bucket", "${BucketName}/${ObjectName}", false),
            ("b*", "${BucketName}/${ObjectName}", true),
            ("b*", "${BucketName}", true),
            ("home/${aws:username}/*", "${BucketName}/${ObjectName}", true),
            ("x${*}y", "x*y", true),
            ("x${*}y", "xay", false),
            ("abc", "abd", false),
            ("*a*b*c*", "*c*b*", true),
        ] {
            assert_eq!(share(&units(one), &units(other)), expected, "{one} {other}");
            assert_eq!(share(&units(other), &units(one)), expected, "{other} {one}");
        }
    }
}
