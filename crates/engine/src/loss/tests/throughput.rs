//! Throughput of a greedy source against the formula of Mathis et al.

use super::*;

/// Number of bytes that the source keeps waiting.
const WAITING: usize = 64 << 10;

/// Returns the throughput in bytes per second over `rounds` round trips, from a source that always has more
/// data.
fn greedy(model: &LossModel, seed: u64, rounds: u32) -> f64 {
    let mut sender = sender(model, seed);
    let mut report = |_| ();
    let end = RTT * rounds;
    let (mut now, mut next, mut bytes) = (Duration::ZERO, 0, 0);
    while now < end {
        while sender.waiting() < WAITING {
            sender.push(full(next, now), &mut report);
            next += 1;
        }
        while let Some(chunk) = sender.pop(now, &mut report) {
            bytes += chunk.len;
        }
        now = sender.due().unwrap_or(now);
    }
    bytes as f64 / end.as_secs_f64()
}

/// (MSS / RTT) · √(3/2) / √p, in bytes per second.
fn mathis(loss: f64) -> f64 {
    f64::from(MSS) / RTT.as_secs_f64() * (1.5 / loss).sqrt()
}

#[test]
fn throughput_is_what_mathis_et_al_say() {
    for rate in [0.001, 0.01, 0.05] {
        let runs = 6;
        let mean = (0..runs).map(|seed| greedy(&independent(rate), seed, 5_000)).sum::<f64>() / runs as f64;
        let ratio = mean / mathis(rate);
        assert!((0.75..1.25).contains(&ratio), "p = {rate}: {mean} B/s, {ratio} of the formula");
    }
}

#[test]
fn losses_in_bursts_cost_less_than_as_many_alone() {
    let bursts =
        LossModel::GilbertElliott { good_to_bad: 0.001, bad_to_good: 0.1, good_loss: 0.0, bad_loss: 1.0 };
    let alone = independent(bursts.share());
    assert!(greedy(&bursts, 1, 5_000) > 2.0 * greedy(&alone, 1, 5_000));
}

#[test]
fn a_window_that_the_source_does_not_use_does_not_grow() {
    let mut sender = sender(&independent(0.0), 1);
    for round in 0..100 {
        for segment in 0..5 {
            sender.push(full(5 * u64::from(round) + segment, round * RTT), &mut |_| ());
        }
        while sender.pop(round * RTT, &mut |_| ()).is_some() {}
    }
    (500..520).for_each(|segment| sender.push(full(segment, 101 * RTT), &mut |_| ()));
    assert_eq!(sender.waiting(), 10 * MSS as usize);
}
