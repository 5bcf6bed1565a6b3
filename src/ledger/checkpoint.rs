//! Checkpoints, and files with proofs that stand on one.
//!
//! A checkpoint (C2SP tlog-checkpoint) is a signed note that says how many events a ledger has and the root
//! of the tree over them. A proof file (C2SP tlog-proof) shows that one entry is in the tree of a checkpoint:
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! extra base64(the event's frame)
//! index 41
//! base64(hash)        from the leaf's sibling to the root's child
//! ...
//!
//! the checkpoint, with its signatures
//! ```

use std::fmt;
use std::str::FromStr;

use super::frame::Hash;
use super::note::{Note, NoteError, VerifierKey};
use super::proof::{self, MOST_HASHES, ProofError};
use super::tree::leaf_hash;
use crate::base::crypto::SecretKey;
use crate::base::text::{base64, from_base64};

/// The first line of a proof file.
pub const PROOF_MARK: &str = "c2sp.org/tlog-proof@v1";

/// How long a ledger is, and the root over it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which ledger.
    pub origin: String,
    /// How many events.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Hash,
}

/// A checkpoint with the note that it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    /// What it says.
    pub checkpoint: Checkpoint,
    /// The note.
    pub note: Note,
}

/// That an entry is in the tree of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofFile {
    /// The entry itself, if the file holds it.
    pub entry: Option<Vec<u8>>,
    /// Its index, from 0.
    pub index: u64,
    /// The hashes of the proof.
    pub hashes: Vec<Hash>,
    /// The checkpoint.
    pub checkpoint: SignedCheckpoint,
}

/// Why a file proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The note or its signature.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The proof.
    #[error("the proof does not hold: {0}")]
    Proof(#[from] ProofError),
    /// A text that has another form.
    #[error("{0}")]
    Form(&'static str),
    /// A checkpoint of another ledger than the key's.
    #[error("the checkpoint is of {origin}, and the key is that of {key}")]
    Origin {
        /// Which ledger it is of.
        origin: String,
        /// The name of the key.
        key: String,
    },
}

/// A number without sign and leading zeros.
fn read_number(text: &str) -> Option<u64> {
    let number = text.parse().ok()?;
    (u64::to_string(&number) == text).then_some(number)
}

fn read_hash(text: &str) -> Option<Hash> {
    Hash::try_from(from_base64(text)?.as_slice()).ok()
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, base64(&self.root))
    }
}

impl Checkpoint {
    /// Signs it under the name of its origin.
    ///
    /// # Errors
    /// If the origin cannot name a key.
    pub fn sign(self, seed: &SecretKey) -> Result<SignedCheckpoint, NoteError> {
        let note = Note::sign(self.to_string(), &self.origin, seed)?;
        Ok(SignedCheckpoint { checkpoint: self, note })
    }
}

impl SignedCheckpoint {
    /// Checks that it is of the key's ledger, and signed by it.
    ///
    /// # Errors
    /// If it is not.
    pub fn check(&self, key: &VerifierKey) -> Result<(), CheckpointError> {
        key.check(&self.note)?;
        let origin = self.checkpoint.origin.clone();
        match origin == key.name() {
            true => Ok(()),
            false => Err(CheckpointError::Origin { origin, key: key.name().to_owned() }),
        }
    }
}

impl FromStr for SignedCheckpoint {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let note: Note = text.parse()?;
        let wrong = CheckpointError::Form("this is a signed note, and no checkpoint");
        // Lines that follow are extensions, which the signature covers and nobody needs to know.
        let mut lines = note.text().lines();
        let (origin, size, root) = (lines.next(), lines.next(), lines.next());
        let origin = origin.filter(|origin| !origin.is_empty());
        let (Some(origin), Some(size), Some(root), true) = (
            origin,
            size.and_then(read_number),
            root.and_then(read_hash),
            lines.all(|line| !line.is_empty()),
        ) else {
            return Err(wrong);
        };
        let checkpoint = Checkpoint { origin: origin.to_owned(), size, root };
        Ok(SignedCheckpoint { checkpoint, note })
    }
}

impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(f)
    }
}

impl ProofFile {
    /// Checks the signature by a key, and that an entry is at the index that the file says.
    ///
    /// # Errors
    /// If the key did not sign, or the proof does not hold.
    pub fn check(&self, entry: &[u8], key: &VerifierKey) -> Result<(), CheckpointError> {
        self.checkpoint.check(key)?;
        let Checkpoint { size, root, .. } = &self.checkpoint.checkpoint;
        Ok(proof::check_inclusion(&leaf_hash(entry), self.index, *size, &self.hashes, root)?)
    }
}

impl fmt::Display for ProofFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{PROOF_MARK}")?;
        if let Some(entry) = &self.entry {
            writeln!(f, "extra {}", base64(entry))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.hashes.iter().try_for_each(|hash| writeln!(f, "{}", base64(hash)))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for ProofFile {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let wrong = CheckpointError::Form;
        let (head, checkpoint) = text
            .split_once("\n\n")
            .ok_or(wrong("this is no proof file: no empty line ends the proof"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(PROOF_MARK) {
            return Err(wrong(
                "this is no proof file: its first line is not c2sp.org/tlog-proof@v1",
            ));
        }
        let entry = match lines.next_if(|line| line.starts_with("extra ")) {
            None => None,
            Some(line) => {
                let encoded = line.strip_prefix("extra ").unwrap_or_default();
                Some(from_base64(encoded).ok_or(wrong("its `extra` is not base64"))?)
            }
        };
        let index = lines.next().and_then(|line| read_number(line.strip_prefix("index ")?));
        let index = index.ok_or(wrong("it says no index"))?;
        let hashes: Option<Vec<Hash>> = lines.take(MOST_HASHES + 1).map(read_hash).collect();
        let hashes = hashes.ok_or(wrong("a line of its proof is no hash"))?;
        if hashes.len() > MOST_HASHES {
            return Err(ProofError::Length.into());
        }
        Ok(ProofFile { entry, index, hashes, checkpoint: checkpoint.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::secret::Secret;
    use crate::base::signature::public_key;
    use crate::ledger::tree::{empty_root, node_hash};

    fn sample() -> (ProofFile, VerifierKey) {
        let leaves = [b"one".as_slice(), b"two"].map(leaf_hash);
        let root = node_hash(&leaves[0], &leaves[1]);
        let checkpoint = Checkpoint { origin: "example.com/log".into(), size: 2, root };
        let seed = Secret::new([5; 32]);
        let key = VerifierKey::new("example.com/log", public_key(&seed)).unwrap();
        let checkpoint = checkpoint.sign(&seed).unwrap();
        let entry = Some(b"two".to_vec());
        (ProofFile { entry, index: 1, hashes: vec![leaves[0]], checkpoint }, key)
    }

    #[test]
    fn a_proof_file_is_read_back_and_proves_its_entry_alone() {
        let (file, key) = sample();
        let text = file.to_string();
        assert_eq!(text.parse(), Ok(file.clone()));
        assert_eq!(file.check(b"two", &key), Ok(()));
        assert_eq!(file.check(b"one", &key), Err(ProofError::Root.into()));
        assert!(ProofFile { index: 2, ..file.clone() }.check(b"two", &key).is_err());
        let bare = ProofFile { entry: None, ..file };
        assert_eq!(bare.to_string().parse(), Ok(bare));
    }

    #[test]
    fn every_altered_character_of_a_proof_file_is_seen() {
        let (file, key) = sample();
        let text = file.to_string();
        let characters: Vec<char> = text.chars().collect();
        for place in 0..characters.len() {
            let mut altered = characters.clone();
            altered[place] = if altered[place] == 'A' { 'B' } else { 'A' };
            let altered: String = altered.into_iter().collect();
            let seen = altered.parse::<ProofFile>().map_or(true, |found| {
                let entry = found.entry.clone().unwrap_or_default();
                found.check(&entry, &key).is_err()
            });
            assert!(seen, "at {place}: {altered}");
        }
    }

    #[test]
    fn checkpoints_are_read_strictly_and_belong_to_one_ledger() {
        let (file, key) = sample();
        let text = file.checkpoint.to_string();
        assert_eq!(text.parse(), Ok(file.checkpoint.clone()));
        for (from, to) in
            [("\n2\n", "\n02\n"), ("\n2\n", "\n+2\n"), ("\n2\n", "\n-2\n"), ("=\n", "\n")]
        {
            assert!(text.replacen(from, to, 1).parse::<SignedCheckpoint>().is_err(), "{to:?}");
        }
        assert!(text.replacen("=\n", "=\nmore\n", 1).parse::<SignedCheckpoint>().is_ok());
        let foreign = Note::sign(
            format!("other\n0\n{}\n", base64(&empty_root())),
            "example.com/log",
            &Secret::new([5; 32]),
        );
        let foreign: SignedCheckpoint = foreign.unwrap().to_string().parse().unwrap();
        assert!(matches!(foreign.check(&key), Err(CheckpointError::Origin { .. })));
    }

    proptest! {
        #[test]
        fn no_text_stops_the_readers(
            text in "\\PC*|(c2sp.org/tlog-proof@v1\n)?(extra [a-z=]*\n)?(index [0-9]*\n)?[A-Za-z=— \n]{0,200}",
        ) {
            let _ = text.parse::<SignedCheckpoint>();
            if let Ok(file) = text.parse::<ProofFile>() {
                prop_assert_eq!(file.to_string(), text);
            }
        }
    }
}
