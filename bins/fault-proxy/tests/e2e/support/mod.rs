//! What the end-to-end tests share: the binary as its users run it, and both ends of its sessions.

pub(crate) mod api;
pub(crate) mod picture;
pub(crate) mod reload;
pub(crate) mod setup;
pub(crate) mod terminal;

use std::{
    fmt::Display,
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    ops::Deref,
    path::Path,
    process::Output,
    sync::atomic::AtomicU64,
    thread,
    time::{Duration, Instant},
};
pub(crate) use testkit::session::{PATIENCE, ending, eventually, patient, printed, round_trip, send};
use testkit::{Certificates, Daemon, Haproxy, Pattern, Signal, free_port, session};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_fault-proxy");
const BUFFER: usize = 256 << 10;
/// Runs have a control API, as those of users do, but not all on the same port.
pub(crate) const ANY_CONTROL_PORT: (&str, &str) = ("FAULT_CONTROL", "127.0.0.1:0");

/// `fault-proxy run` with one mapping, listening.
#[derive(Debug)]
pub(crate) struct Proxy {
    daemon: Daemon,
    pub(crate) mapping: String,
    pub(crate) addr: SocketAddr,
}

impl Proxy {
    /// `upstream`: the right side of a mapping.
    pub(crate) fn to(upstream: impl Display) -> Self {
        Self::with(upstream, &[])
    }

    pub(crate) fn with(upstream: impl Display, options: &[&str]) -> Self {
        Self::launched_by(&[], upstream, options)
    }

    /// `launcher`: a program and its arguments, behind which stand those of the binary.
    pub(crate) fn launched_by(launcher: &[&str], upstream: impl Display, options: &[&str]) -> Self {
        let port = free_port();
        let mapping = format!("{port}={upstream}");
        let command = [launcher, &[BINARY, "run", "--proxy", &mapping], options].concat();
        let daemon = Daemon::spawn(Path::new(command[0]), &command[1..], &[ANY_CONTROL_PORT]);
        daemon.wait_for_line("listening on");
        Self { daemon, mapping, addr: SocketAddr::from((Ipv4Addr::LOCALHOST, port)) }
    }

    pub(crate) fn port(&self) -> u16 {
        self.addr.port()
    }

    pub(crate) fn connect(&self) -> TcpStream {
        patient(TcpStream::connect(self.addr).expect("the proxy listens"))
    }

    /// How many lines of the log have `needle` so far.
    pub(crate) fn count(&self, needle: &str) -> usize {
        self.stderr().lines().filter(|line| line.contains(needle)).count()
    }

    /// Ends the program, and returns the number of lines of its whole log that have `needle`.
    pub(crate) fn count_to_the_end(&self, needle: &str) -> usize {
        self.signal(Signal::INT);
        self.wait(PATIENCE);
        self.count(needle)
    }
}

impl Deref for Proxy {
    type Target = Daemon;

    fn deref(&self) -> &Daemon {
        &self.daemon
    }
}

/// A command of the binary that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs the binary to its end.
pub(crate) fn run(args: &[&str]) -> Ended {
    let daemon = Daemon::spawn(Path::new(BINARY), args, &[]);
    let code = daemon.wait(PATIENCE).code();
    Ended { code, stdout: daemon.stdout(), stderr: daemon.stderr() }
}

/// HAProxy that takes TLS on the returned port and passes the cleartext on to `upstream`, half-closes included.
pub(crate) fn tls_before(upstream: SocketAddr, certificates: &Certificates) -> (Haproxy, u16) {
    let pem = tempfile::NamedTempFile::new().expect("the temporary directory is writable");
    for part in [certificates.server_cert(), certificates.server_key()] {
        let part = std::fs::read(part).expect("the certificates exist");
        pem.as_file().write_all(&part).expect("the file is ours");
    }
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let config = format!(
        "defaults\n mode tcp\n timeout connect 10s\n timeout client 1h\n timeout server 1h\n\
         listen tls\n bind {listen} ssl crt {}\n server clear {upstream}\n",
        pem.path().display()
    );
    (Haproxy::start(&config, listen), listen.port())
}

/// For a command line.
pub(crate) fn utf8(path: &Path) -> &str {
    path.to_str().expect("temporary files have UTF-8 names")
}

/// Calls [`session::receive`] without counting progress.
pub(crate) fn receive(stream: &TcpStream, pattern: &Pattern, offset: u64) -> io::Result<u64> {
    session::receive(stream, pattern, offset, &AtomicU64::new(0))
}

/// Writes as much of a pattern as is taken, and stops when nothing has been for a while; returns how much it was.
pub(crate) fn fill(mut stream: &TcpStream, pattern: &Pattern) -> u64 {
    const A_WHILE: Duration = Duration::from_secs(1);
    let mut buffer = vec![0; BUFFER];
    let (mut sent, mut last_taken) = (0, Instant::now());
    stream.set_nonblocking(true).expect("a socket can");
    while last_taken.elapsed() < A_WHILE {
        pattern.fill(sent, &mut buffer);
        match stream.write(&buffer) {
            Ok(taken) => (sent, last_taken) = (sent + taken as u64, Instant::now()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                thread::sleep(Duration::from_millis(20))
            }
            Err(error) => panic!("after {sent} bytes: {error}"),
        }
    }
    stream.set_nonblocking(false).expect("a socket can");
    sent
}

/// What a client complained of that failed.
pub(crate) fn complaint(output: &Output) -> String {
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}
