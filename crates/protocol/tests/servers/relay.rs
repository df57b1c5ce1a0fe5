//! A relay whose sessions a framer reads.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use fault_proxy_protocol::{Event, EventKind, Framer, Outcome, Protocol};

/// Events of the framers of all sessions.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Number of requests by their kinds.
    pub(crate) kinds: BTreeMap<String, usize>,
    pub(crate) keys: Vec<String>,
    pub(crate) begun: usize,
    pub(crate) sent: usize,
    pub(crate) answered: usize,
    pub(crate) parts: usize,
    pub(crate) failures: Vec<String>,
    pub(crate) opaque: Vec<String>,
}

impl Found {
    fn record(&mut self, Event { kind, .. }: Event<'_>) {
        match kind {
            EventKind::RequestBegins(request) => {
                self.begun += 1;
                *self.kinds.entry(request.kinds.join("+")).or_default() += 1;
                self.keys.push(String::from_utf8_lossy(request.key).into_owned());
            }
            EventKind::RequestEnds { .. } => self.sent += 1,
            EventKind::PartEnds { .. } => self.parts += 1,
            EventKind::ResponseEnds { outcome, .. } => {
                self.answered += 1;
                match outcome {
                    Outcome::Failure(code) | Outcome::FailureAfterCommit(code) => {
                        self.failures.push(String::from_utf8_lossy(code).into_owned())
                    }
                    Outcome::Skipped => self.failures.push("skipped".to_owned()),
                    Outcome::Success | Outcome::RolledBack | Outcome::Null | Outcome::Queued => {}
                }
            }
            EventKind::Opaque(reason) => self.opaque.push(reason.to_string()),
            _ => {}
        }
    }

    /// Returns the number of requests of these kinds.
    pub(crate) fn count(&self, kinds: &str) -> usize {
        self.kinds.get(kinds).copied().unwrap_or(0)
    }

    pub(crate) fn assert_complete(&self) {
        assert!(self.opaque.is_empty(), "{:?}", self.opaque);
        assert_eq!((self.begun, self.begun), (self.sent, self.answered), "{self:?}");
    }
}

pub(crate) struct Relay {
    pub(crate) port: u16,
    found: Arc<Mutex<Found>>,
}

impl Relay {
    pub(crate) fn start(protocol: Protocol, upstream: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let found = Arc::new(Mutex::new(Found::default()));
        let all = Arc::clone(&found);
        // It ends with the process.
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.expect("a client");
                let server = TcpStream::connect((Ipv4Addr::LOCALHOST, upstream)).expect("the server listens");
                let session = Arc::new((Mutex::new(Framer::new(protocol)), Arc::clone(&all)));
                pump(client.try_clone().expect("a handle"), server.try_clone().expect("a handle"), {
                    let session = Arc::clone(&session);
                    move |bytes| {
                        let (mut framer, mut found) = (
                            session.0.lock().expect("no holder panics"),
                            session.1.lock().expect("no holder panics"),
                        );
                        framer.on_requests(bytes, |event| found.record(event));
                    }
                });
                pump(server, client, move |bytes| {
                    let (mut framer, mut found) = (
                        session.0.lock().expect("no holder panics"),
                        session.1.lock().expect("no holder panics"),
                    );
                    framer.on_responses(bytes, |event| found.record(event));
                });
            }
        });
        Self { port, found }
    }

    /// Returns what was found since the last call.
    pub(crate) fn found(&self) -> Found {
        std::mem::take(&mut self.found.lock().expect("no holder panics"))
    }
}

/// Forwards until the end. The size of the buffer is not that of any message, so that messages are cut.
fn pump(mut from: TcpStream, mut to: TcpStream, read: impl Fn(&[u8]) + Send + 'static) {
    thread::spawn(move || {
        let mut buffer = [0; 1021];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            read(&buffer[..length]);
            if to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    });
}
