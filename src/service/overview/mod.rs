//! What a console shows at a glance: lists with the facts that matter, what to mend first, how much
//! happened when.
//!
//! Operations answer about one thing at a time; a page of users with their groups, keys and last use would
//! take hundreds of them. These views read the same rows at once, for whoever may do the same by
//! operations: a list is judged as the operation that lists (`iam:ListUsers`), the facts in it, which tell
//! of everybody's credentials, as `iam:GetCredentialReport`, the account's timeline as
//! `domesday:ReadLedger`. Like operations they can be asked of any moment.

pub mod findings;
pub mod lists;
pub mod timeline;

use super::Service;
use super::activity::receipt::{Kind, Receipt};
use super::audit::{ledger_arn, log};
use super::caller::Caller;
use super::fault::Fault;
use super::imports;
use super::moment::Moment;
use super::signin::session::REGION;
use super::target::Target;
use super::used;
use crate::base::time::Timestamp;
use crate::identity::id::UniqueId;
use crate::projection::View;

/// Changes that a page of events tells of: more than it has room for, and few enough to be told at once. An
/// event of an import holds thousands.
const TOLD: usize = 500;

/// Who looks, at which moment.
pub struct Glance<'a> {
    /// The service.
    pub service: &'a Service,
    /// Who looks.
    pub caller: &'a Caller,
    /// What is shown.
    pub shown: View,
    /// Whether that is the past.
    pub is_past: bool,
    until: Timestamp,
}

impl<'a> Glance<'a> {
    /// Looks at a moment; `None` is now.
    ///
    /// # Errors
    /// If the moment has not happened yet.
    pub fn at(
        service: &'a Service,
        caller: &'a Caller,
        moment: Option<&Moment>,
    ) -> Result<Self, Fault> {
        let shown = match moment {
            None => service.now(),
            Some(moment) => service.at(moment)?,
        };
        imports::gate::check(&shown, caller.account)?;
        let until = service.instant(&shown, caller)?;
        Ok(Glance { service, caller, shown, is_past: moment.is_some(), until })
    }

    /// Judges an action on a resource of any name, by the caller's present; a past needs a permission of its
    /// own.
    ///
    /// # Errors
    /// The refusal.
    pub fn may(&self, action: &str) -> Result<(), Fault> {
        let target = match action.starts_with("domesday:") {
            true => Target::on(ledger_arn(&self.caller.digits), &UniqueId::root()),
            false => Target::any(),
        };
        self.may_on(action, &target)
    }

    /// A page of the log, with what its events changed as far as a page has room for it.
    ///
    /// # Errors
    /// A refusal of `domesday:ReadLedger`, and whatever keeps the ledger from being read.
    pub fn log(&self, filter: &log::Filter) -> Result<log::Page, Fault> {
        self.may("domesday:ReadLedger")?;
        log::page(self.service, self.caller.account, &self.shown, filter, TOLD)
    }

    /// A page of the log, without what its events changed.
    ///
    /// # Errors
    /// Those of [`log`](Self::log).
    pub fn log_in_short(&self, filter: &log::Filter) -> Result<log::Page, Fault> {
        self.may("domesday:ReadLedger")?;
        log::page(self.service, self.caller.account, &self.shown, filter, 0)
    }

    fn may_on(&self, action: &str, target: &Target) -> Result<(), Fault> {
        let now = self.service.now();
        let judge = self.service.judge(&now, now.cut().position);
        let mut judgement = judge.judge(self.caller, action, target)?;
        if self.is_past && judgement.refusal.is_none() {
            let travel = self.service.judge_time_travel(&judge, self.caller)?;
            judgement.receipts.extend(travel.receipts);
            judgement.refusal = travel.refusal;
        }
        for receipt in judgement.receipts {
            let used_now = used(self.caller, "iam", REGION);
            let is_audit = action.starts_with("domesday:") && receipt.kind == Kind::Allowed;
            match is_audit {
                true => {
                    let receipt = Receipt { kind: Kind::AuditRead, ..receipt };
                    self.service.activity().note_durably(receipt, used_now)?;
                }
                false => self.service.activity().note((receipt, used_now))?,
            }
        }
        judgement.refusal.map_or(Ok(()), Err)
    }
}
