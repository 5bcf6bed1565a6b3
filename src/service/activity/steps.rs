//! Which codes of multi-factor devices were accepted: none is a second time.
//!
//! A code is of a step in time, and a device's steps only go up. Whoever shows a code claims its step here, in
//! memory, which of two at once only one can do; the step is durable with the receipt of what the code was
//! good for, before any answer leaves. After a stop between the two nobody was answered, and the code may be
//! shown again.

use std::collections::HashMap;

use parking_lot::Mutex;

use super::ActivityBook;
use crate::identity::id::UniqueId;
use crate::projection::ProjectionError;
use crate::store::{Family, StoreError};

/// Devices whose last steps are kept in memory; beyond it those are dropped that are durable by now.
const KEPT: usize = 10_000;
/// Steps after which a claim is durable, or nothing is.
const SETTLED: u64 = 240;

/// The last steps of devices.
#[derive(Default)]
pub struct Steps(HashMap<UniqueId, u64>);

impl Steps {
    /// The last step of a device, if it is known.
    pub fn last(&self, device: &UniqueId) -> Option<u64> {
        self.0.get(device).copied()
    }

    /// Goes on to a step, unless the device is beyond it already.
    pub fn advance(&mut self, device: &UniqueId, step: u64) {
        if self.0.len() >= KEPT {
            self.0.retain(|_, last| last.saturating_add(SETTLED) >= step);
        }
        let last = self.0.entry(device.clone()).or_insert(step);
        *last = step.max(*last);
    }
}

/// The claims of this run.
#[derive(Default)]
pub struct Claims(Mutex<Steps>);

impl ActivityBook {
    /// Claims the step of a device's code. `known` is the last step that the rows know of. `false` if it, or
    /// a later one, was claimed before.
    pub fn claim_step(
        &self,
        device: &UniqueId,
        step: u64,
        known: u64,
    ) -> Result<bool, ProjectionError> {
        let mut claims = self.claims.0.lock();
        let last = match claims.last(device) {
            Some(last) => last,
            None => self.stored_step(device)?,
        };
        if step <= last.max(known) {
            return Ok(false);
        }
        claims.advance(device, step);
        Ok(true)
    }

    /// The last step of a device that was claimed; 0 if none was.
    pub fn last_step(&self, device: &UniqueId) -> Result<u64, ProjectionError> {
        match self.claims.0.lock().last(device) {
            Some(last) => Ok(last),
            None => self.stored_step(device),
        }
    }

    fn stored_step(&self, device: &UniqueId) -> Result<u64, ProjectionError> {
        let Some(bytes) = self.store.get(Family::Steps, device.as_str().as_bytes())? else {
            return Ok(0);
        };
        let bytes = <[u8; 8]>::try_from(bytes.as_slice());
        let bytes = bytes.map_err(|_| StoreError::Damaged(format!("the last code of {device}")))?;
        Ok(u64::from_be_bytes(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_go_forward_and_old_ones_are_dropped_when_there_are_many() {
        let device = |number: u64| UniqueId::parse(&format!("AMFA{number}")).unwrap();
        let mut steps = Steps::default();
        for step in [4, 5, 4] {
            steps.advance(&device(0), step);
        }
        assert_eq!(steps.last(&device(0)), Some(5));
        for number in 1..10_000 {
            steps.advance(&device(number), 245);
        }
        steps.advance(&device(10_000), 246);
        assert_eq!((steps.last(&device(0)), steps.last(&device(1))), (None, Some(245)));
    }
}
