//! What the end-to-end tests share: both programs as their users run them, and both ends of their sessions.

pub(crate) mod bytes;
pub(crate) mod flood;
pub(crate) mod http;
pub(crate) mod member;

use std::fmt::Display;
use std::net::{SocketAddr, TcpStream};
use std::ops::Deref;
use std::path::{Path, PathBuf};

pub(crate) use testkit::free_addr;
pub(crate) use testkit::session::{PATIENCE, eventually, patient, printed};
use testkit::{Daemon, NatsServer};

pub(crate) const MIB: u64 = 1 << 20;

/// Both programs and their NATS, with one forward to one target.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) client: Client,
    pub(crate) server: Server,
    pub(crate) nats: NatsServer,
}

impl Pair {
    /// `target`: what clients ask for, HOST:PORT.
    pub(crate) fn to(target: impl Display) -> Self {
        Self::with(target, &[], &[])
    }

    /// With more flags for the server and for the client.
    pub(crate) fn with(target: impl Display, of_server: &[&str], of_client: &[&str]) -> Self {
        let nats = NatsServer::start();
        let server = Server::with(&nats.url(), of_server);
        let client = Client::with(&nats.url(), target, of_client);
        Self { client, server, nats }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        self.client.connect()
    }

    /// Waits until the log of either program contains it.
    pub(crate) fn both_log(&self, needle: &str) {
        self.server.wait_for_line(needle);
        self.client.wait_for_line(needle);
    }
}

/// `nats-proxy-server` with its subscription.
#[derive(Debug)]
pub(crate) struct Server(Daemon);

impl Server {
    pub(crate) fn at(nats_url: &str) -> Self {
        Self::with(nats_url, &[])
    }

    /// Without an HTTP endpoint unless the flags set its address.
    pub(crate) fn with(nats_url: &str, options: &[&str]) -> Self {
        let quiet: &[&str] = if options.contains(&"--listen-addr") { &[] } else { &["--listen-addr", "off"] };
        Self::run(&[&["--nats-url", nats_url], quiet, options].concat(), &[])
    }

    /// With these arguments and variables alone.
    pub(crate) fn run(args: &[&str], variables: &[(&str, &str)]) -> Self {
        let server = Self(spawn(&server_binary(), args, variables));
        server.wait_for_line("listening on proxy.request");
        server
    }
}

impl Deref for Server {
    type Target = Daemon;

    fn deref(&self) -> &Daemon {
        &self.0
    }
}

/// `nats-proxy-client`, listening.
#[derive(Debug)]
pub(crate) struct Client {
    daemon: Daemon,
    pub(crate) addr: SocketAddr,
}

impl Client {
    pub(crate) fn to(nats_url: &str, target: impl Display) -> Self {
        Self::with(nats_url, target, &[])
    }

    pub(crate) fn with(nats_url: &str, target: impl Display, options: &[&str]) -> Self {
        let (addr, target) = (free_addr(), target.to_string());
        let listen = addr.to_string();
        let forward = ["--nats-url", nats_url, "--listen-addr", &listen, "--remote-addr", &target];
        Self::run(addr, &[&forward, options].concat(), &[])
    }

    /// With these arguments and variables alone, which make it listen on `addr`.
    pub(crate) fn run(addr: SocketAddr, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let daemon = spawn(client_binary(), args, variables);
        daemon.wait_for_line(&format!("listening on {addr} for "));
        Self { daemon, addr }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        patient(TcpStream::connect(self.addr).expect("the client listens"))
    }
}

impl Deref for Client {
    type Target = Daemon;

    fn deref(&self) -> &Daemon {
        &self.daemon
    }
}

/// Ignores settings and variables of the user who runs the tests.
pub(crate) fn spawn(program: &Path, args: &[&str], variables: &[(&str, &str)]) -> Daemon {
    let empty = ["NATS_URL", "NATS_USER", "NATS_PASSWORD", "LISTEN_ADDR", "REMOTE_ADDR", "LOG_LEVEL"];
    let nothing = empty.iter().map(|name| (*name, ""));
    let variables: Vec<_> =
        nothing.chain([("HOME", "/nonexistent")]).chain(variables.iter().copied()).collect();
    Daemon::spawn(program, args, &variables)
}

pub(crate) fn client_binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_nats-proxy-client"))
}

/// In the folder of the client. Only a test of the whole workspace builds it as well.
pub(crate) fn server_binary() -> PathBuf {
    let binary = client_binary().with_file_name("nats-proxy-server");
    assert!(
        binary.exists(),
        "{} is missing: run `cargo build -p nats-proxy-server` (with --release if the tests are)",
        binary.display()
    );
    binary
}

/// How many lines of a log have `needle` so far.
pub(crate) fn count(daemon: &Daemon, needle: &str) -> usize {
    daemon.stderr().lines().filter(|line| line.contains(needle)).count()
}
