//! Looks at the checksums of a RocksDB manifest before RocksDB reads it.
//!
//! A manifest is a log in blocks of 32 KiB. A record is a masked CRC-32C of type and content (4 bytes,
//! little-endian), the length of the content (2 bytes, little-endian), the type (1 byte) and the content;
//! it never crosses a block, and what is left of a block that has no room for a header is zeros. Records
//! are of the types full, first, middle and last (1 to 4).
//!
//! Source: RocksDB wiki, "Write Ahead Log File Format", which manifests share.

use std::path::Path;

use super::StoreError;

const BLOCK: usize = 32 << 10;
const HEADER: usize = 7;
const TYPES: std::ops::RangeInclusive<u8> = 1..=4;

/// Checks the manifest that `CURRENT` names; a folder without one is new.
pub fn check(folder: &Path) -> Result<(), StoreError> {
    let damaged = |what: String| StoreError::Damaged(format!("{}: {what}", folder.display()));
    let current = match std::fs::read_to_string(folder.join("CURRENT")) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(damaged(format!("CURRENT cannot be read: {error}"))),
    };
    let name = current.trim_end_matches('\n');
    let number = name.strip_prefix("MANIFEST-").unwrap_or_default();
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(damaged("CURRENT names no manifest".into()));
    }
    let bytes = std::fs::read(folder.join(name))
        .map_err(|error| damaged(format!("{name} cannot be read: {error}")))?;
    check_records(&bytes).map_err(|at| {
        damaged(format!("{name} was altered at byte {at}: restore the folder from a backup"))
    })
}

/// Checks every record; the place of the first that is wrong. One cut short by the end of the file is what a
/// crash leaves.
fn check_records(bytes: &[u8]) -> Result<(), usize> {
    for (number, block) in bytes.chunks(BLOCK).enumerate() {
        let mut rest = block;
        while let Some((header, after)) = rest.split_first_chunk::<HEADER>() {
            let at = number * BLOCK + block.len() - rest.len();
            let [a, b, c, d, low, high, kind] = *header;
            let length = usize::from(u16::from_le_bytes([low, high]));
            if *header == [0; HEADER] && after.iter().all(|byte| *byte == 0) {
                // Room that was set aside and not written.
                break;
            }
            if !TYPES.contains(&kind) {
                return Err(at);
            }
            let Some((content, next)) = after.split_at_checked(length) else {
                let last = number * BLOCK + block.len() == bytes.len() && block.len() < BLOCK;
                return if last { Ok(()) } else { Err(at) };
            };
            let sum = crc32c::crc32c_append(crc32c::crc32c(&[kind]), content);
            if masked(sum) != u32::from_le_bytes([a, b, c, d]) {
                return Err(at);
            }
            rest = next;
        }
    }
    Ok(())
}

/// RocksDB stores checksums masked, since a checksum of data that holds checksums is a poor one.
fn masked(sum: u32) -> u32 {
    sum.rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::rocks::{Memory, RocksStore};
    use crate::store::{Batch, Durability, Family, Store};

    #[test]
    fn a_real_manifest_passes_and_an_altered_one_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        for round in 0u8..3 {
            let store = RocksStore::open(&path, Family::LEDGER, Memory::Serving).unwrap();
            let mut batch = Batch::default();
            batch.put(Family::Blobs, [round], [round; 100]);
            store.commit(&batch, Durability::Synced).unwrap();
            store.clear(Family::RowsA).unwrap();
            check(&path).unwrap();
        }
        let name = std::fs::read_to_string(path.join("CURRENT")).unwrap();
        let bytes = std::fs::read(path.join(name.trim())).unwrap();
        assert_eq!(check_records(&bytes), Ok(()));
        let mut torn = 0;
        for bit in 0..bytes.len() * 8 {
            let mut altered = bytes.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            // A length that grew past the end reads as a torn tail, which RocksDB judges itself.
            torn += usize::from(check_records(&altered).is_ok());
        }
        assert!(torn < 400, "{torn} of {} bits", bytes.len() * 8);
        for length in 0..bytes.len() {
            assert_eq!(check_records(&bytes[..length]), Ok(()), "cut at {length}");
        }
        let mut many = vec![0; 3 * BLOCK];
        many[..bytes.len()].copy_from_slice(&bytes);
        assert_eq!(check_records(&many), Ok(()));
        many[2 * BLOCK + 9] = 1;
        assert!(check_records(&many).is_err());
        assert!(check(folder.path()).is_ok(), "a folder without a manifest is new");
        std::fs::write(path.join("CURRENT"), "../MANIFEST-000005\n").unwrap();
        assert!(check(&path).is_err());
    }
}
