//! fault-proxy, with faults that are added and removed at random.

use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, Scope};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rand::{Rng, RngExt as _};
use serde_json::{Value, json};
use testkit::{Api, Daemon, Postgres, Redis, TcpServer, free_port};
use ureq::http::Method;

use super::clients::{self, Count, Ended};
use super::process::Process;
use super::{Soak, program};

const ECHO_CLIENTS: u64 = 6;
const REDIS_CLIENTS: u64 = 2;
const CHANGED: [&str; 3] = ["proxy-1", "proxy-3", "proxy-6"];
/// Names of faults that may exist at the same time.
const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// fault-proxy with a proxy for each of these upstreams: an echo, an echo whose responses are corrupted,
/// Redis, a closed port, an invalid name, and PostgreSQL.
#[derive(Debug)]
pub(super) struct Faulty {
    process: Process,
    api: Api,
    ports: [u16; 6],
    echoes: Count,
    redis_commands: Count,
    statements: Count,
    /// Number of connections that cannot have an upstream.
    unreachable: AtomicU64,
    changes: AtomicU64,
    _upstreams: (TcpServer, Redis, Postgres),
}

impl Faulty {
    pub(super) fn start(soak: &Soak) -> Result<Self> {
        let upstreams = (TcpServer::echo(), Redis::start(), Postgres::start());
        let ports = [(); 6].map(|()| free_port());
        let control = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let [echo, redis] = [upstreams.0.addr().to_string(), format!("127.0.0.1:{}", upstreams.1.port())];
        let nobody = format!("127.0.0.1:{}", free_port());
        let postgres = format!("psql://127.0.0.1:{}", upstreams.2.port());
        let to = [&*echo, &echo, &redis, &nobody, "there-is-no-such-name.invalid:1", &postgres];
        let mappings: Vec<_> = ports.iter().zip(to).map(|(port, to)| format!("{port}={to}")).collect();
        let (seed, control_addr) = (soak.seed.to_string(), control.to_string());
        let mut args = vec!["run", "--control", &control_addr, "--seed", &seed, "--drain-timeout", "1s"];
        args.extend(mappings.iter().flat_map(|mapping| ["--proxy", mapping]));
        let daemon = Daemon::spawn(&program("fault-proxy")?, &args, &[]);
        daemon.wait_for_line("control API on");
        for port in &ports[..3] {
            clients::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, *port)))?;
        }
        let api = Api::new(control);
        let corrupt = json!({"type": "corrupt", "attributes": {"rate": 0.01}});
        api.call(&Method::POST, "/proxies/proxy-2/toxics", &corrupt)?;
        Ok(Self {
            process: Process::new("fault-proxy", daemon, control),
            api,
            ports,
            echoes: Count::default(),
            redis_commands: Count::default(),
            statements: Count::default(),
            unreachable: AtomicU64::new(0),
            changes: AtomicU64::new(0),
            _upstreams: upstreams,
        })
    }

    pub(super) fn run<'a>(&'a self, scope: &'a Scope<'a, '_>, soak: &'a Soak) {
        for number in 0..ECHO_CLIENTS {
            scope.spawn(move || self.echo(soak, number));
        }
        for number in 0..REDIS_CLIENTS {
            scope.spawn(move || self.redis(soak, 100 + number));
        }
        scope.spawn(move || self.psql(soak));
        scope.spawn(move || self.corrupted(soak));
        scope.spawn(move || self.without_upstream(soak));
        scope.spawn(move || self.change(soak));
    }

    fn addr(&self, proxy: usize) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.ports[proxy]))
    }

    fn echo(&self, soak: &Soak, number: u64) {
        let mut draws = soak.draws(number);
        while !soak.is_over() {
            let ended = match clients::connect(self.addr(0)) {
                Ok(stream) => clients::echo(stream, 0..20, &mut draws, &self.echoes),
                Err(error) => {
                    thread::sleep(Duration::from_millis(20));
                    Ended::Aborted(error)
                }
            };
            if let Some(wrong) = self.echoes.add(ended) {
                soak.wrong(format!("echo behind faults: {wrong}"));
            }
        }
    }

    fn redis(&self, soak: &Soak, number: u64) {
        let (mut draws, key) = (soak.draws(number), format!("key-{number}"));
        while !soak.is_over() {
            let Ok(stream) = clients::connect(self.addr(2)) else {
                thread::sleep(Duration::from_millis(20));
                continue;
            };
            loop {
                let ended = clients::redis(&stream, &key, &mut draws);
                let goes_on = matches!(ended, Ended::Completed) && !soak.is_over();
                if let Some(wrong) = self.redis_commands.add(ended) {
                    soak.wrong(wrong);
                }
                if !goes_on {
                    break;
                }
            }
        }
    }

    /// Runs psql again and again.
    fn psql(&self, soak: &Soak) {
        let mut draws = soak.draws(150);
        while !soak.is_over() {
            let ended = clients::psql(self.ports[5], &mut draws);
            if matches!(ended, Ended::Aborted(_)) {
                thread::sleep(Duration::from_millis(20));
            }
            if let Some(wrong) = self.statements.add(ended) {
                soak.wrong(wrong);
            }
        }
    }

    /// Expects as many bytes as it sends. Their values may differ.
    fn corrupted(&self, soak: &Soak) {
        let mut draws = soak.draws(200);
        while !soak.is_over() {
            let Ok(mut stream) = clients::connect(self.addr(1)) else { continue };
            let sent = vec![0; draws.random_range(1..100_000)];
            let mut back = vec![0; sent.len()];
            let whole =
                std::io::Write::write_all(&mut stream, &sent).and_then(|()| stream.read_exact(&mut back));
            if let Err(error) = whole {
                soak.wrong(format!("a session with only a corrupt fault ended: {error}"));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn without_upstream(&self, soak: &Soak) {
        for proxy in [3, 4].into_iter().cycle() {
            if soak.is_over() {
                return;
            }
            if let Ok(mut stream) = clients::connect(self.addr(proxy)) {
                self.unreachable.fetch_add(1, Ordering::Relaxed);
                let end = stream.read(&mut [0]);
                if !matches!(end, Ok(0)) {
                    soak.wrong(format!("a client without an upstream reads no end of file: {end:?}"));
                }
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Changes the faults of the proxies in front of the echo, Redis and PostgreSQL, and sometimes these
    /// proxies themselves.
    fn change(&self, soak: &Soak) {
        let mut draws = soak.draws(300);
        while !soak.is_over() {
            let proxy = CHANGED[draws.random_range(0..CHANGED.len())];
            if let Err(error) = self.change_one(proxy, &mut draws) {
                soak.wrong(format!("the control API: {error:#}"));
            }
            self.changes.fetch_add(1, Ordering::Relaxed);
            thread::sleep(Duration::from_millis(draws.random_range(5..60)));
        }
        if let Err(error) = self.api.call(&Method::POST, "/reset", &Value::Null) {
            soak.wrong(format!("the control API: {error:#}"));
        }
    }

    fn change_one(&self, proxy: &str, draws: &mut impl Rng) -> Result<()> {
        let name = NAMES[draws.random_range(0..NAMES.len())];
        let path = format!("/proxies/{proxy}");
        let toxics = format!("{path}/toxics");
        let fault = format!("{toxics}/{name}");
        let there = self.api.get(&toxics)?;
        let is_there = there.as_array().context("an array")?.iter().any(|toxic| toxic["name"] == name);
        match draws.random_range(0..20) {
            0 => self.api.call(&Method::POST, &path, &json!({"enabled": false})),
            // Enable it again often, so that it is not disabled for long.
            1..4 => self.api.call(&Method::POST, &path, &json!({"enabled": true})),
            4..12 if is_there => self.api.call(&Method::DELETE, &fault, &Value::Null),
            _ if is_there => {
                self.api.call(&Method::POST, &fault, &json!({"toxicity": draws.random::<f64>()}))
            }
            _ => {
                let (kind, attributes) = any_fault(draws);
                let stream = if draws.random() { "upstream" } else { "downstream" };
                let body = json!({
                    "type": kind, "name": name, "stream": stream, "attributes": attributes,
                    "toxicity": draws.random::<f64>()
                });
                self.api.call(&Method::POST, &toxics, &body)
            }
        }
    }

    pub(super) fn check(&self, soak: &Soak) {
        for proxy in [0, 2, 5] {
            if let Err(error) = clients::connect(self.addr(proxy)) {
                soak.wrong(format!("proxy {} does not listen after a reset: {error}", proxy + 1));
            }
        }
        self.process.check(soak);
        let unreachable = self.unreachable.load(Ordering::Relaxed);
        // The process has ended, so the log has its last counts. Clients that a fault refuses are logged in the same way.
        let explained: u64 =
            self.process.daemon.lines().iter().map(|line| clients_without_upstream(line)).sum();
        if explained < unreachable {
            soak.wrong(format!("{unreachable} clients had no upstream, the log explains {explained}"));
        }
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        println!(
            "fault-proxy: {} changes; {} sessions complete and {} aborted, {} bytes correct; {} Redis commands; psql: {} complete and {} aborted; {unreachable} clients without an upstream",
            of(&self.changes),
            of(&self.echoes.completed),
            of(&self.echoes.aborted),
            of(&self.echoes.bytes),
            of(&self.redis_commands.completed),
            of(&self.statements.completed),
            of(&self.statements.aborted),
        );
    }
}

/// Returns the number of clients without an upstream that a line of the log reports.
fn clients_without_upstream(line: &str) -> u64 {
    if !line.contains("no upstream") {
        return 0;
    }
    let count = line.split_once(" clients ").and_then(|(before, _)| before.rsplit(' ').next()?.parse().ok());
    count.unwrap_or(1)
}

/// Returns a random fault of the types that do not change bytes.
fn any_fault(draws: &mut impl Rng) -> (&'static str, Value) {
    let ms = draws.random_range(0..50);
    match draws.random_range(0..15) {
        0 => ("latency", json!({"latency": ms, "jitter": ms})),
        1 => ("latency", json!({"mean": format!("{ms}ms"), "stddev": "10ms"})),
        2 => ("jitter", json!({"frequency": 20, "amplitude": format!("{}ms", ms + 1)})),
        3 => ("bandwidth", json!({"rate": draws.random_range(50..10_000)})),
        4 => ("packet_loss", json!({"rate": draws.random_range(0.0..0.2), "rtt": "5ms"})),
        5 => ("blackhole", json!({})),
        6 => ("reset", json!({})),
        7 => ("timeout", json!({"timeout": draws.random_range(0..500)})),
        8 => ("slow_close", json!({"delay": ms})),
        9 => ("slicer", json!({"average_size": draws.random_range(1..2000), "delay": 10})),
        10 => ("limit_data", json!({"bytes": draws.random_range(0..100_000)})),
        11 => ("refuse", json!({})),
        12 => ("slow_open", json!({"delay": format!("{ms}ms")})),
        13 => ("reset_peer", json!({"timeout": ms})),
        _ => ("noop", json!({})),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_counts_all_clients_that_it_is_about() {
        for (line, clients) in [
            ("WARN client closed, no upstream: cannot connect", 1),
            ("WARN 17 clients closed, no upstream, the last because cannot connect", 17),
            ("WARN session{client.addr=x}: 3 clients reset, no upstream, the last because refused", 3),
            ("WARN 5 clients turned away, the last because no TLS", 0),
            ("INFO session ended", 0),
        ] {
            assert_eq!(clients_without_upstream(line), clients, "{line}");
        }
    }
}
