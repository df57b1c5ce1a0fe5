use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::runtime;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::*;

/// Reached only when a test fails.
const FOREVER: Duration = Duration::from_secs(60);

/// A resolver under the test's control: `slow` names wait until the gate opens, and all calls are counted.
struct Script {
    resolver: Resolver,
    /// One message for each call.
    calls: mpsc::Receiver<String>,
    running: Arc<AtomicUsize>,
    /// Dropping it opens the gate.
    gate: Option<mpsc::Sender<()>>,
}

impl Script {
    fn new() -> Self {
        let (called, calls) = mpsc::channel();
        let (gate, closed) = mpsc::channel::<()>();
        let (closed, running) = (Mutex::new(closed), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&running);
        let resolver = Resolver::with_lookup(move |host| {
            let number = count.fetch_add(1, Ordering::Relaxed);
            called.send(host.to_owned()).ok();
            if host.starts_with("slow") {
                // Ends when the sender is dropped.
                closed.lock().recv().ok();
            }
            count.fetch_sub(1, Ordering::Relaxed);
            match host {
                "nowhere" => Err(io::Error::other("no such name")),
                _ => Ok(vec![([10, 0, 0, u8::try_from(number % 256).unwrap()], 9).into()]),
            }
        });
        Self { resolver, calls, running, gate: Some(gate) }
    }

    fn open(&mut self) {
        self.gate = None;
    }

    fn wait_for_call(&self) -> String {
        self.calls.recv_timeout(FOREVER).expect("a lookup begins")
    }
}

/// Callers poll at least once when this returns.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn all_who_wait_for_a_name_share_one_lookup_also_across_runtimes() {
    let mut script = Script::new();
    let tasks = TaskTracker::new();
    let here: Vec<_> = (1..=50)
        .map(|port| {
            let resolver = script.resolver.clone();
            tasks.spawn(async move { resolver.resolve("slow", port).await })
        })
        .collect();
    settle().await;
    assert_eq!(script.wait_for_call(), "slow");
    let resolver = script.resolver.clone();
    let (polled, is_polled) = mpsc::channel();
    let elsewhere = thread::spawn(move || {
        let runtime = runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut waiting = Box::pin(resolver.resolve("slow", 99));
            assert!(futures_util::poll!(waiting.as_mut()).is_pending());
            polled.send(()).unwrap();
            waiting.await
        })
    });
    is_polled.recv_timeout(FOREVER).unwrap();
    script.open();
    for (found, port) in join_all(here).await.into_iter().zip(1..) {
        assert_eq!(found.unwrap().unwrap(), [SocketAddr::from(([10, 0, 0, 0], port))]);
    }
    assert_eq!(elsewhere.join().unwrap().unwrap(), [SocketAddr::from(([10, 0, 0, 0], 99))]);
    assert!(script.calls.try_recv().is_err(), "one lookup for all");
    // Nothing is kept: the next caller gets what is true then.
    script.resolver.resolve("slow", 1).await.unwrap();
    assert_eq!(script.wait_for_call(), "slow");
}

#[tokio::test]
async fn callers_that_give_up_neither_cancel_the_others_nor_add_threads() {
    let mut script = Script::new();
    for _ in 0..20 {
        let mut gone = Box::pin(script.resolver.resolve("slow", 1));
        assert!(futures_util::poll!(gone.as_mut()).is_pending());
    }
    script.wait_for_call();
    let resolver = script.resolver.clone();
    let mut patient = Box::pin(resolver.resolve("slow", 1));
    assert!(futures_util::poll!(patient.as_mut()).is_pending());
    script.open();
    timeout(FOREVER, patient).await.unwrap().unwrap();
    assert!(script.calls.try_recv().is_err(), "one lookup for all of them");
}

#[tokio::test]
async fn silent_names_leave_threads_for_names_that_resolve() {
    let mut script = Script::new();
    script.resolver.resolve("healthy", 1).await.unwrap();
    let tasks = TaskTracker::new();
    let silent: Vec<_> = (0..400)
        .map(|number| {
            let resolver = script.resolver.clone();
            tasks.spawn(async move { resolver.resolve(&format!("slow-{number}"), 1).await })
        })
        .collect();
    settle().await;
    for _ in 0..=MAX_NEW_LOOKUPS {
        script.wait_for_call();
    }
    for _ in 0..3 {
        timeout(FOREVER, script.resolver.resolve("healthy", 1)).await.unwrap().unwrap();
    }
    assert_eq!(script.running.load(Ordering::Relaxed), MAX_NEW_LOOKUPS);
    // Waiting lookups get their places.
    script.open();
    for each in join_all(silent).await {
        each.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_failure_reaches_all_who_wait() {
    let script = Script::new();
    let (one, other) =
        tokio::join!(script.resolver.resolve("nowhere", 1), script.resolver.resolve("nowhere", 2));
    for failed in [one, other] {
        assert_eq!(failed.unwrap_err().to_string(), "no such name");
    }
    let empty = Resolver::with_lookup(|_| Ok(Vec::new())).resolve("empty", 1).await.unwrap_err();
    assert_eq!(empty.kind(), io::ErrorKind::NotFound);
}

#[tokio::test]
async fn addresses_need_no_lookup() {
    let resolver = Resolver::with_lookup(|host| Err(io::Error::other(host.to_owned())));
    assert_eq!(resolver.resolve("::1", 5).await.unwrap(), ["[::1]:5".parse().unwrap()]);
    assert!(resolver.resolve("127.0.0.1", 5).await.is_ok());
}

#[tokio::test]
async fn the_limit_counts_from_the_beginning_of_the_lookup() {
    let mut script = Script::new();
    let limit = Duration::from_millis(50);
    let late = script.resolver.resolve_within("slow", 1, limit).await.unwrap_err();
    assert_eq!(late.kind(), io::ErrorKind::TimedOut);
    // The same lookup is older than the time limit now, so no caller waits again.
    let again = script.resolver.resolve_within("slow", 1, limit).now_or_never();
    assert_eq!(again.expect("it does not wait").unwrap_err().kind(), io::ErrorKind::TimedOut);
    script.open();
    timeout(FOREVER, script.resolver.resolve("slow", 1)).await.unwrap().unwrap();
}

#[test]
fn a_runtime_that_ends_leaves_no_lookup_behind() {
    let resolver = Resolver::with_lookup(|_| Ok(vec![([10, 0, 0, 1], 0).into()]));
    let runtime = runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
    let (gate, closed) = mpsc::channel::<()>();
    runtime.spawn_blocking(move || closed.recv());
    runtime.block_on(async {
        let mut queued = Box::pin(resolver.resolve("queued", 1));
        assert!(futures_util::poll!(queued.as_mut()).is_pending());
    });
    drop(gate);
    runtime.shutdown_background();
    let runtime = runtime::Builder::new_current_thread().enable_time().build().unwrap();
    // It may be canceled with its runtime, or have run there; it is not in the way of the next one.
    runtime.block_on(async {
        while timeout(FOREVER, resolver.resolve("queued", 1)).await.expect("an end").is_err() {}
    });
}
