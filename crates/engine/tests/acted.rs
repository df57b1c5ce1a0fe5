//! A fault counts as having acted once it has changed or delayed something.

use std::time::Duration;

use fault_proxy_engine::faults::{Bandwidth, Blackhole, Jitter, Latency, Refuse, Slicer, SlowOpen, Timeout};
use fault_proxy_engine::{Delay, Effect, Engine, Fault, Faults, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::time::{sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);

fn faults(effect: impl Into<Effect>) -> Faults {
    Engine::new(Settings::default()).proxy("test", vec![Fault::new("fault", effect)])
}

fn has_acted(faults: &Faults) -> bool {
    let (fault, stats) = faults.stats().remove(0);
    stats.has_acted(&fault.effect)
}

/// Sends `bytes` through a session with this fault, and waits 10 s for them.
async fn acts_on(effect: impl Into<Effect>, bytes: usize) -> bool {
    let faults = faults(effect);
    let (client, mut server) = duplex(1 << 20);
    let session = faults.session();
    session.wait_slow_open().await;
    let mut client = session.client(client);
    client.write_all(&vec![7; bytes]).await.expect("it is open");
    let mut received = vec![0; bytes];
    let _ =
        timeout(10 * SECOND, async { tokio::join!(client.flush(), server.read_exact(&mut received)) }).await;
    has_acted(&faults)
}

#[tokio::test(start_paused = true)]
async fn a_bandwidth_acts_if_data_waits_for_it() {
    assert!(!acts_on(Bandwidth::new(1e9), 100).await);
    assert!(!acts_on(Bandwidth::new(1000.0), 1000).await, "the burst lets it pass");
    assert!(acts_on(Bandwidth::new(1000.0), 5000).await);
    assert!(acts_on(Bandwidth::new(0.0), 1).await);
}

#[tokio::test(start_paused = true)]
async fn a_delay_acts_if_it_is_not_zero() {
    for (delay, acts) in [(Duration::ZERO, false), (SECOND, true)] {
        assert_eq!(acts_on(Jitter::new(delay, 5.0), 1).await, acts, "jitter {delay:?}");
        assert_eq!(acts_on(Latency::new(Delay::Constant(delay)), 1).await, acts, "latency {delay:?}");
        assert_eq!(acts_on(SlowOpen::new(delay), 1).await, acts, "slow open {delay:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slicer_acts_if_data_is_as_long_as_a_piece() {
    assert!(!acts_on(Slicer::new(1000, 0, Duration::ZERO), 999).await);
    assert!(acts_on(Slicer::new(1000, 0, Duration::ZERO), 1001).await);
}

#[tokio::test(start_paused = true)]
async fn a_blackhole_and_a_timeout_act_if_they_hold_data() {
    for bytes in [0, 1] {
        assert_eq!(acts_on(Blackhole::new(false), bytes).await, bytes > 0);
        assert_eq!(acts_on(Blackhole::new(true), bytes).await, bytes > 0);
        // Clients may give up before the session is closed.
        assert_eq!(acts_on(Timeout::new(Some(1000 * SECOND), false), bytes).await, bytes > 0);
    }
    assert!(acts_on(Timeout::new(Some(SECOND), false), 1).await);
}

#[tokio::test(start_paused = true)]
async fn a_slow_open_acts_on_a_client_that_gives_up() {
    for (delay, acts) in [(Duration::ZERO, false), (10 * SECOND, true)] {
        let faults = faults(SlowOpen::new(delay));
        let opened = timeout(SECOND, faults.session().wait_slow_open()).await;
        assert_eq!((opened.is_err(), has_acted(&faults)), (acts, acts), "{delay:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_acts_if_it_closes_the_port() {
    let faults = faults(Refuse);
    assert!(!has_acted(&faults), "without a listener, no port is closed");
    let listener = faults.listener();
    listener.set_open(false);
    let closed = timeout(SECOND, listener.faults().wait_for_refusing(false)).await;
    assert!(closed.is_err() && has_acted(&faults));
    // A second fault keeps the port closed.
    let both = [("fault", Refuse), ("second", Refuse)].map(|(name, effect)| Fault::new(name, effect));
    let wait = async { timeout(2 * SECOND, listener.faults().wait_for_refusing(false)).await };
    let change = async {
        sleep(SECOND).await;
        faults.replace(both.to_vec());
    };
    assert!(tokio::join!(wait, change).0.is_err());
    assert!(faults.stats().iter().all(|(fault, stats)| stats.has_acted(&fault.effect)));
}
