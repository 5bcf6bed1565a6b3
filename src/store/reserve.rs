//! Space set aside for when the device is full.
//!
//! The reserve is a file of zeros. When the device is full it is removed, so that receipts can still be
//! kept and reads answered; while it is gone no other writes are done. It is made again as soon as there
//! is room.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::StoreError;

/// Enough for some ten thousand receipts.
const RESERVE_BYTES: u64 = 16 << 20;
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// Asks the file system for the space; where it cannot give space without data, writes it out: a file with
/// a hole in it sets nothing aside.
fn set_aside(file: &mut fs::File) -> std::io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    match fallocate(&*file, FallocateFlags::empty(), 0, RESERVE_BYTES) {
        Err(rustix::io::Errno::OPNOTSUPP) => {
            (0..RESERVE_BYTES / ZEROS.len() as u64).try_for_each(|_| file.write_all(&ZEROS))
        }
        outcome => Ok(outcome?),
    }
}

/// The reserve of a data folder. One thread spends and restores it, any may ask.
#[derive(Debug, Default)]
pub struct Reserve {
    // `None` in memory, where nothing is set aside and nothing can be spent.
    path: Option<PathBuf>,
    spent: AtomicBool,
}

impl Reserve {
    /// The reserve at a path, made if it is not there. Without room for it, it counts as spent.
    ///
    /// # Errors
    /// If the file cannot be made for any other reason.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let reserve = Reserve { path: Some(path.to_owned()), spent: AtomicBool::new(false) };
        if !fs::metadata(path).is_ok_and(|found| found.len() == RESERVE_BYTES) {
            reserve.spent.store(true, Ordering::Relaxed);
            reserve.restore()?;
        }
        Ok(reserve)
    }

    /// Whether it is spent.
    pub fn is_spent(&self) -> bool {
        self.spent.load(Ordering::Relaxed)
    }

    /// Gives the space free; `false` if there was none.
    ///
    /// # Errors
    /// If the file cannot be removed.
    pub fn spend(&self) -> Result<bool, StoreError> {
        match &self.path {
            Some(path) if !self.is_spent() => {
                fs::remove_file(path).map_err(|error| failed(path, &error))?;
                self.spent.store(true, Ordering::Relaxed);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Sets the space aside again; `false` if there is no room for it yet.
    ///
    /// # Errors
    /// If the file cannot be made for any other reason.
    pub fn restore(&self) -> Result<bool, StoreError> {
        let Some(path) = &self.path else { return Ok(true) };
        if !self.is_spent() {
            return Ok(true);
        }
        let written = fs::File::create(path).and_then(|mut file| {
            set_aside(&mut file)?;
            file.sync_all()
        });
        match written {
            Ok(()) => {
                self.spent.store(false, Ordering::Relaxed);
                Ok(true)
            }
            Err(error) => {
                // What there is of it would be missing to the receipts.
                let _ = fs::remove_file(path);
                match error.kind() {
                    ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Ok(false),
                    _ => Err(failed(path, &error)),
                }
            }
        }
    }
}

fn failed(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Failed(format!("the reserve {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_made_spent_and_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reserve");
        // Half of it is none.
        fs::write(&path, b"half").unwrap();
        let reserve = Reserve::open(&path).unwrap();
        let length = || fs::metadata(&path).map(|found| found.len()).ok();
        assert_eq!((reserve.is_spent(), length()), (false, Some(RESERVE_BYTES)));
        assert!(reserve.spend().unwrap() && reserve.is_spent());
        assert_eq!(length(), None);
        assert!(!reserve.spend().unwrap());
        assert!(reserve.restore().unwrap() && !reserve.is_spent());
        assert_eq!(length(), Some(RESERVE_BYTES));
        assert!(Reserve::open(&folder.path().join("no/such")).is_err());
        assert!(!Reserve::default().spend().unwrap());
    }
}
