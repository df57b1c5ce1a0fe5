//! fault-proxy without free descriptors, and without space for its journal.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Error, Result, ensure};
use testkit::{Daemon, Signal, TcpServer, free_port, require};

use super::{Soak, clients, program};

/// Limit of open files. A session needs two.
const DESCRIPTORS: usize = 256;
const CLIENTS: usize = 300;
/// Limit of the size of the journal, in blocks.
const BLOCKS: usize = 8;
const END_TIMEOUT: Duration = Duration::from_secs(60);

/// Runs both tests until the soak test is over.
pub(super) fn run(soak: &Soak) {
    while !soak.is_over() {
        for (what, scene) in [
            ("without descriptors", without_descriptors as fn() -> Result<()>),
            ("with the disk full", with_the_disk_full),
        ] {
            if let Err(error) = scene() {
                soak.wrong(format!("fault-proxy {what}: {error:#}"));
            }
        }
    }
}

fn start(shell: &str, port: u16, to: SocketAddr) -> Result<Daemon> {
    let program = program("fault-proxy")?;
    let program = program.to_str().context("a path in UTF-8")?;
    let command = shell.replace("PROXY", &format!("{program} run --control off --proxy {port}={to}"));
    let daemon = Daemon::spawn(&require("sh", "dash"), &["-c", &command], &[]);
    daemon.wait_for_line("listening on");
    Ok(daemon)
}

/// Connects more clients than there are descriptors for. Each must be served or reset, and later clients must
/// be served again.
fn without_descriptors() -> Result<()> {
    let (echo, port) = (TcpServer::echo(), free_port());
    let shell = format!("ulimit -n {DESCRIPTORS}; exec PROXY --max-sessions 10000");
    let daemon = start(&shell, port, echo.addr())?;
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut crowd: Vec<TcpStream> = (0..CLIENTS).filter_map(|_| clients::connect(addr).ok()).collect();
    let served = crowd.iter_mut().map(round_trip).filter(Result::is_ok).take(DESCRIPTORS / 4).count();
    ensure!(served > 0, "no client is served");
    drop(crowd);
    let mut refused = 0;
    // A client that is reset immediately may get this error while it connects.
    while clients::connect(addr).map_err(Error::from).and_then(|mut client| round_trip(&mut client)).is_err()
    {
        refused += 1;
        ensure!(refused < 100, "no client is served any more: {}", end_of(&daemon));
    }
    let is_explained = daemon.stderr().contains("Too many open files");
    ensure!(is_explained, "the log does not have the reason: {}", end_of(&daemon));
    end(&daemon, 0)
}

/// Checks that sessions continue on a full disk, and that the run reports the loss at its end.
fn with_the_disk_full() -> Result<()> {
    let (echo, port) = (TcpServer::echo(), free_port());
    let directory = tempfile::tempdir()?;
    let journal = directory.path().join("journal");
    // The limit on file sizes is in blocks of 512 bytes. Writes beyond it fail, as on a full disk.
    let shell = format!(
        "trap '' XFSZ; ulimit -f {BLOCKS}; exec PROXY --journal {} --with-latency --latency-mean 1ms",
        journal.display()
    );
    let daemon = start(&shell, port, echo.addr())?;
    for _ in 0..BLOCKS * 10 {
        round_trip(&mut clients::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?)?;
    }
    end(&daemon, 1)?;
    let error = format!("--journal {}: File too large", journal.display());
    ensure!(daemon.stderr().contains(&error), "no client got the error: {}", end_of(&daemon));
    Ok(())
}

fn end(daemon: &Daemon, code: i32) -> Result<()> {
    daemon.signal(Signal::TERM);
    let status = daemon.wait(END_TIMEOUT);
    ensure!(status.code() == Some(code), "it ends with {status}: {}", end_of(daemon));
    Ok(())
}

fn round_trip(client: &mut TcpStream) -> Result<()> {
    let mut back = [0; 4];
    client.write_all(b"ping")?;
    client.read_exact(&mut back)?;
    ensure!(&back == b"ping", "something else comes back: {back:?}");
    Ok(())
}

/// Returns the last lines of its output.
fn end_of(daemon: &Daemon) -> String {
    let lines = daemon.lines();
    lines[lines.len().saturating_sub(5)..].join("\n")
}
