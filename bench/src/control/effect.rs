//! The time until an added fault takes effect on an open session, and until a removed fault stops acting.
//!
//! Small messages make round trips continuously. A blackhole for responses blocks all of them. The time starts before the
//! call, so that it includes the call itself.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use ureq::http::Method;

use super::Scale;
use super::controlled::Controlled;
use crate::far_end::ECHO;
use crate::load::prepare;
use crate::report::{Target, figure, markdown, percentile};
use crate::verdict::at_most;

/// Interval between messages, which is the accuracy of the measured times.
const INTERVAL: Duration = Duration::from_micros(200);
/// Time without data after which the fault counts as in effect.
const SILENCE: Duration = Duration::from_millis(30);

/// Target in milliseconds.
const WANTED: f64 = 10.0;

pub(super) fn run(scale: &Scale) -> Result<Vec<Target>> {
    let controlled = Controlled::start()?;
    let stream = prepare(TcpStream::connect(controlled.proxy)?, ECHO)?;
    let (mut sending, mut receiving) = (stream.try_clone()?, stream.try_clone()?);
    let started = Instant::now();
    let (is_over, last) = (AtomicBool::new(false), AtomicU64::new(0));
    let nanos = || u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let mut times = [Vec::new(), Vec::new()];
    thread::scope(|scope| -> Result<()> {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) && sending.write_all(&[0; 8]).is_ok() {
                thread::sleep(INTERVAL);
            }
        });
        scope.spawn(|| {
            let mut replies = [0; 64 << 10];
            while receiving.read(&mut replies).is_ok_and(|len| len > 0) {
                last.store(nanos(), Ordering::Relaxed);
            }
        });
        let measured = (|| {
            for _ in 0..scale.changes {
                times[0].push(added(&controlled, &last, &nanos)?);
                times[1].push(removed(&controlled, &last, &nanos)?);
            }
            Ok(())
        })();
        is_over.store(true, Ordering::Relaxed);
        stream.shutdown(std::net::Shutdown::Both).context("the session is broken")?;
        measured
    })?;
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let rows = ["added", "removed"].into_iter().zip(&times).map(|(label, times)| {
        let quantiles = [0.5, 0.99, 1.0].map(|quantile| figure(ms(percentile(times, quantile))));
        std::iter::once(label.to_owned()).chain(quantiles).collect()
    });
    let header = ["a fault is", "p50, ms", "p99, ms", "longest, ms"].map(str::to_owned).to_vec();
    println!(
        "\n### From before a call to its effect on an open session ({} times)\n\n{}",
        scale.changes,
        markdown(header, rows)
    );
    let labels = ["a fault added, p99, ms", "a fault removed, p99, ms"];
    Ok(labels
        .into_iter()
        .zip(&times)
        .map(|(label, times)| at_most(label, ms(percentile(times, 0.99)), WANTED))
        .collect())
}

/// Returns the time from the beginning of the call to the last response.
fn added(controlled: &Controlled, last: &AtomicU64, nanos: &impl Fn() -> u64) -> Result<Duration> {
    let begin = nanos();
    let hole = json!({"type": "blackhole", "name": "hole"});
    controlled.api.call(&Method::POST, "/proxies/proxy-1/toxics", &hole)?;
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        thread::sleep(SILENCE / 3);
        let latest = last.load(Ordering::Relaxed);
        if nanos().saturating_sub(latest) > u64::try_from(SILENCE.as_nanos()).unwrap_or(u64::MAX) {
            return Ok(Duration::from_nanos(latest.saturating_sub(begin)));
        }
        ensure!(Instant::now() < deadline, "replies come through a blackhole");
    }
}

/// Returns the time from the beginning of the call to the first response.
fn removed(controlled: &Controlled, last: &AtomicU64, nanos: &impl Fn() -> u64) -> Result<Duration> {
    let (before, begin) = (last.load(Ordering::Relaxed), nanos());
    let path = "/proxies/proxy-1/toxics/hole";
    let api = controlled.api.another();
    let (call, first) = thread::scope(|scope| {
        let call = scope.spawn(|| api.call(&Method::DELETE, path, &Value::Null));
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut first = before;
        while first == before && Instant::now() < deadline {
            thread::sleep(INTERVAL / 4);
            first = last.load(Ordering::Relaxed);
        }
        (call.join().expect("a call does not panic"), first)
    });
    call?;
    ensure!(first != before, "no reply after the blackhole was removed");
    Ok(Duration::from_nanos(first.saturating_sub(begin)))
}
