//! The Merkle tree of RFC 6962 (SHA-256) over all frames of a store, in commit order.
//!
//! A leaf is `SHA-256(0x00 | frame)`, a node `SHA-256(0x01 | left | right)`, the empty tree
//! `SHA-256("")`; a tree of n leaves splits at the largest power of two below n. What is stored are
//! full tiles only, 256 hashes each (C2SP tlog-tiles, height 8): level 0 holds leaf hashes, level 1 the
//! roots of level-0 tiles, and so on. What is not yet a full tile is kept in memory and rebuilt from
//! the frames and the tiles below when a store opens.
//!
//! Behind the hashes of a tile of level 0 its row holds its *crown*, the 16 nodes four levels up: a proof then hashes
//! some 20 nodes of it instead of 250, for a sixteenth more to store. Readers of tiles never see it.

use sha2::block_api::compress256;
use sha2::{Digest, Sha256};

use super::frame::Hash;
use super::{LedgerError, damaged};
use crate::store::{Batch, Family, Store};

/// Hashes in a full tile.
pub const TILE_WIDTH: usize = 256;
/// Levels of the tree in a tile.
pub const TILE_HEIGHT: u32 = 8;
/// How far above the leaves the crown of a tile is.
const CROWN_HEIGHT: u32 = 4;
/// Hashes below each of its nodes.
const BELOW_CROWN: usize = 1 << CROWN_HEIGHT;

/// The hash of a leaf.
pub fn leaf_hash(frame: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([0]);
    hasher.update(frame);
    hasher.finalize().into()
}

/// What SHA-256 starts from (FIPS 180-4, section 5.3.3).
const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];
/// The bits of a node: a prefix of one byte and two hashes.
const NODE_BITS: u16 = 65 * 8;

/// The hash of a node.
///
/// A node is always 65 bytes, which with their padding are two blocks: laid out here, they need no hasher of any
/// length, which costs more than the blocks do. Every append and every proof hashes nodes.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut blocks = [[0; 64]; 2];
    let [first, second] = &mut blocks;
    let (before, last) = right.split_at(31);
    first[0] = 1;
    first[1..33].copy_from_slice(left);
    first[33..].copy_from_slice(before);
    // The last byte, the mark behind it, and the length at the end.
    second[..1].copy_from_slice(last);
    second[1] = 0x80;
    second[62..].copy_from_slice(&NODE_BITS.to_be_bytes());
    let mut state = INITIAL;
    compress256(&mut state, &blocks);
    let mut hash = [0; 32];
    for (bytes, word) in hash.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    hash
}

/// The root of the empty tree.
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// The key of a tile in [`Family::Tiles`].
pub fn tile_key(level: u8, index: u64) -> [u8; 9] {
    let mut key = [0; 9];
    if let Some((first, rest)) = key.split_first_mut() {
        *first = level;
        rest.copy_from_slice(&index.to_be_bytes());
    }
    key
}

/// The growing edge of the tree: enough to append and to know the root.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    size: u64,
    /// Roots of the perfect subtrees, largest first: one for each bit of `size`.
    peaks: Vec<Hash>,
    /// The tiles that are not full yet, by level.
    tails: Vec<Vec<Hash>>,
    /// The crown of the lowest of them, as far as it has one.
    crown: Vec<Hash>,
}

impl Tree {
    /// Leaves in the tree.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root over all leaves.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        let Some(smallest) = peaks.next() else { return empty_root() };
        peaks.fold(*smallest, |right, left| node_hash(left, &right))
    }

    /// The hashes of the tile at this place, if it is the one of its level that is not full yet.
    pub fn tail(&self, level: u8, index: u64) -> Option<&[Hash]> {
        let growing = self.size.checked_shr((u32::from(level) + 1) * TILE_HEIGHT).unwrap_or(0);
        let tail = self.tails.get(usize::from(level)).filter(|_| index == growing)?;
        Some(tail)
    }

    /// The tile at this place, if it is the one of its level that is not full yet.
    pub fn growing(&self, level: u8, index: u64) -> Option<Tile> {
        let crown = if level == 0 { self.crown.clone() } else { Vec::new() };
        self.tail(level, index).map(|tail| Tile { hashes: tail.to_vec(), crown })
    }

    /// Becomes a copy of another edge, in the memory that it has.
    pub fn copy_from(&mut self, other: &Tree) {
        self.size = other.size;
        self.peaks.clone_from(&other.peaks);
        self.tails.resize_with(other.tails.len(), Vec::new);
        for (own, other) in self.tails.iter_mut().zip(&other.tails) {
            own.clone_from(other);
        }
        self.crown.clone_from(&other.crown);
    }

    /// Appends a leaf; tiles that become full are put into the batch.
    pub fn append(&mut self, leaf: Hash, batch: &mut Batch) {
        let mut hash = leaf;
        let mut height = 0;
        // Every trailing one bit of the size is a perfect subtree that now finds its sibling.
        while self.size >> height & 1 == 1 {
            if let Some(left) = self.peaks.pop() {
                hash = node_hash(&left, &hash);
            }
            height += 1;
            if height == CROWN_HEIGHT {
                self.crown.push(hash);
            }
            if height % TILE_HEIGHT == 0 {
                self.note(height / TILE_HEIGHT, hash, batch);
            }
        }
        // The last node of its crown may have come just now.
        self.note(0, leaf, batch);
        self.peaks.push(hash);
        self.size += 1;
    }

    fn note(&mut self, level: u32, hash: Hash, batch: &mut Batch) {
        let level = level as usize;
        if self.tails.len() <= level {
            self.tails.resize(level + 1, Vec::new());
        }
        let Some(tail) = self.tails.get_mut(level) else { return };
        tail.push(hash);
        if tail.len() == TILE_WIDTH {
            let index = self.size >> (TILE_HEIGHT as usize * (level + 1));
            let level = u8::try_from(level).unwrap_or(u8::MAX);
            let mut row = tail.concat();
            if level == 0 {
                row.extend(self.crown.iter().flatten());
                self.crown.clear();
            }
            batch.put(Family::Tiles, tile_key(level, index), row);
            tail.clear();
        }
    }

    /// The edge of the tree over the first `size` frames of a store.
    pub fn load(store: &dyn Store, size: u64) -> Result<Self, LedgerError> {
        let mut tails: Vec<Vec<Hash>> = vec![];
        // Level 0: the frames after the last full tile. Higher levels: roots of the tiles below.
        let mut complete = size;
        let mut level = 0u8;
        while complete > 0 {
            let first = complete - complete % TILE_WIDTH as u64;
            let mut tail = Vec::with_capacity(TILE_WIDTH);
            for index in first..complete {
                tail.push(if level == 0 {
                    let frame = store.get(Family::Events, &(index + 1).to_be_bytes())?;
                    leaf_hash(&frame.ok_or_else(|| damaged(index + 1, "the event is missing"))?)
                } else {
                    tile_root(&read_tile(store, level - 1, index)?.hashes)
                });
            }
            tails.push(tail);
            complete /= TILE_WIDTH as u64;
            level += 1;
        }
        // The peaks are perfect subtrees: those of each tail, highest level first.
        let peaks = tails.iter().rev().flat_map(|tail| perfect_subtrees(tail)).collect();
        let lowest = tails.first().map(|tail| tail.chunks_exact(BELOW_CROWN));
        let crown = lowest.into_iter().flatten().map(tile_root).collect();
        Ok(Tree { size, peaks, tails, crown })
    }
}

/// A tile, full or growing.
pub struct Tile {
    /// Its hashes.
    pub hashes: Vec<Hash>,
    /// Of a tile of level 0, the nodes four levels above them, as far as it has any; of others none.
    crown: Vec<Hash>,
}

impl Tile {
    /// The root of the perfect subtree of this height over the hashes from `offset`, a multiple of its width; `None`
    /// if the tile has fewer.
    pub fn perfect(&self, height: u32, offset: usize) -> Option<Hash> {
        let hashes = match height.checked_sub(CROWN_HEIGHT) {
            Some(above) if !self.crown.is_empty() => {
                let first = offset / BELOW_CROWN;
                self.crown.get(first..first + (1 << above))
            }
            _ => self.hashes.get(offset..offset + (1 << height)),
        };
        hashes.map(tile_root)
    }
}

/// Reads a full tile.
///
/// # Errors
/// If it is missing or of another size, and those of the disk.
pub fn read_tile(store: &dyn Store, level: u8, index: u64) -> Result<Tile, LedgerError> {
    let at = |what: &str| {
        let first = (index << (u32::from(level) * TILE_HEIGHT).min(56)) << TILE_HEIGHT;
        damaged(first + 1, format!("tile {level}/{index} of the tree {what}"))
    };
    let bytes =
        store.get(Family::Tiles, &tile_key(level, index))?.ok_or_else(|| at("is missing"))?;
    let (rows, rest) = bytes.as_chunks::<32>();
    let in_crown = if level == 0 { TILE_WIDTH / BELOW_CROWN } else { 0 };
    match rows.split_at_checked(TILE_WIDTH) {
        Some((hashes, crown)) if crown.len() == in_crown && rest.is_empty() => {
            Ok(Tile { hashes: hashes.to_vec(), crown: crown.to_vec() })
        }
        _ => Err(at("has a wrong size")),
    }
}

/// The root of a perfect run of hashes (a power of two of them).
pub fn tile_root(hashes: &[Hash]) -> Hash {
    let mut level = hashes.to_vec();
    while level.len() > 1 {
        level =
            level.as_chunks::<2>().0.iter().map(|[left, right]| node_hash(left, right)).collect();
    }
    level.first().copied().unwrap_or_else(empty_root)
}

/// The roots of the perfect subtrees of a run of hashes, largest first.
fn perfect_subtrees(hashes: &[Hash]) -> Vec<Hash> {
    let mut peaks = Vec::new();
    let mut rest = hashes;
    while !rest.is_empty() {
        let width = 1usize << rest.len().ilog2();
        let (perfect, after) = rest.split_at(width.min(rest.len()));
        peaks.push(tile_root(perfect));
        rest = after;
    }
    peaks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryStore;
    use crate::store::{Durability, Store};

    /// RFC 6962 section 2.1, word for word.
    fn naive(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => empty_root(),
            [one] => *one,
            _ => {
                let split = leaves.len().next_power_of_two() / 2;
                node_hash(&naive(&leaves[..split]), &naive(&leaves[split..]))
            }
        }
    }

    #[test]
    fn a_node_is_hashed_as_sha_256_says() {
        for number in 0..200u8 {
            let (left, right) = (leaf_hash(&[number]), leaf_hash(&[number, 1]));
            let whole = [&[1], left.as_slice(), right.as_slice()].concat();
            assert_eq!(node_hash(&left, &right), Hash::from(Sha256::digest(whole)));
        }
    }

    #[test]
    fn agrees_with_the_rfc_at_every_size_and_after_every_reload() {
        let store = MemoryStore::default();
        let mut tree = Tree::default();
        let mut leaves = Vec::new();
        for n in 0u64..1500 {
            assert_eq!(tree.root(), naive(&leaves), "size {n}");
            if n % 37 == 0 || n % 256 < 2 || n % 256 == 255 {
                let loaded = Tree::load(&store, n).unwrap();
                assert_eq!(loaded.root(), tree.root());
                assert_eq!(loaded.peaks, tree.peaks);
                assert_eq!(loaded.crown, tree.crown);
            }
            let frame = n.to_le_bytes();
            leaves.push(leaf_hash(&frame));
            let mut batch = Batch::default();
            batch.put(Family::Events, (n + 1).to_be_bytes(), frame);
            tree.append(leaf_hash(&frame), &mut batch);
            store.commit(&batch, Durability::Synced).unwrap();
        }
        // Continuing from a reloaded edge writes the same tiles.
        let mut reloaded = Tree::load(&store, 1500).unwrap();
        for n in 1500u64..70_000 {
            let mut batch = Batch::default();
            reloaded.append(leaf_hash(&n.to_le_bytes()), &mut batch);
            tree.append(leaf_hash(&n.to_le_bytes()), &mut Batch::default());
            store.commit(&batch, Durability::Buffered).unwrap();
        }
        assert_eq!(reloaded.root(), tree.root());
        // Size 70,000 is 273 full tiles at level 0 and one at level 1 (the specification's example).
        assert!(read_tile(&store, 0, 272).is_ok());
        assert!(read_tile(&store, 0, 273).is_err());
        assert!(read_tile(&store, 1, 0).is_ok());
        assert!(read_tile(&store, 1, 1).is_err());
        let tile = read_tile(&store, 1, 0).unwrap();
        assert_eq!(tile.hashes[3], naive(&leaves[768..1024]));
        // The crown of a tile says what its hashes do, also while it grows.
        let growing = Tree::load(&store, 1_200).unwrap().growing(0, 4).unwrap();
        assert_eq!((growing.hashes.len(), growing.crown.len()), (176, 11));
        let full = read_tile(&store, 0, 3).unwrap();
        assert_eq!((full.hashes.len(), full.crown.len()), (256, 16));
        for (tile, first) in [(full, 768), (growing, 1_024)] {
            let width = tile.hashes.len();
            for height in 0..=8 {
                for offset in (0..256usize).step_by(1 << height) {
                    let expected = (offset + (1 << height) <= width)
                        .then(|| naive(&leaves[first + offset..][..1 << height]));
                    assert_eq!(tile.perfect(height, offset), expected, "{height} {offset}");
                }
            }
        }
    }
}
