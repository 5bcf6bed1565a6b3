//! Proofs of the Merkle tree (RFC 6962, section 2.1): which hashes they consist of, and whether they hold.
//!
//! An *inclusion proof* shows that a leaf stands at an index of a tree of which only size and root are
//! known; a *consistency proof*, that one such tree is the beginning of another. Making one is listing the
//! subtrees whose roots it needs ([`inclusion`], [`consistency`]); where their roots come from is a matter of
//! whoever holds the tree (see [`super::hashes`]). Checking one needs nothing but its hashes.

use super::frame::Hash;
use super::tree::{empty_root, node_hash};

/// The most hashes that a proof can have: a tree of 2^64 leaves is that high, and a consistency proof has one
/// more.
pub const MOST_HASHES: usize = 65;

/// A subtree of the tree, by the leaves below it: from the first up to, but without, the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its first leaf, from 0.
    pub from: u64,
    /// The leaf after its last.
    pub to: u64,
}

/// Why a proof does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The leaf would stand beyond the tree.
    #[error("it is of entry {index}, and the tree has {size}")]
    Beyond {
        /// The index, from 0.
        index: u64,
        /// The size of the tree.
        size: u64,
    },
    /// The tree that should be the beginning is larger.
    #[error("a tree of {from} entries is no beginning of one of {to}")]
    Backwards {
        /// The size of the one.
        from: u64,
        /// The size of the other.
        to: u64,
    },
    /// There are more or fewer hashes than trees of these sizes need.
    #[error("it has too many or too few hashes")]
    Length,
    /// The hashes lead to another root.
    #[error("its hashes do not lead to the root")]
    Root,
}

/// Where a tree of so many leaves, at least two, is split.
fn split(leaves: u64) -> u64 {
    1 << leaves.saturating_sub(1).checked_ilog2().unwrap_or(0)
}

/// The subtrees whose roots prove that a leaf is in a tree of this size, from the leaf to the root.
///
/// # Errors
/// If the tree has no such leaf.
pub fn inclusion(index: u64, size: u64) -> Result<Vec<Span>, ProofError> {
    if index >= size {
        return Err(ProofError::Beyond { index, size });
    }
    let (mut from, mut to) = (0, size);
    let mut spans = Vec::new();
    while to - from > 1 {
        let middle = from + split(to - from);
        if index < middle {
            spans.push(Span { from: middle, to });
            to = middle;
        } else {
            spans.push(Span { from, to: middle });
            from = middle;
        }
    }
    spans.reverse();
    Ok(spans)
}

/// The subtrees whose roots prove that the tree of one size is the beginning of that of another.
///
/// # Errors
/// If the first size is the larger one.
pub fn consistency(old: u64, new: u64) -> Result<Vec<Span>, ProofError> {
    if old > new {
        return Err(ProofError::Backwards { from: old, to: new });
    }
    let (mut from, mut to) = (0, new);
    let mut spans = Vec::new();
    if old == 0 {
        return Ok(spans);
    }
    while to > old {
        let middle = from + split(to - from);
        if old <= middle {
            spans.push(Span { from: middle, to });
            to = middle;
        } else {
            spans.push(Span { from, to: middle });
            from = middle;
        }
    }
    // The old tree itself, unless it is a perfect one: then its root is known to whoever checks.
    if from > 0 {
        spans.push(Span { from, to });
    }
    spans.reverse();
    Ok(spans)
}

/// The perfect subtrees, height and number among those of its height, that a subtree consists of: largest
/// first.
pub fn perfect(span: Span) -> Vec<(u32, u64)> {
    let mut parts = Vec::new();
    let mut from = span.from;
    while from < span.to {
        let height = (span.to - from).ilog2().min(from.trailing_zeros());
        parts.push((height, from >> height));
        from += 1 << height;
    }
    parts
}

/// The root over the roots of such parts, largest first.
pub fn root_of(parts: &[Hash]) -> Hash {
    let mut parts = parts.iter().rev();
    let Some(smallest) = parts.next() else { return empty_root() };
    parts.fold(*smallest, |right, left| node_hash(left, &right))
}

/// Where a proof has got to: the path of one leaf upwards, and that of the last leaf of the tree beside it.
struct Climb {
    at: u64,
    last: u64,
}

/// On which side the next hash of a proof stands.
enum Side {
    Left,
    Right,
}

impl Climb {
    /// One level up; `None` if the root was reached.
    fn step(&mut self) -> Option<Side> {
        if self.last == 0 {
            return None;
        }
        let side = if self.at & 1 == 1 || self.at == self.last {
            // Levels on which there is nothing to its right pass without a hash.
            while self.at & 1 == 0 && self.at != 0 {
                self.up();
            }
            Side::Left
        } else {
            Side::Right
        };
        self.up();
        Some(side)
    }

    fn up(&mut self) {
        self.at >>= 1;
        self.last >>= 1;
    }
}

/// Checks that a leaf stands at this index (from 0) of the tree with this size and root.
///
/// Source: RFC 9162, section 2.1.3.2.
///
/// # Errors
/// Why it does not.
pub fn check_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::Beyond { index, size });
    }
    let mut climb = Climb { at: index, last: size - 1 };
    let mut hash = *leaf;
    for sibling in proof {
        hash = match climb.step().ok_or(ProofError::Length)? {
            Side::Left => node_hash(sibling, &hash),
            Side::Right => node_hash(&hash, sibling),
        };
    }
    match (climb.last, hash == *root) {
        (0, true) => Ok(()),
        (0, false) => Err(ProofError::Root),
        _ => Err(ProofError::Length),
    }
}

/// Checks that the tree with the first size and root is the beginning of that with the second.
///
/// Source: RFC 9162, section 2.1.4.2; every tree begins with the empty one.
///
/// # Errors
/// Why it is not.
pub fn check_consistency(
    old: (u64, &Hash),
    new: (u64, &Hash),
    proof: &[Hash],
) -> Result<(), ProofError> {
    let ((from, old_root), (to, new_root)) = (old, new);
    if from > to {
        return Err(ProofError::Backwards { from, to });
    }
    if from == 0 || from == to {
        let expected = if from == 0 { empty_root() } else { *new_root };
        return match (proof.is_empty(), *old_root == expected) {
            (true, true) => Ok(()),
            (true, false) => Err(ProofError::Root),
            (false, _) => Err(ProofError::Length),
        };
    }
    let mut climb = Climb { at: from - 1, last: to - 1 };
    while climb.at & 1 == 1 {
        climb.up();
    }
    // Where both paths begin: at the old root, or at the hash that the proof names first.
    let (start, rest) = match proof.split_first() {
        Some(_) if from.is_power_of_two() => (old_root, proof),
        Some((first, rest)) => (first, rest),
        None => return Err(ProofError::Length),
    };
    let (mut left, mut whole) = (*start, *start);
    for hash in rest {
        match climb.step().ok_or(ProofError::Length)? {
            Side::Left => {
                left = node_hash(hash, &left);
                whole = node_hash(hash, &whole);
            }
            Side::Right => whole = node_hash(&whole, hash),
        }
    }
    match (climb.last, left == *old_root && whole == *new_root) {
        (0, true) => Ok(()),
        (0, false) => Err(ProofError::Root),
        _ => Err(ProofError::Length),
    }
}

#[cfg(test)]
mod tests;
