//! Clients that check every received byte.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::{Rng, RngExt as _};
use testkit::Pattern;

/// Time without received data after which a client closes its connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// How a session through an echo ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// The session ended as its client intended.
    Completed,
    /// The session was reset or stalled. All bytes until then were correct.
    Aborted(io::Error),
    /// A byte was wrong.
    Wrong(String),
}

/// Numbers of sessions and bytes.
#[derive(Debug, Default)]
pub(super) struct Count {
    pub(super) completed: AtomicU64,
    pub(super) aborted: AtomicU64,
    pub(super) bytes: AtomicU64,
}

impl Count {
    /// Counts a session. Returns a description if a byte was wrong.
    pub(super) fn add(&self, ended: Ended) -> Option<String> {
        match ended {
            Ended::Completed => self.completed.fetch_add(1, Ordering::Relaxed),
            Ended::Aborted(_) => self.aborted.fetch_add(1, Ordering::Relaxed),
            Ended::Wrong(what) => return Some(what),
        };
        None
    }
}

pub(super) fn connect(addr: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&addr, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Sends some chunks through an echo and compares what comes back, chunk by chunk. Ends the session in a
/// random way.
pub(super) fn echo(stream: TcpStream, chunks: Range<usize>, draws: &mut impl Rng, count: &Count) -> Ended {
    let pattern = Pattern::new(draws.random());
    let mut offset = 0;
    for _ in 0..draws.random_range(chunks) {
        let mut chunk = vec![0; draws.random_range(1..32_768)];
        pattern.fill(offset, &mut chunk);
        if let Err(error) = (&stream).write_all(&chunk) {
            return Ended::Aborted(error);
        }
        if let Err(ended) = compare(&stream, &pattern, offset, chunk.len()) {
            return ended;
        }
        offset += chunk.len() as u64;
        count.bytes.fetch_add(chunk.len() as u64, Ordering::Relaxed);
    }
    match draws.random_range(0..3) {
        0 => testkit::abort(stream),
        1 => drop(stream),
        _ => return half_close(&stream, offset),
    }
    Ended::Completed
}

fn compare(mut stream: &TcpStream, pattern: &Pattern, offset: u64, len: usize) -> Result<(), Ended> {
    let (mut read, mut buffer) = (0, vec![0; len]);
    while read < len {
        match stream.read(&mut buffer[read..]) {
            Ok(0) => return Err(Ended::Aborted(ErrorKind::UnexpectedEof.into())),
            Ok(some) => {
                if let Some(place) =
                    pattern.first_difference(offset + read as u64, &buffer[read..read + some])
                {
                    return Err(Ended::Wrong(format!("the byte at {place} is wrong")));
                }
                read += some;
            }
            Err(error) => return Err(Ended::Aborted(error)),
        }
    }
    Ok(())
}

fn half_close(mut stream: &TcpStream, sent: u64) -> Ended {
    match stream.shutdown(Shutdown::Write).and_then(|()| stream.read(&mut [0])) {
        Ok(0) => Ended::Completed,
        Ok(_) => Ended::Wrong(format!("more than the {sent} bytes sent came back")),
        Err(error) => Ended::Aborted(error),
    }
}

/// Runs a query with psql whose rows only the server can compute.
pub(super) fn psql(port: u16, draws: &mut impl Rng) -> Ended {
    let (rows, factor) = (draws.random_range(1..2_000_u64), draws.random_range(1..1_000_000_u64));
    let sql = format!("SELECT n * {factor} FROM generate_series(1, {rows}) AS n");
    let output = testkit::psql(port, "disable", &sql);
    let shown = String::from_utf8_lossy(&output.stdout);
    let expected: String = (1..=rows).map(|n| format!("{}\n", n * factor)).collect();
    if !output.status.success() {
        let shown = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Ended::Aborted(io::Error::new(ErrorKind::ConnectionAborted, shown));
    }
    if shown == expected { Ended::Completed } else { Ended::Wrong(format!("psql shows {shown:?} for {sql}")) }
}

/// Sets a key in Redis that no other client uses, and reads it back.
pub(super) fn redis(stream: &TcpStream, key: &str, draws: &mut impl Rng) -> Ended {
    let value = format!("{:016x}", draws.random::<u64>()).repeat(draws.random_range(1..100));
    for (request, reply) in [
        (format!("SET {key} {value}\r\n"), "+OK\r\n".to_owned()),
        (format!("GET {key}\r\n"), format!("${}\r\n{value}\r\n", value.len())),
    ] {
        let mut answer = vec![0; reply.len()];
        let asked =
            (&*stream).write_all(request.as_bytes()).and_then(|()| (&*stream).read_exact(&mut answer));
        match asked {
            Ok(()) if answer == reply.as_bytes() => {}
            Ok(()) => return Ended::Wrong(format!("Redis answers {:?}", String::from_utf8_lossy(&answer))),
            Err(error) => return Ended::Aborted(error),
        }
    }
    Ended::Completed
}
