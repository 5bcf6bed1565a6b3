//! The frame: the stored form of one event, written by hand, hashed as it stands.
//!
//! | offset | size | what |
//! |---|---|---|
//! | 0 | 1 | format, 1 |
//! | 1 | 16 | account, 128 random bits (zeros: the system account) |
//! | 17 | 8 | account sequence, u64 big-endian, from 1 without gaps |
//! | 25 | 8 | recorded at, microseconds since the epoch, u64 big-endian |
//! | 33 | 8 | happened at, likewise |
//! | 41 | 24 | actor: the unique id of who did it, ASCII, padded with zeros |
//! | 65 | 4 | body length n, u32 big-endian |
//! | 69 | n | body: what changed, in the vocabulary of the layer above |
//! | 69+n | 32 | digest: BLAKE3 of bytes 0 to 68+n |
//! | 101+n | 32 | chain hash: BLAKE3 of the previous chain hash of the account (zeros for its first event) and the digest |
//!
//! A frame is at most 65,535 bytes. Its position in the store is its key and not part of it, so that
//! an account can move between stores. Verification hashes these bytes and never encodes again.

use std::fmt;

use super::{AccountId, LedgerError, damaged};
use crate::base::time::Timestamp;

/// The largest frame, the limit of tlog-tiles entries.
pub const MAX_FRAME: usize = 65_535;

/// A digest or chain hash.
pub type Hash = [u8; 32];

const FORMAT: u8 = 1;
const HEADER: usize = 69;
const HASHES: usize = 64;

/// Who did it: a unique id (`AIDA...`, `AROA...`), `root`, `operator` or `system`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Actor([u8; 24]);

impl Actor {
    /// The service itself.
    pub fn system() -> Self {
        Self::cut("system")
    }

    /// Whoever has the machine: an operator at the command line.
    pub fn operator() -> Self {
        Self::cut("operator")
    }

    /// From a unique id of at most 24 ASCII characters; `None` for anything else.
    pub fn new(id: &str) -> Option<Self> {
        (id.len() <= 24 && id.bytes().all(|byte| byte.is_ascii_graphic())).then(|| Self::cut(id))
    }

    fn cut(id: &str) -> Self {
        let mut bytes = [0; 24];
        for (place, byte) in bytes.iter_mut().zip(id.bytes()) {
            *place = byte;
        }
        Actor(bytes)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        let length = self.0.iter().position(|&byte| byte == 0).unwrap_or(self.0.len());
        self.0.get(..length).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or("?")
    }
}

impl fmt::Debug for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What goes into a frame.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    /// The account whose history this is.
    pub account: AccountId,
    /// Its position within the account, from 1.
    pub sequence: u64,
    /// When the ledger took it in.
    pub recorded_at: Timestamp,
    /// When it took effect.
    pub happened_at: Timestamp,
    /// Who did it.
    pub actor: Actor,
}

/// A frame read from stored bytes; its digest has been checked.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Who, when, where in the account.
    pub header: Header,
    /// What changed.
    pub body: &'a [u8],
    /// BLAKE3 of header and body.
    pub digest: Hash,
    /// The link of the account's chain.
    pub chain: Hash,
    /// The whole frame: the leaf of the Merkle tree.
    pub bytes: &'a [u8],
}

/// Makes a frame after the previous chain hash of its account. Returns it with its chain hash.
pub fn encode(
    header: &Header,
    body: &[u8],
    previous: &Hash,
) -> Result<(Vec<u8>, Hash), LedgerError> {
    let size = HEADER + body.len() + HASHES;
    let length = u32::try_from(body.len()).map_err(|_| LedgerError::TooLarge { bytes: size })?;
    if size > MAX_FRAME {
        return Err(LedgerError::TooLarge { bytes: size });
    }
    let mut bytes = Vec::with_capacity(size);
    bytes.push(FORMAT);
    bytes.extend_from_slice(&header.account.0);
    bytes.extend_from_slice(&header.sequence.to_be_bytes());
    bytes.extend_from_slice(&header.recorded_at.micros().to_be_bytes());
    bytes.extend_from_slice(&header.happened_at.micros().to_be_bytes());
    bytes.extend_from_slice(&header.actor.0);
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(body);
    let digest = *blake3::hash(&bytes).as_bytes();
    let chain = link(previous, &digest);
    bytes.extend_from_slice(&digest);
    bytes.extend_from_slice(&chain);
    Ok((bytes, chain))
}

/// The chain hash that follows `previous` with an event of this digest.
pub fn link(previous: &Hash, digest: &Hash) -> Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(previous);
    hasher.update(digest);
    *hasher.finalize().as_bytes()
}

/// Whose event stored bytes are, nothing checked; `None` if they are too short for a frame.
pub fn account(bytes: &[u8]) -> Option<AccountId> {
    <[u8; 16]>::try_from(bytes.get(1..17)?).ok().map(AccountId)
}

/// When the event of stored bytes took effect, nothing checked; `None` if they are too short for a frame.
pub fn happened_at(bytes: &[u8]) -> Option<Timestamp> {
    let micros = bytes.get(33..41)?;
    <[u8; 8]>::try_from(micros).ok().map(u64::from_be_bytes).map(Timestamp::from_micros)
}

impl<'a> Frame<'a> {
    /// Reads the stored bytes at `position` and checks form and digest. The chain hash can only be
    /// checked by whoever knows the previous one.
    pub fn read(position: u64, bytes: &'a [u8]) -> Result<Self, LedgerError> {
        let short = || damaged(position, "the frame is shorter than its header says");
        let (format, rest) = bytes.split_first().ok_or_else(short)?;
        if *format != FORMAT {
            return Err(damaged(
                position,
                format!("frame format {format} is not known to this version of domesday"),
            ));
        }
        let (account, rest) = rest.split_first_chunk::<16>().ok_or_else(short)?;
        let (sequence, rest) = rest.split_first_chunk::<8>().ok_or_else(short)?;
        let (recorded_at, rest) = rest.split_first_chunk::<8>().ok_or_else(short)?;
        let (happened_at, rest) = rest.split_first_chunk::<8>().ok_or_else(short)?;
        let (actor, rest) = rest.split_first_chunk::<24>().ok_or_else(short)?;
        let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(short)?;
        let length = u32::from_be_bytes(*length) as usize;
        let (body, rest) = rest.split_at_checked(length).ok_or_else(short)?;
        let (digest, rest) = rest.split_first_chunk::<32>().ok_or_else(short)?;
        let chain = <Hash>::try_from(rest)
            .map_err(|_| damaged(position, "the frame has bytes before or after its end"))?;
        let hashed = bytes.get(..HEADER + length).ok_or_else(short)?;
        if blake3::hash(hashed).as_bytes() != digest {
            return Err(damaged(position, "the event does not match its digest: it was altered"));
        }
        let header = Header {
            account: AccountId(*account),
            sequence: u64::from_be_bytes(*sequence),
            recorded_at: Timestamp::from_micros(u64::from_be_bytes(*recorded_at)),
            happened_at: Timestamp::from_micros(u64::from_be_bytes(*happened_at)),
            actor: Actor(*actor),
        };
        Ok(Frame { header, body, digest: *digest, chain, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::text::hex;

    fn sample() -> (Header, Vec<u8>) {
        let header = Header {
            account: AccountId([0x11; 16]),
            sequence: 7,
            recorded_at: Timestamp::from_micros(1_000_001),
            happened_at: Timestamp::from_micros(1_000_000),
            actor: Actor::new("AIDAEXAMPLE").unwrap(),
        };
        let (bytes, _) = encode(&header, b"body", &[9; 32]).unwrap();
        (header, bytes)
    }

    #[test]
    fn the_offsets_are_those_of_the_table() {
        let (_, bytes) = sample();
        assert_eq!(bytes.len(), 69 + 4 + 64);
        assert_eq!(bytes[0], 1);
        assert_eq!(bytes[1..17], [0x11; 16]);
        assert_eq!(bytes[17..25], 7u64.to_be_bytes());
        assert_eq!(bytes[25..33], 1_000_001u64.to_be_bytes());
        assert_eq!(bytes[33..41], 1_000_000u64.to_be_bytes());
        assert_eq!(&bytes[41..52], b"AIDAEXAMPLE");
        assert_eq!(bytes[52..65], [0; 13]);
        assert_eq!(bytes[65..69], 4u32.to_be_bytes());
        assert_eq!(&bytes[69..73], b"body");
        assert_eq!(bytes[73..105], *blake3::hash(&bytes[..73]).as_bytes());
        let chained = [&[9; 32], &bytes[73..105]].concat();
        assert_eq!(bytes[105..], *blake3::hash(&chained).as_bytes());
        // The golden hash of the sample: if it changes, the format changed.
        assert_eq!(
            hex(blake3::hash(&bytes).as_bytes()),
            "50c56c0cc96c1873cb97c4d2e70b28c243c1aace57f325d3da1aeedaf166970a"
        );
    }

    #[test]
    fn every_flipped_bit_before_the_chain_hash_is_seen() {
        let (header, bytes) = sample();
        let frame = Frame::read(1, &bytes).unwrap();
        assert_eq!(frame.header.sequence, header.sequence);
        assert_eq!(happened_at(&bytes), Some(header.happened_at));
        assert_eq!(account(&bytes), Some(header.account));
        assert_eq!(frame.header.actor.as_str(), "AIDAEXAMPLE");
        assert_eq!(frame.body, b"body");
        for bit in 0..(bytes.len() - 32) * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Frame::read(1, &damaged).is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(Frame::read(1, &bytes[..length]).is_err(), "length {length}");
        }
    }

    #[test]
    fn frames_have_a_largest_size() {
        let (header, _) = sample();
        assert!(encode(&header, &vec![0; MAX_FRAME - 133], &[0; 32]).is_ok());
        assert!(matches!(
            encode(&header, &vec![0; MAX_FRAME - 132], &[0; 32]),
            Err(LedgerError::TooLarge { .. })
        ));
    }
}
