//! The certificate that `serve` shows, with its key, from two PEM files; read anew when they change.
//!
//! Whoever renews a certificate replaces files: certbot moves two symbolic links, one after the other,
//! Kubernetes one link to a folder above both. So what the paths lead to is looked at every other second,
//! and read once it stood still between two looks. A pair that does not fit together changes nothing: the
//! one before it stays, and stderr says why. A running server needs no signal and drops no connection.

use std::fmt;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::RwLock;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{Error, InconsistentKeys, ServerConfig};
use zeroize::Zeroizing;

use super::Failure;
use crate::base::notice::notice;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(2);
/// The largest file that is read: a chain has a few thousand bytes.
const MOST_BYTES: u64 = 1024 * 1024;
const EVERYBODY: u32 = 0o007;

/// Where the chain and its key are.
#[derive(Clone, Debug)]
struct Files {
    chain: PathBuf,
    key: PathBuf,
}

/// What tells that a path leads to something else than before: device, inode, size and times of both.
type Stamp = [Option<[i64; 7]>; 2];

/// The certificate that is shown, whatever name a client asks for.
pub struct Certificate {
    files: Files,
    current: RwLock<Arc<CertifiedKey>>,
}

impl Certificate {
    /// Reads both files, and goes on looking at them for as long as the configuration is used.
    ///
    /// # Errors
    /// If a file cannot be read, or the two do not fit together.
    pub fn serve(chain: PathBuf, key: PathBuf) -> Result<Arc<ServerConfig>, Failure> {
        let files = Files { chain, key };
        // Taken first: what changes while we read is then seen to have changed.
        let stamp = files.stamp();
        let current = files.read().map_err(Failure::new)?;
        let certificate = Arc::new(Certificate { files, current: RwLock::new(current.into()) });
        let watched = Arc::downgrade(&certificate);
        std::thread::Builder::new()
            .name("certificate".to_owned())
            .spawn(move || watch(&watched, stamp))?;
        let mut config =
            ServerConfig::builder().with_no_client_auth().with_cert_resolver(certificate);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// Reads the files again, and says what came of it; `None` if they hold what they held.
    fn renew(&self) -> Option<String> {
        match self.files.read() {
            Ok(new) if new.cert == self.current.read().cert => None,
            Ok(new) => {
                *self.current.write() = Arc::new(new);
                Some(format!(
                    "the certificate in {} is used from now on",
                    self.files.chain.display()
                ))
            }
            Err(why) => Some(format!("{why}; the certificate before it stays in use")),
        }
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.read().clone())
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("files", &self.files).finish_non_exhaustive()
    }
}

/// Looks at the files until the server is gone.
fn watch(certificate: &Weak<Certificate>, mut read: Stamp) {
    let mut last = read;
    loop {
        std::thread::sleep(LOOK);
        let Some(certificate) = certificate.upgrade() else { return };
        let now = certificate.files.stamp();
        // One of the two may still be under way.
        if now != read && now == last {
            read = now;
            if let Some(told) = certificate.renew() {
                notice(format_args!("{told}"));
            }
        }
        last = now;
    }
}

impl Files {
    fn stamp(&self) -> Stamp {
        [&self.chain, &self.key].map(|path| {
            let found = fs::metadata(path).ok()?;
            let [device, inode, size] =
                [found.dev(), found.ino(), found.size()].map(u64::cast_signed);
            let (written, changed) = (found.mtime(), found.ctime());
            Some([device, inode, size, written, found.mtime_nsec(), changed, found.ctime_nsec()])
        })
    }

    fn read(&self) -> Result<CertifiedKey, String> {
        let Files { chain: chain_path, key: key_path } = self;
        let wrong = |path: &Path, why: &dyn fmt::Display| format!("{}: {why}", path.display());
        let text = read(chain_path)?;
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&text)
            .collect::<Result<_, _>>()
            .map_err(|error| wrong(chain_path, &error))?;
        if chain.is_empty() {
            return Err(wrong(chain_path, &"it holds no certificate in PEM"));
        }
        let text = read(key_path)?;
        let key = PrivateKeyDer::from_pem_slice(&text).map_err(|_| {
            wrong(key_path, &"it holds no private key in PEM, or one under a passphrase")
        })?;
        let pair = CertifiedKey::from_der(chain, key, &ring::default_provider());
        let pair = pair.map_err(|error| match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => format!(
                "the key in {} is not that of the first certificate in {}",
                key_path.display(),
                chain_path.display()
            ),
            error => format!("{} and {}: {error}", chain_path.display(), key_path.display()),
        })?;
        if fs::metadata(key_path).is_ok_and(|found| found.mode() & EVERYBODY != 0) {
            notice(format_args!(
                "{} holds a private key and is open to everybody on this machine: chmod 600",
                key_path.display()
            ));
        }
        Ok(pair)
    }
}

/// The bytes of a file that may hold a key.
fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let wrong = |why: &dyn fmt::Display| format!("{}: {why}", path.display());
    let found = fs::metadata(path).map_err(|error| wrong(&error))?;
    // A pipe would be waited for.
    if !found.is_file() {
        return Err(wrong(&"it is no file"));
    }
    if found.len() > MOST_BYTES {
        return Err(wrong(&"it is too large to hold a certificate or a key"));
    }
    // Of the right size from the start, since a buffer that grows leaves copies behind.
    let size = usize::try_from(found.len()).unwrap_or_default();
    let mut bytes = Zeroizing::new(Vec::with_capacity(size + 1));
    File::open(path)
        .and_then(|file| file.take(MOST_BYTES).read_to_end(&mut bytes))
        .map_err(|error| wrong(&error))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use rcgen::{CertifiedKey as Made, generate_simple_self_signed};

    use super::*;

    /// Writes a new pair into a folder.
    fn write(folder: &Path) -> (Vec<u8>, Files) {
        let Made { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let files = Files { chain: folder.join("tls.crt"), key: folder.join("tls.key") };
        fs::write(&files.chain, cert.pem()).unwrap();
        fs::write(&files.key, signing_key.serialize_pem()).unwrap();
        (cert.der().to_vec(), files)
    }

    fn shown(certificate: &Certificate) -> Vec<u8> {
        certificate.current.read().end_entity_cert().unwrap().to_vec()
    }

    #[test]
    fn a_pair_is_read_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        let (_, files) = write(folder.path());
        let (_, others) = write(other.path());
        assert!(files.read().is_ok());
        let mixed = Files { chain: files.chain.clone(), key: others.key.clone() };
        assert!(mixed.read().err().unwrap().contains("is not that of the first certificate"));
        let swapped = Files { chain: files.key.clone(), key: files.chain.clone() };
        assert!(swapped.read().err().unwrap().contains("holds no certificate"));
        let chain = files.chain.clone();
        let no_key = Files { chain: chain.clone(), key: chain };
        assert!(no_key.read().err().unwrap().contains("holds no private key"));
        for (text, why) in [("", "no certificate"), ("-----BEGIN CERTIFICATE-----\n%", "")] {
            fs::write(&files.chain, text).unwrap();
            assert!(files.read().err().unwrap().contains(why));
        }
        fs::remove_file(&files.chain).unwrap();
        assert!(files.read().is_err());
        fs::create_dir(&files.chain).unwrap();
        assert!(files.read().err().unwrap().contains("no file"));
    }

    #[test]
    fn a_renewal_is_used_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (first, files) = write(folder.path());
        let current = RwLock::new(Arc::new(files.read().unwrap()));
        let certificate = Certificate { files: files.clone(), current };
        assert_eq!(certificate.renew(), None);
        assert_eq!(shown(&certificate), first);
        let (second, _) = write(folder.path());
        assert!(certificate.renew().unwrap().contains("used from now on"));
        assert_eq!(shown(&certificate), second);
        fs::write(&files.key, "junk").unwrap();
        assert!(certificate.renew().unwrap().contains("stays in use"));
        assert_eq!(shown(&certificate), second);
        assert!(!format!("{certificate:?}").contains("current"));
    }

    #[test]
    fn a_link_that_moves_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        for version in ["1", "2"] {
            fs::create_dir(folder.path().join(version)).unwrap();
            write(&folder.path().join(version));
        }
        let link = folder.path().join("data");
        symlink("1", &link).unwrap();
        let files = Files { chain: link.join("tls.crt"), key: link.join("tls.key") };
        let before = files.stamp();
        assert_eq!(before, files.stamp());
        let beside = folder.path().join("new");
        symlink("2", &beside).unwrap();
        fs::rename(&beside, &link).unwrap();
        assert!(before.iter().zip(files.stamp()).all(|(one, other)| *one != other));
        fs::remove_file(&link).unwrap();
        assert_eq!(files.stamp(), [None, None]);
    }
}
