//! Reading trails: files and folders, gzipped or not, record by record.
//!
//! A file holds `{"Records": [...]}` as CloudTrail delivers it, `{"Events": [...]}` as `aws cloudtrail
//! lookup-events` prints it, a bare list, one record, or one record after another (NDJSON). However it is written,
//! it is cut into records before anything parses it: by brackets and quotes alone, byte by byte, so that a file of
//! any size takes as much memory as its largest record may have, and what is wrong is told by line and record.

use std::fs::{self, DirEntry, File};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;

/// The largest record, in bytes. CloudTrail's own limit is 256 KB.
pub const LARGEST_RECORD: usize = 1_000_000;
/// The deepest nesting of a record.
pub const DEEPEST: usize = 64;
/// How many times larger than its file what is unpacked may be, past [`SMALL`]: trails pack 10 to 30 times.
const LARGEST_RATIO: u64 = 200;
/// Unpacked bytes that need no ratio.
const SMALL: u64 = 16 << 20;
/// Folders within folders.
const DEEPEST_FOLDER: usize = 32;
/// How files of trails are called.
const ENDINGS: [&str; 6] = [".json", ".json.gz", ".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz"];

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bad {
    /// The line, from 1.
    pub line: u64,
    /// The record within the file, from 1.
    pub record: u64,
    /// What is wrong.
    pub why: String,
    /// Whether the rest of the file cannot be read.
    pub ends: bool,
}

/// Cuts a stream of JSON into the objects that records are.
pub struct Records<R> {
    input: R,
    line: u64,
    number: u64,
    shape: Shape,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Objects one after another, or what begins a list.
    Plain,
    /// Within a list; `true` if that is a member of an object.
    List(bool),
    /// Behind the list of an object.
    Tail,
    Ended,
}

impl<R: BufRead> Records<R> {
    /// The records of a stream.
    pub fn new(input: R) -> Self {
        Records { input, line: 1, number: 0, shape: Shape::Plain }
    }

    /// Where the last record was: line at its end, and number.
    pub fn place(&self) -> (u64, u64) {
        (self.line, self.number)
    }

    /// Fills in the bytes of the next record; `false` at the end.
    ///
    /// # Errors
    /// [`Bad`]; unless it ends the file, call again for the record after it.
    pub fn next(&mut self, record: &mut Vec<u8>) -> Result<bool, Bad> {
        loop {
            record.clear();
            let Some(byte) = self.significant()? else {
                return match self.shape {
                    Shape::Plain | Shape::Ended => Ok(false),
                    _ => Err(self.bad("the file ends within its list: it was cut short", true)),
                };
            };
            match (self.shape, byte) {
                (Shape::Plain, b'[') => self.shape = Shape::List(false),
                (Shape::List(_) | Shape::Tail, b',') => {}
                (Shape::List(inside), b']') => {
                    self.shape = if inside { Shape::Tail } else { Shape::Plain };
                }
                (Shape::Tail, b'}') => self.shape = Shape::Plain,
                (Shape::Tail, b'"') => {
                    // Another member of the object around the list: a name, a colon, a value.
                    let mut name = Vec::new();
                    self.string(&mut name)?;
                    if is_list(&name) {
                        return Err(self.bad("an object has one list of records", true));
                    }
                    self.value_after_colon()?;
                }
                (Shape::Plain, b'{') => {
                    record.push(b'{');
                    if self.begins_list(record)? {
                        self.shape = Shape::List(true);
                        continue;
                    }
                    self.number += 1;
                    self.rest_of_value(record)?;
                    return Ok(true);
                }
                (Shape::List(_), b'{') => {
                    record.push(b'{');
                    self.number += 1;
                    self.rest_of_value(record)?;
                    return Ok(true);
                }
                (Shape::Plain, b',') if self.number > 0 => {}
                (_, other) => {
                    let what = if other.is_ascii_graphic() {
                        format!("{:?}", char::from(other))
                    } else {
                        format!("the byte {other}")
                    };
                    let why = format!(
                        "{what} stands where a record should begin: no trail of CloudTrail"
                    );
                    return Err(self.bad(&why, true));
                }
            }
        }
    }

    fn bad(&mut self, why: &str, ends: bool) -> Bad {
        if ends {
            self.shape = Shape::Ended;
        }
        Bad { line: self.line, record: self.number.max(1), why: why.to_owned(), ends }
    }

    fn failed(&mut self, error: &std::io::Error) -> Bad {
        self.bad(&format!("it cannot be read on: {error}"), true)
    }

    fn byte(&mut self) -> Result<Option<u8>, Bad> {
        if self.shape == Shape::Ended {
            return Ok(None);
        }
        let byte = match self.input.fill_buf() {
            Ok(bytes) => bytes.first().copied(),
            Err(error) => return Err(self.failed(&error)),
        };
        if byte.is_some() {
            self.input.consume(1);
        }
        if byte == Some(b'\n') {
            self.line += 1;
        }
        Ok(byte)
    }

    /// The next byte that is no white space (nor a mark of the byte order).
    fn significant(&mut self) -> Result<Option<u8>, Bad> {
        loop {
            match self.byte()? {
                Some(b' ' | b'\t' | b'\r' | b'\n') => {}
                Some(0xef | 0xbb | 0xbf) if self.number == 0 && self.line == 1 => {}
                other => return Ok(other),
            }
        }
    }

    /// Whether an object of which the brace was read is one around a list; otherwise what was read of it is
    /// appended.
    fn begins_list(&mut self, record: &mut Vec<u8>) -> Result<bool, Bad> {
        let peeked = self.significant()?;
        let Some(byte) = peeked else {
            return Err(self.bad("the file ends within a record", true));
        };
        record.push(byte);
        if byte != b'"' {
            // `{}`, or no JSON: the parser says which.
            return Ok(false);
        }
        let mut name = Vec::new();
        self.string(&mut name)?;
        record.extend_from_slice(&name);
        if !is_list(&name) {
            return Ok(false);
        }
        for expected in [b':', b'['] {
            let Some(byte) = self.significant()? else {
                return Err(self.bad("the file ends within a record", true));
            };
            record.push(byte);
            if byte != expected {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The rest of a string, its closing quote included.
    fn string(&mut self, into: &mut Vec<u8>) -> Result<(), Bad> {
        let mut escaped = false;
        loop {
            let Some(byte) = self.byte()? else {
                return Err(self.bad("the file ends within a text: it was cut short", true));
            };
            if into.len() < LARGEST_RECORD {
                into.push(byte);
            }
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => return Ok(()),
                _ => {}
            }
        }
    }

    fn value_after_colon(&mut self) -> Result<(), Bad> {
        let colon = self.significant()?;
        let first = self.significant()?;
        match (colon, first) {
            (Some(b':'), Some(b'"')) => self.string(&mut Vec::new()),
            (Some(b':'), Some(b'{' | b'[')) => self.rest_of_value(&mut Vec::new()),
            // A number or a word ends by itself.
            (Some(b':'), Some(byte)) if byte.is_ascii_alphanumeric() || byte == b'-' => loop {
                let next = match self.input.fill_buf() {
                    Ok(bytes) => bytes.first().copied(),
                    Err(error) => return Err(self.failed(&error)),
                };
                match next {
                    Some(byte) if byte.is_ascii_alphanumeric() || b"+-.".contains(&byte) => {
                        self.input.consume(1);
                    }
                    _ => return Ok(()),
                }
            },
            _ => Err(self.bad("what stands behind the records is no JSON", true)),
        }
    }

    /// The rest of an object or list of which this was read; of nothing, that its bracket was. Too large or too
    /// deep a one is read to its end, and then told.
    fn rest_of_value(&mut self, record: &mut Vec<u8>) -> Result<(), Bad> {
        let mut depth = usize::from(record.is_empty());
        let (mut in_string, mut escaped) = (false, false);
        for byte in record.iter() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if in_string => escaped = true,
                b'"' => in_string = !in_string,
                b'{' | b'[' if !in_string => depth += 1,
                b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        let (mut deepest, mut size) = (depth, record.len());
        while depth > 0 {
            let bytes = match self.input.fill_buf() {
                Ok(bytes) => bytes,
                Err(error) => return Err(self.failed(&error)),
            };
            if bytes.is_empty() {
                return Err(self.bad("the file ends within a record: it was cut short", true));
            }
            let mut used = 0;
            while let Some(rest) = bytes.get(used..).filter(|rest| !rest.is_empty()) {
                // Most of a record lies within texts, where two characters alone matter.
                if in_string && !escaped {
                    let end = memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
                    used += rest.len().min(end + 1);
                    match rest.get(end) {
                        Some(b'\\') => escaped = true,
                        Some(_) => in_string = false,
                        None => {}
                    }
                    continue;
                }
                used += 1;
                match rest.first() {
                    _ if escaped => {}
                    Some(b'"') => in_string = true,
                    Some(b'{' | b'[') => {
                        depth += 1;
                        deepest = deepest.max(depth);
                    }
                    Some(b'}' | b']') => {
                        depth -= 1;
                        if depth == 0 {
                            break;
                        }
                    }
                    _ => {}
                }
                escaped = false;
            }
            let read = bytes.get(..used).unwrap_or_default();
            if size + used <= LARGEST_RECORD {
                record.extend_from_slice(read);
            }
            size += used;
            self.line += memchr::memchr_iter(b'\n', read).count() as u64;
            self.input.consume(used);
        }
        if size > LARGEST_RECORD {
            let why = format!("the record has {size} bytes, more than {LARGEST_RECORD}");
            return Err(self.bad(&why, false));
        }
        if deepest > DEEPEST {
            let why = format!("the record is nested {deepest} deep, more than {DEEPEST}");
            return Err(self.bad(&why, false));
        }
        Ok(())
    }
}

/// Whether a member of this name, with its closing quote, is a list of records.
fn is_list(name: &[u8]) -> bool {
    name == b"Records\"" || name == b"Events\""
}

/// Opens a plain file: a pipe would wait for whoever writes to it, and a device may never end.
///
/// # Errors
/// Whatever keeps it from being opened, and that it is no file.
pub fn plain(path: &Path) -> std::io::Result<File> {
    match fs::metadata(path)?.is_file() {
        true => File::open(path),
        false => Err(std::io::Error::other("it is no file")),
    }
}

/// A file of a trail that is being read.
pub type Input = Box<dyn BufRead + Send>;

/// Opens a file; one that is gzipped, whatever it is called, is unpacked as it is read.
///
/// # Errors
/// Whatever keeps it from being read.
pub fn open(path: &Path) -> std::io::Result<Input> {
    const BUFFER: usize = 64 << 10;
    let mut file = plain(path)?;
    let mut magic = Vec::new();
    (&mut file).take(2).read_to_end(&mut magic)?;
    file.seek(SeekFrom::Start(0))?;
    if magic != [0x1f, 0x8b] {
        if magic.is_empty() && path.extension().is_some_and(|ending| ending == "gz") {
            return Err(std::io::Error::other("it is empty: it was cut short"));
        }
        return Ok(Box::new(BufReader::with_capacity(BUFFER, file)));
    }
    let packed = file.metadata()?.len();
    let unpacked = MultiGzDecoder::new(BufReader::with_capacity(BUFFER, file));
    let most = packed.saturating_mul(LARGEST_RATIO).max(SMALL);
    Ok(Box::new(BufReader::with_capacity(BUFFER, Bounded { inner: unpacked, left: most })))
}

/// Reads no more than a file of its size may hold.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(into)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            let why = format!("it unpacks to more than {LARGEST_RATIO} times its size");
            std::io::Error::new(std::io::ErrorKind::InvalidData, why)
        })?;
        Ok(read)
    }
}

/// The files of paths: a file as it is; of a folder, whatever is called as trails are, folder by folder in the order
/// of their names. Folders of digests are passed over; so are links to folders and files that are called otherwise, which
/// are counted. An error is the path that cannot be read, and why.
pub struct Walk {
    paths: std::vec::IntoIter<PathBuf>,
    /// What in folders was passed over although it may be of the trail.
    passed_over: Arc<AtomicU64>,
    /// What is left of the folders that the walk is in.
    inside: Vec<std::vec::IntoIter<DirEntry>>,
}

impl Walk {
    /// Of these paths; what is passed over is counted.
    pub fn new(paths: Vec<PathBuf>, passed_over: Arc<AtomicU64>) -> Self {
        Walk { paths: paths.into_iter(), passed_over, inside: Vec::new() }
    }

    /// The file that a path is, unless it is a folder, which is gone into.
    fn enter(&mut self, path: PathBuf) -> Result<Option<PathBuf>, String> {
        let named = |error: std::io::Error| format!("{}: {error}", path.display());
        if !fs::metadata(&path).map_err(named)?.is_dir() {
            return Ok(Some(path));
        }
        if self.inside.len() > DEEPEST_FOLDER {
            return Err(format!("{}: the folders are nested too deep", path.display()));
        }
        let entries = fs::read_dir(&path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let mut entries = entries.map_err(named)?;
        entries.sort_by_key(DirEntry::file_name);
        self.inside.push(entries.into_iter());
        Ok(None)
    }

    /// The file that an entry of a folder is, if it is of a trail.
    fn entry(&mut self, entry: &DirEntry) -> Result<Option<PathBuf>, String> {
        let path = entry.path();
        let kind = entry.file_type().map_err(|error| format!("{}: {error}", path.display()))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if kind.is_dir() {
            return if name.starts_with("CloudTrail-Digest") { Ok(None) } else { self.enter(path) };
        }
        let name = name.to_ascii_lowercase();
        let is_link_to_folder =
            kind.is_symlink() && fs::metadata(&path).is_ok_and(|found| found.is_dir());
        if is_link_to_folder || !ENDINGS.iter().any(|end| name.ends_with(end)) {
            self.passed_over.fetch_add(1, Ordering::Relaxed);
            return Ok(None);
        }
        Ok(Some(path))
    }
}

impl Iterator for Walk {
    type Item = Result<PathBuf, String>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let found = match self.inside.last_mut().map(Iterator::next) {
                Some(Some(entry)) => self.entry(&entry),
                Some(None) => {
                    self.inside.pop();
                    continue;
                }
                None => {
                    let path = self.paths.next()?;
                    self.enter(path)
                }
            };
            if let Some(found) = found.transpose() {
                return Some(found);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The records of a text, and what was bad.
    fn cut(text: &str) -> (Vec<String>, Vec<Bad>) {
        // Small buffers, so that every boundary lies somewhere.
        let mut records = Records::new(BufReader::with_capacity(3, text.as_bytes()));
        let (mut found, mut bad, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            match records.next(&mut bytes) {
                Ok(true) => found.push(String::from_utf8(bytes.clone()).unwrap()),
                Ok(false) => return (found, bad),
                Err(one) => bad.push(one),
            }
            if bad.last().is_some_and(|bad| bad.ends) {
                return (found, bad);
            }
        }
    }

    #[test]
    fn every_form_of_a_trail_is_cut_into_its_records() {
        let one = r#"{"a":"x}]\"","b":{"c":[1,{}]}}"#;
        let two = r#"{"Recordsx":1}"#;
        let forms = [
            format!("{one}\n{two}\n"),
            format!("[{one},\n{two}]"),
            format!("{{\"Records\": [{one}, {two}]}}"),
            format!(
                "\u{feff}{{\"Events\":[{one},{two}],\"NextToken\":\"t\",\"n\":-1.5e3,\"o\":{{\"p\":[]}}}}"
            ),
            format!("{{\"Records\":[{one}]}}\n{{\"Records\":[{two}]}}"),
        ];
        for form in forms {
            assert_eq!(cut(&form), (vec![one.to_owned(), two.to_owned()], vec![]), "{form}");
        }
        assert_eq!(cut("").0.len() + cut("[]").0.len() + cut("{\"Records\":[]}").0.len(), 0);
        assert_eq!(cut("{}").0, ["{}"]);
        assert_eq!(cut(r#"{"Records":{"x":[{}]}}"#).0, [r#"{"Records":{"x":[{}]}}"#]);
    }

    #[test]
    fn what_is_cut_short_or_foreign_is_told_by_line_and_record() {
        let whole = "{\"Records\":[{\"a\":\"b\"},\n{\"c\":[1,2]}]}";
        for length in 1..whole.len() {
            let (_, bad) = cut(&whole[..length]);
            assert!(bad.len() == 1 && bad[0].ends, "{length}: {bad:?}");
        }
        let (found, bad) = cut("[{\"a\":1},\n\n<html>");
        assert_eq!((found.len(), bad[0].line), (1, 3));
        assert!(bad[0].why.contains('<'));
        assert!(cut("eventTime,eventName").1[0].ends);
    }

    #[test]
    fn too_large_and_too_deep_records_are_passed_over_and_told() {
        let large = format!("{{\"a\":\"{}\"}}", "x".repeat(LARGEST_RECORD));
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(DEEPEST), "]".repeat(DEEPEST));
        let (found, bad) = cut(&format!("[{large},{{\"b\":1}},{deep},{{\"c\":2}}]"));
        assert_eq!(found, ["{\"b\":1}", "{\"c\":2}"]);
        let numbers: Vec<u64> = bad.iter().map(|bad| bad.record).collect();
        assert_eq!(numbers, [1, 3]);
        assert!(bad.iter().all(|bad| !bad.ends));
    }

    #[test]
    fn a_pipe_is_no_file_and_nobody_waits_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe.json");
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        assert!(open(&path).err().unwrap().to_string().contains("no file"));
    }

    #[test]
    fn what_unpacks_to_far_more_than_it_is_is_refused() {
        use std::io::Write;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bomb.json.gz");
        let level = flate2::Compression::best();
        let mut packed = flate2::write::GzEncoder::new(File::create(&path).unwrap(), level);
        packed.write_all(b"[").unwrap();
        for _ in 0..64 {
            packed.write_all(&[b' '; 1 << 20]).unwrap();
        }
        packed.finish().unwrap();
        let mut records = Records::new(open(&path).unwrap());
        let bad = records.next(&mut Vec::new()).unwrap_err();
        assert!(bad.ends && bad.why.contains("200 times"), "{bad:?}");
    }
}
