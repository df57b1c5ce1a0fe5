//! A line without sockets: bytes in at some times, bytes out at others.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::delay::Delay;
use crate::effect::{Fault, Flows, Scope, Sides};
use crate::journal::{Decision, Journal, Verdict};
use crate::line::plan;
use crate::loss::LossModel;
use crate::schedule::{Reading, Schedule, Windows};
use crate::store::Store;
use std::collections::HashMap;
use std::sync::Mutex;

const MS: Duration = Duration::from_millis(1);

fn fault(effect: Effect, windows: Windows) -> Fault {
    let name = format!("{effect:?}");
    Fault { name, flows: Flows::BOTH, probability: 1.0, windows, effect }
}

fn always(effect: Effect) -> Fault {
    fault(effect, Windows::always())
}

fn plan_of(faults: Vec<Fault>, now: Duration) -> Plan {
    plan::next(&[], faults, now, |_| Arc::default())
}

/// The time, the fault, the offset and the verdict.
type Decided = (Duration, String, u64, Verdict);

/// A line, its store, and what came out of it with the times.
struct Bench {
    line: Line,
    store: Store,
    sent: u64,
    out: Vec<(Duration, Vec<u8>)>,
    end: Option<(Duration, Ending)>,
    decisions: Arc<Mutex<Vec<Decided>>>,
}

impl Bench {
    fn new(faults: Vec<Fault>) -> Self {
        Self::with_seed(faults, 1)
    }

    fn with_seed(faults: Vec<Fault>, seed: u64) -> Self {
        let decisions = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&decisions);
        let journal = Journal::new(move |decision| {
            let Decision { at, fault, offset, verdict, .. } = *decision;
            told.lock().unwrap().push((at, fault.to_owned(), offset, verdict));
        });
        let identity = Identity {
            seed,
            proxy: "db".into(),
            session: 1,
            opened: Duration::ZERO,
            rtt: 20 * MS,
            journal: Some(journal),
        };
        let plan = plan_of(faults, Duration::ZERO);
        let line = Line::new(&plan, Arc::new(identity), Direction::ToUpstream, Duration::ZERO);
        Self { line, store: Store::new(), sent: 0, out: Vec::new(), end: None, decisions }
    }

    /// Bytes come, after everything that has its time before them.
    fn send(&mut self, now: Duration, len: usize) {
        self.run_to(now);
        self.arrive(now, len);
        self.take(now);
    }

    /// Bytes come, wherever the line stands.
    fn arrive(&mut self, now: Duration, len: usize) {
        let mut left = len;
        while left > 0 {
            let room = self.store.room(1 << 20);
            let part = left.min(room.capacity() - room.len());
            room.extend((self.sent..).take(part).map(pattern));
            let arrival = Arrival { at: now, turn: 0, was_empty: true };
            self.line.arrive(arrival, self.store.last(part));
            self.sent += part as u64;
            left -= part;
        }
    }

    /// Takes out everything that may go at `now`.
    fn take(&mut self, now: Duration) {
        self.line.advance(now);
        loop {
            match self.line.departure() {
                Departure::Deliver(len) => {
                    let bytes = self.store.head(len).to_vec();
                    self.drop_head(bytes.len());
                    self.out.push((now, bytes));
                }
                Departure::Discard(len) => self.drop_head(len),
                Departure::End(end) => {
                    self.end.get_or_insert((now, end));
                    return;
                }
                Departure::Wait => return,
            }
        }
    }

    fn drop_head(&mut self, len: usize) {
        self.store.consume(len);
        self.line.depart(len);
    }

    /// Takes out what comes at each deadline, up to `end`.
    fn run_to(&mut self, end: Duration) {
        while let Some(deadline) = self.line.deadline().filter(|deadline| *deadline <= end) {
            self.take(deadline);
            if self.end.is_some() {
                return;
            }
            assert!(
                self.line.deadline().is_none_or(|next| next > deadline),
                "stuck at {deadline:?}: {:?}",
                self.line
            );
        }
        self.take(end);
    }

    fn decisions_by_fault(&self) -> Vec<(String, u64, Verdict)> {
        let decisions = self.timed_decisions_by_fault().into_iter();
        decisions.map(|(_, fault, offset, verdict)| (fault, offset, verdict)).collect()
    }

    fn timed_decisions_by_fault(&self) -> Vec<(Duration, String, u64, Verdict)> {
        let mut decisions = self.decisions.lock().unwrap().clone();
        decisions.sort_by(|one, other| one.1.cmp(&other.1));
        decisions
    }

    fn received(&self) -> Vec<u8> {
        self.out.iter().flat_map(|(_, bytes)| bytes).copied().collect()
    }

    fn arrivals(&self) -> Vec<(u64, usize)> {
        self.out.iter().map(|(at, bytes)| (u64::try_from(at.as_millis()).unwrap(), bytes.len())).collect()
    }
}

#[allow(clippy::cast_possible_truncation)]
fn pattern(place: u64) -> u8 {
    (place ^ (place >> 8).wrapping_mul(31)) as u8
}

fn expected(len: u64) -> Vec<u8> {
    (0..len).map(pattern).collect()
}

fn constant(millis: u64) -> Effect {
    Effect::Latency { delay: Delay::Constant(Duration::from_millis(millis)), once: false }
}

#[test]
fn nothing_on_is_idle_and_passes() {
    let mut bench = Bench::new(vec![]);
    assert!(bench.line.is_idle());
    bench.send(5 * MS, 100);
    bench.take(5 * MS);
    assert_eq!(bench.arrivals(), [(5, 100)]);
    assert!(bench.line.is_idle());
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
fn latency_once_holds_the_first_segment_only() {
    let once = Effect::Latency { delay: Delay::Constant(50 * MS), once: true };
    let mut bench = Bench::new(vec![always(once)]);
    for at in [0, 30, 60, 90] {
        bench.send(at * MS, 10);
    }
    bench.run_to(500 * MS);
    assert_eq!(bench.arrivals(), [(50, 20), (60, 10), (90, 10)]);
}

#[test]
fn the_end_comes_behind_the_bytes_and_as_late() {
    let slow_close = Effect::SlowClose { delay: 200 * MS };
    let mut bench = Bench::new(vec![always(constant(50)), always(slow_close)]);
    bench.send(Duration::ZERO, 100);
    bench.line.finish(10 * MS, Ending::Finish);
    bench.run_to(1000 * MS);
    assert_eq!((bench.arrivals(), bench.end), (vec![(50, 100)], Some((260 * MS, Ending::Finish))));
}

#[test]
fn bandwidth_keeps_the_rate_in_every_window() {
    let rate = Effect::Bandwidth { rate: 10_000.0, burst: 100, scope: Scope::Session };
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
    let rate = Effect::Bandwidth { rate: 1_000_000.0, burst: 1, scope: Scope::Session };
    let mut bench = Bench::new(vec![always(rate)]);
    bench.send(Duration::ZERO, 1_000_000);
    for at in 1..=10 {
        bench.take(at * 50 * MS);
    }
    // Bytes leave up to 2 ms ahead, with the first of their piece.
    assert!((500_000..=502_000).contains(&bench.received().len()), "{}", bench.received().len());
}

#[test]
fn a_bandwidth_of_0_holds_everything_until_it_changes_or_goes() {
    let named = |rate| Fault {
        name: "x".into(),
        ..always(Effect::Bandwidth { rate, burst: 100, scope: Scope::Session })
    };
    let follow = |bench: &mut Bench, faults, at| bench.line.follow(&plan_of(faults, at), at);
    let mut bench = Bench::new(vec![named(0.0)]);
    bench.send(Duration::ZERO, 1000);
    bench.send(5 * MS, 1000);
    bench.line.finish(10 * MS, Ending::Finish);
    bench.run_to(3_600_000 * MS);
    assert_eq!((bench.arrivals(), bench.end, bench.line.deadline()), (vec![], None, None));
    let at = 3_600_000 * MS;
    follow(&mut bench, vec![named(1e6)], at);
    bench.run_to(at + 10 * MS);
    assert_eq!(bench.received(), expected(2000));
    assert!(matches!(bench.end, Some((_, Ending::Finish))), "{:?}", bench.end);

    let mut bench = Bench::new(vec![named(1e6)]);
    bench.send(Duration::ZERO, 50);
    follow(&mut bench, vec![named(0.0)], MS);
    bench.send(2 * MS, 1000);
    bench.run_to(1000 * MS);
    assert_eq!(bench.arrivals(), [(0, 50)]);
    while !bench.line.is_full() {
        bench.send(1000 * MS, 1000);
    }
    assert!(bench.line.held() < 128 << 10);
    follow(&mut bench, vec![], 2000 * MS);
    bench.take(2000 * MS);
    assert_eq!(bench.received(), expected(bench.sent));
    assert!(bench.line.is_idle());
}

#[test]
fn bandwidth_makes_its_source_wait() {
    let rate = Effect::Bandwidth { rate: 10_000.0, burst: 100, scope: Scope::Session };
    let mut bench = Bench::new(vec![always(rate)]);
    while !bench.line.is_full() {
        bench.send(Duration::ZERO, 1000);
    }
    assert!(bench.line.held() < 128 << 10);
}

#[test]
fn a_stall_passes_what_it_held_when_it_ends() {
    let windows = Windows::always().within(10 * MS, Some(300 * MS));
    let mut bench = Bench::new(vec![fault(Effect::Blackhole { discard: false }, windows)]);
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
    let mut bench = Bench::new(vec![fault(Effect::Blackhole { discard: true }, windows)]);
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
    let windows = Schedule::parse("duration:1s;start:2s,duration:1s", Reading::Usual).unwrap();
    let loss = Effect::PacketLoss {
        model: LossModel::Bernoulli { rate: 0.5, correlation: 0.0 },
        rtt: None,
        mss: 1460,
    };
    let mut bench = Bench::new(vec![fault(loss, windows.resolve(None).unwrap())]);
    bench.send(Duration::ZERO, SEGMENTS * 1460);
    bench.send(2000 * MS, SEGMENTS * 1460);
    bench.run_to(4000 * MS);
    let half = (SEGMENTS * 1460) as u64;
    let decisions = bench.decisions_by_fault();
    let lost = |in_half: bool| {
        let lost = decisions.iter().filter(|(_, _, verdict)| *verdict == Verdict::Lost);
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
    let slicer = Effect::Slicer { size: 4, variation: 0, delay: 10 * MS };
    let mut bench = Bench::new(vec![always(slicer)]);
    bench.send(Duration::ZERO, 10);
    bench.run_to(100 * MS);
    assert_eq!(bench.arrivals(), [(0, 4), (10, 4), (20, 2)]);
}

#[test]
fn a_timeout_closes_after_its_time() {
    let windows = Windows::always().within(100 * MS, Some(10_000 * MS));
    let timeout = Effect::Timeout { after: Some(500 * MS), discard: false };
    let mut bench = Bench::new(vec![fault(timeout, windows)]);
    bench.send(200 * MS, 10);
    bench.run_to(2000 * MS);
    assert_eq!((bench.arrivals(), bench.end), (vec![], Some((600 * MS, Ending::CloseNow))));
}

#[test]
fn a_reset_overtakes_what_is_held() {
    let reset = Effect::Reset { after: 20 * MS, bytes: None, sides: Sides::Client };
    let mut bench = Bench::new(vec![always(constant(50)), always(reset)]);
    bench.send(Duration::ZERO, 10);
    bench.run_to(100 * MS);
    assert_eq!((bench.arrivals(), bench.end), (vec![], Some((20 * MS, Ending::ResetNow))));
    assert_eq!(bench.line.reset_sides(), Sides::Client);
}

#[test]
fn a_fault_that_goes_lets_go_and_one_that_changes_holds_anew() {
    let named = |effect| Fault { name: "x".into(), ..always(effect) };
    let mut bench = Bench::new(vec![named(constant(1000))]);
    bench.send(Duration::ZERO, 10);
    bench.take(100 * MS);
    bench.line.follow(&plan_of(vec![named(constant(300))], 100 * MS), 100 * MS);
    bench.run_to(299 * MS);
    assert_eq!(bench.arrivals(), []);
    bench.run_to(300 * MS);
    bench.send(300 * MS, 10);
    bench.line.follow(&plan_of(vec![], 310 * MS), 310 * MS);
    bench.take(310 * MS);
    assert_eq!(bench.arrivals(), [(300, 10), (310, 10)]);
    assert!(bench.line.is_idle());
}

fn effect() -> impl Strategy<Value = Effect> {
    let millis = |range: std::ops::Range<u64>| range.prop_map(Duration::from_millis);
    prop_oneof![
        (millis(0..30), any::<bool>())
            .prop_map(|(delay, once)| Effect::Latency { delay: Delay::Constant(delay), once }),
        (millis(0..30), millis(0..30)).prop_map(|(min, more)| Effect::Latency {
            delay: Delay::Uniform { min, max: min + more },
            once: false
        }),
        (millis(0..30), 1.0..100.0)
            .prop_map(|(amplitude, frequency)| Effect::Jitter { amplitude, frequency }),
        (1e4..1e8, 1..10_000_u64).prop_map(|(rate, burst)| Effect::Bandwidth {
            rate,
            burst,
            scope: Scope::Session
        }),
        (1..5000_u32, millis(0..3)).prop_map(|(size, delay)| Effect::Slicer {
            size,
            variation: size / 2,
            delay
        }),
        millis(0..30).prop_map(|delay| Effect::SlowClose { delay }),
        (0.0..0.2).prop_map(|rate| Effect::PacketLoss {
            model: LossModel::Bernoulli { rate, correlation: 0.0 },
            rtt: None,
            mss: 1460
        }),
        Just(Effect::Blackhole { discard: false }),
        Just(Effect::Timeout { after: None, discard: false }),
        (millis(0..30), millis(0..30)).prop_map(|(center, spread)| Effect::Latency {
            delay: Delay::Around { center, spread },
            once: false
        }),
    ]
}

fn scheduled() -> impl Strategy<Value = (Effect, u64, u64)> {
    (effect(), 0..100_u64, 1..200_u64)
}

fn numbered(faults: Vec<(Effect, u64, u64)>) -> Vec<Fault> {
    let windows = |start: u64, len: u64| {
        Windows::always().within(Duration::from_millis(start), Some(Duration::from_millis(start + len)))
    };
    faults
        .into_iter()
        .enumerate()
        .map(|(number, (effect, start, len))| Fault {
            name: number.to_string(),
            ..fault(effect, windows(start, len))
        })
        .collect()
}

proptest! {
    #[test]
    fn no_byte_is_lost_repeated_or_reordered(
        first in proptest::collection::vec(scheduled(), 0..4),
        second in proptest::collection::vec(scheduled(), 0..4),
        sends in proptest::collection::vec((0..20_u64, 0..3000_usize), 1..30),
        looks in proptest::collection::vec(0..30_u64, 0..30),
    ) {
        let mut bench = Bench::new(numbered(first));
        let (mut now, mut change) = (Duration::ZERO, Some(numbered(second)));
        let mut looks = looks.into_iter();
        for (index, (pause, len)) in sends.into_iter().enumerate() {
            now += Duration::from_millis(pause);
            bench.take(now);
            bench.arrive(now, len);
            if let Some(look) = looks.next() {
                now += Duration::from_millis(look);
                bench.run_to(now);
            }
            if index == 10 && let Some(faults) = change.take() {
                bench.line.follow(&plan_of(faults, now), now);
            }
        }
        bench.line.finish(now, Ending::Finish);
        bench.run_to(now + Duration::from_secs(3600));
        prop_assert_eq!(bench.received(), expected(bench.sent));
        prop_assert!(matches!(bench.end, Some((_, Ending::Finish))), "{:?}", bench.end);
        prop_assert_eq!(bench.line.held(), 0);
    }

    #[test]
    fn the_same_seed_and_bytes_give_the_same_decisions_whatever_the_reads(
        effects in proptest::collection::vec(effect(), 1..4),
        reads in proptest::collection::vec(1..5000_usize, 1..30),
        seed in any::<u64>(),
    ) {
        assert_same_decisions_whatever_the_reads(&effects, &reads, seed);
    }

    #[test]
    fn what_is_decided_at_an_offset_does_not_depend_on_when_the_bytes_come(
        sends in proptest::collection::vec((0..20_u64, 1..3000_usize), 1..30),
        others in proptest::collection::vec(0..20_u64, 30),
        seed in any::<u64>(),
    ) {
        let effects = [
            Effect::Latency { delay: Delay::Normal { mean: 5 * MS, stddev: 2 * MS }, once: false },
            Effect::Jitter { amplitude: 20 * MS, frequency: 50.0 },
            Effect::Slicer { size: 400, variation: 300, delay: Duration::ZERO },
        ];
        let decided = |pauses: Vec<u64>| {
            let mut bench = Bench::with_seed(unnamed(&effects), seed);
            let mut now = Duration::ZERO;
            for (pause, (_, len)) in pauses.into_iter().zip(&sends) {
                now += Duration::from_millis(pause);
                bench.send(now, *len);
            }
            bench.run_to(Duration::from_secs(3600));
            let decisions = bench.decisions_by_fault().into_iter();
            decisions.map(|(fault, offset, verdict)| ((fault, offset), verdict)).collect::<HashMap<_, _>>()
        };
        let (one, other) = (decided(sends.iter().map(|(pause, _)| *pause).collect()), decided(others));
        for (place, verdict) in one {
            prop_assert!(other.get(&place).is_none_or(|again| *again == verdict), "{:?}: {:?}", place, verdict);
        }
    }
}

/// These faults, named by their numbers.
fn unnamed(effects: &[Effect]) -> Vec<Fault> {
    let named =
        |(number, effect): (usize, &Effect)| Fault { name: number.to_string(), ..always(effect.clone()) };
    effects.iter().enumerate().map(named).collect()
}

/// Sends the same bytes in one piece, and in one piece for each of the reads.
fn assert_same_decisions_whatever_the_reads(effects: &[Effect], reads: &[usize], seed: u64) {
    let [mut whole, mut parts] = [(); 2].map(|()| Bench::with_seed(unnamed(effects), seed));
    whole.arrive(MS, reads.iter().sum());
    reads.iter().for_each(|read| parts.arrive(MS, *read));
    for bench in [&mut whole, &mut parts] {
        bench.line.finish(MS, Ending::Finish);
        bench.run_to(Duration::from_secs(3600));
    }
    assert_eq!(whole.timed_decisions_by_fault(), parts.timed_decisions_by_fault());
    assert_eq!(whole.received(), parts.received());
}

#[test]
fn jitter_holds_the_same_segments_whatever_the_reads_if_nothing_keeps_a_journal() {
    let left = |reads: &[usize]| {
        let mut bench =
            Bench::new(unnamed(&[Effect::Jitter { amplitude: 20 * MS, frequency: f64::INFINITY }]));
        bench.line.identity = Arc::new(Identity { journal: None, ..Identity::clone(&bench.line.identity) });
        reads.iter().for_each(|read| bench.arrive(MS, *read));
        bench.run_to(Duration::from_secs(3600));
        bench.out.iter().flat_map(|(at, bytes)| bytes.iter().map(|_| *at)).collect::<Vec<_>>()
    };
    assert_eq!(left(&[10_000]), left(&[1000, 4000, 5000]));
}

#[test]
fn a_byte_of_a_segment_that_was_read_alone_does_not_leave_bandwidth_before_the_others() {
    // The segment at 17,520 came in two reads, of which the first was one byte: jitter behind it decided at another time.
    let rate = Effect::Bandwidth { rate: 1_399_441.898_169_872_1, burst: 1, scope: Scope::Session };
    let jitter = Effect::Jitter { amplitude: Duration::ZERO, frequency: 80.574 };
    let reads = [2824, 608, 1164, 1206, 3553, 3442, 4724, 1308];
    assert_same_decisions_whatever_the_reads(&[rate, jitter], &reads, 0);
}

#[test]
fn a_fault_in_front_changes_no_draw_of_those_behind_it() {
    let latency = Effect::Latency { delay: Delay::Normal { mean: 5 * MS, stddev: 2 * MS }, once: false };
    let slicer = Effect::Slicer { size: 400, variation: 300, delay: Duration::ZERO };
    let corrupt = Fault { name: "corrupt".into(), ..always(Effect::Corrupt { rate: 0.01 }) };
    let behind = unnamed(&[latency, slicer]);
    let decided = |faults: Vec<Fault>| {
        let mut bench = Bench::new(faults);
        (0..20).for_each(|at| bench.send(at * MS, 1000));
        bench.run_to(1000 * MS);
        let mut decisions = bench.decisions_by_fault();
        decisions.retain(|(fault, ..)| fault != "corrupt");
        decisions
    };
    assert_eq!(decided(behind.clone()), decided([vec![corrupt], behind].concat()));
}

#[test]
fn a_timeout_that_discards_closes_when_it_goes() {
    let timeout = Effect::Timeout { after: None, discard: true };
    let named = |effect| Fault { name: "timeout".to_owned(), ..always(effect) };
    let mut bench = Bench::new(vec![named(timeout)]);
    bench.send(10 * MS, 100);
    bench.run_to(20 * MS);
    assert_eq!(bench.received().len(), 0);
    // Another of its kind takes its place: nothing is closed.
    let longer = Effect::Timeout { after: Some(3_600_000 * MS), discard: true };
    bench.line.follow(&plan_of(vec![named(longer)], 30 * MS), 30 * MS);
    bench.run_to(40 * MS);
    assert_eq!(bench.line.departure(), Departure::Wait);
    bench.line.follow(&plan_of(Vec::new(), 50 * MS), 50 * MS);
    assert_eq!(bench.line.departure(), Departure::End(Ending::CloseNow));
}

#[test]
fn what_was_discarded_is_never_followed_by_other_bytes() {
    let rare = |fault: &Fault| Fault { probability: 0.0, ..fault.clone() };
    for (effect, ending) in [
        (Effect::Timeout { after: None, discard: true }, Ending::CloseNow),
        (Effect::ResetOnData { after: 3_600_000 * MS }, Ending::ResetNow),
    ] {
        let fault = always(effect);
        for then in [Vec::new(), vec![rare(&fault)]] {
            let mut bench = Bench::new(vec![fault.clone()]);
            bench.send(10 * MS, 100);
            bench.run_to(20 * MS);
            bench.line.follow(&plan_of(then.clone(), 30 * MS), 30 * MS);
            bench.send(30 * MS, 100);
            assert_eq!(bench.line.departure(), Departure::End(ending), "{then:?}");
            assert_eq!(bench.received().len(), 0, "{then:?}");
        }
    }
}

#[test]
fn a_changed_reset_on_data_still_counts_from_the_first_bytes() {
    let reset =
        |ms: u32| Fault { name: "reset".to_owned(), ..always(Effect::ResetOnData { after: ms * MS }) };
    let mut bench = Bench::new(vec![reset(3_600_000)]);
    bench.send(500 * MS, 10);
    bench.line.follow(&plan_of(vec![reset(50)], 510 * MS), 510 * MS);
    bench.run_to(549 * MS);
    assert_eq!(bench.line.departure(), Departure::Wait);
    bench.run_to(550 * MS);
    assert_eq!(bench.line.departure(), Departure::End(Ending::ResetNow));
}

#[test]
fn a_reset_on_data_counts_from_the_first_bytes_and_takes_them() {
    let mut bench = Bench::new(vec![always(Effect::ResetOnData { after: 50 * MS })]);
    bench.run_to(500 * MS);
    assert_eq!(bench.line.departure(), Departure::Wait);
    bench.send(500 * MS, 10);
    bench.run_to(549 * MS);
    assert_eq!((bench.received().len(), bench.line.departure()), (0, Departure::Wait));
    bench.run_to(550 * MS);
    assert_eq!(bench.line.departure(), Departure::End(Ending::ResetNow));
}
