//! What the end-to-end tests share: the binary as its users run it, and both ends of its sessions.

pub(crate) mod api;
pub(crate) mod reload;
pub(crate) mod setup;

use std::{
    fmt::Display,
    io::{self, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream},
    ops::Deref,
    path::Path,
    process::Output,
    thread,
    time::{Duration, Instant},
};
use testkit::{Certificates, Daemon, Haproxy, Pattern, free_port};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_fault-proxy");
/// More than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
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

/// Makes reads and writes that never come to an end fail.
pub(crate) fn patient(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
    stream.set_write_timeout(Some(PATIENCE)).expect("not zero");
    stream
}

/// For a command line.
pub(crate) fn utf8(path: &Path) -> &str {
    path.to_str().expect("temporary files have UTF-8 names")
}

/// Polls until `done`.
pub(crate) fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// One round trip to an upstream that echoes.
pub(crate) fn round_trip(mut stream: &TcpStream, message: &[u8]) -> io::Result<()> {
    stream.write_all(message)?;
    let mut reply = vec![0; message.len()];
    stream.read_exact(&mut reply)?;
    if reply == message { Ok(()) } else { Err(io::Error::other("the echo differs")) }
}

/// How the peer's bytes end: `Ok` at an end of file. Whatever comes before is skipped.
pub(crate) fn ending(mut stream: &TcpStream) -> Result<(), io::ErrorKind> {
    io::copy(&mut stream, &mut io::sink()).map(drop).map_err(|error| error.kind())
}

/// Sends `length` bytes of a pattern from `offset` on, and half-closes.
pub(crate) fn send(mut stream: &TcpStream, pattern: &Pattern, offset: u64, length: u64) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    let mut sent = 0;
    while sent < length {
        let size = usize::try_from(length - sent).unwrap_or(BUFFER).min(BUFFER);
        pattern.fill(offset + sent, &mut buffer[..size]);
        stream.write_all(&buffer[..size])?;
        sent += size as u64;
    }
    stream.shutdown(Shutdown::Write)
}

/// Reads to the end of file; returns how many bytes came, all of them the pattern's from `offset` on.
pub(crate) fn receive(mut stream: &TcpStream, pattern: &Pattern, offset: u64) -> io::Result<u64> {
    let mut buffer = vec![0; BUFFER];
    let mut received = 0;
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(received),
            got => {
                if let Some(place) = pattern.first_difference(offset + received, &buffer[..got]) {
                    return Err(io::Error::other(format!("byte {} differs", place - offset)));
                }
                received += got as u64;
            }
        }
    }
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

/// What a client printed that succeeded.
pub(crate) fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What a client complained of that failed.
pub(crate) fn complaint(output: &Output) -> String {
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}
