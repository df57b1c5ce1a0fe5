//! NATS servers, and what may happen to them.

mod cluster;
mod monitor;
pub mod program;

use rustix::process::Signal;
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
    ports::free_port,
    process::{ServerProcess, Stop},
    usage,
};

pub use cluster::NatsCluster;
pub use program::{nats_server, nats_servers};

/// Lame duck mode as short as servers let it be: they ask for a duration of 30 seconds, but wait at most a second
/// before each client.
const BASE_CONFIG: &str = "lame_duck_duration: \"30s\"\nlame_duck_grace_period: \"1s\"\n";

/// A nats-server on 127.0.0.1, which keeps nothing on disk.
///
/// All of it can be used from any thread; the server lives until this is dropped or [`kill`](Self::kill)ed, paused
/// or not.
#[derive(Debug)]
pub struct NatsServer {
    // Before `spawner`: the server must be gone before the thread that started it.
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

    /// Starts [`nats_server`] with more lines of configuration, as in `max_payload: 4096`.
    pub fn with_config(lines: &str) -> Self {
        Self::start_with(&nats_server(), lines)
    }

    /// Starts this nats-server, one of [`nats_servers`] perhaps, with more lines of configuration. A line replaces
    /// what is there by default, but for the addresses to listen on.
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

    /// `nats://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("nats://{}", self.addr())
    }

    /// Where clients connect.
    pub fn addr(&self) -> SocketAddr {
        local(self.port)
    }

    /// The process id; after [`restart`](Self::restart) there is a new one.
    pub fn pid(&self) -> u32 {
        self.process().pid()
    }

    /// What the server has printed since it last started.
    pub fn output(&self) -> String {
        self.process().output()
    }

    /// Kills the server (SIGKILL) and waits until it has ended.
    pub fn kill(&self) {
        self.process().kill();
    }

    /// Starts the server again, killing it first if it runs: on the same port, with the same configuration. Waits
    /// until it accepts clients.
    pub fn restart(&self) {
        self.kill();
        let mut started = self.spawner.spawn();
        self.wait_until_accepting(&mut started);
        *self.process() = started;
    }

    /// Replaces the lines of configuration until the next [`restart`](Self::restart), lets the server reload them (SIGHUP),
    /// and waits until it has.
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

    /// Stops the server in its tracks (SIGSTOP): its connections stay, and nothing is read or sent. Waits until it has
    /// stopped.
    pub fn pause(&self) {
        let mut process = self.process();
        process.signal(Signal::STOP);
        let pid = process.pid();
        process.wait_until(|| usage::is_stopped(pid));
    }

    /// Lets a paused server go on (SIGCONT).
    pub fn resume(&self) {
        self.process().signal(Signal::CONT);
    }

    /// Begins lame duck mode (SIGUSR2). The server refuses new clients and notifies connected clients. After one second it closes
    /// them one by one, within a second each. Then it ends.
    pub fn lame_duck(&self) {
        self.process().signal(Signal::USR2);
    }

    /// How many subscriptions the clients connected to this server have.
    ///
    /// # Panics
    ///
    /// If the server does not answer within ten seconds: it is dead or paused.
    pub fn subscriptions(&self) -> u64 {
        monitor::numbers(self.monitor, "/connz?limit=1000000", "subscriptions").into_iter().sum()
    }

    /// How many clients are connected to this server; panics like [`Self::subscriptions`].
    pub fn connections(&self) -> u64 {
        monitor::numbers(self.monitor, "/varz", "connections").into_iter().sum()
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

/// Starts the server on a thread that lives as long as this: the kernel stops a server when the thread that started
/// it ends, and the one that calls [`NatsServer::restart`] may end early.
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
