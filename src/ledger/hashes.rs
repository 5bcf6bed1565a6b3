//! The stored tree, read at any size up to the head: roots, proofs and tiles.
//!
//! Full tiles are in the store and never change. The growing edge - of each level the tile that is not full
//! yet - is kept in memory beside HEAD; a tile that has left the edge is in the store already. So whoever
//! knows a position that was acknowledged finds every hash below it, whatever is appended meanwhile.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::book::Ledger;
use super::frame::Hash;
use super::proof::{self, Span};
use super::tree::{self, TILE_HEIGHT, TILE_WIDTH, Tile, node_hash};
use super::{LedgerError, frame};

/// Tiles above the lowest level that are kept with all hashes in them, 16 KiB each. A ledger of 10 million
/// events has 154 of them.
const TILES_KEPT: usize = 1_024;

/// A tile with the roots of all perfect subtrees in it.
struct Expanded {
    /// By height: the hashes of the tile, the roots of their pairs, of those pairs, and so on.
    levels: Vec<Vec<Hash>>,
}

impl Expanded {
    fn of(hashes: Vec<Hash>) -> Self {
        let mut levels = vec![hashes];
        while let Some(below) = levels.last().filter(|below| below.len() > 1) {
            let pairs = below.as_chunks::<2>().0.iter();
            levels.push(pairs.map(|[left, right]| node_hash(left, right)).collect());
        }
        Expanded { levels }
    }

    fn width(&self) -> usize {
        self.levels.first().map_or(0, Vec::len)
    }
}

/// The tiles above the lowest level that were read a moment ago, by level and index.
#[derive(Default)]
pub struct TileCache(Mutex<HashMap<(u8, u64), Arc<Expanded>>>);

/// One reading of the tree: what several hashes of one proof need is read once.
struct Reading<'a> {
    ledger: &'a Ledger,
    lowest: HashMap<u64, Tile>,
}

impl Reading<'_> {
    /// The root of a subtree, which is within the acknowledged tree.
    fn root(&mut self, span: Span) -> Result<Hash, LedgerError> {
        let parts = proof::perfect(span).into_iter();
        let roots: Result<Vec<Hash>, _> =
            parts.map(|(height, number)| self.perfect(height, number)).collect();
        Ok(proof::root_of(&roots?))
    }

    fn roots(&mut self, spans: Vec<Span>) -> Result<Vec<Hash>, LedgerError> {
        spans.into_iter().map(|span| self.root(span)).collect()
    }

    /// The root of the perfect subtree of this height with this number among its like.
    fn perfect(&mut self, height: u32, number: u64) -> Result<Hash, LedgerError> {
        let (level, above) = (height / TILE_HEIGHT, height % TILE_HEIGHT);
        let first = number << above;
        let (index, offset) = (first / TILE_WIDTH as u64, (first % TILE_WIDTH as u64) as usize);
        let level = u8::try_from(level).unwrap_or(u8::MAX);
        let missing = || {
            let what = format!("tile {level}/{index} of the tree has too few hashes");
            super::damaged((first << (u32::from(level) * TILE_HEIGHT).min(63)) + 1, what)
        };
        if level == 0 {
            let tile = match self.lowest.entry(index) {
                std::collections::hash_map::Entry::Occupied(found) => found.into_mut(),
                std::collections::hash_map::Entry::Vacant(place) => {
                    place.insert(self.ledger.stored(0, index)?)
                }
            };
            return tile.perfect(above, offset).ok_or_else(missing);
        }
        let tile = self.ledger.expanded(level, index)?;
        let found = tile.levels.get(above as usize).and_then(|level| level.get(offset >> above));
        found.copied().ok_or_else(missing)
    }
}

impl Ledger {
    fn reading(&self) -> Reading<'_> {
        Reading { ledger: self, lowest: HashMap::new() }
    }

    /// The root over the first `size` events.
    ///
    /// # Errors
    /// If so many were not acknowledged, and those of the disk.
    pub fn root_at(&self, size: u64) -> Result<Hash, LedgerError> {
        self.check_reached(size)?;
        self.reading().root(Span { from: 0, to: size })
    }

    /// The hashes that prove that the event at `position` (from 1) is among the first `size`: its index in the
    /// tree is `position - 1`.
    ///
    /// # Errors
    /// If it is not, if so many were not acknowledged, and those of the disk.
    pub fn prove_inclusion(&self, position: u64, size: u64) -> Result<Vec<Hash>, LedgerError> {
        self.check_reached(size)?;
        self.reading().roots(proof::inclusion(position.wrapping_sub(1), size)?)
    }

    /// The hashes that prove that the first `old` events are the beginning of the first `new`.
    ///
    /// # Errors
    /// If there are fewer of the latter, if so many were not acknowledged, and those of the disk.
    pub fn prove_consistency(&self, old: u64, new: u64) -> Result<Vec<Hash>, LedgerError> {
        self.check_reached(new)?;
        self.reading().roots(proof::consistency(old, new)?)
    }

    fn check_reached(&self, size: u64) -> Result<(), LedgerError> {
        match self.head().position {
            head if size > head => {
                Err(proof::ProofError::Beyond { index: size - 1, size: head }.into())
            }
            _ => Ok(()),
        }
    }

    /// The first `width` hashes of a tile, one after another; `None` if it has fewer.
    pub fn tile(
        &self,
        level: u8,
        index: u64,
        width: usize,
    ) -> Result<Option<Vec<u8>>, LedgerError> {
        let head = self.head().position;
        let at_level = head.checked_shr(u32::from(level) * TILE_HEIGHT).unwrap_or(0);
        let before = index.saturating_mul(TILE_WIDTH as u64);
        if at_level.saturating_sub(before) < width as u64 || width == 0 {
            return Ok(None);
        }
        let tile = self.stored(level, index)?;
        Ok(tile.hashes.get(..width).map(<[Hash]>::concat))
    }

    /// The events under a tile of the lowest level, each after its length (u16 big-endian); `None` if there
    /// are fewer than `width`.
    pub fn entries(&self, index: u64, width: usize) -> Result<Option<Vec<u8>>, LedgerError> {
        let before = index.saturating_mul(TILE_WIDTH as u64);
        let last = before.saturating_add(width as u64);
        if last > self.head().position || width == 0 {
            return Ok(None);
        }
        let mut bundle = Vec::new();
        for position in before + 1..=last {
            let bytes = self.event(position)?;
            let length = u16::try_from(bytes.len()).map_err(|_| {
                super::damaged(position, format!("the frame is larger than {}", frame::MAX_FRAME))
            })?;
            bundle.extend_from_slice(&length.to_be_bytes());
            bundle.extend_from_slice(&bytes);
        }
        Ok(Some(bundle))
    }

    /// A tile, of which the acknowledged tree has at least one hash.
    fn stored(&self, level: u8, index: u64) -> Result<Tile, LedgerError> {
        if let Some(growing) = self.edge().read().growing(level, index) {
            return Ok(growing);
        }
        tree::read_tile(self.store().as_ref(), level, index)
    }

    fn expanded(&self, level: u8, index: u64) -> Result<Arc<Expanded>, LedgerError> {
        let kept = self.tile_cache().0.lock().get(&(level, index)).cloned();
        if let Some(kept) = kept {
            let growing = self.edge().read().tail(level, index).map(<[Hash]>::len);
            if kept.width() == growing.unwrap_or(TILE_WIDTH) {
                return Ok(kept);
            }
        }
        let tile = Arc::new(Expanded::of(self.stored(level, index)?.hashes));
        let mut cache = self.tile_cache().0.lock();
        if cache.len() >= TILES_KEPT {
            cache.clear();
        }
        cache.insert((level, index), tile.clone());
        Ok(tile)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ledger::proof::{check_consistency, check_inclusion, perfect, root_of};
    use crate::ledger::tree::{Tree, leaf_hash};
    use crate::store::memory::MemoryStore;
    use crate::store::{Batch, Durability, Store};

    /// A tree in a store, and all hashes of it by height.
    fn grown(size: u64) -> (Ledger, Vec<Vec<Hash>>) {
        let (store, mut tree) = (Arc::new(MemoryStore::default()), Tree::default());
        let mut batch = Batch::default();
        let leaves: Vec<Hash> = (0..size).map(|number| leaf_hash(&number.to_be_bytes())).collect();
        leaves.iter().for_each(|leaf| tree.append(*leaf, &mut batch));
        store.commit(&batch, Durability::Synced).unwrap();
        let mut levels = vec![leaves];
        while levels.last().unwrap().len() > 1 {
            let pairs = levels.last().unwrap().as_chunks::<2>().0.iter();
            levels.push(pairs.map(|[left, right]| node_hash(left, right)).collect());
        }
        (Ledger::of_tree(store, tree), levels)
    }

    fn root(levels: &[Vec<Hash>], size: u64) -> Hash {
        let parts = perfect(Span { from: 0, to: size }).into_iter();
        let parts: Vec<Hash> =
            parts.map(|(height, number)| levels[height as usize][number as usize]).collect();
        root_of(&parts)
    }

    fn holds(ledger: &Ledger, levels: &[Vec<Hash>], position: u64, old: u64, size: u64) {
        let [old_root, new_root] = [old, size].map(|size| root(levels, size));
        assert_eq!(ledger.root_at(size).unwrap(), new_root, "size {size}");
        let proof = ledger.prove_inclusion(position, size).unwrap();
        let leaf = levels[0][position as usize - 1];
        assert_eq!(check_inclusion(&leaf, position - 1, size, &proof, &new_root), Ok(()));
        let proof = ledger.prove_consistency(old, size).unwrap();
        assert_eq!(check_consistency((old, &old_root), (size, &new_root), &proof), Ok(()));
    }

    #[test]
    fn the_edges_of_tiles_prove_like_everything_else() {
        let (ledger, levels) = grown(70_000);
        for size in [1, 2, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 65_792, 69_999, 70_000]
        {
            for position in [1, 256, 257, 65_536, 65_537, size].into_iter().filter(|at| *at <= size)
            {
                holds(&ledger, &levels, position, position - 1, size);
            }
        }
        for wrong in [ledger.prove_inclusion(0, 9), ledger.prove_inclusion(10, 9)] {
            assert!(matches!(wrong, Err(LedgerError::NoProof(_))));
        }
        assert!(matches!(ledger.root_at(70_001), Err(LedgerError::NoProof(_))));
        assert!(matches!(ledger.prove_inclusion(1, 70_001), Err(LedgerError::NoProof(_))));
        assert!(matches!(ledger.prove_consistency(3, 2), Err(LedgerError::NoProof(_))));
        // What the specification says of this size: 273 full tiles and 112 more hashes, 1 and 17, 1.
        let width = |level, index| {
            (0..=256).rev().find(|width| ledger.tile(level, index, *width).unwrap().is_some())
        };
        let widths = [(0, 272), (0, 273), (0, 274), (1, 0), (1, 1), (2, 0), (3, 0)];
        let expected = [Some(256), Some(112), None, Some(256), Some(17), Some(1), None];
        assert_eq!(widths.map(|(level, index)| width(level, index)), expected);
        let tile = ledger.tile(1, 1, 17).unwrap().unwrap();
        assert_eq!(tile, levels[8][256..273].concat());
    }

    #[test]
    fn a_tree_that_grows_under_its_readers_stays_provable() {
        let (store, mut tree) = (Arc::new(MemoryStore::default()), Tree::default());
        let ledger = Ledger::of_tree(store.clone(), Tree::default());
        let mut roots = vec![tree.root()];
        for number in 0..1_200u64 {
            let mut batch = Batch::default();
            tree.append(leaf_hash(&number.to_be_bytes()), &mut batch);
            store.commit(&batch, Durability::Synced).unwrap();
            // The edge is ahead of what readers know of.
            ledger.edge().write().copy_from(&tree);
            let size = ledger.head().position;
            let root = roots.last().unwrap();
            assert_eq!(ledger.root_at(size).unwrap(), *root);
            if size > 0 {
                let at = number * 7 % size;
                let proof = ledger.prove_inclusion(at + 1, size).unwrap();
                assert_eq!(
                    check_inclusion(&leaf_hash(&at.to_be_bytes()), at, size, &proof, root),
                    Ok(())
                );
            }
            roots.push(tree.root());
            ledger.set_head(tree.size(), tree.root());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_event_and_any_two_sizes_prove(numbers in prop::collection::vec(any::<u64>(), 60)) {
            static GROWN: std::sync::OnceLock<(Ledger, Vec<Vec<Hash>>)> = std::sync::OnceLock::new();
            let (ledger, levels) = GROWN.get_or_init(|| grown(131_072 + 777));
            for three in numbers.as_chunks::<3>().0 {
                let size = three[0] % ledger.head().position + 1;
                let (position, old) = (three[1] % size + 1, three[2] % (size + 1));
                holds(ledger, levels, position, old, size);
            }
        }
    }
}
