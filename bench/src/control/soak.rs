//! Adds, changes and removes faults with a thousand calls per second, while sessions transfer data that no
//! fault may break.

use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::Api;
use ureq::http::Method;

use super::Scale;
use super::controlled::Controlled;
use crate::far_end::ECHO;
use crate::load::{ping, prepare};
use crate::report::{Target, figure, markdown, percentile};
use crate::verdict::at_least;

/// Number of callers. Each has separate faults.
const CALLERS: u64 = 4;
/// Rate of all callers together, slightly above the target.
const CALLS_A_SECOND: u64 = 1040;
const WANTED: f64 = 1000.0;
const SESSIONS: usize = 8;

pub(super) fn run(scale: &Scale) -> Result<Vec<Target>> {
    let controlled = Controlled::start()?;
    let (is_over, pings) = (AtomicBool::new(false), AtomicU64::new(0));
    let (calls, seconds) = thread::scope(|scope| -> Result<(Vec<Duration>, f64)> {
        let sessions: Vec<_> =
            (0..SESSIONS).map(|_| scope.spawn(|| carry(&controlled, &is_over, &pings))).collect();
        let started = Instant::now();
        let callers: Vec<_> = (0..CALLERS)
            .map(|number| {
                let api = controlled.api.another();
                scope.spawn(move || call_until(&api, number, started, scale.soaking))
            })
            .collect();
        let calls: Result<Vec<_>> =
            callers.into_iter().map(|caller| caller.join().expect("it only calls")).collect();
        let seconds = started.elapsed().as_secs_f64();
        is_over.store(true, Ordering::Relaxed);
        for session in sessions {
            session.join().expect("it only pings").context("a session is broken")?;
        }
        Ok((calls?.concat(), seconds))
    })?;
    let pings = pings.load(Ordering::Relaxed);
    ensure!(pings > 0, "the sessions carried nothing");
    let ms = |quantile| figure(percentile(&calls, quantile).as_secs_f64() * 1e3);
    let rate = calls.len() as f64 / seconds;
    let rows = [
        vec!["calls".to_owned(), calls.len().to_string()],
        vec!["calls a second".to_owned(), figure(rate)],
        vec!["p50, ms".to_owned(), ms(0.5)],
        vec!["p99, ms".to_owned(), ms(0.99)],
        vec!["longest, ms".to_owned(), ms(1.0)],
        vec!["calls that failed".to_owned(), "0".to_owned()],
        vec![format!("round trips of {SESSIONS} sessions during it, all bytes as sent"), pings.to_string()],
        vec!["sessions that broke".to_owned(), "0".to_owned()],
    ];
    let table = markdown(["", ""].map(str::to_owned).to_vec(), rows.into_iter());
    println!("\n### {seconds:.0} s of calls against a proxy that carries traffic\n\n{table}");
    Ok(vec![at_least("calls a second", rate, WANTED)])
}

/// Makes round trips until the end. A stall is not a failure, because a fault may end late. An error is a
/// failure.
fn carry(controlled: &Controlled, is_over: &AtomicBool, pings: &AtomicU64) -> Result<()> {
    let mut session = [prepare(TcpStream::connect(controlled.proxy)?, ECHO)?];
    while !is_over.load(Ordering::Relaxed) {
        ping(&mut session, 10)?;
        pings.fetch_add(10, Ordering::Relaxed);
    }
    Ok(())
}

/// Adds, changes and removes one fault after the other, evenly spread over time.
fn call_until(api: &Api, number: u64, started: Instant, duration: Duration) -> Result<Vec<Duration>> {
    let interval = Duration::from_secs(1) * u32::try_from(CALLERS)? / u32::try_from(CALLS_A_SECOND)?;
    let faults = [
        ("latency", json!({"latency": 1}), json!({"jitter": 1})),
        ("packet_loss", json!({"rate": 0.01, "rtt": "1ms"}), json!({"rate": 0.02})),
        ("slicer", json!({"average_size": 16, "delay": 10}), json!({"average_size": 8})),
        ("bandwidth", json!({"rate": 100_000}), json!({"rate": 50_000})),
        ("latency", json!({"mean": "1ms", "stddev": "1ms"}), json!({"mean": "2ms"})),
    ];
    let mut times = Vec::new();
    let mut call = |method: Method, path: &str, body: &Value| -> Result<bool> {
        let due = started + interval * u32::try_from(times.len()).unwrap_or(u32::MAX);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let begin = Instant::now();
        api.call(&method, path, body)?;
        times.push(begin.elapsed());
        Ok(started.elapsed() < duration)
    };
    let toxics = "/proxies/proxy-1/toxics";
    for round in 0_usize.. {
        let (kind, made, changed) = &faults[round % faults.len()];
        let stream = if round % 2 == 0 { "upstream" } else { "downstream" };
        let name = format!("fault-{number}");
        let body = json!({"type": kind, "name": name, "stream": stream, "attributes": made});
        call(Method::POST, toxics, &body)?;
        call(Method::POST, &format!("{toxics}/{name}"), &json!({"attributes": changed}))?;
        if !call(Method::DELETE, &format!("{toxics}/{name}"), &Value::Null)? {
            break;
        }
    }
    Ok(times)
}
