//! Our proofs against two independent implementations, `tlog_tiles` and `ct-merkle`.

use std::cell::RefCell;
use std::collections::HashMap;

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};
use proptest::prelude::*;
use sha2::Sha256;
use tlog_tiles as tlog;

use super::*;
use crate::ledger::tree::leaf_hash;

/// A tree of any size of which a few leaves are their own numbers and all others are alike, so that any
/// subtree's root takes a few steps.
struct Sparse {
    own: Vec<u64>,
    alike: Vec<Hash>,
    known: RefCell<HashMap<(u32, u64), Hash>>,
}

impl Sparse {
    fn new(mut own: Vec<u64>) -> Self {
        own.sort_unstable();
        own.dedup();
        let mut alike = vec![leaf_hash(b"")];
        for height in 0..63 {
            alike.push(node_hash(&alike[height], &alike[height]));
        }
        Sparse { own, alike, known: RefCell::default() }
    }

    fn leaf(&self, index: u64) -> Vec<u8> {
        if self.own.binary_search(&index).is_ok() { index.to_be_bytes().to_vec() } else { vec![] }
    }

    fn perfect(&self, height: u32, number: u64) -> Hash {
        let (first, last) = (number << height, (number << height) + ((1 << height) - 1));
        let after = self.own.partition_point(|own| *own < first);
        if self.own.get(after).is_none_or(|own| *own > last) {
            return self.alike[height as usize];
        }
        if let Some(known) = self.known.borrow().get(&(height, number)) {
            return *known;
        }
        let hash = match height {
            0 => leaf_hash(&self.leaf(number)),
            _ => node_hash(
                &self.perfect(height - 1, 2 * number),
                &self.perfect(height - 1, 2 * number + 1),
            ),
        };
        self.known.borrow_mut().insert((height, number), hash);
        hash
    }

    fn root(&self, span: Span) -> Hash {
        let roots: Vec<Hash> = perfect(span)
            .into_iter()
            .map(|(height, number)| self.perfect(height, number))
            .collect();
        root_of(&roots)
    }

    fn roots(&self, spans: Vec<Span>) -> Vec<Hash> {
        spans.into_iter().map(|span| self.root(span)).collect()
    }
}

impl tlog::HashReader for Sparse {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog::Hash>, tlog::Error> {
        let hash = |index: &u64| {
            let (level, number) = tlog::split_stored_hash_index(*index);
            tlog::Hash(self.perfect(u32::from(level), number))
        };
        Ok(indexes.iter().map(hash).collect())
    }
}

fn bare(hashes: &[tlog::Hash]) -> Vec<Hash> {
    hashes.iter().map(|hash| hash.0).collect()
}

/// Makes and checks both proofs with all three; returns ours.
fn agree(tree: &Sparse, index: u64, old: u64, size: u64) -> (Vec<Hash>, Vec<Hash>) {
    let root = tree.root(Span { from: 0, to: size });
    let old_root = tree.root(Span { from: 0, to: old });
    assert_eq!(tlog::tree_hash(size, tree).unwrap().0, root);

    let entry = tree.leaf(index);
    let included = tree.roots(inclusion(index, size).unwrap());
    assert_eq!(bare(&tlog::prove_record(size, index, tree).unwrap()), included);
    assert_eq!(check_inclusion(&leaf_hash(&entry), index, size, &included, &root), Ok(()));
    let theirs = RootHash::<Sha256>::new(root.into(), size);
    theirs.verify_inclusion(&entry, index, &InclusionProof::from_bytes(included.concat())).unwrap();

    let consistent = tree.roots(consistency(old, size).unwrap());
    assert_eq!(check_consistency((old, &old_root), (size, &root), &consistent), Ok(()));
    if old > 0 {
        assert_eq!(bare(&tlog::prove_tree(size, old, tree).unwrap()), consistent);
        let begins = RootHash::<Sha256>::new(old_root.into(), old);
        let proof = ConsistencyProof::try_from_bytes(consistent.concat()).unwrap();
        theirs.verify_consistency(&begins, &proof).unwrap();
    }
    (included, consistent)
}

/// Any hash altered, left out or added spoils a proof.
fn mutations(proof: &[Hash]) -> Vec<Vec<Hash>> {
    let mut all = vec![[proof, &[[7; 32]]].concat(), [&[[7; 32]], proof].concat()];
    for place in 0..proof.len() {
        let mut altered = proof.to_vec();
        altered[place][place % 32] ^= 1;
        all.push(altered);
        let mut shorter = proof.to_vec();
        shorter.remove(place);
        all.push(shorter);
        if place > 0 {
            let mut swapped = proof.to_vec();
            swapped.swap(place - 1, place);
            all.push(swapped);
        }
    }
    all.retain(|altered| altered != proof);
    all
}

#[test]
fn every_tree_of_up_to_300_leaves_proves_as_others_say() {
    let tree = Sparse::new((0..300).collect());
    let mut whole: MemoryBackedTree<Sha256, Vec<u8>> = MemoryBackedTree::new();
    for size in 1..=300 {
        whole.push(tree.leaf(size - 1));
        let root = tree.root(Span { from: 0, to: size });
        assert_eq!(whole.root().as_bytes()[..], root, "size {size}");
        for index in 0..size {
            let (included, consistent) = agree(&tree, index, index, size);
            let at = usize::try_from(index).unwrap();
            assert_eq!(whole.prove_inclusion(at).as_bytes(), included.concat());
            if index > 0 {
                let added = usize::try_from(size - index).unwrap();
                assert_eq!(whole.prove_consistency(added).as_bytes(), consistent.concat());
            }
        }
        assert_eq!(agree(&tree, 0, size, size).1, Vec::<Hash>::new());
    }
}

#[test]
fn every_altered_proof_of_small_trees_is_refused() {
    let tree = Sparse::new((0..64).collect());
    for size in 1..=40u64 {
        let root = tree.root(Span { from: 0, to: size });
        for index in 0..size {
            let old_root = tree.root(Span { from: 0, to: index });
            let (included, consistent) = agree(&tree, index, index, size);
            let leaf = leaf_hash(&tree.leaf(index));
            for proof in mutations(&included) {
                assert!(check_inclusion(&leaf, index, size, &proof, &root).is_err());
            }
            for other in (0..size).filter(|other| *other != index) {
                assert!(check_inclusion(&leaf, other, size, &included, &root).is_err());
            }
            for proof in mutations(&consistent) {
                let outcome = check_consistency((index, &old_root), (size, &root), &proof);
                assert!(outcome.is_err(), "{index} {size}");
            }
            let forged = [9; 32];
            let from = check_consistency((index, &forged), (size, &root), &consistent);
            let to = check_consistency((index, &old_root), (size, &forged), &consistent);
            assert!(from.is_err() && (to.is_err() || index == 0), "{index} {size}");
        }
    }
}

#[test]
fn what_cannot_be_proven_is_refused() {
    assert_eq!(inclusion(3, 3), Err(ProofError::Beyond { index: 3, size: 3 }));
    assert_eq!(inclusion(0, 0), Err(ProofError::Beyond { index: 0, size: 0 }));
    assert_eq!(consistency(4, 3), Err(ProofError::Backwards { from: 4, to: 3 }));
    let any = [1; 32];
    assert!(check_inclusion(&any, 0, 0, &[], &any).is_err());
    assert!(check_inclusion(&any, u64::MAX, u64::MAX, &[any; 70], &any).is_err());
    assert!(check_inclusion(&any, u64::MAX - 1, u64::MAX, &[any; 70], &any).is_err());
    assert!(check_consistency((u64::MAX - 1, &any), (u64::MAX, &any), &[any; 70]).is_err());
    assert!(check_consistency((1 << 63, &any), (u64::MAX, &any), &[]).is_err());
    assert!(check_consistency((2, &any), (1, &any), &[]).is_err());
    assert_eq!(check_consistency((0, &empty_root()), (9, &any), &[]), Ok(()));
    assert!(check_consistency((0, &any), (9, &any), &[]).is_err());
    assert!(inclusion(5, u64::MAX).unwrap().len() <= MOST_HASHES);
    assert!(consistency(u64::MAX - 1, u64::MAX).unwrap().len() <= MOST_HASHES);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn large_trees_prove_as_others_say(
        size in 1u64..1 << 40,
        index: u64,
        old: u64,
        place: usize,
        bit in 0usize..256,
    ) {
        let (index, old) = (index % size, old % (size + 1));
        let tree = Sparse::new(vec![0, index, old.saturating_sub(1), old, size - 1]);
        let root = tree.root(Span { from: 0, to: size });
        let old_root = tree.root(Span { from: 0, to: old });
        let (mut included, mut consistent) = agree(&tree, index, old, size);
        let leaf = leaf_hash(&tree.leaf(index));
        let altered = |proof: &mut Vec<Hash>| {
            let place = place % proof.len().max(1);
            proof.get_mut(place).map(|hash| hash[bit / 8] ^= 1 << (bit % 8)).is_some()
        };
        if altered(&mut included) {
            prop_assert!(check_inclusion(&leaf, index, size, &included, &root).is_err());
        }
        if altered(&mut consistent) {
            let outcome = check_consistency((old, &old_root), (size, &root), &consistent);
            prop_assert!(outcome.is_err());
        }
    }

    #[test]
    fn no_proof_stops_the_checks(
        index: u64,
        sizes: (u64, u64),
        proof in prop::collection::vec(any::<Hash>(), 0..70),
        root: Hash,
    ) {
        let _ = check_inclusion(&root, index, sizes.0, &proof, &root);
        let _ = check_consistency((sizes.0, &root), (sizes.1, &root), &proof);
    }
}
