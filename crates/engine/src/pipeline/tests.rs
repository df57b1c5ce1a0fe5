//! A pipeline without sockets: bytes arrive and leave at given times.

mod after_bytes;
mod bench;
mod decisions;
mod endings;
mod insert;

use std::collections::HashMap;
use std::time::Duration;

use self::bench::Bench;
use super::*;
use crate::block_buffer::BlockBuffer;
use crate::delay::Delay;
use crate::direction::{Scope, Side};
use crate::effect::{Effect, Fault};
use crate::faults::{Bandwidth, Blackhole, Latency, PacketLoss, Slicer, SlowClose};
use crate::journal::Decision;
use crate::loss::LossModel;
use crate::pipeline::plan;
use crate::schedule::{ParseMode, Schedule, Windows};

const MS: Duration = Duration::from_millis(1);

fn fault(effect: Effect, windows: Windows) -> Fault {
    let name = format!("{effect:?}");
    Fault { name, windows, ..Fault::new("", effect) }
}

fn always(effect: Effect) -> Fault {
    fault(effect, Windows::always())
}

fn plan_of(faults: Vec<Fault>, now: Duration) -> Plan {
    plan::next(&[], faults, None, now, |_| Arc::default())
}

#[allow(clippy::cast_possible_truncation)]
fn pattern(place: u64) -> u8 {
    (place ^ (place >> 8).wrapping_mul(31)) as u8
}

fn expected(len: u64) -> Vec<u8> {
    (0..len).map(pattern).collect()
}

fn constant(millis: u64) -> Effect {
    Effect::from(Latency { delay: Delay::Constant(Duration::from_millis(millis)), once: false })
}

#[test]
fn nothing_on_is_idle_and_passes() {
    let mut bench = Bench::new(vec![]);
    assert!(bench.pipeline.is_idle());
    bench.send(5 * MS, 100);
    bench.take(5 * MS);
    assert_eq!(bench.arrivals(), [(5, 100)]);
    assert!(bench.pipeline.is_idle());
}

#[test]
fn latency_is_a_pipeline() {
    let mut bench = Bench::new(vec![always(constant(50))]);
    for at in 0..10 {
        bench.send(at * 10 * MS, 100);
    }
    bench.run_to(500 * MS);
    let expected: Vec<_> = (0..10).map(|at| (at * 10 + 50, 100)).collect();
    assert_eq!(bench.arrivals(), expected);
}

#[test]
fn chunks_that_leave_together_all_leave_through_a_small_buffer() {
    // The first of the two delays holds 1,000 chunks that leave at the same time.
    let mut bench = Bench::new(vec![always(constant(50)), always(constant(70))]);
    for _ in 0..1000 {
        bench.send(Duration::ZERO, 1);
    }
    bench.run_to(500 * MS);
    assert_eq!(bench.arrivals(), [(120, 1000)]);
    assert!(bench.pipeline.leaving.capacity() <= MAX_BATCH, "{}", bench.pipeline.leaving.capacity());
}

#[test]
fn latency_once_holds_the_first_segment_only() {
    let once = Effect::from(Latency { delay: Delay::Constant(50 * MS), once: true });
    let mut bench = Bench::new(vec![always(once)]);
    for at in [0, 30, 60, 90] {
        bench.send(at * MS, 10);
    }
    bench.run_to(500 * MS);
    assert_eq!(bench.arrivals(), [(50, 20), (60, 10), (90, 10)]);
}

#[test]
fn the_end_comes_behind_the_bytes_and_as_late() {
    let slow_close = Effect::from(SlowClose { delay: 200 * MS });
    let mut bench = Bench::new(vec![always(constant(50)), always(slow_close)]);
    bench.send(Duration::ZERO, 100);
    bench.pipeline.finish(10 * MS, FlowEnd::Finish);
    bench.run_to(1000 * MS);
    assert_eq!((bench.arrivals(), bench.end), (vec![(50, 100)], Some((260 * MS, FlowEnd::Finish))));
}

#[test]
fn bandwidth_keeps_the_rate_in_every_window() {
    let rate = Effect::from(Bandwidth { rate: 10_000.0, burst: 100, scope: Scope::Session });
    let mut bench = Bench::new(vec![always(rate)]);
    bench.send(Duration::ZERO, 20_000);
    bench.run_to(1000 * MS);
    for window in 0..10 {
        let inside = |at: Duration| at >= window * 100 * MS && at < (window + 1) * 100 * MS;
        let bytes: usize = bench.out.iter().filter(|(at, _)| inside(*at)).map(|(_, bytes)| bytes.len()).sum();
        let burst = if window == 0 { 100 } else { 0 };
        assert!((970..=1030).contains(&(bytes - burst)), "{bytes} bytes in window {window}");
    }
}

#[test]
fn a_late_look_does_not_slow_bandwidth_down() {
    let rate = Effect::from(Bandwidth { rate: 1_000_000.0, burst: 1, scope: Scope::Session });
    let mut bench = Bench::new(vec![always(rate)]);
    bench.send(Duration::ZERO, 1_000_000);
    for at in 1..=10 {
        bench.take(at * 50 * MS);
    }
    // All bytes of a chunk leave with its first byte, which is up to 2 ms early.
    assert!((500_000..=502_000).contains(&bench.received().len()), "{}", bench.received().len());
}

#[test]
fn a_bandwidth_of_0_holds_everything_until_it_changes_or_goes() {
    let named = |rate| Fault {
        name: "x".into(),
        ..always(Effect::from(Bandwidth { rate, burst: 100, scope: Scope::Session }))
    };
    let follow = |bench: &mut Bench, faults, at| bench.pipeline.sync_plan(&plan_of(faults, at), at);
    let mut bench = Bench::new(vec![named(0.0)]);
    bench.send(Duration::ZERO, 1000);
    bench.send(5 * MS, 1000);
    bench.pipeline.finish(10 * MS, FlowEnd::Finish);
    bench.run_to(3_600_000 * MS);
    assert_eq!((bench.arrivals(), bench.end, bench.pipeline.deadline), (vec![], None, None));
    let at = 3_600_000 * MS;
    follow(&mut bench, vec![named(1e6)], at);
    bench.run_to(at + 10 * MS);
    assert_eq!(bench.received(), expected(2000));
    assert!(matches!(bench.end, Some((_, FlowEnd::Finish))), "{:?}", bench.end);

    let mut bench = Bench::new(vec![named(1e6)]);
    bench.send(Duration::ZERO, 50);
    follow(&mut bench, vec![named(0.0)], MS);
    bench.send(2 * MS, 1000);
    bench.run_to(1000 * MS);
    assert_eq!(bench.arrivals(), [(0, 50)]);
    while !bench.pipeline.is_full() {
        bench.send(1000 * MS, 1000);
    }
    assert!(bench.pipeline.held < 128 << 10);
    follow(&mut bench, vec![], 2000 * MS);
    bench.take(2000 * MS);
    assert_eq!(bench.received(), expected(bench.sent));
    assert!(bench.pipeline.is_idle());
}

#[test]
fn bandwidth_makes_its_source_wait() {
    let rate = Effect::from(Bandwidth { rate: 10_000.0, burst: 100, scope: Scope::Session });
    let mut bench = Bench::new(vec![always(rate)]);
    while !bench.pipeline.is_full() {
        bench.send(Duration::ZERO, 1000);
    }
    assert!(bench.pipeline.held < 128 << 10);
}

#[test]
fn a_stall_passes_what_it_held_when_it_ends() {
    let windows = Windows::always().within(10 * MS, Some(300 * MS));
    let mut bench = Bench::new(vec![fault(Effect::from(Blackhole::new(false)), windows)]);
    for at in [0, 20, 40] {
        bench.send(at * MS, 10);
        bench.take(at * MS);
    }
    bench.run_to(1000 * MS);
    bench.send(1000 * MS, 10);
    bench.take(1000 * MS);
    assert_eq!(bench.arrivals(), [(0, 10), (300, 20), (1000, 10)]);
    assert_eq!(bench.received(), expected(40));
}

#[test]
fn a_discarding_blackhole_takes_the_bytes_of_its_time() {
    let windows = Windows::always().within(10 * MS, Some(300 * MS));
    let mut bench = Bench::new(vec![fault(Effect::from(Blackhole::new(true)), windows)]);
    for at in [0, 20, 40, 400] {
        bench.send(at * MS, 10);
        bench.run_to(at * MS);
    }
    let mut rest = expected(40);
    rest.drain(10..30);
    assert_eq!(bench.received(), rest);
}

#[test]
fn a_schedule_does_not_repeat_the_losses_of_its_first_window() {
    const SEGMENTS: usize = 200;
    let windows = Schedule::parse("duration:1s;start:2s,duration:1s", ParseMode::Lenient).unwrap();
    let loss = Effect::from(PacketLoss {
        model: LossModel::Bernoulli { rate: 0.5, correlation: 0.0 },
        rtt: None,
        mss: 1460,
    });
    let mut bench = Bench::new(vec![fault(loss, windows.resolve(None).unwrap())]);
    bench.send(Duration::ZERO, SEGMENTS * 1460);
    bench.send(2000 * MS, SEGMENTS * 1460);
    bench.run_to(4000 * MS);
    let half = (SEGMENTS * 1460) as u64;
    let decisions = bench.decisions_by_fault();
    let lost = |in_half: bool| {
        let lost = decisions.iter().filter(|(_, _, decision)| *decision == Decision::Lost);
        lost.map(|(_, offset, _)| *offset)
            .filter(|offset| (*offset < half) == in_half)
            .map(|offset| offset % half)
            .collect::<Vec<_>>()
    };
    let (first, second) = (lost(true), lost(false));
    let both = first.len().min(second.len());
    assert!(both >= 3, "{first:?} {second:?}");
    assert_ne!(first[..both], second[..both]);
}

#[test]
fn slices_come_one_by_one() {
    let slicer = Effect::from(Slicer { size: 4, variation: 0, delay: 10 * MS });
    let mut bench = Bench::new(vec![always(slicer)]);
    bench.send(Duration::ZERO, 10);
    bench.run_to(100 * MS);
    assert_eq!(bench.arrivals(), [(0, 4), (10, 4), (20, 2)]);
}

#[test]
fn a_fault_that_goes_lets_go_and_one_that_changes_holds_anew() {
    let named = |effect| Fault { name: "x".into(), ..always(effect) };
    let mut bench = Bench::new(vec![named(constant(1000))]);
    bench.send(Duration::ZERO, 10);
    bench.take(100 * MS);
    bench.pipeline.sync_plan(&plan_of(vec![named(constant(300))], 100 * MS), 100 * MS);
    bench.run_to(299 * MS);
    assert_eq!(bench.arrivals(), []);
    bench.run_to(300 * MS);
    bench.send(300 * MS, 10);
    bench.pipeline.sync_plan(&plan_of(vec![], 310 * MS), 310 * MS);
    bench.take(310 * MS);
    assert_eq!(bench.arrivals(), [(300, 10), (310, 10)]);
    assert!(bench.pipeline.is_idle());
}
