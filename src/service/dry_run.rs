//! What a change of policies would do, before it is made.
//!
//! The operation runs as it would inside the writer - judged, checked and folded - in a transaction that
//! nobody commits; what the account would be then is compared with what it is ([`super::audit::diff`]). Only
//! operations that change who may do what can be tried: they make nothing that would stay behind.

use std::sync::Arc;

use serde_json::{Value, json};

use super::audit::diff;
use super::fault::Fault;
use super::operation::{Prepared, Writing};
use super::overview::Glance;
use super::{Call, Service, operations};
use crate::projection::fold::Meta;
use crate::projection::transaction::{Overlay, Transaction};
use crate::service::limits;

/// Operations that can be tried.
const CAN_BE_TRIED: &[&str] = &[
    "AddUserToGroup",
    "AttachGroupPolicy",
    "AttachRolePolicy",
    "AttachUserPolicy",
    "CreatePolicyVersion",
    "DeleteGroupPolicy",
    "DeleteRolePermissionsBoundary",
    "DeleteRolePolicy",
    "DeleteUserPermissionsBoundary",
    "DeleteUserPolicy",
    "DetachGroupPolicy",
    "DetachRolePolicy",
    "DetachUserPolicy",
    "PutGroupPolicy",
    "PutRolePermissionsBoundary",
    "PutRolePolicy",
    "PutUserPermissionsBoundary",
    "PutUserPolicy",
    "RemoveUserFromGroup",
    "SetDefaultPolicyVersion",
];

/// Whether an operation can be tried.
pub fn can_be_tried(operation: &str) -> bool {
    CAN_BE_TRIED.contains(&operation)
}

impl Service {
    /// Says who would gain and lose what if an operation was run, those together who would gain and lose the same.
    /// Blocks; not for async threads.
    ///
    /// # Errors
    /// `ValidationError` for an operation that cannot be tried; the operation's own faults, refusals
    /// included; a refusal of `domesday:SearchAccess`.
    pub fn dry_run(self: &Arc<Self>, call: &Call) -> Result<Value, Fault> {
        if !can_be_tried(&call.operation) {
            return Err(Fault::validation(format!("{} cannot be tried.", call.operation)));
        }
        let caller = &call.caller;
        Glance::at(self, caller, None)?.may("domesday:SearchAccess")?;
        let row = operations::find(call.api, &call.operation)
            .ok_or_else(|| Fault::validation("There is no such operation."))?;
        limits::check(call.api, row.name, &call.form)?;
        let Prepared::Write(operation) = (row.prepare)(&call.form)? else {
            return Err(Fault::validation(format!("{} changes nothing.", call.operation)));
        };
        let now = self.now();
        let position = now.cut().position;
        let action = format!("{}:{}", call.api.prefix(), call.operation);
        let target = operation.target(&self.scene(&now, caller))?;
        let judgement = self.judge(&now, position).judge(caller, &action, &target)?;
        // Nothing was asked for in earnest: that it would be allowed is no receipt, that it is not is one.
        if let Some(refusal) = judgement.refusal {
            self.note(call, judgement.receipts)?;
            return Err(refusal);
        }
        let staged = Overlay::default();
        let meta = Meta { account: caller.account, position: position + 1, at: caller.at };
        let mut tx = Transaction::new(&now, &staged, &*self.random, meta);
        let (documents, facts) = (&*self.documents, &*self.activity);
        let mut writing = Writing { tx: &mut tx, caller, documents, facts, concerns: None };
        operation.run(&mut writing)?;
        let mut owners = Vec::new();
        for change in tx.changes() {
            diff::each_owner(change, &mut |id| owners.push(id));
        }
        let whom = diff::Whom::concerned(owners.into_iter(), caller.account, [&now, &tx])?;
        let found = diff::between(&self.documents, caller.account, &now, &tx, &whom)?;
        Ok(json!({
            "examined": found.examined,
            "truncated": found.truncated,
            "together": diff::shown_together(&found.principals),
        }))
    }
}
