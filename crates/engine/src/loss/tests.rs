mod properties;
mod recovery;
mod throughput;

use std::time::Duration;

use super::{LossEvent, LossModel, LossySender};
use crate::journal::Decision;
use crate::stage::chunk::{Chunk, FlowEnd};
use crate::stage::rng::DrawKey;

const MS: Duration = Duration::from_millis(1);
const RTT: Duration = Duration::from_millis(20);
const MSS: u32 = 1460;

fn independent(rate: f64) -> LossModel {
    LossModel::Bernoulli { rate, correlation: 0.0 }
}

fn key(seed: u64) -> DrawKey {
    DrawKey::new(seed, "db", 1, None, "packet-loss")
}

fn sender(model: &LossModel, seed: u64) -> LossySender {
    LossySender::new(model, RTT, MSS, key(seed))
}

/// Returns a full segment.
fn full(segment: u64, at: Duration) -> Chunk {
    let len = MSS as usize;
    Chunk { offset: segment * u64::from(MSS), len, segment, ..Chunk::ending(at, FlowEnd::No) }
}

/// Pushes `count` segments at the same time and pops until the sender is empty. Returns the time at which
/// each left, and the events.
fn send_at_once(sender: &mut LossySender, count: u64) -> (Vec<Duration>, Vec<LossEvent>) {
    let (mut left, mut events) = (Vec::new(), Vec::new());
    let mut report = |event| events.push(event);
    (0..count).for_each(|segment| sender.push(full(segment, Duration::ZERO), &mut report));
    while let Some(due) = sender.due() {
        while let Some(chunk) = sender.pop(due, &mut report) {
            assert_eq!(chunk.segment, left.len() as u64);
            left.push(chunk.at);
        }
    }
    (left, events)
}

/// Returns the first run of `count` segments, over seeds from 0, in which exactly these events happen.
fn run_with(rate: f64, count: u64, wanted: &[(u64, Decision)]) -> (Vec<Duration>, Vec<LossEvent>) {
    (0..1_000_000)
        .map(|seed| send_at_once(&mut sender(&independent(rate), seed), count))
        .find(|(_, events)| {
            events.iter().map(|event| (event.segment, event.decision)).eq(wanted.iter().copied())
        })
        .expect("some seed makes these draws")
}
