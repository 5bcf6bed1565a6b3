//! Receipts as they lie in the book.
//!
//! Whoever looks through a book wants few of its receipts, or little of each. So what a receipt is found by is read
//! where it lies, without memory of its own, and the rest only of those that are wanted: context and statements are
//! most of it.

use super::receipt::{Kind, Receipt};
use crate::base::time::Timestamp;
use crate::identity::codec::{self, CodecError};
use crate::identity::id::UniqueId;
use crate::ledger::AccountId;
use crate::service::evaluation::keys::ASKED_BY;

/// A receipt in the book. Its fields are those of [`Receipt`].
#[derive(Clone, Debug)]
pub struct Stored<'a> {
    bytes: &'a [u8],
    /// What it attests.
    pub kind: Kind,
    /// When the request was received.
    pub at: Timestamp,
    /// The account whose resource was asked for.
    pub account: AccountId,
    /// The id that the answer bore.
    pub request: &'a str,
    /// The caller's account and unique id.
    pub principal: (AccountId, UniqueId),
    /// The access key, long-term or of a session, that signed.
    pub credential: Option<UniqueId>,
    /// `iam:CreateUser`.
    pub action: &'a str,
    /// The unique id of the resource, or `root` for what has none.
    pub resource: UniqueId,
    /// The resource's ARN, sealed for it.
    pub resource_arn: &'a [u8],
    /// Who asked, if somebody else did than whom it is about: [`ASKED_BY`] in its context.
    pub asked_by: Option<&'a str>,
    /// The events that the decision saw.
    pub position: u64,
    /// The version of the evaluator that decided.
    pub evaluator: u16,
}

/// The fields before the context, and those after it that are read, in their order.
type Before<'a> = (
    Kind,
    Timestamp,
    AccountId,
    &'a str,
    (AccountId, UniqueId),
    Option<UniqueId>,
    &'a str,
    UniqueId,
    &'a [u8],
);
type After<'a> = (&'a [u8], u64, u16);

impl<'a> Stored<'a> {
    /// Reads one where it lies.
    ///
    /// # Errors
    /// Bytes that are no receipt.
    pub fn read(bytes: &'a [u8]) -> Result<Self, CodecError> {
        let (before, rest) = codec::borrow::<Before<'a>>(bytes)?;
        let (kind, at, account, request, principal, credential, action, resource, resource_arn) =
            before;
        let (asked_by, rest) = pass_context(rest)?;
        let ((_, position, evaluator), _) = codec::borrow::<After<'a>>(rest)?;
        Ok(Stored {
            bytes,
            kind,
            at,
            account,
            request,
            principal,
            credential,
            action,
            resource,
            resource_arn,
            asked_by,
            position,
            evaluator,
        })
    }

    /// All of it.
    ///
    /// # Errors
    /// Bytes that are no receipt.
    pub fn whole(&self) -> Result<Receipt, CodecError> {
        codec::decode(self.bytes)
    }
}

/// Passes over the keys and values of a context; who asked is told, if a key tells it.
fn pass_context(bytes: &[u8]) -> Result<(Option<&str>, &[u8]), CodecError> {
    let (pairs, mut rest) = codec::length(bytes)?;
    let mut asked_by = None;
    for _ in 0..pairs {
        let (key, after) = codec::text(rest)?;
        let (values, mut after) = codec::length(after)?;
        if key == ASKED_BY.as_bytes() && values > 0 {
            asked_by = Some(codec::borrow::<&str>(after)?.0);
        }
        for _ in 0..values {
            after = codec::text(after)?.1;
        }
        rest = after;
    }
    Ok((asked_by, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::change::Sealed;

    fn receipt(context: Vec<(String, Vec<String>)>) -> Receipt {
        let id = |text: &str| UniqueId::parse(text).unwrap();
        Receipt {
            kind: Kind::ExplicitDeny,
            at: Timestamp::from_seconds(77),
            account: AccountId([1; 16]),
            request: "request".into(),
            principal: (AccountId([2; 16]), id("AIDAANN")),
            credential: Some(id("AKIAANN")),
            action: "iam:CreateUser".into(),
            resource: id("AIDABEN"),
            resource_arn: Sealed(vec![1, 2, 3]),
            context,
            personal: Sealed(vec![4; 300]),
            position: 70_000,
            evaluator: 3,
            deciding: vec![("p".into(), "v1".into(), 0)],
            blocked_by: Some("policy".into()),
        }
    }

    #[test]
    fn what_is_read_where_it_lies_is_what_was_written() {
        let pair = |key: &str, values: &[&str]| {
            (key.to_owned(), values.iter().map(|value| (*value).to_owned()).collect())
        };
        let many: Vec<_> = (0..300).map(|number| pair(&format!("key{number}"), &["v"])).collect();
        for (context, asked_by) in [
            (vec![], None),
            (vec![pair("a", &[]), pair("b", &["c", "d"])], None),
            (
                vec![pair("a", &["e"]), pair(ASKED_BY, &["AIDAGATE"]), pair("b", &["c"])],
                Some("AIDAGATE"),
            ),
            (many, None),
        ] {
            let receipt = receipt(context);
            let bytes = codec::encode(&receipt).unwrap();
            let stored = Stored::read(&bytes).unwrap();
            assert_eq!(stored.kind, receipt.kind);
            assert_eq!((stored.at, stored.account), (receipt.at, receipt.account));
            assert_eq!(stored.request, receipt.request);
            assert_eq!(stored.principal, receipt.principal);
            assert_eq!(stored.credential, receipt.credential);
            assert_eq!(stored.action, receipt.action);
            assert_eq!(stored.resource, receipt.resource);
            assert_eq!(stored.resource_arn, receipt.resource_arn.0);
            assert_eq!(stored.asked_by, asked_by);
            assert_eq!((stored.position, stored.evaluator), (receipt.position, receipt.evaluator));
            assert_eq!(codec::encode(&stored.whole().unwrap()).unwrap(), bytes);
            // Cut short, or with lengths that are none, it is no receipt.
            for length in 0..bytes.len().min(400) {
                let _ = Stored::read(&bytes[..length]).map(|stored| stored.whole().unwrap_err());
            }
        }
        assert!(Stored::read(&[0xff; 64]).is_err());
    }
}
