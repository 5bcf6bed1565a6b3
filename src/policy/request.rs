//! What is asked, and the policies that have a say.

use arrayvec::ArrayString;

use super::arn::Arn;
use super::context::Context;
use super::document::Probe;
use super::principal::{Principal, is_account};
use super::set::PolicySet;

/// A text in lower case; on the stack unless it is longer than any action's name.
#[derive(Clone, Debug)]
enum Lower<'a> {
    Same(&'a str),
    Short(ArrayString<64>),
    Long(Box<str>),
}

impl<'a> Lower<'a> {
    fn of(text: &'a str) -> Self {
        if !text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Lower::Same(text);
        }
        match ArrayString::from(text) {
            Ok(mut short) => {
                short.make_ascii_lowercase();
                Lower::Short(short)
            }
            Err(_) => Lower::Long(text.to_ascii_lowercase().into()),
        }
    }

    fn as_str(&self) -> &str {
        match self {
            Lower::Same(text) => text,
            Lower::Short(text) => text,
            Lower::Long(text) => text,
        }
    }
}

/// One question: may this principal do this action on this resource, in this context?
///
/// An operation on several resources, or one that needs several permissions, is several requests
/// that must all be allowed. An action without resource-level permissions is asked on `"*"`.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    principal: Principal<'a>,
    action: &'a str,
    lower_action: Lower<'a>,
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
        let arn = Arn::parse(resource);
        let resource_account = arn.and_then(|Arn { fields: [.., account, _], .. }| {
            is_account(account).then_some(account)
        });
        Request {
            principal,
            action,
            lower_action: Lower::of(action),
            resource,
            arn,
            resource_account,
            context,
        }
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
        self.lower_action.as_str() == lower_action
    }

    pub(super) fn probe(&self, bounded: bool) -> Probe<'_> {
        Probe {
            principal: &self.principal,
            action: self.lower_action.as_str(),
            resource: self.arn.as_ref(),
            context: self.context,
            bounded,
        }
    }
}

/// Every policy that applies to a request, by type. `None` (or no levels) means that the type does
/// not apply; an empty set applies and grants nothing.
///
/// The caller decides what applies: no SCPs for the management account, for service-linked roles and
/// for principals outside the organisation; a group's policies are identity policies of its members.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policies<'a> {
    /// Policies of the user and its groups, or of the role; for a federated session those of the
    /// user who began it. `None` grants nothing.
    pub identity: Option<&'a PolicySet>,
    /// The permissions boundary.
    pub boundary: Option<&'a PolicySet>,
    /// The resource's own policy; for sts:AssumeRole... the role's trust policy.
    pub resource: Option<&'a PolicySet>,
    /// Policies passed when the session was made, which together are one union.
    pub session: Option<&'a PolicySet>,
    /// Service control policies by level, root first; each level must allow.
    pub scp: &'a [PolicySet],
    /// Resource control policies by level; each level has RCPFullAWSAccess, so that they only deny.
    pub rcp: &'a [PolicySet],
    /// The policy of the VPC endpoint the request came through.
    pub endpoint: Option<&'a PolicySet>,
    /// The resource's policy must itself allow, also within the account: role trust policies (where
    /// a missing policy then denies) and KMS keys.
    pub resource_must_allow: bool,
}
