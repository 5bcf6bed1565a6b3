//! Trails cut into pieces: some records of one file each, for several threads to make sense of.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::files::{self, Bad, Input, Records, Walk};
use crate::service::fault::Fault;

/// Bytes of the records in a piece, about.
const BYTES: usize = 256 << 10;
/// Records in a piece at most, and what is no record: a file may be full of faults.
const MOST: usize = 4_096;

/// Some records of a file, one after another.
pub struct Piece {
    /// The file.
    pub path: Arc<Path>,
    /// Whether it is the file's first.
    pub first: bool,
    bytes: Vec<u8>,
    found: Vec<Result<Place, Bad>>,
}

/// Where a record stands.
struct Place {
    /// Where it ends in the bytes of the piece.
    end: usize,
    line: u64,
    number: u64,
}

/// A record of a file.
pub struct Cut<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    line: u64,
    number: u64,
}

impl Cut<'_> {
    /// That something is wrong with it.
    pub fn bad(&self, why: String) -> Bad {
        Bad { line: self.line, record: self.number, why, ends: false }
    }
}

impl Piece {
    fn new(path: Arc<Path>, first: bool) -> Self {
        Piece { path, first, bytes: Vec::with_capacity(BYTES), found: Vec::new() }
    }

    /// What it holds, in the order of the file: records, and what is none.
    pub fn records(&self) -> impl Iterator<Item = Result<Cut<'_>, &Bad>> {
        let mut from = 0;
        self.found.iter().map(move |found| {
            let Place { end, line, number } = found.as_ref()?;
            let bytes = self.bytes.get(from..*end).unwrap_or_default();
            from = *end;
            Ok(Cut { bytes, line: *line, number: *number })
        })
    }
}

/// Cuts the files of a trail: of each there is at least one piece. A path that cannot be read is an error; a file that
/// cannot be is told in its piece.
pub struct Cutter {
    walk: Walk,
    /// The file that it is in.
    open: Option<(Arc<Path>, Records<Input>)>,
    record: Vec<u8>,
}

impl Cutter {
    /// Of these files and folders; what is passed over in folders is counted.
    pub fn new(paths: Vec<PathBuf>, passed_over: Arc<AtomicU64>) -> Self {
        Cutter { walk: Walk::new(paths, passed_over), open: None, record: Vec::new() }
    }

    fn cut(&mut self, mut piece: Piece, mut records: Records<Input>) -> Piece {
        while piece.bytes.len() < BYTES && piece.found.len() < MOST {
            match records.next(&mut self.record) {
                Ok(true) => {
                    piece.bytes.extend_from_slice(&self.record);
                    let (line, number) = records.place();
                    piece.found.push(Ok(Place { end: piece.bytes.len(), line, number }));
                }
                Ok(false) => return piece,
                Err(bad) => {
                    let ends = bad.ends;
                    piece.found.push(Err(bad));
                    if ends {
                        return piece;
                    }
                }
            }
        }
        self.open = Some((piece.path.clone(), records));
        piece
    }
}

impl Iterator for Cutter {
    type Item = Result<Piece, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some((path, records)) = self.open.take() {
            return Some(Ok(self.cut(Piece::new(path, false), records)));
        }
        let path = match self.walk.next()? {
            Ok(path) => path,
            Err(why) => return Some(Err(Fault::validation(why))),
        };
        let mut piece = Piece::new(path.as_path().into(), true);
        Some(Ok(match files::open(&path) {
            Ok(input) => self.cut(piece, Records::new(input)),
            Err(error) => {
                let why = error.to_string();
                piece.found.push(Err(Bad { line: 1, record: 1, why, ends: true }));
                piece
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_hold_all_records_of_all_files_in_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let padding = "x".repeat(1_000);
        for file in 0..3 {
            let mut text = String::from("[");
            for number in 1..=1_000 {
                let comma = if number == 1 { "" } else { "," };
                text += &format!("{comma}\n{{\"n\":{number},\"p\":\"{padding}\"}}");
            }
            // Two of three are cut short.
            text += if file == 1 { "]" } else { "" };
            std::fs::create_dir_all(folder.path().join("a/b")).unwrap();
            let place = ["a/b/0.json", "a/c.json", "d.json"][file];
            std::fs::write(folder.path().join(place), text).unwrap();
        }
        std::fs::write(folder.path().join("empty.json"), "").unwrap();
        std::fs::write(folder.path().join("notes.txt"), "no trail").unwrap();
        let (mut names, mut numbers, mut bad, mut pieces) = (Vec::new(), Vec::new(), Vec::new(), 0);
        std::os::unix::fs::symlink(folder.path().join("a"), folder.path().join("z")).unwrap();
        let passed_over = Arc::new(AtomicU64::new(0));
        for piece in Cutter::new(vec![folder.path().to_owned()], passed_over.clone()) {
            let piece = piece.unwrap();
            pieces += 1;
            assert!(piece.bytes.len() < BYTES + 2_000);
            if piece.first {
                names.push(piece.path.file_name().unwrap().to_owned());
            }
            for found in piece.records() {
                match found {
                    Ok(cut) => {
                        let begins = format!("{{\"n\":{},", cut.number);
                        assert!(cut.bytes.starts_with(begins.as_bytes()));
                        assert_eq!((cut.bytes.last(), cut.line), (Some(&b'}'), cut.number + 1));
                        numbers.push(cut.number);
                    }
                    Err(one) => bad.push((names.len(), one.record)),
                }
            }
        }
        assert_eq!(names, ["0.json", "c.json", "d.json", "empty.json"]);
        assert_eq!((numbers.len(), pieces), (3_000, 13));
        assert!(numbers.chunks(1_000).all(|chunk| chunk.is_sorted() && chunk[0] == 1));
        assert_eq!(bad, [(1, 1_000), (3, 1_000)]);
        // The notes and the linked folder.
        assert_eq!(passed_over.load(std::sync::atomic::Ordering::Relaxed), 2);
        assert!(
            Cutter::new(vec![folder.path().join("none")], Arc::default()).next().unwrap().is_err()
        );
    }
}
