//! The HEAD file: how much of the ledger was acknowledged, remembered outside the database.
//!
//! A database cannot notice that its newest write-ahead log vanished: it opens, shorter. So every
//! commit also writes here, after the database has synced and before anything is answered. On open
//! the ledger compares: shorter than HEAD means that acknowledged events are missing.
//!
//! Two slots of 4,096 bytes are written in turn, so that a torn write spoils at most the older fact:
//!
//! | offset | size | what |
//! |---|---|---|
//! | 0 | 8 | magic `DOMEHEAD` |
//! | 8 | 4 | format, u32 big-endian, 1 |
//! | 12 | 8 | turn, u64 big-endian: the higher of two valid slots counts |
//! | 20 | 8 | position, u64 big-endian: events acknowledged |
//! | 28 | 32 | Merkle tree root over them |
//! | 60 | 32 | chain hash of the newest event (zeros when there is none) |
//! | 92 | 32 | BLAKE3 of bytes 0 to 91 |

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use super::StoreError;
use crate::base::crypto::content_hash;

const MAGIC: &[u8; 8] = b"DOMEHEAD";
const FORMAT: u32 = 1;
const SLOT: u64 = 4096;
const SUMMED: usize = 92;
const USED: usize = 124;

/// What HEAD remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Events acknowledged.
    pub position: u64,
    /// Root of the Merkle tree over them.
    pub root: [u8; 32],
    /// Chain hash of the newest of them; zeros when there is none.
    pub tip: [u8; 32],
}

/// A place that remembers a [`Head`].
pub trait HeadFile: Send + Sync {
    /// The newest valid fact; `None` if nothing was ever written.
    fn read(&self) -> Result<Option<Head>, StoreError>;
    /// Replaces it, and returns once the new one is durable.
    fn write(&self, head: &Head) -> Result<(), StoreError>;
}

/// HEAD in a file.
pub struct DiskHead {
    path: PathBuf,
    state: Mutex<(File, u64)>,
}

impl DiskHead {
    /// Opens or makes the file. A file in which no slot is valid is damage, not a new file.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let failed = |error| failure(path, error);
        let existed = path.exists();
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        if !existed {
            file.write_all_at(&[0; 2 * SLOT as usize], 0).map_err(failed)?;
            file.sync_all().map_err(failed)?;
            if let Some(folder) = path.parent() {
                File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
            }
        }
        let head = DiskHead { path: path.to_owned(), state: Mutex::new((file, 0)) };
        let turn = head.newest()?.map_or(0, |(turn, _)| turn);
        head.state.lock().1 = turn;
        Ok(head)
    }

    fn newest(&self) -> Result<Option<(u64, Head)>, StoreError> {
        let state = self.state.lock();
        let mut newest: Option<(u64, Head)> = None;
        let mut written = false;
        for slot in 0..2 {
            let mut bytes = [0; USED];
            match state.0.read_exact_at(&mut bytes, slot * SLOT) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => written = true,
                Err(error) => return Err(failure(&self.path, error)),
            }
            written |= bytes != [0; USED];
            if let Some(found) = decode(&bytes)
                && newest.is_none_or(|(turn, _)| found.0 > turn)
            {
                newest = Some(found);
            }
        }
        if newest.is_none() && written {
            return Err(StoreError::Damaged(format!(
                "no slot of {} is valid: restore it from a backup",
                self.path.display()
            )));
        }
        Ok(newest)
    }
}

impl HeadFile for DiskHead {
    fn read(&self) -> Result<Option<Head>, StoreError> {
        Ok(self.newest()?.map(|(_, head)| head))
    }

    fn write(&self, head: &Head) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        let turn = state.1 + 1;
        let slot = (turn % 2) * SLOT;
        let failed = |error| failure(&self.path, error);
        state.0.write_all_at(&encode(turn, head), slot).map_err(failed)?;
        state.0.sync_data().map_err(failed)?;
        state.1 = turn;
        Ok(())
    }
}

fn failure(path: &Path, error: std::io::Error) -> StoreError {
    let text = format!("{}: {error}", path.display());
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            StoreError::NoSpace(text)
        }
        _ => StoreError::Failed(text),
    }
}

fn encode(turn: u64, head: &Head) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(USED);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&FORMAT.to_be_bytes());
    bytes.extend_from_slice(&turn.to_be_bytes());
    bytes.extend_from_slice(&head.position.to_be_bytes());
    bytes.extend_from_slice(&head.root);
    bytes.extend_from_slice(&head.tip);
    let sum = content_hash(&bytes);
    bytes.extend_from_slice(&sum);
    bytes
}

fn decode(bytes: &[u8; USED]) -> Option<(u64, Head)> {
    let (summed, sum) = bytes.split_at_checked(SUMMED)?;
    if content_hash(summed) != sum {
        return None;
    }
    let rest = summed.strip_prefix(MAGIC)?;
    let (format, rest) = rest.split_first_chunk::<4>()?;
    let (turn, rest) = rest.split_first_chunk::<8>()?;
    let (position, rest) = rest.split_first_chunk::<8>()?;
    let (root, rest) = rest.split_first_chunk::<32>()?;
    let tip = <[u8; 32]>::try_from(rest).ok()?;
    let head = Head { position: u64::from_be_bytes(*position), root: *root, tip };
    (u32::from_be_bytes(*format) == FORMAT).then_some((u64::from_be_bytes(*turn), head))
}

/// HEAD of a store in memory.
#[derive(Debug, Default)]
pub struct MemoryHead(Mutex<Option<Head>>);

impl HeadFile for MemoryHead {
    fn read(&self) -> Result<Option<Head>, StoreError> {
        Ok(*self.0.lock())
    }

    fn write(&self, head: &Head) -> Result<(), StoreError> {
        *self.0.lock() = Some(*head);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(position: u64) -> Head {
        Head { position, root: [7; 32], tip: [8; 32] }
    }

    #[test]
    fn survives_reopening_and_a_torn_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("HEAD");
        let file = DiskHead::open(&path).unwrap();
        assert_eq!(file.read().unwrap(), None);
        for position in 1..=5 {
            file.write(&head(position)).unwrap();
        }
        let file = DiskHead::open(&path).unwrap();
        assert_eq!(file.read().unwrap(), Some(head(5)));
        // Turn 5 went to the second slot; spoiling it leaves turn 4.
        let raw = OpenOptions::new().write(true).open(&path).unwrap();
        raw.write_all_at(b"torn", SLOT + 30).unwrap();
        assert_eq!(DiskHead::open(&path).unwrap().read().unwrap(), Some(head(4)));
        raw.write_all_at(b"torn", 30).unwrap();
        assert!(matches!(DiskHead::open(&path), Err(StoreError::Damaged(_))));
    }

    #[test]
    fn every_flipped_bit_spoils_its_slot() {
        let bytes: [u8; USED] = encode(3, &head(9)).try_into().unwrap();
        assert_eq!(decode(&bytes), Some((3, head(9))));
        for bit in 0..USED * 8 {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&damaged), None, "bit {bit}");
        }
    }
}
