//! Every way in which authentication can fail, with AWS's code, status and message for each.

use crate::base::time::Timestamp;

/// Authentication failed. All of these are the sender's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct SignatureError {
    /// AWS's error code, the one that SDKs act upon.
    pub code: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// For people; safe to show and to log.
    pub message: String,
}

/// The most characters of a client's own words that a message repeats.
const LONGEST_ECHO: usize = 128;

pub(super) fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(LONGEST_ECHO).collect();
    if short.len() < text.len() {
        short.push_str("...");
    }
    short
}

impl SignatureError {
    fn new(code: &'static str, status: u16, message: impl Into<String>) -> Self {
        SignatureError { code, status, message: message.into() }
    }

    fn incomplete(message: impl Into<String>) -> Self {
        Self::new("IncompleteSignature", 400, message)
    }

    fn does_not_match(message: impl Into<String>) -> Self {
        Self::new("SignatureDoesNotMatch", 403, message)
    }

    /// The request is not signed at all, or not in a form that is known here.
    pub fn missing_token() -> Self {
        Self::new("MissingAuthenticationToken", 403, "Request is missing Authentication Token")
    }

    /// No such access key, an inactive one, or one whose session token is missing or wrong. One
    /// answer for all, so that nobody can probe which keys exist.
    pub fn invalid_token_id() -> Self {
        let message = "The security token included in the request is invalid.";
        Self::new("InvalidClientTokenId", 403, message)
    }

    /// Temporary credentials past their end.
    pub fn expired_token() -> Self {
        let message = "The security token included in the request is expired";
        Self::new("ExpiredToken", 403, message)
    }

    pub(super) fn mismatch() -> Self {
        Self::does_not_match(
            "The request signature we calculated does not match the signature you provided. Check \
             your AWS Secret Access Key and signing method. Consult the service documentation for \
             details.",
        )
    }

    pub(super) fn expired(time: Timestamp, now: Timestamp, life: i64) -> Self {
        Self::does_not_match(format!(
            "Signature expired: {} is now earlier than {} ({} - {})",
            time.to_basic(),
            now.plus_seconds(-life).to_basic(),
            now.to_basic(),
            span(life)
        ))
    }

    pub(super) fn not_yet_current(time: Timestamp, now: Timestamp, skew: i64) -> Self {
        Self::does_not_match(format!(
            "Signature not yet current: {} is still later than {} ({} + {})",
            time.to_basic(),
            now.plus_seconds(skew).to_basic(),
            now.to_basic(),
            span(skew)
        ))
    }

    pub(super) fn wrong_scope(message: &str) -> Self {
        Self::does_not_match(message)
    }

    pub(super) fn host_not_signed() -> Self {
        Self::does_not_match(
            "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
        )
    }

    pub(super) fn header_not_signed(name: &str) -> Self {
        let name = shortened(name);
        Self::does_not_match(format!("'{name}' must be a 'SignedHeader' in the AWS Authorization."))
    }

    pub(super) fn both_forms() -> Self {
        Self::does_not_match(
            "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP \
             header.",
        )
    }

    pub(super) fn no_equal_sign(part: &str) -> Self {
        let part = shortened(part);
        Self::incomplete(format!(
            "'{part}' not a valid key=value pair (missing equal-sign) in Authorization header."
        ))
    }

    pub(super) fn incomplete_header(missing: &[&str], no_date: bool) -> Self {
        let mut sentences: Vec<String> = missing
            .iter()
            .map(|name| format!("Authorization header requires '{name}' parameter."))
            .collect();
        if no_date {
            sentences.push(
                "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' \
                 header."
                    .to_owned(),
            );
        }
        Self::incomplete(sentences.join(" "))
    }

    pub(super) fn incomplete_query(missing: &[&str]) -> Self {
        let sentences: String = missing
            .iter()
            .map(|name| format!("AWS query-string parameters must include '{name}'. "))
            .collect();
        Self::incomplete(format!("{sentences}Re-examine the query-string parameters."))
    }

    pub(super) fn expires_out_of_range(text: &str) -> Self {
        Self::incomplete(format!(
            "'X-Amz-Expires' must be between 1 and 604800 seconds, got '{}'. Re-examine the \
             query-string parameters.",
            shortened(text)
        ))
    }

    pub(super) fn bad_date(text: &str) -> Self {
        Self::incomplete(format!(
            "Date must be in ISO-8601 'basic format'. Got '{}'. See \
             http://en.wikipedia.org/wiki/ISO_8601",
            shortened(text)
        ))
    }

    pub(super) fn unsupported(algorithm: &str) -> Self {
        Self::incomplete(format!(
            "Unsupported AWS 'algorithm': '{}' (only AWS4-HMAC-SHA256 for now).",
            shortened(algorithm)
        ))
    }

    pub(super) fn bad_credential(text: &str) -> Self {
        Self::incomplete(format!(
            "Credential must have exactly 5 slash-delimited elements, e.g. \
             keyid/date/region/service/term, got '{}'",
            shortened(text)
        ))
    }

    pub(super) fn repeated(name: &str) -> Self {
        Self::incomplete(format!("'{name}' must not occur more than once in a signed request."))
    }

    pub(super) fn not_text(name: &str) -> Self {
        Self::incomplete(format!("'{name}' is not valid text."))
    }

    pub(super) fn too_many_signed_headers(most: usize) -> Self {
        Self::incomplete(format!("'SignedHeaders' must name at most {most} headers."))
    }
}

/// Whole minutes as AWS writes them, seconds otherwise.
fn span(seconds: i64) -> String {
    if seconds % 60 == 0 { format!("{} min.", seconds / 60) } else { format!("{seconds} sec.") }
}
