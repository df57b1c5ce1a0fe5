//! Bytes that a fault inserts.

use std::collections::VecDeque;
use std::fmt::{self, Formatter};

use proptest::prelude::*;

use super::*;
use crate::effect::{Behavior, Place, Start};
use crate::faults::{LimitData, Timeout};
use crate::stage::{Stage, StageContext};

/// Inserts the same bytes in lower case after each read.
#[derive(Debug, Clone, PartialEq)]
struct Echo;

impl Behavior for Echo {
    fn describe(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("echo")
    }

    fn place(&self) -> Place {
        Place::Content
    }

    fn stage(&self, _start: Start) -> Option<Box<dyn Stage>> {
        Some(Box::new(EchoStage::default()))
    }
}

#[derive(Debug, Default)]
struct EchoStage {
    /// Copies of the read bytes, with the offset after them.
    copies: VecDeque<(u64, Bytes)>,
}

impl Stage for EchoStage {
    fn change(&mut self, _now: Duration, offset: u64, bytes: &mut [u8], _tools: &mut StageContext<'_>) {
        self.copies.push_back((offset + bytes.len() as u64, bytes.to_ascii_lowercase().into()));
    }

    fn push(&mut self, chunk: Chunk, context: &mut StageContext<'_>) -> Option<Chunk> {
        let passed = chunk.offset + chunk.len as u64;
        if self.copies.front().is_some_and(|(end, _)| *end <= passed) {
            *context.inserted = self.copies.pop_front().map(|(_, bytes)| bytes);
        }
        Some(chunk)
    }
}

/// Sends chunks at intervals of 1 ms. Returns them with the output of `Echo`.
fn echoed(bench: &mut Bench, chunks: &[usize]) -> Vec<u8> {
    for (&len, at) in chunks.iter().zip(0..) {
        bench.send(at * MS, len);
    }
    let mut offsets = 0..bench.sent;
    let reads = bench.reads.iter().map(|len| offsets.by_ref().take(*len).map(pattern).collect::<Vec<_>>());
    reads.flat_map(|read| [read.clone(), read.to_ascii_lowercase()].concat()).collect()
}

fn bench(later: Option<Effect>) -> Bench {
    let faults = [Some(Echo.into()), later].into_iter().flatten().map(always);
    Bench::new(faults.collect())
}

#[test]
fn inserted_bytes_follow_at_once_what_they_are_inserted_behind() {
    let mut bench = bench(None);
    let expected = echoed(&mut bench, &[10, 3000]);
    assert_eq!(bench.received(), expected);
    assert_eq!(bench.arrivals(), [(0, 10), (0, 10), (1, 3000), (1, 3000)]);
}

#[test]
fn inserted_bytes_behind_the_end_of_a_limit_are_gone() {
    let mut bench = bench(Some(LimitData { bytes: 15 }.into()));
    let expected = echoed(&mut bench, &[10]);
    assert_eq!(
        (bench.received(), bench.end),
        (expected[..15].to_vec(), Some((Duration::ZERO, FlowEnd::Close)))
    );
}

#[test]
fn inserted_bytes_that_wait_pass_when_the_fault_goes() {
    let mut bench = bench(Some(Timeout::new(None, false).into()));
    let expected = echoed(&mut bench, &[10, 20]);
    assert!(bench.received().is_empty());
    bench.pipeline.sync_plan(&plan_of(Vec::new(), 5 * MS), 5 * MS);
    bench.take(5 * MS);
    assert_eq!(bench.received(), expected);
    assert!(bench.pipeline.is_idle() && bench.pipeline.held == 0);
}

proptest! {
    #[test]
    fn whatever_stands_behind_the_bytes_are_the_same(
        chunks in proptest::collection::vec(1..5000_usize, 1..8),
        later in prop_oneof![
            Just(None),
            Just(Some(constant(7))),
            (1..400_u32).prop_map(|size| Some(Slicer { size, variation: 0, delay: Duration::ZERO }.into())),
            (1e5..1e7).prop_map(|rate| Some(Bandwidth { rate, burst: 100, scope: Scope::Session }.into())),
        ],
    ) {
        let mut bench = bench(later);
        let expected = echoed(&mut bench, &chunks);
        bench.run_to(Duration::from_secs(60));
        prop_assert!(bench.received() == expected);
        prop_assert_eq!(bench.pipeline.held, 0);
    }
}
