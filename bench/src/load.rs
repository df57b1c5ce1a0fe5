//! Functions with which the sections and the far end transfer bytes.

use std::cell::RefCell;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::runtime::Runtime;

use super::peers::Peer;

/// Bytes per write and read of bulk senders and receivers.
pub(super) const CHUNK: usize = 1 << 20;

/// Time limit for a response.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

pub(super) const PING_BYTES: usize = 64;

thread_local! {
    /// One buffer per thread, which thousands of streams share.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; CHUNK]);
}

pub(super) fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
}

pub(super) fn single_thread() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// Opens a session to the peer's far end in the given mode.
pub(super) fn open(peer: &Peer, mode: u8) -> Result<TcpStream> {
    prepare(TcpStream::connect(peer.addr())?, mode).context("cannot open a session")
}

/// Opens `count` sessions, one after the other.
pub(super) fn open_all(peer: &Peer, mode: u8, count: usize) -> Result<Vec<TcpStream>> {
    (0..count)
        .map(|number| open(peer, mode).with_context(|| format!("{number} of {count} sessions are open")))
        .collect()
}

/// Sends the mode of a new connection and waits for the response of the far end.
pub(super) fn prepare(mut stream: TcpStream, mode: u8) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(&[mode])?;
    let mut answer = [0];
    stream.read_exact(&mut answer)?;
    if answer != [mode] {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the first byte came back changed"));
    }
    Ok(stream)
}

/// Sends `count` pings through the echo sessions in turn, one at a time. Returns the time that each took.
pub(super) fn ping(sessions: &mut [TcpStream], count: usize) -> Result<Vec<Duration>> {
    let mut times = Vec::with_capacity(count);
    let turns = sessions.len();
    for number in 0..count {
        let session = &mut sessions[number % turns];
        let mut ping = [0x5a; PING_BYTES];
        ping[..8].copy_from_slice(&(number as u64).to_be_bytes());
        let mut answer = [0; PING_BYTES];
        let sent = Instant::now();
        session.write_all(&ping)?;
        session.read_exact(&mut answer).with_context(|| format!("ping {number} was not answered"))?;
        times.push(sent.elapsed());
        ensure!(answer == ping, "ping {number} came back changed");
    }
    Ok(times)
}

/// Reads to the end of the stream. Returns the number of bytes.
pub(super) async fn discard_to_end(stream: &tokio::net::TcpStream) -> io::Result<u64> {
    let count = AtomicU64::new(0);
    count_to_end(stream, &count).await?;
    Ok(count.into_inner())
}

/// Reads to the end of the stream, and adds the number of bytes to `count`.
pub(super) async fn count_to_end(stream: &tokio::net::TcpStream, count: &AtomicU64) -> io::Result<()> {
    loop {
        tokio::task::coop::consume_budget().await;
        stream.readable().await?;
        match BUFFER.with_borrow_mut(|buffer| stream.try_read(buffer)) {
            Ok(0) => return Ok(()),
            Ok(read) => _ = count.fetch_add(read as u64, Ordering::Relaxed),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}
