//! What the tests of faults share: a client that sees every reply of Redis, and the clock of a run.

pub(crate) mod script;

use std::{
    fmt::Display,
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use crate::support::Proxy;

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn timed<T>(act: impl FnOnce() -> T) -> (T, Duration) {
    let started = Instant::now();
    (act(), started.elapsed())
}

/// A run whose schedules count from an instant that is known to lie between two.
#[derive(Debug)]
pub(crate) struct Scheduled {
    pub(crate) proxy: Proxy,
    pub(crate) earliest: Instant,
    pub(crate) latest: Instant,
}

impl Scheduled {
    pub(crate) fn with(upstream: impl Display, options: &[&str]) -> Self {
        let earliest = Instant::now();
        let proxy = Proxy::with(upstream, options);
        Self { proxy, earliest, latest: Instant::now() }
    }

    /// Sleeps until `time` of the run is certainly over.
    pub(crate) fn sleep_until(&self, time: Duration) {
        thread::sleep((self.latest + time).saturating_duration_since(Instant::now()));
    }

    /// Whether `instant` is certainly before this time of the run.
    pub(crate) fn is_before(&self, instant: Instant, time: Duration) -> bool {
        instant < self.earliest + time
    }

    /// Whether `instant` is certainly behind this time of the run.
    pub(crate) fn is_after(&self, instant: Instant, time: Duration) -> bool {
        instant > self.latest + time
    }
}

/// A session with Redis, in the inline form of its protocol.
#[derive(Debug)]
pub(crate) struct RedisSession(BufReader<TcpStream>);

impl RedisSession {
    pub(crate) fn open(proxy: &Proxy) -> Self {
        let stream = proxy.connect();
        stream.set_nodelay(true).expect("a socket can");
        Self(BufReader::new(stream))
    }

    /// Sends commands, each with its line end, in one write.
    pub(crate) fn send(&mut self, commands: &str) {
        self.0.get_mut().write_all(commands.as_bytes()).expect("the proxy reads");
    }

    /// One line of a reply, without its line end.
    pub(crate) fn reply(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a reply");
        line.trim_end().to_owned()
    }

    /// A command whose reply is one line.
    pub(crate) fn ask(&mut self, command: &str) -> String {
        self.send(&format!("{command}\r\n"));
        self.reply()
    }

    /// The time of a round trip.
    pub(crate) fn ping(&mut self) -> Duration {
        let (pong, took) = timed(|| self.ask("PING"));
        assert_eq!(pong, "+PONG");
        took
    }
}
