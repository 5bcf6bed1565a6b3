//! Any number of records in the order of their times, in a bounded memory; and other things as they came.
//!
//! What does not fit is sorted run by run and set aside in files, which are merged in the end. The files have no
//! name from the moment on that they are open, and what is in them is sealed with a key that is nowhere else: they
//! hold names and addresses, and nothing of them is left whatever happens. They lie where temporary files do
//! (`TMPDIR`), and take about as much room as the records of use.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;

use bincode::{Decode, Encode};

use super::record::Record;
use crate::base::crypto::{self, SecretKey};
use crate::base::random::{Random, random_text};
use crate::base::time::Timestamp;
use crate::identity::codec;
use crate::service::fault::Fault;

/// Bytes of records that are sorted in memory.
const IN_MEMORY: usize = 8 << 20;
/// Bytes of records that are sealed together.
const BLOCK: usize = 32 << 10;
/// Runs that are merged at once.
const FAN: usize = 16;
/// Records of one time and id that are told apart; of more, each counts as another one.
const CONTRADICTIONS: usize = 16;
/// What a record costs in memory beside its bytes, about.
const RECORD_BYTES: usize = 96;

/// By what records are sorted: the same records are in the same order however they were spread over files.
type Key = (Timestamp, String);

/// A record in its order, not yet opened.
type Entry = (Key, Vec<u8>);

/// Takes records in, in any order.
pub struct Sorter<'a> {
    random: &'a dyn Random,
    key: SecretKey,
    buffer: Vec<Entry>,
    bytes: usize,
    /// Runs by how often they were merged.
    levels: Vec<Vec<File>>,
    /// Bytes that are sorted in memory.
    room: usize,
}

impl<'a> Sorter<'a> {
    /// An empty one.
    pub fn new(random: &'a dyn Random) -> Result<Self, Fault> {
        let key = crypto::new_key(random)?;
        Ok(Sorter {
            random,
            key,
            buffer: Vec::new(),
            bytes: 0,
            levels: Vec::new(),
            room: IN_MEMORY,
        })
    }

    /// Takes a record in.
    ///
    /// # Errors
    /// If there is no room for what is set aside.
    pub fn push(&mut self, record: &Record) -> Result<(), Fault> {
        let bytes = codec::encode(record).map_err(Fault::internal)?;
        self.bytes += bytes.len() + record.id.len() + RECORD_BYTES;
        self.buffer.push(((record.at, record.id.clone()), bytes));
        if self.bytes >= self.room { self.set_aside() } else { Ok(()) }
    }

    fn set_aside(&mut self) -> Result<(), Fault> {
        let mut entries = std::mem::take(&mut self.buffer);
        entries.sort();
        self.bytes = 0;
        let mut run = Run::new(self.random, &self.key)?;
        for (_, bytes) in &entries {
            run.push(bytes)?;
        }
        // Before the merge: both at once would be twice as much.
        drop(entries);
        let mut file = run.finish()?;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let Some(runs) = self.levels.get_mut(level) else { break };
            runs.push(file);
            if runs.len() < FAN {
                break;
            }
            let merged = Merge::of(std::mem::take(runs), &self.key)?;
            let mut run = Run::new(self.random, &self.key)?;
            for entry in merged {
                run.push(&entry?.1)?;
            }
            file = run.finish()?;
        }
        Ok(())
    }

    /// All that was taken in, in its order; of those that are the same, the first.
    ///
    /// # Errors
    /// If what was set aside cannot be read back.
    pub fn finish(mut self) -> Result<Sorted, Fault> {
        if self.levels.is_empty() {
            self.buffer.sort();
            let entries = self.buffer.into_iter();
            return Ok(Sorted { from: Input::Memory(entries), last: Vec::new(), peeked: None });
        }
        if !self.buffer.is_empty() {
            self.set_aside()?;
        }
        let runs = self.levels.into_iter().flatten().collect();
        let merge = Merge::of(runs, &self.key)?;
        Ok(Sorted { from: Input::Files(merge), last: Vec::new(), peeked: None })
    }
}

enum Input {
    Memory(std::vec::IntoIter<Entry>),
    Files(Merge),
}

/// Records in their order.
pub struct Sorted {
    from: Input,
    /// The last one that came out, not opened, and those after it with its time and id, which say something else.
    last: Vec<Entry>,
    /// The first, where it was looked at already.
    peeked: Option<Record>,
}

impl Sorted {
    /// When the first record is of, of those that are left; `None` if there are none.
    ///
    /// # Errors
    /// If what was set aside cannot be read back.
    pub fn first(&mut self) -> Result<Option<Timestamp>, Fault> {
        if self.peeked.is_none() {
            self.peeked = self.next().transpose()?;
        }
        Ok(self.peeked.as_ref().map(|record| record.at))
    }
}

impl Iterator for Sorted {
    type Item = Result<Record, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(record) = self.peeked.take() {
            return Some(Ok(record));
        }
        loop {
            let next = match &mut self.from {
                Input::Memory(entries) => entries.next().map(Ok),
                Input::Files(merge) => merge.next(),
            }?;
            match next.and_then(|entry| self.sift(entry)) {
                Ok(None) => {}
                Ok(Some(record)) => return Some(Ok(record)),
                Err(fault) => return Some(Err(fault)),
            }
        }
    }
}

impl Sorted {
    /// Opens a record that is none of those before it: trails that overlap bear the same one twice.
    fn sift(&mut self, entry: Entry) -> Result<Option<Record>, Fault> {
        if self.last.first().is_some_and(|(key, _)| *key != entry.0) {
            self.last.clear();
        }
        let open = |bytes: &[u8]| codec::decode::<Record>(bytes).map_err(Fault::internal);
        for (_, bytes) in &self.last {
            if *bytes == entry.1 || open(bytes)?.says_the_same_as(&open(&entry.1)?) {
                return Ok(None);
            }
        }
        let record = open(&entry.1)?;
        if self.last.len() < CONTRADICTIONS {
            self.last.push(entry);
        }
        Ok(Some(record))
    }
}

fn failed(error: std::io::Error) -> Fault {
    let folder = std::env::temp_dir();
    let folder = folder.display();
    match error.kind() {
        ErrorKind::StorageFull => Fault::validation(format!(
            "There is no room in {folder} for the records that are being sorted: set TMPDIR."
        )),
        _ => {
            Fault::validation(format!("What is being sorted cannot be kept in {folder}: {error}."))
        }
    }
}

/// A file without a name.
fn nameless(random: &dyn Random) -> Result<File, Fault> {
    let name = random_text(random, b"abcdefghijklmnopqrstuvwxyz", 16)?;
    let path = std::env::temp_dir().join(format!("domesday-{name}"));
    let mut options = fs::OpenOptions::new();
    let file = options.read(true).write(true).create_new(true).mode(0o600).open(&path);
    let file = file.map_err(failed)?;
    fs::remove_file(&path).map_err(failed)?;
    Ok(file)
}

/// A run that is being written.
struct Run<'a> {
    random: &'a dyn Random,
    key: SecretKey,
    file: BufWriter<File>,
    block: Vec<u8>,
}

impl<'a> Run<'a> {
    fn new(random: &'a dyn Random, key: &SecretKey) -> Result<Self, Fault> {
        let file = BufWriter::new(nameless(random)?);
        Ok(Run { random, key: key.clone(), file, block: Vec::with_capacity(BLOCK) })
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let length = u32::try_from(bytes.len()).map_err(Fault::internal)?;
        self.block.extend_from_slice(&length.to_be_bytes());
        self.block.extend_from_slice(bytes);
        if self.block.len() >= BLOCK { self.seal() } else { Ok(()) }
    }

    fn seal(&mut self) -> Result<(), Fault> {
        let sealed = crypto::seal(&self.key, b"records", &self.block, self.random);
        let sealed = sealed.map_err(Fault::internal)?;
        let length = u32::try_from(sealed.len()).map_err(Fault::internal)?;
        self.block.clear();
        self.file.write_all(&length.to_be_bytes()).map_err(failed)?;
        self.file.write_all(&sealed).map_err(failed)
    }

    fn finish(mut self) -> Result<File, Fault> {
        if !self.block.is_empty() {
            self.seal()?;
        }
        let mut file = self.file.into_inner().map_err(|error| failed(error.into_error()))?;
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        Ok(file)
    }
}

/// A run that is being read.
struct Reading {
    file: BufReader<File>,
    block: Vec<u8>,
    at: usize,
}

impl Reading {
    fn next(&mut self, key: &SecretKey) -> Result<Option<Entry>, Fault> {
        let Some(bytes) = self.bytes(key)? else { return Ok(None) };
        let record: Record = codec::decode(&bytes).map_err(Fault::internal)?;
        Ok(Some(((record.at, record.id), bytes)))
    }

    fn bytes(&mut self, key: &SecretKey) -> Result<Option<Vec<u8>>, Fault> {
        let broken = || Fault::internal("a sorted run is not as it was written");
        if self.at >= self.block.len() {
            let mut length = [0; 4];
            match self.file.read_exact(&mut length) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
                Err(error) => return Err(failed(error)),
            }
            let mut sealed = vec![0; u32::from_be_bytes(length) as usize];
            self.file.read_exact(&mut sealed).map_err(failed)?;
            self.block = crypto::open(key, b"records", &sealed).map_err(Fault::internal)?;
            self.at = 0;
        }
        let rest = self.block.get(self.at..).ok_or_else(broken)?;
        let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(broken)?;
        let length = u32::from_be_bytes(*length) as usize;
        let bytes = rest.get(..length).ok_or_else(broken)?.to_vec();
        self.at += 4 + length;
        Ok(Some(bytes))
    }
}

/// Things that are set aside as they come, to be read later.
pub struct Aside<'a>(Run<'a>);

impl<'a> Aside<'a> {
    /// Of nothing yet.
    ///
    /// # Errors
    /// If there is no room for what is set aside.
    pub fn new(random: &'a dyn Random) -> Result<Self, Fault> {
        Ok(Aside(Run::new(random, &crypto::new_key(random)?)?))
    }

    /// Sets something aside.
    ///
    /// # Errors
    /// If there is no room for it.
    pub fn push(&mut self, thing: &impl Encode) -> Result<(), Fault> {
        self.0.push(&codec::encode(thing).map_err(Fault::internal)?)
    }

    /// Visits all, in the order in which they came.
    ///
    /// # Errors
    /// If they cannot be read back, and what the visit fails with.
    pub fn each<T: Decode<()>>(
        self,
        visit: &mut dyn FnMut(T) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let key = self.0.key.clone();
        let file = BufReader::new(self.0.finish()?);
        let mut reading = Reading { file, block: Vec::new(), at: 0 };
        while let Some(bytes) = reading.bytes(&key)? {
            visit(codec::decode(&bytes).map_err(Fault::internal)?)?;
        }
        Ok(())
    }
}

/// Runs merged.
struct Merge {
    key: SecretKey,
    runs: Vec<Reading>,
    heap: BinaryHeap<Reverse<(Entry, usize)>>,
}

impl Merge {
    fn of(files: Vec<File>, key: &SecretKey) -> Result<Self, Fault> {
        let reading = |file| Reading { file: BufReader::new(file), block: Vec::new(), at: 0 };
        let runs: Vec<Reading> = files.into_iter().map(reading).collect();
        let mut merge = Merge { key: key.clone(), heap: BinaryHeap::new(), runs };
        for number in 0..merge.runs.len() {
            merge.fill(number)?;
        }
        Ok(merge)
    }

    fn fill(&mut self, number: usize) -> Result<(), Fault> {
        let Some(run) = self.runs.get_mut(number) else { return Ok(()) };
        if let Some(entry) = run.next(&self.key)? {
            self.heap.push(Reverse((entry, number)));
        }
        Ok(())
    }
}

impl Iterator for Merge {
    type Item = Result<Entry, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        let Reverse((entry, number)) = self.heap.pop()?;
        Some(self.fill(number).map(|()| entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::SeededRandom;
    use crate::service::imports::record::{Source, Who};

    fn record(second: u64, id: u64, size: usize) -> Record {
        Record {
            at: Timestamp::from_seconds(second),
            id: format!("{id:06}"),
            source: Source::Iam,
            name: "x".repeat(size),
            region: String::new(),
            reads: false,
            error: None,
            who: Who::default(),
            address: None,
            agent: None,
            account: String::new(),
            asked: None,
            answered: None,
        }
    }

    #[test]
    fn records_come_out_in_order_and_once_however_many_there_are() {
        let random = SeededRandom::new(3);
        // In memory, and in more runs than are merged at once.
        for (count, size) in [(2_000u64, 10), (3_000, 1_000)] {
            let mut sorter = Sorter::new(&random).unwrap();
            sorter.room = 100_000;
            for number in 0..count {
                let shuffled = number * 1_103 % count;
                sorter.push(&record(shuffled / 7, shuffled, size)).unwrap();
                if shuffled % 100 == 0 {
                    sorter.push(&record(shuffled / 7, shuffled, size)).unwrap();
                }
            }
            assert_eq!(sorter.levels.len() > 1, size > 10);
            let mut seen = 0;
            for found in sorter.finish().unwrap() {
                let found = found.unwrap();
                assert_eq!((found.at.seconds(), found.id), (seen / 7, format!("{seen:06}")));
                seen += 1;
            }
            assert_eq!(seen, count);
        }
    }
}
