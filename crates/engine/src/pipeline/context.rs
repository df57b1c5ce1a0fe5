//! The session that a pipeline belongs to.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;

use crate::direction::Direction;
use crate::journal::{Decision, JournalEntry};
use crate::pipeline::plan::PlanEntry;
use crate::selection::SessionSelector;
use crate::stage::rng::DrawKey;

/// Values that the draws and decisions of a session depend on.
#[derive(Debug)]
pub(crate) struct SessionContext {
    pub(crate) seed: u64,
    pub(crate) proxy: Arc<str>,
    /// Number of the session within its proxy, from 1.
    pub(crate) session: u64,
    pub(crate) opened: Duration,
    pub(crate) rtt: Duration,
    pub(crate) has_journal: bool,
    /// Selectors that have selected the session.
    pub(crate) selected_by: Box<[Arc<SessionSelector>]>,
}

impl SessionContext {
    /// Returns true if the fault applies to this session. The result is the same for every call.
    pub(crate) fn applies(&self, entry: &PlanEntry) -> bool {
        match &entry.selector {
            Some(selector) => self.selected_by.iter().any(|other| Arc::ptr_eq(other, selector)),
            None => self.is_drawn(entry),
        }
    }

    /// Returns true if the draw for the fault's probability selects this session. The result is the same for
    /// every call.
    pub(crate) fn is_drawn(&self, entry: &PlanEntry) -> bool {
        let probability = entry.fault.probability;
        probability >= 1.0 || self.key(None, &entry.fault.name).at(0).random::<f64>() < probability
    }

    /// Returns the key for the draws of a fault. A `direction` of `None` is for draws that apply to both
    /// directions.
    pub(crate) fn key(&self, direction: Option<Direction>, fault: &str) -> DrawKey {
        DrawKey::new(self.seed, &self.proxy, self.session, direction, fault)
    }

    /// Returns a journal entry of this session.
    pub(crate) fn decision(
        &self,
        at: Duration,
        direction: Option<Direction>,
        entry: &PlanEntry,
        offset: u64,
        decision: Decision,
    ) -> JournalEntry {
        let (proxy, fault) = (Arc::clone(&self.proxy), Arc::clone(&entry.name));
        JournalEntry { at, proxy, session: self.session, direction, fault, offset, decision, request: None }
    }
}
