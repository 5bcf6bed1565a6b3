//! Signed notes: a text and, below it, lines with signatures, as C2SP signed-note defines them.
//!
//! ```text
//! a text of one or more lines
//!
//! — name-of-key base64(key id | signature)
//! ```
//!
//! A note may bear any number of signatures: of the ledger itself, and of others who saw it. Whoever checks
//! one looks for that of a key that he has from elsewhere, and ignores the rest.

use std::fmt;
use std::str::FromStr;

use crate::base::crypto::{SecretKey, sha256};
use crate::base::signature::{self, PublicKey};
use crate::base::text::{base64, from_base64, from_hex, hex};

/// The largest note that is read, in bytes.
pub const MOST_BYTES: usize = 1 << 20;
/// The most signatures of a note that is read.
pub const MOST_SIGNATURES: usize = 128;

/// The type of key that is understood: Ed25519.
const ED25519: u8 = 1;
const MARK: &str = "— ";

/// Why a text is no note, or not a trusted one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The text does not have the form of a signed note.
    #[error("this is no signed note: {0}")]
    Form(&'static str),
    /// A verification key that cannot be read.
    #[error("this is no verification key: {0}")]
    Key(&'static str),
    /// No signature is of the key.
    #[error("it is not signed by the key {0}")]
    Unsigned(String),
    /// A signature claims to be of the key and is not.
    #[error(
        "its signature is not that of the key {0} over this text: one or the other was altered"
    )]
    Forged(String),
}

/// One line of signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSignature {
    /// The name of the key.
    pub name: String,
    /// The first bytes of a hash of the key: tells keys of one name apart, and proves nothing.
    pub id: [u8; 4],
    /// The signature itself, as its kind of key makes it.
    pub bytes: Vec<u8>,
}

/// A text with signatures, of which none was checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The text, with its last line end.
    text: String,
    /// The signatures, in their order.
    signatures: Vec<NoteSignature>,
}

/// The public half of a key, by which notes are checked: `name+id+base64`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    key: PublicKey,
}

/// Whether a name may name a key.
fn is_name(name: &str) -> bool {
    let good = |character: char| !character.is_whitespace() && !character.is_control();
    !name.is_empty() && name.chars().all(|character| good(character) && character != '+')
}

impl VerifierKey {
    /// A key by name and public half.
    ///
    /// # Errors
    /// If the name is empty, or has spaces or a `+`.
    pub fn new(name: &str, key: PublicKey) -> Result<Self, NoteError> {
        match is_name(name) {
            true => Ok(VerifierKey { name: name.to_owned(), key }),
            false => Err(NoteError::Key("its name is empty, or has spaces or a `+`")),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What tells it apart from others of its name.
    pub fn id(&self) -> [u8; 4] {
        let named = [self.name.as_bytes(), b"\n", &[ED25519], &self.key].concat();
        let [a, b, c, d, ..] = sha256(&named);
        [a, b, c, d]
    }

    /// Checks that a note is signed by this key.
    ///
    /// # Errors
    /// If no signature is of this key, or one claims to be and is not.
    pub fn check(&self, note: &Note) -> Result<(), NoteError> {
        let id = self.id();
        let mut own = note.signatures.iter().filter(|one| one.name == self.name && one.id == id);
        let good =
            |one: &NoteSignature| signature::verify(&self.key, note.text.as_bytes(), &one.bytes);
        match (own.clone().next(), own.all(good)) {
            (None, _) => Err(NoteError::Unsigned(self.to_string())),
            (Some(_), true) => Ok(()),
            (Some(_), false) => Err(NoteError::Forged(self.to_string())),
        }
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let typed = [&[ED25519], self.key.as_slice()].concat();
        write!(f, "{}+{}+{}", self.name, hex(&self.id()), base64(&typed))
    }
}

impl FromStr for VerifierKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::Key("it has the form name+id+key"));
        };
        let typed = from_base64(key).ok_or(NoteError::Key("its last part is not base64"))?;
        let key = match typed.split_first() {
            Some((&ED25519, key)) => PublicKey::try_from(key).ok(),
            _ => None,
        };
        let key = VerifierKey::new(name, key.ok_or(NoteError::Key("it is not of Ed25519"))?)?;
        match from_hex(id).is_some_and(|id| id == key.id()) && id.len() == 8 {
            true => Ok(key),
            false => Err(NoteError::Key("its id does not belong to its name and key")),
        }
    }
}

impl Note {
    /// Signs a text, which ends in a line end, under the name of the key.
    pub fn sign(text: String, name: &str, seed: &SecretKey) -> Result<Self, NoteError> {
        let key = VerifierKey::new(name, signature::public_key(seed))?;
        if !text.ends_with('\n') || text.starts_with('\n') {
            return Err(NoteError::Form("its text is empty, or its last line has no end"));
        }
        let bytes = signature::sign(seed, text.as_bytes()).to_vec();
        let signature = NoteSignature { name: name.to_owned(), id: key.id(), bytes };
        Ok(Note { text, signatures: vec![signature] })
    }

    /// The text, with its last line end.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signatures, of which none was checked.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        for NoteSignature { name, id, bytes } in &self.signatures {
            writeln!(f, "{MARK}{name} {}", base64(&[id.as_slice(), bytes].concat()))?;
        }
        Ok(())
    }
}

impl FromStr for Note {
    type Err = NoteError;

    fn from_str(note: &str) -> Result<Self, NoteError> {
        if note.len() > MOST_BYTES {
            return Err(NoteError::Form("it is larger than a mebibyte"));
        }
        if note.bytes().any(|byte| byte < b' ' && byte != b'\n') {
            return Err(NoteError::Form("it has control characters"));
        }
        let gap = note.rfind("\n\n").ok_or(NoteError::Form("no empty line ends its text"))?;
        let (text, rest) = note.split_at_checked(gap + 1).unwrap_or_default();
        let lines = rest.strip_prefix('\n').unwrap_or_default();
        let lines = lines.strip_suffix('\n');
        let lines = lines.ok_or(NoteError::Form("its last line has no end"))?;
        let signatures: Result<Vec<NoteSignature>, NoteError> =
            lines.split('\n').take(MOST_SIGNATURES + 1).map(read_signature).collect();
        let signatures = signatures?;
        if signatures.len() > MOST_SIGNATURES {
            return Err(NoteError::Form("it has too many signatures"));
        }
        Ok(Note { text: text.to_owned(), signatures })
    }
}

fn read_signature(line: &str) -> Result<NoteSignature, NoteError> {
    let parts = line.strip_prefix(MARK).and_then(|rest| rest.split_once(' '));
    let (name, encoded) = parts.ok_or(NoteError::Form("a line below its text is no signature"))?;
    let bytes = from_base64(encoded).ok_or(NoteError::Form("a signature is not base64"))?;
    match bytes.split_first_chunk::<4>() {
        Some((id, bytes)) if is_name(name) && !bytes.is_empty() => {
            Ok(NoteSignature { name: name.to_owned(), id: *id, bytes: bytes.to_vec() })
        }
        _ => Err(NoteError::Form("a signature has no name, or is too short")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::secret::Secret;

    const TEXT: &str = "example.com/log\n7\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

    fn signed(seed: u8) -> (Note, VerifierKey) {
        let seed = Secret::new([seed; 32]);
        let note = Note::sign(TEXT.into(), "example.com/log", &seed).unwrap();
        let key = VerifierKey::new("example.com/log", signature::public_key(&seed)).unwrap();
        (note, key)
    }

    #[test]
    fn the_example_of_the_specification_holds() {
        // C2SP signed-note, and the key by which Go's own example is checked.
        let note = "If you think cryptography is the answer to your problem,\nthen you don't know \
                    what your problem is.\n\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZ\
                    InNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
        let key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        let key: VerifierKey = key.parse().unwrap();
        let note: Note = note.parse().unwrap();
        assert_eq!(key.check(&note), Ok(()));
        assert_eq!(key.to_string().parse(), Ok(key));
    }

    #[test]
    fn a_stock_library_reads_what_we_write() {
        use signed_note::{Note as Theirs, StandardVerifier, VerifierList};
        let (note, key) = signed(3);
        let theirs = Theirs::from_bytes(note.to_string().as_bytes()).unwrap();
        let verified = |key: &VerifierKey| {
            let verifier = StandardVerifier::new(&key.to_string()).unwrap();
            theirs.verify(&VerifierList::new(vec![Box::new(verifier)])).is_ok()
        };
        assert!(verified(&key) && !verified(&signed(4).1));
        let own = Note { text: note.text, signatures: vec![] };
        let mut theirs = Theirs::new(own.text.as_bytes(), &[]).unwrap();
        let skey = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
        let signer = signed_note::StandardSigner::new(skey).unwrap();
        theirs.add_sigs(&[&signer]).unwrap();
        let signed = String::from_utf8(theirs.to_bytes()).unwrap();
        let key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        assert_eq!(key.parse::<VerifierKey>().unwrap().check(&signed.parse().unwrap()), Ok(()));
    }

    #[test]
    fn only_the_key_that_signed_is_believed() {
        let (note, key) = signed(1);
        assert_eq!(note.to_string().parse(), Ok(note.clone()));
        assert_eq!(key.check(&note), Ok(()));
        let (others, other) = signed(2);
        assert!(matches!(other.check(&note), Err(NoteError::Unsigned(_))));
        // With a second signature both are believed; with one that is not what it says, none of that key.
        let mut both = note.clone();
        both.signatures.extend(others.signatures.clone());
        assert_eq!((key.check(&both), other.check(&both)), (Ok(()), Ok(())));
        both.signatures[1].bytes = both.signatures[0].bytes.clone();
        assert_eq!(key.check(&both), Ok(()));
        assert!(matches!(other.check(&both), Err(NoteError::Forged(_))));
    }

    #[test]
    fn every_altered_character_is_seen() {
        let (note, key) = signed(1);
        let whole = note.to_string();
        for (at, _) in whole.char_indices() {
            let mut altered: Vec<char> = whole.chars().collect();
            let place = whole[..at].chars().count();
            altered[place] = if altered[place] == 'x' { 'y' } else { 'x' };
            let altered: String = altered.into_iter().collect();
            let seen = altered.parse::<Note>().map_or(true, |note| key.check(&note).is_err());
            assert!(seen, "at {at}");
        }
    }

    #[test]
    fn what_is_no_note_or_key_is_said() {
        let (note, key) = signed(1);
        let (whole, vkey) = (note.to_string(), key.to_string());
        for wrong in [
            "",
            "\n",
            "a\n",
            "a\n\n",
            "a\n\n\n",
            "a\n\n— b\n",
            "a\n\n— b YQ==\n",
            "a\r\n\n— b YWJjZGU=\n",
        ] {
            assert!(matches!(wrong.parse::<Note>(), Err(NoteError::Form(_))), "{wrong:?}");
        }
        assert!(whole.trim_end().parse::<Note>().is_err());
        let many = whole.clone() + &"— a YWJjZGU=\n".repeat(MOST_SIGNATURES);
        assert!(many.parse::<Note>().is_err());
        assert!((whole.clone() + &"— a YWJjZGU=\n".repeat(15)).parse::<Note>().is_ok());
        // Of another type: the type is in the first letter of the last part.
        let parts: Vec<&str> = vkey.splitn(3, '+').collect();
        let ed = format!("{}+{}+B{}", parts[0], parts[1], &parts[2][1..]);
        for wrong in ["", "a+b", "a+00000000+AAAA", &vkey[1..], &vkey[..vkey.len() - 4], &ed] {
            assert!(matches!(wrong.parse::<VerifierKey>(), Err(NoteError::Key(_))), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_stops_the_readers(text in "\\PC*|[a-c+— =\n]{0,200}") {
            let _ = text.parse::<VerifierKey>();
            if let Ok(note) = text.parse::<Note>() {
                prop_assert_eq!(note.to_string(), text);
            }
        }
    }
}
