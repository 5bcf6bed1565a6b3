//! Where an export goes: a folder here, or a stream to whoever asked over the network.
//!
//! In a folder nothing looks finished before everything is: files grow in `.incomplete`, are moved to their
//! places when the disk has them, and the manifest comes last. Whatever goes wrong, what is there by then
//! has no manifest.
//!
//! A stream is a row of parts, each a letter, a length (u32, big-endian) and so many bytes:
//!
//! | letter | bytes |
//! |---|---|
//! | `F` | the path of a file that begins |
//! | `D` | the next bytes of it |
//! | `E` | none: the file is whole |
//! | `P` | how far it is, in thousandths, as text |
//! | `Z` | none: all of it was sent |
//! | `X` | why the rest does not come: code, a line end and a sentence |
//!
//! A stream that ends without `Z` was cut off.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What takes the files of an export.
pub trait Sink {
    /// A file begins; its path is relative, with `/` between its parts.
    ///
    /// # Errors
    /// If it cannot be made.
    fn begin(&mut self, path: &str) -> io::Result<()>;
    /// The next bytes of it.
    ///
    /// # Errors
    /// If they cannot be written.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// The file is whole.
    ///
    /// # Errors
    /// If what was written before did not arrive.
    fn end(&mut self) -> io::Result<()>;
    /// How far the export is, in thousandths.
    ///
    /// # Errors
    /// If whoever waits has gone.
    fn far(&mut self, _thousandths: u64) -> io::Result<()> {
        Ok(())
    }
}

/// The file that an export ends with.
pub const MANIFEST: &str = "MANIFEST.json";
/// The file that signs it.
pub const SIGNATURE: &str = "MANIFEST.sig";
const INCOMPLETE: &str = ".incomplete";
const LONGEST_PATH: usize = 512;
/// The longest part of a stream, in bytes.
pub const LONGEST_PART: usize = 1 << 20;

/// Whether a path is one that an export may have: plain names, no way out of the folder.
pub fn is_plain(path: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    path.len() <= LONGEST_PATH
        && path
            .split('/')
            .all(|part| !part.is_empty() && !part.starts_with('.') && part.bytes().all(plain))
}

/// A folder that an export is written to.
pub struct Folder {
    place: PathBuf,
    made: bool,
    open: Option<(PathBuf, io::BufWriter<File>)>,
    far: Arc<AtomicU64>,
    finished: bool,
}

impl Folder {
    /// A folder that is not there yet, or is empty.
    ///
    /// # Errors
    /// If something is in it, or it cannot be made.
    pub fn new(place: &Path) -> io::Result<Self> {
        let made = match fs::create_dir(place) {
            Ok(()) => true,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => false,
            Err(error) => return Err(named(place, &error)),
        };
        let mut entries = fs::read_dir(place).map_err(|error| named(place, &error))?;
        if entries.next().is_some() {
            let why =
                format!("{} is not empty: an export gets a folder of its own", place.display());
            return Err(io::Error::new(ErrorKind::AlreadyExists, why));
        }
        let folder = Folder {
            place: place.to_owned(),
            made,
            open: None,
            far: Arc::default(),
            finished: false,
        };
        fs::create_dir(folder.hidden()).map_err(|error| named(place, &error))?;
        Ok(folder)
    }

    /// How far the export is, in thousandths.
    pub fn progress(&self) -> Arc<AtomicU64> {
        self.far.clone()
    }

    fn hidden(&self) -> PathBuf {
        self.place.join(INCOMPLETE)
    }

    /// Waits until the disk has all of it, and moves the files to their places, the manifest last.
    ///
    /// # Errors
    /// If the disk does not have it; then nothing is left.
    pub fn finish(mut self) -> io::Result<()> {
        let hidden = self.hidden();
        let named = |error: io::Error| named(&self.place, &error);
        // One call for however many files.
        let handle = File::open(&hidden).map_err(named)?;
        rustix::fs::syncfs(&handle).map_err(|error| named(error.into()))?;
        let mut names = Vec::new();
        for entry in fs::read_dir(&hidden).map_err(named)? {
            names.push(entry.map_err(named)?.file_name());
        }
        names.sort_by_key(|name| (name == MANIFEST, name.clone()));
        for name in names {
            fs::rename(hidden.join(&name), self.place.join(&name)).map_err(named)?;
        }
        fs::remove_dir(&hidden).map_err(named)?;
        File::open(&self.place).and_then(|folder| folder.sync_all()).map_err(named)?;
        self.finished = true;
        Ok(())
    }
}

/// What was not finished goes.
impl Drop for Folder {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        self.open = None;
        let _ = fs::remove_dir_all(self.hidden());
        if self.made {
            let _ = fs::remove_dir(&self.place);
        }
    }
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

impl Sink for Folder {
    fn begin(&mut self, path: &str) -> io::Result<()> {
        if !is_plain(path) {
            let why = format!("{:?} is no path of an export", path.get(..80).unwrap_or(path));
            return Err(io::Error::new(ErrorKind::InvalidInput, why));
        }
        let place = self.hidden().join(path);
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder).map_err(|error| named(folder, &error))?;
        }
        let file =
            File::create_new(&place).map_err(|error| named(&self.place.join(path), &error))?;
        self.open = Some((self.place.join(path), io::BufWriter::with_capacity(1 << 16, file)));
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some((path, file)) = &mut self.open else { return Err(ErrorKind::NotFound.into()) };
        file.write_all(bytes).map_err(|error| named(path, &error))
    }

    fn end(&mut self) -> io::Result<()> {
        let Some((path, mut file)) = self.open.take() else {
            return Err(ErrorKind::NotFound.into());
        };
        file.flush().map_err(|error| named(&path, &error))
    }

    fn far(&mut self, thousandths: u64) -> io::Result<()> {
        self.far.store(thousandths, Ordering::Relaxed);
        Ok(())
    }
}

/// Parts of a stream, handed on as they fill.
pub struct Stream<W> {
    to: W,
    far: u64,
}

impl<W: FnMut(Vec<u8>) -> io::Result<()>> Stream<W> {
    /// Hands parts to `to`.
    pub fn new(to: W) -> Self {
        Stream { to, far: 0 }
    }

    fn part(&mut self, letter: u8, bytes: &[u8]) -> io::Result<()> {
        let length = u32::try_from(bytes.len()).map_err(|_| ErrorKind::InvalidInput)?;
        let mut part = Vec::with_capacity(bytes.len() + 5);
        part.push(letter);
        part.extend_from_slice(&length.to_be_bytes());
        part.extend_from_slice(bytes);
        (self.to)(part)
    }

    /// All of it was sent.
    ///
    /// # Errors
    /// If whoever waits has gone.
    pub fn finish(mut self) -> io::Result<()> {
        self.part(b'Z', &[])
    }

    /// The rest does not come.
    ///
    /// # Errors
    /// If whoever waits has gone.
    pub fn fail(mut self, code: &str, why: &str) -> io::Result<()> {
        self.part(b'X', format!("{code}\n{why}").as_bytes())
    }
}

impl<W: FnMut(Vec<u8>) -> io::Result<()>> Sink for Stream<W> {
    fn begin(&mut self, path: &str) -> io::Result<()> {
        self.part(b'F', path.as_bytes())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        bytes.chunks(LONGEST_PART).try_for_each(|piece| self.part(b'D', piece))
    }

    fn end(&mut self) -> io::Result<()> {
        self.part(b'E', &[])
    }

    fn far(&mut self, thousandths: u64) -> io::Result<()> {
        if thousandths == self.far {
            return Ok(());
        }
        self.far = thousandths;
        self.part(b'P', thousandths.to_string().as_bytes())
    }
}

/// The other end of a stream: takes what arrives and has a sink take the files.
#[derive(Default)]
pub struct Receiver {
    held: Vec<u8>,
    /// Whether the stream came to its end.
    pub whole: bool,
}

impl Receiver {
    /// Takes in what arrived.
    ///
    /// # Errors
    /// What the sender or the sink says went wrong, and what is no stream.
    pub fn take(&mut self, arrived: &[u8], sink: &mut dyn Sink) -> io::Result<()> {
        let wrong = || io::Error::new(ErrorKind::InvalidData, "the server sent no export");
        self.held.extend_from_slice(arrived);
        let held = std::mem::take(&mut self.held);
        let mut rest = held.as_slice();
        while let Some((&[letter, a, b, c, d], after)) = rest.split_first_chunk::<5>() {
            let length = u32::from_be_bytes([a, b, c, d]) as usize;
            if length > LONGEST_PART || self.whole {
                return Err(wrong());
            }
            let Some((bytes, after)) = after.split_at_checked(length) else { break };
            rest = after;
            let text = || std::str::from_utf8(bytes).map_err(|_| wrong());
            match letter {
                b'F' => sink.begin(text()?)?,
                b'D' => sink.write(bytes)?,
                b'E' => sink.end()?,
                b'P' => sink.far(text()?.parse().map_err(|_| wrong())?)?,
                b'Z' => self.whole = true,
                b'X' => {
                    let told = text()?;
                    let why = told.split_once('\n').map_or(told, |(_, why)| why);
                    return Err(io::Error::other(why.to_owned()));
                }
                _ => return Err(wrong()),
            }
        }
        self.held = rest.to_vec();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_but_what_was_finished() {
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("export");
        let mut folder = Folder::new(&target).unwrap();
        for path in ["../x", "/etc/x", "a//b", ".hidden", "a/..", "", "a b", &"a".repeat(600)] {
            assert!(folder.begin(path).is_err(), "{path}");
        }
        folder.begin("a/b.json").unwrap();
        folder.write(b"{}").unwrap();
        folder.end().unwrap();
        assert!(!target.join("a").exists());
        drop(folder);
        assert!(!target.exists());
        let mut folder = Folder::new(&target).unwrap();
        for path in ["a/b.json", MANIFEST, "z.json"] {
            folder.begin(path).unwrap();
            folder.write(path.as_bytes()).unwrap();
            folder.end().unwrap();
        }
        folder.finish().unwrap();
        assert_eq!(fs::read(target.join(MANIFEST)).unwrap(), MANIFEST.as_bytes());
        assert!(target.join("a/b.json").exists() && !target.join(INCOMPLETE).exists());
        assert!(Folder::new(&target).is_err(), "an export is never written over another");
    }

    #[test]
    fn a_stream_arrives_whole_however_it_is_cut() {
        let mut sent = Vec::new();
        let mut stream = Stream::new(|part| {
            sent.extend(part);
            Ok(())
        });
        let long: Vec<u8> = (0..3_000_000u32).map(|n| n as u8).collect();
        stream.begin("long").unwrap();
        stream.write(&long).unwrap();
        stream.end().unwrap();
        stream.far(500).unwrap();
        stream.finish().unwrap();
        for size in [1_000, 70_000, sent.len()] {
            let place = tempfile::tempdir().unwrap();
            let mut folder = Folder::new(&place.path().join("x")).unwrap();
            let mut receiver = Receiver::default();
            for piece in sent.chunks(size) {
                assert!(!receiver.whole);
                receiver.take(piece, &mut folder).unwrap();
            }
            assert!(receiver.whole);
            assert_eq!(folder.progress().load(Ordering::Relaxed), 500);
            folder.finish().unwrap();
            assert_eq!(fs::read(place.path().join("x/long")).unwrap(), long);
        }
        let mut receiver = Receiver::default();
        let place = tempfile::tempdir().unwrap();
        let mut folder = Folder::new(&place.path().join("x")).unwrap();
        assert!(receiver.take(b"<html>no export</html>", &mut folder).is_err());
        let mut told = Vec::new();
        let stream = Stream::new(|part| {
            told.extend(part);
            Ok(())
        });
        stream.fail("AccessDenied", "You may not.").unwrap();
        let error = Receiver::default().take(&told, &mut folder).unwrap_err();
        assert_eq!(error.to_string(), "You may not.");
    }
}
