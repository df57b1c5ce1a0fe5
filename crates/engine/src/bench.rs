//! The core without its streams, for benchmarks and tests outside of the crate. It is not part of the public
//! API.

use std::sync::Arc;
use std::time::Duration;

use crate::direction::Direction;
use crate::effect::Fault;
use crate::pipeline::Arrival;
use crate::pipeline::SessionContext;
use crate::pipeline::plan;
use crate::pipeline::{Output, Pipeline, Segmenter};

/// A pipeline without a buffer.
#[derive(Debug)]
pub struct Core(Pipeline);

impl Core {
    /// Returns the pipeline of the first session of a proxy.
    pub fn new(faults: Vec<Fault>) -> Self {
        let identity = SessionContext {
            seed: 1,
            proxy: "bench".into(),
            session: 1,
            opened: Duration::ZERO,
            rtt: Duration::from_millis(1),
            has_journal: false,
            selected_by: Box::default(),
        };
        let plan = plan::next(&[], faults, None, Duration::ZERO, |_| Arc::default());
        let segmenter = Segmenter::for_plan(&plan);
        Self(Pipeline::new(&plan, Arc::new(identity), Direction::ToUpstream, segmenter, Duration::ZERO))
    }

    /// Receives a chunk at `now` and removes all bytes that are ready. Returns their number.
    pub fn chunk(&mut self, now: Duration, bytes: &mut [u8]) -> usize {
        self.0.on_received(Arrival { at: now, turn: 0, was_empty: true }, bytes);
        let mut gone = 0;
        while let Output::Deliver(len) | Output::Discard(len) = self.0.output() {
            self.0.on_output(len);
            gone += len;
        }
        gone
    }
}
