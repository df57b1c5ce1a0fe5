use super::*;
use crate::stage::chunk::FlowEnd;

const RATE: f64 = 125_000.0;
const MS: Duration = Duration::from_millis(1);

fn sharing(sessions: usize, burst: u64) -> Vec<BandwidthStage> {
    let bucket = Arc::default();
    (0..sessions).map(|_| BandwidthStage::new(RATE, burst, Arc::clone(&bucket))).collect()
}

/// Sends chunks of these lengths through a session, each at its time. All leave `late` after they are due.
/// Returns the bytes that left while the bandwidth was the limit, and the time that they took.
fn limited(
    sessions: &mut [BandwidthStage],
    arrivals: impl IntoIterator<Item = (Duration, usize, usize)>,
    late: Duration,
) -> (u64, Duration) {
    let (mut bytes, mut time) = (0, Duration::ZERO);
    let mut run_to = |sessions: &mut [BandwidthStage], end: Duration| {
        while let Some((due, session)) = sessions
            .iter_mut()
            .filter_map(|session| Some((session.due()?, session)))
            .min_by_key(|(due, _)| *due)
            && due + late <= end
        {
            let (_, limited) = session.leave(due + late).expect("it is due");
            let (more_bytes, more_time) = limited.unwrap_or_default();
            bytes += more_bytes;
            time += more_time;
        }
    };
    for ((at, session, len), segment) in arrivals.into_iter().zip(0..) {
        run_to(sessions, at);
        sessions[session].add(Chunk { len, segment, ..Chunk::ending(at, FlowEnd::No) });
    }
    run_to(sessions, Duration::from_secs(3600));
    (bytes, time)
}

fn rate((bytes, time): (u64, Duration)) -> f64 {
    bytes as f64 / time.as_secs_f64()
}

/// Returns 100 bytes every 5 ms, and additionally 12,000 bytes every half second.
fn light_load() -> impl Iterator<Item = (Duration, usize, usize)> {
    (0..1000_u32).map(|number| (number * 5 * MS, 0, if number % 100 == 0 { 12_000 } else { 100 }))
}

#[test]
fn bytes_that_do_not_wait_count_neither_as_bytes_nor_as_time() {
    let measured = limited(&mut sharing(1, 125), light_load(), Duration::ZERO);
    assert!((rate(measured) / RATE - 1.0).abs() < 1e-3, "{measured:?}");
    assert!((900 * MS..1200 * MS).contains(&measured.1), "{measured:?}");
    let never = (0..1000_u32).map(|number| (number * 5 * MS, 0, 100));
    assert_eq!(limited(&mut sharing(1, 125), never, Duration::ZERO), (0, Duration::ZERO));
}

#[test]
fn a_flow_that_always_waits_has_the_rate_and_all_of_the_time() {
    let measured = limited(&mut sharing(1, 125), [(Duration::ZERO, 0, 1_250_000)], Duration::ZERO);
    assert!((rate(measured) / RATE - 1.0).abs() < 1e-3, "{measured:?}");
    assert!(measured.1 > 9900 * MS, "{measured:?}");
}

#[test]
fn a_burst_is_not_part_of_the_rate() {
    let bursts = (0..10_u32).map(|number| (number * 1000 * MS, 0, 60_000));
    let measured = limited(&mut sharing(1, 50_000), bursts, Duration::ZERO);
    assert!((rate(measured) / RATE - 1.0).abs() < 1e-3, "{measured:?}");
}

#[test]
fn sessions_that_share_a_bucket_share_the_time() {
    let arrivals = (0..40_usize).map(|number| (Duration::ZERO, number % 4, 31_250));
    let measured = limited(&mut sharing(4, 125), arrivals, Duration::ZERO);
    assert!((rate(measured) / RATE - 1.0).abs() < 1e-3, "{measured:?}");
    assert!((9900 * MS..10_001 * MS).contains(&measured.1), "{measured:?}");
}

#[test]
fn what_is_drained_and_pushed_again_is_paid_for_once() {
    let mut sessions = sharing(100, 1);
    for session in &mut sessions {
        session.add(Chunk { len: 1000, ..Chunk::ending(Duration::ZERO, FlowEnd::No) });
    }
    let bucket = Arc::clone(&sessions[0].bucket);
    let free = bucket.take(0, 0, 0).due;
    for session in &mut sessions {
        let held = session.drain();
        let mut changed = BandwidthStage::new(RATE, 1, Arc::clone(&bucket));
        held.into_iter().for_each(|chunk| changed.add(chunk));
        *session = changed;
    }
    assert_eq!(bucket.take(0, 0, 0).due, free);
}

#[test]
fn a_late_look_never_makes_the_rate_too_high() {
    for late in [MS, 20 * MS] {
        let measured = limited(&mut sharing(1, 125), light_load(), late);
        assert!(rate(measured) < RATE * 1.001, "{late:?}: {measured:?}");
    }
}
