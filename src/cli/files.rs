//! Files that are read and written whole, with limits, and never left half-written.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use super::Failure;

/// Reads a text of at most so many bytes; `-` is stdin.
///
/// # Errors
/// If it cannot be read, is larger, or is no text.
pub fn read(path: &Path, most: u64) -> Result<String, Failure> {
    let bytes = read_bytes(path, most)?;
    String::from_utf8(bytes).map_err(|_| wrong(path, "it is no text (UTF-8)"))
}

/// As [`read()`], for bytes of any kind.
///
/// # Errors
/// If it cannot be read, or is larger.
pub fn read_bytes(path: &Path, most: u64) -> Result<Vec<u8>, Failure> {
    let source: Box<dyn Read> = match path.as_os_str() == "-" {
        true => Box::new(std::io::stdin()),
        false => Box::new(File::open(path).map_err(|error| wrong(path, error))?),
    };
    let mut bytes = Vec::new();
    source.take(most + 1).read_to_end(&mut bytes).map_err(|error| wrong(path, error))?;
    match bytes.len() as u64 > most {
        true => Err(wrong(path, format!("it is larger than {most} bytes"))),
        false => Ok(bytes),
    }
}

/// Writes a file as a whole: until it is complete and on the disk, there is none of its name, or the old one. A link
/// stays one; what is no file, such as a device or a pipe, is written to.
///
/// # Errors
/// If it cannot be written; then nothing is left of it.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let path = &match fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink()) {
        true => fs::canonicalize(path).map_err(|error| wrong(path, error))?,
        false => path.to_owned(),
    };
    if fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        let opened = fs::OpenOptions::new().write(true).open(path);
        let written = opened.and_then(|mut open| open.write_all(bytes));
        return written.map_err(|error| wrong(path, error));
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = PathBuf::from(name);
    let written = File::create(&part).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&part, path)).map_err(|error| {
        let _ = fs::remove_file(&part);
        wrong(path, error)
    })
}

fn wrong(path: &Path, why: impl std::fmt::Display) -> Failure {
    Failure::new(format!("{}: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_whole_or_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(read(&path, 3).unwrap(), "two");
        assert!(read(&path, 2).unwrap_err().message.contains("larger than 2 bytes"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(write(&folder.path().join("none/a"), b"one").is_err());
        // A folder is in the way of the name: the part is gone, too.
        fs::create_dir(folder.path().join("b")).unwrap();
        assert!(write(&folder.path().join("b"), b"one").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        // What a link leads to is written, and the link stays one.
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        write(&link, b"three").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(read(&path, 5).unwrap(), "three");
        fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        assert!(write(&link, b"four").is_err());
        fs::remove_file(&link).unwrap();
        write(&path, &[0xff]).unwrap();
        assert!(read(&path, 3).unwrap_err().message.contains("no text"));
    }
}
