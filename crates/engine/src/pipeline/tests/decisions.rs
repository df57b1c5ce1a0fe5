use proptest::prelude::*;

use super::*;
use crate::faults::{Bandwidth, Blackhole, Corrupt, Jitter, Latency, PacketLoss, Slicer, SlowClose, Timeout};

fn effect() -> impl Strategy<Value = Effect> {
    let millis = |range: std::ops::Range<u64>| range.prop_map(Duration::from_millis);
    prop_oneof![
        (millis(0..30), any::<bool>())
            .prop_map(|(delay, once)| Effect::from(Latency { delay: Delay::Constant(delay), once })),
        (millis(0..30), millis(0..30)).prop_map(|(min, more)| Effect::from(Latency {
            delay: Delay::Uniform { min, max: min + more },
            once: false
        })),
        (millis(0..30), 1.0..100.0)
            .prop_map(|(amplitude, frequency)| Effect::from(Jitter { amplitude, frequency })),
        (1e4..1e8, 1..10_000_u64).prop_map(|(rate, burst)| Effect::from(Bandwidth {
            rate,
            burst,
            scope: Scope::Session
        })),
        (1..5000_u32, millis(0..3)).prop_map(|(size, delay)| Effect::from(Slicer {
            size,
            variation: size / 2,
            delay
        })),
        millis(0..30).prop_map(|delay| Effect::from(SlowClose { delay })),
        (0.0..0.2).prop_map(|rate| Effect::from(PacketLoss {
            model: LossModel::Bernoulli { rate, correlation: 0.0 },
            rtt: None,
            mss: 1460
        })),
        Just(Effect::from(Blackhole::new(false))),
        Just(Effect::from(Timeout::new(None, false))),
        (millis(0..30), millis(0..30)).prop_map(|(center, spread)| Effect::from(Latency {
            delay: Delay::Around { center, spread },
            once: false
        })),
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
                bench.pipeline.sync_plan(&plan_of(faults, now), now);
            }
        }
        bench.pipeline.finish(now, FlowEnd::Finish);
        bench.run_to(now + Duration::from_secs(3600));
        prop_assert_eq!(bench.received(), expected(bench.sent));
        prop_assert!(matches!(bench.end, Some((_, FlowEnd::Finish))), "{:?}", bench.end);
        prop_assert_eq!(bench.pipeline.held, 0);
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
            Effect::from(Latency { delay: Delay::Normal { mean: 5 * MS, stddev: 2 * MS }, once: false }),
            Effect::from(Jitter { amplitude: 20 * MS, frequency: 50.0 }),
            Effect::from(Slicer { size: 400, variation: 300, delay: Duration::ZERO }),
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
            decisions.map(|(fault, offset, decision)| ((fault, offset), decision)).collect::<HashMap<_, _>>()
        };
        let (one, other) = (decided(sends.iter().map(|(pause, _)| *pause).collect()), decided(others));
        for (place, decision) in one {
            prop_assert!(other.get(&place).is_none_or(|again| *again == decision), "{:?}: {:?}", place, decision);
        }
    }
}

/// Returns these faults with their numbers as names.
fn unnamed(effects: &[Effect]) -> Vec<Fault> {
    let named =
        |(number, effect): (usize, &Effect)| Fault { name: number.to_string(), ..always(effect.clone()) };
    effects.iter().enumerate().map(named).collect()
}

/// Sends the same bytes in one chunk, and then with one chunk per read.
fn assert_same_decisions_whatever_the_reads(effects: &[Effect], reads: &[usize], seed: u64) {
    let [mut whole, mut parts] = [(); 2].map(|()| Bench::with_seed(unnamed(effects), seed));
    whole.arrive(MS, reads.iter().sum());
    reads.iter().for_each(|read| parts.arrive(MS, *read));
    for bench in [&mut whole, &mut parts] {
        bench.pipeline.finish(MS, FlowEnd::Finish);
        bench.run_to(Duration::from_secs(3600));
    }
    assert_eq!(whole.timed_decisions_by_fault(), parts.timed_decisions_by_fault());
    assert_eq!(whole.received(), parts.received());
}

#[test]
fn jitter_holds_the_same_segments_whatever_the_reads_if_nothing_keeps_a_journal() {
    let left = |reads: &[usize]| {
        let mut bench =
            Bench::new(unnamed(&[Effect::from(Jitter { amplitude: 20 * MS, frequency: f64::INFINITY })]));
        bench.pipeline.decisions = None;
        reads.iter().for_each(|read| bench.arrive(MS, *read));
        bench.run_to(Duration::from_secs(3600));
        bench.out.iter().flat_map(|(at, bytes)| bytes.iter().map(|_| *at)).collect::<Vec<_>>()
    };
    assert_eq!(left(&[10_000]), left(&[1000, 4000, 5000]));
}

#[test]
fn a_byte_of_a_segment_that_was_read_alone_does_not_leave_bandwidth_before_the_others() {
    // The segment at 17,520 arrived in two reads, the first of one byte. Jitter after the bandwidth decided
    // at another time.
    let rate = Effect::from(Bandwidth { rate: 1_399_441.898_169_872_1, burst: 1, scope: Scope::Session });
    let jitter = Effect::from(Jitter { amplitude: Duration::ZERO, frequency: 80.574 });
    let reads = [2824, 608, 1164, 1206, 3553, 3442, 4724, 1308];
    assert_same_decisions_whatever_the_reads(&[rate, jitter], &reads, 0);
}

#[test]
fn a_fault_in_front_changes_no_draw_of_those_behind_it() {
    let latency =
        Effect::from(Latency { delay: Delay::Normal { mean: 5 * MS, stddev: 2 * MS }, once: false });
    let slicer = Effect::from(Slicer { size: 400, variation: 300, delay: Duration::ZERO });
    let corrupt = Fault { name: "corrupt".into(), ..always(Effect::from(Corrupt { rate: 0.01 })) };
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
