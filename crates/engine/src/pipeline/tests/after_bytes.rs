//! Faults that begin in the middle of a flow.

use proptest::prelude::*;

use super::*;
use crate::faults::{Reset, Timeout};

fn named(effect: impl Into<Effect>) -> Fault {
    Fault { name: "x".into(), ..always(effect.into()) }
}

fn decisions(bench: &mut Bench) -> Vec<(u64, Decision)> {
    bench.decisions_by_fault().into_iter().map(|(_, offset, decision)| (offset, decision)).collect()
}

fn effects(bytes: u64, after: Duration) -> [(Effect, Option<FlowEnd>); 4] {
    [
        (Blackhole::new(false).after_bytes(bytes).into(), None),
        (Blackhole::new(true).after_bytes(bytes).into(), None),
        (Timeout::new(Some(after), false).after_bytes(bytes).into(), Some(FlowEnd::Close)),
        (Reset::new(after, Side::Both).after_bytes(bytes).into(), Some(FlowEnd::Reset(Side::Both))),
    ]
}

proptest! {
    /// However the flow is divided, byte N is delivered and byte N + 1 is not.
    #[test]
    fn the_last_byte_is_exact(
        chunks in prop::collection::vec((0_u64..30, 1_usize..4000), 1..40),
        bytes in 1_u64..60_000,
        after in 0_u64..50,
        slices in any::<bool>(),
    ) {
        let total: u64 = chunks.iter().map(|(_, len)| *len as u64).sum();
        for (effect, end) in effects(bytes, Duration::from_millis(after)) {
            let slicer = Slicer { size: 700, variation: 300, delay: Duration::ZERO };
            let others = if slices { vec![always(slicer.into()), always(constant(7))] } else { vec![] };
            let mut bench = Bench::new([others, vec![named(effect.clone())]].concat());
            let mut now = Duration::ZERO;
            for (pause, len) in &chunks {
                now += Duration::from_millis(*pause);
                bench.run_to(now);
                if bench.end.is_some() {
                    break;
                }
                bench.arrive(now, *len);
                bench.take(now);
            }
            bench.run_to(now + 1000 * MS);
            prop_assert_eq!(bench.received(), expected(total.min(bytes)), "{}", effect);
            let is_reached = total >= bytes;
            prop_assert_eq!(bench.end.map(|(_, end)| end), end.filter(|_| is_reached), "{}", effect);
        }
    }
}

#[test]
fn the_clock_starts_with_the_last_byte_that_passes() {
    for (effect, end) in effects(100, 500 * MS).into_iter().skip(2) {
        let mut bench = Bench::new(vec![named(effect)]);
        bench.send(1000 * MS, 60);
        bench.send(2000 * MS, 60);
        bench.send(2300 * MS, 60);
        bench.run_to(9000 * MS);
        assert_eq!(bench.arrivals(), [(1000, 60), (2000, 40)]);
        assert_eq!(bench.end, end.map(|end| (2500 * MS, end)));
        let decided = decisions(&mut bench);
        assert_eq!(decided.len(), 1, "{decided:?}");
        assert_eq!(decided[0].0, 100, "it is behind the last byte that passes");
    }
}

#[test]
fn an_end_that_waits_for_its_receiver_is_one_action() {
    for (effect, end) in effects(100, Duration::ZERO).into_iter().skip(2) {
        let mut bench = Bench::new(vec![named(effect)]);
        // All bytes arrive before the receiver takes the first one.
        (1..5).for_each(|ms| bench.arrive(ms * MS, 60));
        bench.take(5 * MS);
        assert_eq!((bench.received(), bench.end), (expected(100), end.map(|end| (5 * MS, end))));
        assert_eq!(decisions(&mut bench).len(), 1);
    }
}

#[test]
fn a_flow_that_ends_before_is_not_affected() {
    for (effect, _) in effects(100, Duration::ZERO) {
        let mut bench = Bench::new(vec![named(effect)]);
        bench.send(Duration::ZERO, 99);
        bench.pipeline.finish(MS, FlowEnd::Finish);
        bench.take(MS);
        assert_eq!((bench.received().len(), bench.end), (99, Some((MS, FlowEnd::Finish))));
        assert_eq!(decisions(&mut bench), []);
    }
}

#[test]
fn what_is_held_passes_when_the_fault_goes() {
    for effect in [
        Effect::from(Blackhole::new(false).after_bytes(10)),
        Effect::from(Timeout::new(None, false).after_bytes(10)),
    ] {
        let mut bench = Bench::new(vec![named(effect)]);
        bench.send(Duration::ZERO, 30);
        bench.run_to(5 * MS);
        assert_eq!(bench.received().len(), 10);
        assert_eq!(decisions(&mut bench), [(10, Decision::Stall)]);
        bench.pipeline.sync_plan(&plan_of(Vec::new(), 5 * MS), 5 * MS);
        bench.run_to(6 * MS);
        assert_eq!(bench.received(), expected(30));
    }
}

#[test]
fn a_changed_number_of_bytes_counts_on() {
    let blackhole = |bytes| vec![named(Blackhole::new(false).after_bytes(bytes))];
    let mut bench = Bench::new(blackhole(100));
    bench.send(Duration::ZERO, 60);
    bench.pipeline.sync_plan(&plan_of(blackhole(70), MS), MS);
    bench.send(2 * MS, 60);
    assert_eq!(bench.received().len(), 70);
    bench.pipeline.sync_plan(&plan_of(blackhole(90), 3 * MS), 3 * MS);
    bench.run_to(4 * MS);
    assert_eq!(bench.received(), expected(90), "held bytes pass up to the new number");
    let reset = vec![named(Reset::new(10 * MS, Side::Both).after_bytes(5))];
    bench.pipeline.sync_plan(&plan_of(reset, 5 * MS), 5 * MS);
    bench.run_to(20 * MS);
    assert!(bench.end.is_none(), "a fault of another type is another one: it counts for itself");
}

#[test]
fn fewer_bytes_than_have_passed_end_the_session_from_the_change_on() {
    let timeout = |bytes| vec![named(Timeout::new(Some(10 * MS), false).after_bytes(bytes))];
    let mut bench = Bench::new(timeout(100));
    bench.send(Duration::ZERO, 60);
    bench.pipeline.sync_plan(&plan_of(timeout(50), 30 * MS), 30 * MS);
    bench.run_to(90 * MS);
    assert_eq!((bench.received().len(), bench.end), (60, Some((40 * MS, FlowEnd::Close))));
}
