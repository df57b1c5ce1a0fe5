//! Faults that act on some sessions, by the order in which the sessions start.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use fault_proxy_engine::faults::{Latency, Refuse, Reset};
use fault_proxy_engine::{
    Decision, Delay, Direction, Effect, Engine, Fault, FaultStream, Faults, Journal, Selection, Settings,
    Side, Windows,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

fn selected(effect: impl Into<Effect>, skip: u64, every: u64, times: u64) -> Fault {
    let every = NonZeroU64::new(every).expect("at least 1");
    let selection = Selection { skip, every, times: NonZeroU64::new(times) };
    Fault { selection, ..Fault::new("fault", effect) }
}

fn proxy(faults: Vec<Fault>) -> Faults {
    Engine::new(Settings::default()).proxy("test", faults)
}

fn latency(delay: Duration) -> Latency {
    Latency::new(Delay::Constant(delay))
}

/// A stream with faults and its peer.
fn open(faults: &Faults) -> (FaultStream<DuplexStream>, DuplexStream) {
    let (stream, peer) = duplex(64);
    (faults.session().client(stream), peer)
}

/// Returns the time that a byte takes to the peer, and back.
async fn times(session: &mut (FaultStream<DuplexStream>, DuplexStream)) -> (Duration, Duration) {
    let (stream, peer) = session;
    let mut byte = [0];
    let started = Instant::now();
    let write = async {
        stream.write_all(b"x").await.expect("written");
        stream.flush().await.expect("flushed");
    };
    let (_, read) = tokio::join!(write, peer.read_exact(&mut byte));
    read.expect("a byte");
    let there = started.elapsed();
    peer.write_all(b"x").await.expect("written");
    stream.read_exact(&mut byte).await.expect("a byte");
    (there, started.elapsed() - there)
}

#[test]
fn the_selection_depends_on_the_order_of_sessions_and_not_on_threads() {
    let run = |threads: usize| {
        let entries = Arc::new(Mutex::new(Vec::new()));
        let mut settings = Settings::default();
        settings.seed = 7;
        let recorded = Arc::clone(&entries);
        settings.journal = Some(Journal::new(move |entry| recorded.lock().expect("no panic").push(entry)));
        let fault = Fault { probability: 0.5, ..selected(Refuse, 5, 3, 40) };
        let faults = Engine::new(settings).proxy("test", vec![fault]);
        let sessions = 480 / threads;
        let refused: usize = thread::scope(|scope| {
            let begin = || (0..sessions).filter(|_| faults.session().refused().is_some()).count();
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(begin)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
        });
        assert_eq!(refused, 40, "sessions that the probability spares do not count");
        let entries = entries.lock().expect("no panic");
        let applies = entries.iter().filter(|entry| entry.decision == Decision::Applies { applies: true });
        let numbers: BTreeSet<_> = applies.map(|entry| entry.session).collect();
        assert!(numbers.iter().all(|number| *number > 5 && (number - 6).is_multiple_of(3)), "{numbers:?}");
        assert_eq!(numbers.len(), 40);
        numbers
    };
    assert_eq!(run(1), run(8));
}

#[tokio::test(start_paused = true)]
async fn both_directions_of_a_session_count_once() {
    let faults = proxy(vec![selected(latency(SECOND), 0, 2, 2)]);
    let mut sessions: Vec<_> = (0..6).map(|_| open(&faults)).collect();
    let mut delays = Vec::new();
    // The order in which they send data does not matter.
    for session in sessions.iter_mut().rev() {
        let (there, back) = times(session).await;
        assert_eq!(there, back);
        delays.insert(0, there.as_secs());
    }
    assert_eq!(delays, [1, 0, 1, 0, 0, 0]);
    assert_eq!(faults.stats()[0].1.sessions, 2);
}

#[tokio::test(start_paused = true)]
async fn open_sessions_are_left_alone() {
    let faults = proxy(Vec::new());
    let mut open_before = open(&faults);
    faults.replace(vec![selected(Reset::new(Duration::ZERO, Side::Both), 0, 1, 1)]);
    assert_eq!(times(&mut open_before).await, (Duration::ZERO, Duration::ZERO));
    let (mut stream, _peer) = open(&faults);
    assert_eq!(stream.read_u8().await.map_err(|error| error.kind()), Err(ErrorKind::ConnectionReset));
    assert_eq!(times(&mut open(&faults)).await, (Duration::ZERO, Duration::ZERO));
    assert_eq!(times(&mut open_before).await, (Duration::ZERO, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_change_of_other_parameters_does_not_restart_the_count() {
    let faults = proxy(vec![selected(latency(SECOND), 0, 1, 2)]);
    let mut first = open(&faults);
    faults.replace(vec![selected(latency(2 * SECOND), 0, 1, 2)]);
    let (mut second, mut third) = (open(&faults), open(&faults));
    assert_eq!(times(&mut first).await.0, 2 * SECOND, "a session that it acts on follows the change");
    assert_eq!(times(&mut second).await.0, 2 * SECOND);
    assert_eq!(times(&mut third).await.0, Duration::ZERO);
    // A changed selection, and a fault that was removed in the meantime, start to count at the change.
    faults.replace(vec![selected(latency(SECOND), 0, 1, 1)]);
    let mut fourth = open(&faults);
    assert_eq!(times(&mut fourth).await.0, SECOND);
    assert_eq!(times(&mut first).await.0, Duration::ZERO);
    faults.replace(Vec::new());
    faults.replace(vec![selected(latency(SECOND), 0, 1, 1)]);
    assert_eq!(times(&mut open(&faults)).await.0, SECOND);
    assert_eq!(times(&mut fourth).await.0, Duration::ZERO);
    // Without a selection, the fault acts on all of them.
    faults.replace(vec![Fault::new("fault", latency(SECOND))]);
    assert_eq!(times(&mut third).await.0, SECOND);
}

#[tokio::test(start_paused = true)]
async fn sessions_count_while_the_schedule_has_the_fault_on() {
    let windows = Windows::always().within(10 * SECOND, Some(20 * SECOND));
    let faults = proxy(vec![Fault { windows, ..selected(latency(SECOND), 1, 1, 1) }]);
    let (mut early, mut sessions) = (open(&faults), Vec::new());
    tokio::time::sleep(11 * SECOND).await;
    sessions.extend((0..3).map(|_| open(&faults)));
    assert_eq!(times(&mut early).await.0, Duration::ZERO);
    assert_eq!(times(&mut sessions[0]).await.0, Duration::ZERO);
    assert_eq!(times(&mut sessions[1]).await.0, SECOND);
    assert_eq!(times(&mut sessions[2]).await.0, Duration::ZERO);
    tokio::time::sleep(20 * SECOND).await;
    assert_eq!(times(&mut sessions[1]).await.0, Duration::ZERO, "the schedule has switched it off");
    assert_eq!(faults.flow_stats(Direction::ToUpstream).held, 0);
}

#[tokio::test]
async fn a_selective_refusal_does_not_close_the_port() {
    let faults = proxy(vec![selected(Refuse, 0, 1, 1)]);
    assert!(!faults.is_refusing());
    let refused = [(); 3].map(|()| faults.session().refused().is_some());
    assert_eq!(refused, [true, false, false]);
    faults.replace(vec![Fault::new("fault", Refuse)]);
    assert!(faults.is_refusing());
}
