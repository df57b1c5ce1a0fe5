//! The NATS programs, with a nats-server that is killed and paused.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use anyhow::Result;
use rand::RngExt as _;
use testkit::{Daemon, NatsServer, TcpServer, free_port};

use super::clients::{self, Count, Ended};
use super::process::Process;
use super::{Soak, program};

const CLIENTS: u64 = 4;
/// Shorter than the time that clients wait for a byte.
const MAX_OUTAGE: Duration = Duration::from_millis(1500);

#[derive(Debug)]
pub(super) struct Tunnel {
    nats: NatsServer,
    server: Process,
    client: Process,
    addr: SocketAddr,
    count: Count,
    outages: AtomicU64,
    _echo: TcpServer,
}

impl Tunnel {
    pub(super) fn start(soak: &Soak) -> Result<Self> {
        let (nats, echo) = (NatsServer::start(), TcpServer::echo());
        let [listen, of_server, of_client] =
            [(); 3].map(|()| SocketAddr::from((Ipv4Addr::LOCALHOST, free_port())));
        let (url, target) = (nats.url(), echo.addr().to_string());
        let [listen_at, server_http, client_http] =
            [listen, of_server, of_client].map(|addr| addr.to_string());
        let server = ["--nats-url", &url, "--listen-addr", &server_http, "--allow", &target];
        let server = Daemon::spawn(&program("nats-proxy-server")?, &server, &[]);
        server.wait_for_line("listening on proxy.request");
        let client = ["--nats-url", &url, "--health-addr", &client_http, "--listen-addr", &listen_at];
        let client = [&client[..], &["--remote-addr", &target]].concat();
        let client = Daemon::spawn(&program("nats-proxy-client")?, &client, &[]);
        client.wait_for_line("listening on");
        let count = Count::default();
        let mut draws = soak.draws(600);
        for _ in 0..CLIENTS {
            clients::echo(clients::connect(listen)?, 1..2, &mut draws, &count);
        }
        Ok(Self {
            nats,
            server: Process::new("nats-proxy-server", server, of_server),
            client: Process::new("nats-proxy-client", client, of_client),
            addr: listen,
            count: Count::default(),
            outages: AtomicU64::new(0),
            _echo: echo,
        })
    }

    pub(super) fn run<'a>(&'a self, scope: &'a Scope<'a, '_>, soak: &'a Soak) {
        for number in 0..CLIENTS {
            scope.spawn(move || self.echo(soak, 400 + number));
        }
        scope.spawn(move || self.trouble(soak));
    }

    /// Sessions must survive all failures of NATS. Only opening a session may fail.
    fn echo(&self, soak: &Soak, number: u64) {
        let mut draws = soak.draws(number);
        while !soak.is_over() {
            let began = self.count.bytes.load(Ordering::Relaxed);
            let ended = match clients::connect(self.addr) {
                Ok(stream) => clients::echo(stream, 1..200, &mut draws, &self.count),
                Err(error) => Ended::Aborted(error),
            };
            if let Ended::Aborted(error) = &ended {
                soak.wrong(format!("a session over NATS is cut after {began} bytes of all: {error}"));
            }
            if let Some(wrong) = self.count.add(ended) {
                soak.wrong(format!("echo over NATS: {wrong}"));
            }
        }
    }

    fn trouble(&self, soak: &Soak) {
        let mut draws = soak.draws(500);
        while !soak.is_over() {
            let until = Instant::now() + draws.random_range(Duration::from_secs(2)..Duration::from_secs(6));
            while Instant::now() < until && !soak.is_over() {
                thread::sleep(Duration::from_millis(50));
            }
            let outage = draws.random_range(Duration::ZERO..MAX_OUTAGE);
            if draws.random() {
                self.nats.kill();
                thread::sleep(outage);
                self.nats.restart();
            } else {
                self.nats.pause();
                thread::sleep(outage);
                self.nats.resume();
            }
            self.outages.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn check(&self, soak: &Soak) {
        self.client.check(soak);
        self.server.check(soak);
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        println!(
            "over NATS: {} outages; {} sessions complete, {} bytes correct",
            of(&self.outages),
            of(&self.count.completed),
            of(&self.count.bytes),
        );
    }
}
