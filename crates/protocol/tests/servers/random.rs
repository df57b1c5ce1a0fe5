//! Random sessions, pipelined, of each protocol.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use fault_proxy_protocol::{Event, EventKind, Framer, Outcome, Protocol, TransactionStatus};
use testkit::pipelines::{self, Expected, RandomSession, Stream};
use testkit::{Postgres, Redis};

/// Sessions of each protocol.
const SESSIONS: u64 = 1000;

/// Sessions at a time.
const THREADS: usize = 8;

/// Messages that the framer finds in a session.
#[derive(Debug, Default)]
struct Found {
    requests: Vec<Expected>,
    statuses: String,
    /// Number of the last request that has been sent.
    sent: u64,
    /// Number of the last response that has begun, and of the last one that has ended.
    begun: u64,
    ended: u64,
    opaque: Option<String>,
}

impl Found {
    fn record(&mut self, Event { kind, .. }: Event<'_>) {
        match kind {
            EventKind::RequestBegins(request) => self.requests.push(Expected {
                kinds: request.kinds.join("+"),
                key: String::from_utf8_lossy(request.key).into_owned(),
                failure: None,
                rows: 0,
            }),
            EventKind::RequestEnds { request, .. } => self.sent = next(self.sent, request),
            EventKind::ResponseBegins { request } => {
                // A skipped request may have no response that begins.
                assert!(request > self.begun && request > self.ended, "{request} {self:?}");
                self.begun = request;
            }
            EventKind::PartEnds { request, part } => {
                let request = self.request(request);
                request.rows = next(request.rows, part);
            }
            EventKind::ResponseEnds { request, outcome } => {
                self.ended = next(self.ended, request);
                self.request(request).failure = match outcome {
                    Outcome::Success | Outcome::RolledBack | Outcome::Null | Outcome::Queued => None,
                    Outcome::Failure(code) | Outcome::FailureAfterCommit(code) => {
                        Some(String::from_utf8_lossy(code).into_owned())
                    }
                    Outcome::Skipped => Some("skipped".to_owned()),
                };
            }
            EventKind::Ready { status, .. } => self.statuses.push(match status {
                TransactionStatus::Idle => 'I',
                TransactionStatus::InTransaction => 'T',
                TransactionStatus::Failed => 'E',
            }),
            EventKind::Opaque(reason) => self.opaque = Some(reason.to_string()),
            _ => {}
        }
    }

    fn request(&mut self, number: u64) -> &mut Expected {
        &mut self.requests[usize::try_from(number).expect("a small number") - 1]
    }
}

/// Returns the number, which must be that after `last`.
fn next(last: u64, number: u64) -> u64 {
    assert_eq!(number, last + 1);
    number
}

fn play(protocol: Protocol, server: SocketAddr, seed: u64, session: &RandomSession) {
    let (mut framer, mut found) = (Framer::new(protocol), Found::default());
    let played = session.play(server, |stream, bytes| match stream {
        Stream::Requests => framer.on_requests(bytes, |event| found.record(event)),
        Stream::Responses => framer.on_responses(bytes, |event| found.record(event)),
    });
    played.unwrap_or_else(|error| panic!("seed {seed}: {error}: {found:?}"));
    assert_eq!(found.opaque, None, "seed {seed}: {found:?}");
    let count = session.requests.len() as u64;
    let found_counts = [found.requests.len() as u64, found.sent, found.ended];
    assert_eq!(found_counts, [count; 3], "seed {seed}: {found:?}");
    for ((found, expected), number) in found.requests.iter().zip(&session.requests).zip(1..) {
        assert_eq!(found, expected, "seed {seed}, request {number}");
    }
    assert_eq!(found.statuses, session.statuses, "seed {seed}");
}

fn play_all(protocol: Protocol, port: u16, make: fn(u64) -> RandomSession) {
    let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let seeds = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let seed @ ..SESSIONS = seeds.fetch_add(1, Ordering::Relaxed) {
                    play(protocol, server, seed, &make(seed));
                }
            });
        }
    });
}

#[test]
fn random_sessions_of_postgresql_are_as_they_were_made() {
    let server = Postgres::start();
    play_all(Protocol::Psql, server.port(), pipelines::psql);
}

#[test]
fn random_sessions_of_redis_are_as_they_were_made() {
    let server = Redis::start();
    play_all(Protocol::Redis, server.port(), pipelines::redis);
}

#[test]
fn random_sessions_of_http_are_as_they_were_made() {
    let root = tempfile::tempdir().expect("the temporary directory is writable");
    let (_server, listen) = pipelines::serve_site(root.path());
    play_all(Protocol::Http, listen.port(), pipelines::http);
}
