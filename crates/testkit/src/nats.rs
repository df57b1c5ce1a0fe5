//! NATS servers that can be killed, restarted and paused.

mod cluster;
pub mod program;

use rustix::process::Signal;
use serde_json::Value;
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard,
        mpsc::{Sender, channel},
    },
    thread,
    time::Duration,
};
use tempfile::TempDir;

use crate::{
    api::Api,
    ports::free_port,
    process::{ServerProcess, Stop},
    usage,
};

pub use cluster::NatsCluster;
pub use program::{nats_server, nats_servers};

/// Lame duck mode as short as servers allow. They require a duration of 30 seconds, but wait at most one
/// second before each client.
const BASE_CONFIG: &str = "lame_duck_duration: \"30s\"\nlame_duck_grace_period: \"1s\"\n";

/// A nats-server on 127.0.0.1 that does not store data on disk.
///
/// All methods can be called from any thread. The server runs until this value is dropped or
/// [`kill`](Self::kill)ed, even if it is paused.
#[derive(Debug)]
pub struct NatsServer {
    // Declared before `spawner`, so that the server ends before the thread that started it.
    process: Mutex<ServerProcess>,
    spawner: Spawner,
    port: u16,
    monitor: SocketAddr,
}

impl NatsServer {
    /// Starts [`nats_server`] without authorization and TLS.
    pub fn start() -> Self {
        Self::with_config("")
    }

    /// Starts [`nats_server`] with additional lines of configuration, such as `max_payload: 4096`.
    pub fn with_config(lines: &str) -> Self {
        Self::start_with(&nats_server(), lines)
    }

    /// Starts this nats-server, for example one of [`nats_servers`], with additional lines of configuration.
    /// A line replaces the default of its setting, except for the addresses to listen on.
    pub fn start_with(program: &Path, lines: &str) -> Self {
        let server = Self::spawn(program, lines);
        server.wait_until_accepting(&mut server.process());
        server
    }

    fn spawn(program: &Path, lines: &str) -> Self {
        let (port, monitor) = (free_port(), local(free_port()));
        let spawner = Spawner::new(program.to_owned(), config(lines, port, monitor));
        Self { process: Mutex::new(spawner.spawn()), spawner, port, monitor }
    }

    /// Returns its URL, `nats://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("nats://{}", self.addr())
    }

    /// Returns the address that clients connect to.
    pub fn addr(&self) -> SocketAddr {
        local(self.port)
    }

    /// Returns the process id, which changes with [`restart`](Self::restart).
    pub fn pid(&self) -> u32 {
        self.process().pid()
    }

    /// Returns what the server has printed since it was last started.
    pub fn output(&self) -> String {
        self.process().output()
    }

    /// Kills the server (SIGKILL) and waits until it has ended.
    pub fn kill(&self) {
        self.process().kill();
    }

    /// Restarts the server on the same port with the same configuration, and waits until it accepts clients.
    /// Kills it first if it is running.
    pub fn restart(&self) {
        self.kill();
        let mut started = self.spawner.spawn();
        self.wait_until_accepting(&mut started);
        *self.process() = started;
    }

    /// Replaces the additional lines of configuration until the next [`restart`](Self::restart). Makes the
    /// server reload them (SIGHUP), and waits until it has.
    pub fn reload(&self, lines: &str) {
        let mut process = self.process();
        let path = process.directory().join("nats.conf");
        fs::write(path, config(lines, self.port, self.monitor)).expect("the directory is ours");
        let log = process.directory().join("output.log");
        let reloads = || {
            let log = fs::read(&log).expect("the directory is ours");
            String::from_utf8_lossy(&log).matches("Reloaded server configuration").count()
        };
        let before = reloads();
        process.signal(Signal::HUP);
        process.wait_until(|| reloads() > before);
    }

    /// Pauses the server (SIGSTOP) and waits until it has stopped. Its connections stay open, but it neither
    /// reads nor sends.
    pub fn pause(&self) {
        let mut process = self.process();
        process.signal(Signal::STOP);
        let pid = process.pid();
        process.wait_until(|| usage::is_stopped(pid));
    }

    /// Continues a paused server (SIGCONT).
    pub fn resume(&self) {
        self.process().signal(Signal::CONT);
    }

    /// Begins lame duck mode (SIGUSR2). The server refuses new clients and notifies connected clients. After one second it closes
    /// them one by one, within a second each. Then it ends.
    pub fn lame_duck(&self) {
        self.process().signal(Signal::USR2);
    }

    /// Returns the number of subscriptions of the clients that are connected to this server.
    ///
    /// # Panics
    ///
    /// Panics if the server does not respond within 20 seconds, because it has ended or is paused.
    pub fn subscriptions(&self) -> u64 {
        let report = self.report("/connz?limit=1000000");
        let clients = report["connections"].as_array().expect("/connz lists the clients");
        clients.iter().filter_map(|client| client["subscriptions"].as_u64()).sum()
    }

    /// Returns the number of clients that are connected to this server. Panics like [`Self::subscriptions`].
    pub fn connections(&self) -> u64 {
        self.report("/varz")["connections"].as_u64().expect("/varz counts the clients")
    }

    /// Returns what the server's monitoring endpoint reports.
    fn report(&self, path: &str) -> Value {
        let report = Api::new(self.monitor).get(path);
        report.unwrap_or_else(|error| panic!("no response from http://{}{path}: {error:#}", self.monitor))
    }

    fn wait_until_accepting(&self, process: &mut ServerProcess) {
        let accepts = |address| TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok();
        process.wait_until(|| accepts(self.monitor) && accepts(self.addr()));
    }

    fn process(&self) -> MutexGuard<'_, ServerProcess> {
        self.process.lock().expect("no server failed to start")
    }
}

fn config(lines: &str, port: u16, monitor: SocketAddr) -> String {
    format!("{BASE_CONFIG}{lines}\nlisten: \"{}\"\nhttp: \"{monitor}\"\n", local(port))
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Starts the server on a thread that lives as long as this value. The kernel stops a server when the thread
/// that started it ends, and the thread that calls [`NatsServer::restart`] may end early.
#[derive(Debug)]
struct Spawner {
    requests: Sender<Sender<ServerProcess>>,
}

impl Spawner {
    fn new(program: PathBuf, config: String) -> Self {
        let (requests, requested) = channel::<Sender<ServerProcess>>();
        thread::spawn(move || {
            for answer in requested {
                let directory = TempDir::new().expect("the temporary directory is writable");
                fs::write(directory.path().join("nats.conf"), &config).expect("the directory is ours");
                let process = ServerProcess::spawn(directory, &program, &["-c", "nats.conf"], Stop::Kill);
                answer.send(process).ok();
            }
        });
        Self { requests }
    }

    fn spawn(&self) -> ServerProcess {
        let (answer, answered) = channel();
        self.requests.send(answer).expect("the spawning thread lives");
        answered.recv().expect("nats-server is executable")
    }
}
