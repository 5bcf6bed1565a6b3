//! The names of tiles, as C2SP tlog-tiles gives them: `tile/LEVEL/INDEX[.p/WIDTH]`, and `tile/entries/...` for
//! bundles of events. The index is written in groups of three digits, all but the last of which begin with
//! `x`: 1234067 is `x001/x234/067`.

use std::fmt;

use super::tree::TILE_WIDTH;

/// A tile, or a part of one that is not full yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TilePath {
    /// The level of its hashes, 0 for those of events; `None` for a bundle of events themselves.
    pub level: Option<u8>,
    /// Its number among those of its level, from 0.
    pub index: u64,
    /// How many hashes or events of it, 1 to 256.
    pub width: usize,
}

/// Levels that a tree can have: a tree with more leaves than 2^64 cannot be.
const LEVELS: u8 = 64;
/// Groups of digits that an index can have.
const GROUPS: usize = 7;

/// A number without leading zeros.
fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    let canonical = text == "0" || !text.starts_with('0');
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| canonical && digits)
}

impl TilePath {
    /// Reads what stands after `tile/`.
    pub fn parse(path: &str) -> Option<Self> {
        let (level, rest) = path.split_once('/')?;
        let level = match level {
            "entries" => None,
            level => Some(number::<u8>(level).filter(|level| *level < LEVELS)?),
        };
        let (index, width) = match rest.split_once(".p/") {
            None => (rest, TILE_WIDTH),
            Some((index, width)) => {
                let partial = 1..TILE_WIDTH;
                (index, number::<usize>(width).filter(|width| partial.contains(width))?)
            }
        };
        let groups: Vec<&str> = index.split('/').take(GROUPS + 1).collect();
        let (last, before) = groups.split_last().filter(|_| groups.len() <= GROUPS)?;
        let mut read = 0u64;
        let before = before.iter().map(|group| group.strip_prefix('x'));
        for group in before.chain([Some(*last)]) {
            let group = group.filter(|group| group.len() == 3)?;
            let digits = group.bytes().all(|byte| byte.is_ascii_digit());
            let value = group.parse::<u64>().ok().filter(|_| digits)?;
            read = read.checked_mul(1_000)?.checked_add(value)?;
        }
        let found = TilePath { level, index: read, width };
        // One name for each: no groups of zeros before it.
        (found.to_string() == format!("tile/{path}")).then_some(found)
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.level {
            None => f.write_str("tile/entries/")?,
            Some(level) => write!(f, "tile/{level}/")?,
        }
        let mut groups = vec![format!("{:03}", self.index % 1_000)];
        let mut rest = self.index / 1_000;
        while rest > 0 {
            groups.push(format!("x{:03}", rest % 1_000));
            rest /= 1_000;
        }
        groups.reverse();
        f.write_str(&groups.join("/"))?;
        match self.width {
            TILE_WIDTH => Ok(()),
            width => write!(f, ".p/{width}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_are_those_of_the_specification() {
        for (path, level, index, width) in [
            ("0/000", Some(0), 0, 256),
            ("0/x001/x234/067", Some(0), 1_234_067, 256),
            ("1/x001/234.p/17", Some(1), 1_234, 17),
            ("63/999.p/255", Some(63), 999, 255),
            ("entries/x273/000.p/1", None, 273_000, 1),
        ] {
            let found = TilePath { level, index, width };
            assert_eq!(TilePath::parse(path), Some(found), "{path}");
            assert_eq!(found.to_string(), format!("tile/{path}"));
        }
        for wrong in [
            "",
            "0",
            "0/",
            "/000",
            "0/0",
            "0/00",
            "0/0000",
            "00/000",
            "01/000",
            "64/000",
            "-1/000",
            "+1/000",
            "0/x000/000",
            "0/x000",
            "0/001/000",
            "0/000.p/0",
            "0/000.p/256",
            "0/000.p/01",
            "0/000.p/",
            "0/000.p",
            "0/000/",
            "data/000",
            "0/x018/x446/x744/x073/x709/x551/616",
            "0/x999/x999/x999/x999/x999/x999/x999/999",
            "entries/0/000",
            "0/+01",
            "0/ 01",
        ] {
            assert_eq!(TilePath::parse(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn every_path_is_read_back_and_no_text_stops_the_reader(
            level in proptest::option::of(0u8..64),
            index: u64,
            width in 1usize..=256,
            text in "[0-9x/.pentris]{0,40}|\\PC{0,40}",
        ) {
            let path = TilePath { level, index, width };
            let named = path.to_string();
            prop_assert_eq!(TilePath::parse(named.strip_prefix("tile/").unwrap()), Some(path));
            let _ = TilePath::parse(&text);
        }
    }
}
