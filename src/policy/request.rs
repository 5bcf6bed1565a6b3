//! What is asked, and the policies that have a say.

use std::borrow::Cow;

use super::arn::Arn;
use super::context::Context;
use super::document::{Document, Probe};
use super::principal::{Principal, is_account};

/// One question: may this principal do this action on this resource, in this context?
///
/// An operation on several resources, or one that needs several permissions, is several requests
/// that must all be allowed. An action without resource-level permissions is asked on `"*"`.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    principal: Principal<'a>,
    action: &'a str,
    lower_action: Cow<'a, str>,
    resource: &'a str,
    arn: Option<Arn<'a>>,
    resource_account: Option<&'a str>,
    context: &'a Context<'a>,
}

impl<'a> Request<'a> {
    /// A request. `action` is `service:Name` in any case; `resource` is an ARN or `"*"`. The
    /// resource belongs to the account in its ARN, where that has one, otherwise to the caller's.
    pub fn new(
        principal: Principal<'a>,
        action: &'a str,
        resource: &'a str,
        context: &'a Context<'a>,
    ) -> Self {
        let lower_action = if action.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(action.to_ascii_lowercase())
        } else {
            Cow::Borrowed(action)
        };
        let arn = Arn::parse(resource);
        let resource_account = arn.and_then(|Arn { fields: [.., account, _], .. }| {
            is_account(account).then_some(account)
        });
        Request { principal, action, lower_action, resource, arn, resource_account, context }
    }

    /// The same request on a resource of this account (12 digits).
    pub fn owned_by(mut self, account: &'a str) -> Self {
        self.resource_account = Some(account);
        self
    }

    /// Who asks.
    pub fn principal(&self) -> &Principal<'a> {
        &self.principal
    }

    /// What is asked for, as spelled.
    pub fn action(&self) -> &'a str {
        self.action
    }

    /// On what: an ARN or `*`.
    pub fn resource(&self) -> &'a str {
        self.resource
    }

    /// The condition keys.
    pub fn context(&self) -> &'a Context<'a> {
        self.context
    }

    /// Whether the resource belongs to the caller's account; false for callers without one.
    pub fn is_same_account(&self) -> bool {
        match (self.principal.account(), self.resource_account) {
            (Some(caller), Some(owner)) => caller == owner,
            (Some(_), None) => true,
            (None, _) => false,
        }
    }

    pub(super) fn asks(&self, lower_action: &str) -> bool {
        self.lower_action == lower_action
    }

    pub(super) fn probe(&self, bounded: bool) -> Probe<'_> {
        Probe {
            principal: &self.principal,
            action: &self.lower_action,
            resource: self.arn.as_ref(),
            context: self.context,
            bounded,
        }
    }
}

/// Where a document comes from, in the words of the caller; handed back in [`super::Decision`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Label<'a> {
    /// The policy's name or ARN.
    pub policy: &'a str,
    /// The version, such as `v3`; empty for inline policies.
    pub version: &'a str,
    /// How it applies, such as `user alice, inline` or `group admins`.
    pub via: &'a str,
}

/// A document and where it comes from.
#[derive(Clone, Copy, Debug)]
pub struct Attached<'a> {
    /// The parsed document.
    pub document: &'a Document,
    /// Its origin.
    pub label: Label<'a>,
}

impl<'a> Attached<'a> {
    /// A document with its label.
    pub fn new(document: &'a Document, label: Label<'a>) -> Self {
        Attached { document, label }
    }
}

/// Every policy that applies to a request, by type. `None` (or no levels) means that the type does
/// not apply; an empty list applies and grants nothing.
///
/// The caller decides what applies: no SCPs for the management account, for service-linked roles and
/// for principals outside the organisation; a group's policies are identity policies of its members.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policies<'a> {
    /// Policies of the user and its groups, or of the role; for a federated session those of the
    /// user who began it.
    pub identity: &'a [Attached<'a>],
    /// The permissions boundary.
    pub boundary: Option<&'a [Attached<'a>]>,
    /// The resource's own policy; for sts:AssumeRole... the role's trust policy.
    pub resource: Option<Attached<'a>>,
    /// Policies passed when the session was made, which together are one union.
    pub session: Option<&'a [Attached<'a>]>,
    /// Service control policies by level, root first; each level must allow.
    pub scp: &'a [&'a [Attached<'a>]],
    /// Resource control policies by level; each level has RCPFullAWSAccess, so that they only deny.
    pub rcp: &'a [&'a [Attached<'a>]],
    /// The policy of the VPC endpoint the request came through.
    pub endpoint: Option<&'a [Attached<'a>]>,
    /// The resource's policy must itself allow, also within the account: role trust policies (where
    /// a missing policy then denies) and KMS keys.
    pub resource_must_allow: bool,
}
