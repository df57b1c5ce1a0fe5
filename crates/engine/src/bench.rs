//! The core by itself, for benchmarks and tests outside of the crate. Not part of the interface.

use std::sync::Arc;
use std::time::Duration;

use crate::direction::Direction;
use crate::effect::Fault;
use crate::line::Arrival;
use crate::line::Identity;
use crate::line::plan;
use crate::line::{Departure, Line, Segmenter};

/// A line without a store.
#[derive(Debug)]
pub struct Core(Line);

impl Core {
    /// Of the first session of a proxy.
    pub fn new(faults: Vec<Fault>) -> Self {
        let identity = Identity {
            seed: 1,
            proxy: "bench".into(),
            session: 1,
            opened: Duration::ZERO,
            rtt: Duration::from_millis(1),
            has_journal: false,
        };
        let plan = plan::next(&[], faults, Duration::ZERO, |_| Arc::default());
        let segmenter = Segmenter::for_plan(&plan);
        Self(Line::new(&plan, Arc::new(identity), Direction::ToUpstream, segmenter, Duration::ZERO))
    }

    /// A chunk comes at `now`, and everything goes that may. Returns how many bytes did.
    pub fn chunk(&mut self, now: Duration, bytes: &mut [u8]) -> usize {
        self.0.arrive(Arrival { at: now, turn: 0, was_empty: true }, bytes);
        let mut gone = 0;
        while let Departure::Deliver(len) | Departure::Discard(len) = self.0.departure() {
            self.0.depart(len);
            gone += len;
        }
        gone
    }
}
