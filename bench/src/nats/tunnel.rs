//! The measured path: to a far end, through both programs and a nats-server between them.

use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use testkit::{Daemon, NatsServer, free_addr};

use super::super::dist_directory;
use super::super::far_end::ECHO;
use super::super::load::{ping, prepare};
use super::super::peers::{SETTLE_TIME, start_far_end, start_ours};

const START: Duration = Duration::from_secs(10);

/// Time within which both ends release a session that has ended.
const RELEASE_TIME: Duration = Duration::from_secs(1);

/// The running programs. Dropping the value stops them.
#[derive(Debug)]
pub(super) struct Tunnel {
    addr: SocketAddr,
    client: Daemon,
    server: Daemon,
    nats: NatsServer,
    _link: Option<Daemon>,
    _far_end: Daemon,
}

impl Tunnel {
    /// Starts both programs with additional flags, and waits until a session works.
    pub(super) fn start(flags: &[&str]) -> Result<Self> {
        Self::start_over(None, flags)
    }

    /// Like [`Self::start`], with a fault-proxy between the client and NATS. `link` has its flags, separated by spaces.
    pub(super) fn start_over(link: Option<&str>, flags: &[&str]) -> Result<Self> {
        let (far_end, far_end_addr) = start_far_end(&["--one-thread"])?;
        let nats = NatsServer::start();
        let (nats_url, addr) = (nats.url(), free_addr());
        let link_addr = free_addr();
        let link_url = format!("nats://{link_addr}");
        let link = link.map(|flags| start_ours(link_addr, nats.addr(), flags)).transpose()?;
        let client_url = if link.is_some() { &link_url } else { &nats_url };
        let (listen, remote) = (addr.to_string(), far_end_addr.to_string());
        let program = |name, url: &str, args: &[&str]| -> Result<Daemon> {
            let common = ["--log-level", "warn", "--nats-url", url];
            Ok(Daemon::spawn(&dist_directory()?.join(name), &[&common, flags, args].concat(), &[]))
        };
        let server = program("nats-proxy-server", &nats_url, &["--listen-addr", "off"])?;
        wait_until(&server, || nats.subscriptions() > 0)?;
        let addresses = ["--listen-addr", &listen, "--remote-addr", &remote];
        let client = program("nats-proxy-client", client_url, &addresses)?;
        wait_until(&client, || TcpStream::connect(addr).is_ok())?;
        let tunnel = Self { addr, client, server, nats, _link: link, _far_end: far_end };
        ping(&mut [tunnel.open(ECHO)?], 1)?;
        thread::sleep(RELEASE_TIME);
        Ok(tunnel)
    }

    /// Opens a session to the far end in the given mode.
    pub(super) fn open(&self, mode: u8) -> Result<TcpStream> {
        prepare(TcpStream::connect(self.addr)?, mode).context("cannot open a session")
    }

    /// Opens `count` sessions, one after the other.
    pub(super) fn open_all(&self, mode: u8, count: usize) -> Result<Vec<TcpStream>> {
        (0..count)
            .map(|number| self.open(mode).with_context(|| format!("{number} of {count} sessions are open")))
            .collect()
    }

    /// Returns the process ids of the client and the server.
    pub(super) fn pids(&self) -> [u32; 2] {
        [self.client.pid(), self.server.pid()]
    }

    pub(super) fn nats(&self) -> &NatsServer {
        &self.nats
    }
}

fn wait_until(program: &Daemon, mut is_ready: impl FnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + START;
    while !is_ready() {
        ensure!(Instant::now() < deadline, "not ready in time: {program:?}, {}", program.stderr());
        thread::sleep(Duration::from_millis(10));
    }
    thread::sleep(SETTLE_TIME);
    Ok(())
}
