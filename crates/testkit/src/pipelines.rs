//! Random sessions of pipelined requests, with the expected responses of a server.
//!
//! The seed determines a session. It is sent unchanged, with or without a proxy, and ends when the server
//! closes the connection.

mod http;
mod psql;
mod recorder;
mod redis;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::thread;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

pub use self::http::{http, serve_site};
pub use self::psql::psql;
pub use self::recorder::Recorder;
pub use self::redis::redis;
use crate::session::patient;

/// Maximum length of a part in which requests are sent.
const MAX_PIECE: usize = 3000;

/// Requests of a session, from its start to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RandomSession {
    /// Bytes that the client sends.
    pub bytes: Vec<u8>,
    /// The requests in these bytes.
    pub requests: Vec<Expected>,
    /// For PostgreSQL, the status in each ReadyForQuery: `I`, `T` or `E`.
    pub statuses: String,
    seed: u64,
}

/// A request and its response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Kinds of a statement, separated by `+`, or a command or a method.
    pub kinds: String,
    /// Statement, first key or target.
    pub key: String,
    /// `None` for a success, the code of an error, or `skipped`.
    pub failure: Option<String>,
    /// Number of rows in the response.
    pub rows: u64,
}

/// All bytes of a session.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Recording {
    /// Bytes from the client to the server.
    pub requests: Vec<u8>,
    /// Bytes from the server to the client.
    pub responses: Vec<u8>,
}

/// One direction of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// From the client to the server.
    Requests,
    /// From the server to the client.
    Responses,
}

impl RandomSession {
    /// Sends the session to a server in random parts, and reads to the end of the connection. Calls `observe`
    /// with each part before it is sent or after it is received.
    ///
    /// # Errors
    ///
    /// Returns the errors of the connection.
    pub fn play(&self, server: SocketAddr, observe: impl FnMut(Stream, &[u8]) + Send) -> io::Result<()> {
        let stream = patient(TcpStream::connect(server)?);
        // Sends each part as a separate segment.
        stream.set_nodelay(true)?;
        let observe = Mutex::new(observe);
        let see = |stream, bytes: &[u8]| (observe.lock().expect("no holder panics"))(stream, bytes);
        thread::scope(|scope| {
            let sender = scope.spawn(|| self.send(&stream, |piece| see(Stream::Requests, piece)));
            let mut buffer = vec![0; 16 << 10];
            let received = loop {
                match (&stream).read(&mut buffer) {
                    Ok(0) => break Ok(()),
                    Ok(length) => see(Stream::Responses, &buffer[..length]),
                    Err(error) => break Err(error),
                }
            };
            sender.join().expect("it does not panic").and(received)
        })
    }

    /// Plays the session, and returns all bytes that were sent and received.
    ///
    /// # Errors
    ///
    /// Returns the errors of the connection.
    pub fn record(&self, server: SocketAddr) -> io::Result<Recording> {
        let mut recording = Recording::default();
        self.play(server, |stream, bytes| match stream {
            Stream::Requests => recording.requests.extend_from_slice(bytes),
            Stream::Responses => recording.responses.extend_from_slice(bytes),
        })?;
        Ok(recording)
    }

    fn send(&self, mut stream: &TcpStream, see: impl Fn(&[u8])) -> io::Result<()> {
        let mut rng = StdRng::seed_from_u64(!self.seed);
        let mut rest = &self.bytes[..];
        while !rest.is_empty() {
            // Short parts end within headers.
            let most = [9, 100, MAX_PIECE][rng.random_range(0..3)];
            let (piece, later) = rest.split_at(rng.random_range(1..=most).min(rest.len()));
            see(piece);
            stream.write_all(piece)?;
            rest = later;
        }
        Ok(())
    }
}

/// Builds a session.
#[derive(Debug)]
struct Builder {
    rng: StdRng,
    session: RandomSession,
}

impl Builder {
    fn new(seed: u64) -> Self {
        let session =
            RandomSession { bytes: Vec::new(), requests: Vec::new(), statuses: String::new(), seed };
        Self { rng: StdRng::seed_from_u64(seed), session }
    }

    fn push(&mut self, bytes: impl AsRef<[u8]>) {
        self.session.bytes.extend_from_slice(bytes.as_ref());
    }

    fn expect(&mut self, kinds: &str, key: &str, failure: Option<&'static str>, rows: u64) {
        let (kinds, key, failure) = (kinds.to_owned(), key.to_owned(), failure.map(str::to_owned));
        self.session.requests.push(Expected { kinds, key, failure, rows });
    }

    /// Returns true with a probability of one in `count`.
    fn one_in(&mut self, count: u32) -> bool {
        self.rng.random_range(0..count) == 0
    }

    /// Returns a short or a long text.
    fn text(&mut self) -> String {
        let most = if self.one_in(8) { 20_000 } else { 60 };
        let length = self.rng.random_range(1..most);
        "x".repeat(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_follows_from_its_seed() {
        for make in [psql, redis, http] {
            assert_eq!(make(7), make(7));
            assert_ne!(make(7).bytes, make(8).bytes);
        }
    }
}
