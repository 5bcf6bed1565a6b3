//! Each way to be wrong, and what AWS says to it.

use super::{Message, SignatureError, parse};
use crate::base::secret::Secret;
use crate::base::sigv4::{Credentials, payload_hash, sign};
use crate::base::time::Timestamp;

const KEY: &str = "AKIAIOSFODNN7EXAMPLE";

fn secret() -> Secret<String> {
    Secret::new("s3cret".to_owned())
}

fn now() -> Timestamp {
    Timestamp::parse("2026-03-01T12:00:00Z").unwrap()
}

/// A request whose parts a test can spoil.
struct Draft {
    method: &'static str,
    query: String,
    headers: Vec<(String, String)>,
    body: &'static str,
}

impl Draft {
    fn bare() -> Self {
        let headers = vec![("Host".to_owned(), "127.0.0.1:1086".to_owned())];
        Draft { method: "POST", query: String::new(), headers, body: "Action=ListUsers" }
    }

    fn signed_with(token: Option<&str>, extra: &[(&str, &str)]) -> Self {
        let mut draft = Draft::bare();
        for (name, value) in extra {
            draft.set(name, value);
        }
        let credentials = Credentials {
            access_key_id: KEY.to_owned(),
            secret_access_key: secret(),
            session_token: token.map(|token| Secret::new(token.to_owned())),
        };
        let added = draft.message(|m| sign(m, &credentials, "us-east-1", "iam", now()));
        draft.headers.extend(added.into_iter().map(|(name, value)| (name.to_owned(), value)));
        draft
    }

    fn signed() -> Self {
        Draft::signed_with(None, &[])
    }

    fn set(&mut self, name: &str, value: &str) {
        self.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    /// Replaces text within the authorization header.
    fn authorization(mut self, from: &str, to: &str) -> Self {
        for (name, value) in &mut self.headers {
            if name == "authorization" {
                assert!(value.contains(from), "{value} does not contain {from}");
                *value = value.replace(from, to);
            }
        }
        self
    }

    fn message<T>(&self, then: impl FnOnce(&Message<'_>) -> T) -> T {
        let headers: Vec<(&str, &[u8])> =
            self.headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect();
        then(&Message {
            method: self.method,
            path: "/",
            query: &self.query,
            headers: &headers,
            body: self.body.as_bytes(),
        })
    }

    fn check_at(&self, now: Timestamp) -> Result<(), SignatureError> {
        self.message(|message| parse(message, &["iam", "sts"])?.verify(&secret(), now))
    }

    fn refused(&self) -> (&'static str, u16, String) {
        let error = self.check_at(now()).unwrap_err();
        (error.code, error.status, error.message)
    }

    fn assert_refused(&self, code: &str, status: u16, message: &str) {
        assert_eq!(self.refused(), (self.refused().0, status, message.to_owned()));
        assert_eq!(self.refused().0, code);
    }
}

fn presigned(parameters: &[(&str, &str)]) -> Draft {
    let mut all = vec![
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Credential", "AKIAIOSFODNN7EXAMPLE/20260301/us-east-1/sts/aws4_request"),
        ("X-Amz-Date", "20260301T120000Z"),
        ("X-Amz-SignedHeaders", "host"),
        ("X-Amz-Signature", "00"),
    ];
    for (name, value) in parameters {
        all.retain(|(n, _)| n != name);
        if !value.is_empty() {
            all.push((name, value));
        }
    }
    let query: Vec<String> = all.iter().map(|(n, v)| format!("{n}={v}")).collect();
    Draft { method: "GET", query: query.join("&"), body: "", ..Draft::bare() }
}

#[test]
fn a_signed_request_is_accepted_and_tells_who_sent_it() {
    let draft = Draft::signed_with(Some("tok/en=="), &[]);
    assert_eq!(draft.check_at(now()), Ok(()));
    let claim = draft.message(|message| parse(message, &["iam"])).unwrap();
    assert_eq!(claim.access_key_id, KEY);
    assert_eq!(claim.scope.to_string(), "20260301/us-east-1/iam/aws4_request");
    assert_eq!(claim.session_token.as_ref().unwrap().expose(), "tok/en==");
    assert!(!format!("{claim:?}").contains("tok/en"), "{claim:?}");
}

#[test]
fn an_unsigned_request_has_no_token() {
    let message = "Request is missing Authentication Token";
    Draft::bare().assert_refused("MissingAuthenticationToken", 403, message);
    let mut basic = Draft::bare();
    basic.set("authorization", "Basic dTpw");
    basic.assert_refused("MissingAuthenticationToken", 403, message);
}

#[test]
fn an_incomplete_header_lists_everything_that_is_missing() {
    let mut draft = Draft::bare();
    draft.set("authorization", "AWS4-HMAC-SHA256 Credential=");
    draft.assert_refused(
        "IncompleteSignature",
        400,
        "Authorization header requires 'Credential' parameter. Authorization header requires \
         'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. \
         Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
    );
    draft.set("authorization", "AWS4-HMAC-SHA256 Credential");
    let message =
        "'Credential' not a valid key=value pair (missing equal-sign) in Authorization header.";
    draft.assert_refused("IncompleteSignature", 400, message);
}

#[test]
fn an_incomplete_query_lists_everything_that_is_missing() {
    presigned(&[("X-Amz-Signature", ""), ("X-Amz-Date", "")]).assert_refused(
        "IncompleteSignature",
        400,
        "AWS query-string parameters must include 'X-Amz-Signature'. AWS query-string parameters \
         must include 'X-Amz-Date'. Re-examine the query-string parameters.",
    );
}

#[test]
fn a_presigned_life_is_one_second_to_seven_days() {
    for wrong in ["0", "604801", "-1", "soon"] {
        let (code, status, message) = presigned(&[("X-Amz-Expires", wrong)]).refused();
        assert_eq!((code, status), ("IncompleteSignature", 400));
        assert!(message.contains(&format!("got '{wrong}'")), "{message}");
    }
    for right in ["1", "604800"] {
        assert_eq!(presigned(&[("X-Amz-Expires", right)]).refused().0, "SignatureDoesNotMatch");
    }
}

#[test]
fn both_forms_at_once_and_repeated_elements_are_refused() {
    let mut draft = Draft::signed();
    draft.query = presigned(&[]).query;
    assert_eq!(draft.refused().0, "SignatureDoesNotMatch");
    assert!(draft.refused().2.starts_with("Found both"));

    let mut draft = Draft::signed();
    draft.headers.push(("X-Amz-Date".to_owned(), "20260301T120001Z".to_owned()));
    assert_eq!(draft.refused().0, "IncompleteSignature");

    let mut draft = presigned(&[]);
    draft.query.push_str("&X-Amz-Credential=x");
    assert_eq!(draft.refused().0, "IncompleteSignature");

    let draft = Draft::signed().authorization("SignedHeaders=", "Signature=0, SignedHeaders=");
    assert_eq!(draft.refused().0, "IncompleteSignature");
}

#[test]
fn the_credential_must_fit_time_and_service() {
    Draft::signed().authorization("/iam/", "/").assert_refused(
        "IncompleteSignature",
        400,
        "Credential must have exactly 5 slash-delimited elements, e.g. \
         keyid/date/region/service/term, got 'AKIAIOSFODNN7EXAMPLE/20260301/us-east-1/aws4_request'",
    );
    Draft::signed()
        .authorization("20260301/us-east-1/iam/aws4_request", "20260302//s3/x")
        .assert_refused(
            "SignatureDoesNotMatch",
            403,
            "Credential should be scoped to a valid region, not ''. Credential should be scoped to \
             correct service: 'iam' or 'sts'. Credential should be scoped with a valid terminator: \
             'aws4_request', not 'x'. Date in Credential scope does not match YYYYMMDD from \
             ISO-8601 version of date from HTTP: '20260302' != '20260301', from \
             '20260301T120000Z'.",
        );
    Draft::signed().authorization("HMAC-SHA256", "HMAC-SHA1").assert_refused(
        "IncompleteSignature",
        400,
        "Unsupported AWS 'algorithm': 'AWS4-HMAC-SHA1' (only AWS4-HMAC-SHA256 for now).",
    );
    Draft::signed().authorization(KEY, "no-key").assert_refused(
        "InvalidClientTokenId",
        403,
        "The security token included in the request is invalid.",
    );
    let mut draft = Draft::signed();
    draft.set("x-amz-date", "2026-03-01");
    draft.assert_refused(
        "IncompleteSignature",
        400,
        "Date must be in ISO-8601 'basic format'. Got '2026-03-01'. See \
         http://en.wikipedia.org/wiki/ISO_8601",
    );
}

#[test]
fn a_clock_may_be_fifteen_minutes_off_and_no_more() {
    let draft = Draft::signed();
    for seconds in [-900, 900] {
        assert_eq!(draft.check_at(now().plus_seconds(seconds)), Ok(()));
    }
    let late = draft.check_at(now().plus_seconds(901)).unwrap_err();
    assert_eq!((late.code, late.status), ("SignatureDoesNotMatch", 403));
    assert_eq!(
        late.message,
        "Signature expired: 20260301T120000Z is now earlier than 20260301T120001Z \
         (20260301T121501Z - 15 min.)"
    );
    let early = draft.check_at(now().plus_seconds(-901)).unwrap_err();
    assert_eq!(
        early.message,
        "Signature not yet current: 20260301T120000Z is still later than 20260301T115959Z \
         (20260301T114459Z + 15 min.)"
    );
}

#[test]
fn what_must_be_signed_is() {
    let host = Draft::signed().authorization("SignedHeaders=host;", "SignedHeaders=");
    host.assert_refused(
        "SignatureDoesNotMatch",
        403,
        "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
    );
    let mut token = Draft::signed();
    token.set("X-Amz-Security-Token", "stolen");
    let message = "'x-amz-security-token' must be a 'SignedHeader' in the AWS Authorization.";
    token.assert_refused("SignatureDoesNotMatch", 403, message);
    let mut trace = Draft::signed();
    trace.set("X-Amzn-Trace-Id", "added by a load balancer");
    assert_eq!(trace.check_at(now()), Ok(()));
}

#[test]
fn the_body_that_counts_is_the_real_one() {
    let right = payload_hash(b"Action=ListUsers");
    let stated = Draft::signed_with(None, &[("x-amz-content-sha256", &right)]);
    assert_eq!(stated.check_at(now()), Ok(()));
    for wrong in ["UNSIGNED-PAYLOAD", &payload_hash(b"Action=DeleteUser")] {
        let stated = Draft::signed_with(None, &[("x-amz-content-sha256", wrong)]);
        assert_eq!(stated.refused().0, "SignatureDoesNotMatch", "{wrong}");
    }
    let mut swapped = Draft::signed();
    swapped.body = "Action=DeleteUser";
    assert!(swapped.refused().2.starts_with("The request signature we calculated does not match"));
}

#[test]
fn no_message_repeats_a_long_text_whole() {
    let long = "x".repeat(5000);
    let draft = Draft::signed().authorization("aws4_request", &long);
    assert!(draft.refused().2.len() < 1000);
}
