//! Digest files: each names the log files of a stretch of time with their hashes, and the digest before it
//! with its signature, and is signed itself. A log file that was altered or removed, and a digest that was,
//! show; only the newest digest can go unnoticed, which [`super::super::check`] sees by the manifest.
//!
//! A digest is of an hour, as CloudTrail's are. Hours in which nothing happened have none of their own: the
//! next digest begins where the one before ended, so that no time lies between.
//!
//! The signature is of four lines: the digest's end, bucket and path, the SHA-256 of the unpacked digest, and
//! the signature of the digest before (`null` for none). It lies in a file beside the digest, since in a bucket it
//! would be in the object's metadata, where `serve-export` puts it.
//!
//! Source: AWS CloudTrail User Guide, "CloudTrail digest file structure"; the validator in the AWS command line
//! decides what it means.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::manifest::Output;
use super::{REGION, TRAIL, bucket, gzip};
use crate::base::crypto::sha256;
use crate::base::random::Random;
use crate::base::rsa::{PublicKey, SigningKey};
use crate::base::text::{base64, from_hex, hex};
use crate::base::time::Timestamp;
use crate::service::fault::Fault;

/// The end of the name of the file that holds a digest's signature.
pub const SIGNATURE: &str = ".sig";
/// How it is made.
pub const ALGORITHM: &str = "SHA256withRSA";

/// A digest, as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)] // CloudTrail's names
pub struct Digest {
    pub aws_account_id: String,
    pub digest_start_time: String,
    pub digest_end_time: String,
    #[serde(rename = "digestS3Bucket")]
    pub digest_s3_bucket: String,
    #[serde(rename = "digestS3Object")]
    pub digest_s3_object: String,
    pub digest_public_key_fingerprint: String,
    pub digest_signature_algorithm: String,
    pub newest_event_time: Option<String>,
    pub oldest_event_time: Option<String>,
    #[serde(rename = "previousDigestS3Bucket")]
    pub previous_digest_s3_bucket: Option<String>,
    #[serde(rename = "previousDigestS3Object")]
    pub previous_digest_s3_object: Option<String>,
    pub previous_digest_hash_value: Option<String>,
    pub previous_digest_hash_algorithm: Option<String>,
    pub previous_digest_signature: Option<String>,
    pub log_files: Vec<LoggedFile>,
}

/// A log file in a digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)] // CloudTrail's names
pub struct LoggedFile {
    #[serde(rename = "s3Bucket")]
    pub s3_bucket: String,
    #[serde(rename = "s3Object")]
    pub s3_object: String,
    pub hash_value: String,
    pub hash_algorithm: String,
    pub newest_event_time: String,
    pub oldest_event_time: String,
}

/// A log file that was written.
pub struct LogFile {
    /// The hour that it is of, since the epoch.
    pub hour: u64,
    /// Its path.
    pub path: String,
    /// The SHA-256 of it unpacked.
    pub hash: [u8; 32],
    /// When the oldest record happened.
    pub oldest: Timestamp,
    /// And the newest.
    pub newest: Timestamp,
}

/// The digest before.
struct Previous {
    path: String,
    hash: String,
    signature: String,
    end: u64,
}

/// The digests of an export, one after the other.
pub struct Chain<'a> {
    digits: &'a str,
    key: &'a SigningKey,
    random: &'a dyn Random,
    hour: Vec<LogFile>,
    previous: Option<Previous>,
}

/// `20260301T120000Z`.
pub fn basic(at: Timestamp) -> String {
    at.to_basic()
}

/// `2026/03/01`.
pub fn day(at: Timestamp) -> String {
    at.to_string().get(..10).unwrap_or_default().replace('-', "/")
}

/// The name by which digests say which key signed them.
fn fingerprint(der: &[u8]) -> String {
    hex(&sha256(der)).get(..32).unwrap_or_default().to_owned()
}

/// The public key in the form in which CloudTrail lists it.
///
/// # Errors
/// If it does not encode.
pub fn public_key(key: &PublicKey) -> Result<Vec<u8>, Fault> {
    let der = key.to_der().map_err(Fault::internal)?;
    let listed = json!({ "Fingerprint": fingerprint(&der), "Value": base64(&der) });
    let mut text = serde_json::to_vec_pretty(&listed).map_err(Fault::internal)?;
    text.push(b'\n');
    Ok(text)
}

/// What is signed.
fn to_sign(digest: &Digest, unpacked: &[u8]) -> String {
    format!(
        "{}\n{}/{}\n{}\n{}",
        digest.digest_end_time,
        digest.digest_s3_bucket,
        digest.digest_s3_object,
        hex(&sha256(unpacked)),
        digest.previous_digest_signature.as_deref().unwrap_or("null")
    )
}

/// Whether a signature is of this digest.
pub fn verifies(key: &PublicKey, digest: &Digest, unpacked: &[u8], signature: &str) -> bool {
    from_hex(signature.trim())
        .is_some_and(|signature| key.verifies(to_sign(digest, unpacked).as_bytes(), &signature))
}

impl<'a> Chain<'a> {
    /// No digest yet.
    pub fn new(digits: &'a str, key: &'a SigningKey, random: &'a dyn Random) -> Self {
        Chain { digits, key, random, hour: Vec::new(), previous: None }
    }

    /// A log file was written; if an hour ended with the one before, its digest is.
    ///
    /// # Errors
    /// The sink's.
    pub fn add(&mut self, log: LogFile, output: &mut Output<'_>) -> Result<(), Fault> {
        if self.hour.first().is_some_and(|first| first.hour != log.hour) {
            self.write(output)?;
        }
        self.hour.push(log);
        Ok(())
    }

    /// No further log file comes.
    ///
    /// # Errors
    /// The sink's.
    pub fn finish(&mut self, output: &mut Output<'_>) -> Result<(), Fault> {
        if self.hour.is_empty() { Ok(()) } else { self.write(output) }
    }

    fn write(&mut self, output: &mut Output<'_>) -> Result<(), Fault> {
        let logs = std::mem::take(&mut self.hour);
        let hour = logs.first().map_or(0, |log| log.hour);
        let end = (hour + 1) * 3_600;
        let start = self.previous.as_ref().map_or(hour * 3_600, |previous| previous.end);
        let at = |seconds| Timestamp::from_seconds(seconds);
        let digits = self.digits;
        let path = format!(
            "AWSLogs/{digits}/CloudTrail-Digest/{REGION}/{}/\
             {digits}_CloudTrail-Digest_{REGION}_{TRAIL}_{REGION}_{}.json.gz",
            day(at(end)),
            basic(at(end))
        );
        let bucket = bucket(digits);
        let der = self.key.public().to_der().map_err(Fault::internal)?;
        let before =
            |of: fn(&Previous) -> &String| self.previous.as_ref().map(|one| of(one).clone());
        let named = |text: &str| self.previous.as_ref().map(|_| text.to_owned());
        let digest = Digest {
            aws_account_id: digits.to_owned(),
            digest_start_time: at(start).to_string(),
            digest_end_time: at(end).to_string(),
            digest_s3_bucket: bucket.clone(),
            digest_s3_object: path.clone(),
            digest_public_key_fingerprint: fingerprint(&der),
            digest_signature_algorithm: ALGORITHM.to_owned(),
            newest_event_time: logs.iter().map(|log| log.newest).max().map(|at| at.to_string()),
            oldest_event_time: logs.iter().map(|log| log.oldest).min().map(|at| at.to_string()),
            previous_digest_s3_bucket: named(&bucket),
            previous_digest_s3_object: before(|one| &one.path),
            previous_digest_hash_value: before(|one| &one.hash),
            previous_digest_hash_algorithm: named("SHA-256"),
            previous_digest_signature: before(|one| &one.signature),
            log_files: logs
                .into_iter()
                .map(|log| LoggedFile {
                    s3_bucket: bucket.clone(),
                    s3_object: log.path,
                    hash_value: hex(&log.hash),
                    hash_algorithm: "SHA-256".to_owned(),
                    newest_event_time: log.newest.to_string(),
                    oldest_event_time: log.oldest.to_string(),
                })
                .collect(),
        };
        let text = serde_json::to_vec(&digest).map_err(Fault::internal)?;
        let signature = self.key.sign(to_sign(&digest, &text).as_bytes(), self.random);
        let signature = hex(&signature.map_err(Fault::internal)?);
        let bytes = gzip(&text)?;
        output.small(&path, &bytes)?;
        output.small(&format!("{path}{SIGNATURE}"), signature.as_bytes())?;
        self.previous = Some(Previous { path, hash: hex(&sha256(&text)), signature, end });
        Ok(())
    }
}
