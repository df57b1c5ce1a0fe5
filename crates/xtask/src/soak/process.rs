//! Checks that a program has released its resources at the end of a soak test.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use testkit::{Daemon, Signal, open_descriptors, resident_bytes, threads};
use ureq::Agent;

use super::Soak;

/// Time limit for sessions to end and memory to be released.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Allowance for kept connections of HTTP clients and similar descriptors.
const SPARE_DESCRIPTORS: usize = 4;
/// Allowance for threads that the allocator starts under load.
const SPARE_THREADS: usize = 4;
/// Allowance for memory that the allocator keeps.
const SPARE_BYTES: u64 = 48 << 20;
const END_TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Process {
    name: &'static str,
    pub(super) daemon: Daemon,
    /// Address of its HTTP endpoint.
    pub(super) http: SocketAddr,
    descriptors: usize,
    threads: usize,
    bytes: u64,
}

impl Process {
    /// Records the resources of a program that has started and served some sessions.
    pub(super) fn new(name: &'static str, daemon: Daemon, http: SocketAddr) -> Self {
        let pid = daemon.pid();
        let (descriptors, threads, bytes) = (open_descriptors(pid), threads(pid), resident_bytes(pid));
        Self { name, daemon, http, descriptors, threads, bytes }
    }

    /// Checks that no session, descriptor or memory is left, and that the program ends successfully.
    pub(super) fn check(&self, soak: &Soak) {
        let deadline = Instant::now() + SETTLE_TIMEOUT;
        while let Err(left) = self.is_as_before() {
            if Instant::now() > deadline {
                soak.wrong(format!("{}: {left}", self.name));
                break;
            }
            thread::sleep(Duration::from_millis(200));
        }
        self.daemon.signal(Signal::TERM);
        let status = self.daemon.wait(END_TIMEOUT);
        if !status.success() {
            soak.wrong(format!("{} ends with {status}", self.name));
        }
        for line in self.daemon.lines().iter().filter(|line| line.contains("panicked")) {
            soak.wrong(format!("{}: {line}", self.name));
        }
    }

    fn is_as_before(&self) -> Result<(), String> {
        let pid = self.daemon.pid();
        let (descriptors, bytes) = (open_descriptors(pid), resident_bytes(pid));
        let left = self.active_sessions()?;
        if left > 0.0 {
            return Err(format!("{left} sessions are left"));
        }
        if descriptors > self.descriptors + SPARE_DESCRIPTORS {
            return Err(format!(
                "{descriptors} descriptors are open, {} were at the start",
                self.descriptors
            ));
        }
        let threads = threads(pid);
        if threads > self.threads + SPARE_THREADS {
            return Err(format!("{threads} threads run, {} did at the start", self.threads));
        }
        if bytes > self.bytes + SPARE_BYTES {
            return Err(format!("{bytes} bytes are resident, {} were at the start", self.bytes));
        }
        Ok(())
    }

    fn active_sessions(&self) -> Result<f64, String> {
        let config = Agent::config_builder().timeout_global(Some(Duration::from_secs(10))).build();
        let answer = config.new_agent().get(format!("http://{}/metrics", self.http)).call();
        let text = answer.and_then(|mut answer| answer.body_mut().read_to_string());
        let text = text.map_err(|error| format!("no metrics: {error}"))?;
        let samples = text.lines().filter(|line| !line.starts_with('#') && line.contains("sessions_active"));
        Ok(samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
    }
}
