use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use proptest::prelude::*;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::{CHECK_INTERVAL, STALLED_CHECKS, Session};
use crate::DataPath;
use crate::pool::Pool;
use crate::stream::Stream;

/// One step of a peer that sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sends {
    Bytes(usize),
    /// A pause in milliseconds, as when a fault holds the bytes that follow.
    Pause(u64),
    HalfClose,
    Reset,
}

/// How a peer receives bytes.
#[derive(Debug, Clone, Copy)]
struct Takes {
    at_most: usize,
    /// Milliseconds between two writes that it accepts.
    pause: u64,
    /// Number of bytes after which writes fail.
    fails_after: Option<usize>,
}

#[derive(Debug, Default)]
struct Seen {
    bytes: Vec<u8>,
    is_aborted: bool,
    is_half_closed: bool,
    acknowledgments: usize,
}

/// A peer in memory.
struct Scripted {
    sends: VecDeque<Sends>,
    takes: Takes,
    next_byte: u8,
    reading: Option<Pin<Box<Sleep>>>,
    writing: Option<Pin<Box<Sleep>>>,
    seen: Arc<Mutex<Seen>>,
}

impl Scripted {
    fn new(sends: &[Sends], takes: Takes) -> (Box<Self>, Arc<Mutex<Seen>>) {
        let seen = Arc::<Mutex<Seen>>::default();
        let sends = sends.iter().copied().collect();
        let peer = Self { sends, takes, next_byte: 0, reading: None, writing: None, seen: Arc::clone(&seen) };
        (Box::new(peer), seen)
    }

    fn fail_if_due(&self) -> io::Result<()> {
        let taken = self.seen.lock().expect("not poisoned").bytes.len();
        if self.takes.fails_after.is_some_and(|limit| taken >= limit) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(())
    }
}

fn poll_pause(pause: &mut Option<Pin<Box<Sleep>>>, cx: &mut Context<'_>) -> Poll<()> {
    if let Some(sleep) = pause {
        ready!(sleep.as_mut().poll(cx));
        *pause = None;
    }
    Poll::Ready(())
}

impl AsyncRead for Scripted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            ready!(poll_pause(&mut this.reading, cx));
            match this.sends.pop_front() {
                Some(Sends::Bytes(len)) => {
                    let taken = len.min(buf.remaining());
                    for _ in 0..taken {
                        buf.put_slice(&[this.next_byte]);
                        this.next_byte = this.next_byte.wrapping_add(1);
                    }
                    if taken < len {
                        this.sends.push_front(Sends::Bytes(len - taken));
                    }
                    return Poll::Ready(Ok(()));
                }
                Some(Sends::Pause(millis)) => {
                    this.reading = Some(Box::pin(sleep(Duration::from_millis(millis))));
                }
                Some(Sends::HalfClose) | None => return Poll::Ready(Ok(())),
                Some(Sends::Reset) => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            }
        }
    }
}

impl AsyncWrite for Scripted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.fail_if_due()?;
        ready!(poll_pause(&mut self.writing, cx));
        if self.takes.pause > 0 {
            self.writing = Some(Box::pin(sleep(Duration::from_millis(self.takes.pause))));
        }
        let taken = bytes.len().min(self.takes.at_most);
        self.seen.lock().expect("not poisoned").bytes.extend_from_slice(&bytes[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.fail_if_due()?;
        self.seen.lock().expect("not poisoned").is_half_closed = true;
        Poll::Ready(Ok(()))
    }
}

impl Stream for Scripted {
    fn abort(&mut self) {
        self.seen.lock().expect("not poisoned").is_aborted = true;
    }

    fn inner(&mut self) -> Option<&mut dyn Stream> {
        None
    }

    fn acknowledge(&mut self) {
        self.seen.lock().expect("not poisoned").acknowledgments += 1;
    }

    /// As TCP: a reset that arrived is known before the bytes in front of it were read.
    fn take_error(&mut self) -> Option<io::Error> {
        if self.sends.contains(&Sends::Reset) && self.reading.is_none() {
            self.sends.retain(|event| !matches!(event, Sends::Reset | Sends::Pause(_)));
            return Some(io::ErrorKind::ConnectionReset.into());
        }
        None
    }
}

/// Runs a session to its end, in simulated time.
fn run(
    downstream: (&[Sends], Takes),
    upstream: (&[Sends], Takes),
) -> (Arc<Mutex<Seen>>, Arc<Mutex<Seen>>, Duration) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let (client, client_seen) = Scripted::new(downstream.0, downstream.1);
        let (server, server_seen) = Scripted::new(upstream.0, upstream.1);
        let mut session = Session::new(client, server, DataPath::Copy, None);
        let pool = Pool::new(1 << 20);
        let started = Instant::now();
        timeout(Duration::from_secs(86_400), session.relay(&pool)).await.expect("an end");
        drop(session);
        (client_seen, server_seen, started.elapsed())
    })
}

const TAKES_ALL: Takes = Takes { at_most: usize::MAX, pause: 0, fails_after: None };

fn counting(len: usize) -> Vec<u8> {
    (0..=u8::MAX).cycle().take(len).collect()
}

fn sent_bytes(sends: &[Sends]) -> Vec<u8> {
    counting(sends.iter().map(|event| if let Sends::Bytes(len) = event { *len } else { 0 }).sum())
}

/// Writes to the upstream fail before its answer arrives, as when a fault delays the answer and the reset behind it.
#[test]
fn a_late_answer_of_an_upstream_that_takes_no_more_is_delivered_before_the_abort() {
    let upload = [Sends::Bytes(5_000), Sends::Pause(100), Sends::Bytes(5_000), Sends::Pause(1_000_000)];
    for end in [Sends::HalfClose, Sends::Reset] {
        let answer = [Sends::Pause(60_000), Sends::Bytes(16), end];
        let takes = Takes { fails_after: Some(5_000), ..TAKES_ALL };
        let (client, server, took) = run((&upload, TAKES_ALL), (&answer, takes));
        assert_eq!(client.lock().expect("not poisoned").bytes, counting(16), "{end:?}");
        assert!(client.lock().expect("not poisoned").is_aborted, "{end:?}");
        assert_eq!(server.lock().expect("not poisoned").bytes.len(), 5_000);
        assert!(took >= Duration::from_secs(60), "{took:?}");
    }
}

/// An upload does not carry the acknowledgment while the upstream stalls. A server that delays small writes (Nagle) sends
/// the rest of its answer only when it has the acknowledgment.
#[test]
fn an_answer_during_an_upload_is_acknowledged_at_once() {
    let answer = [Sends::Pause(100), Sends::Bytes(16), Sends::Pause(100), Sends::Bytes(16), Sends::HalfClose];
    let slow = Takes { at_most: 100_000, pause: 10, fails_after: None };
    let upload = [Sends::Bytes(10_000_000), Sends::HalfClose];
    for (request, takes, expected) in [(&upload[..], slow, 2), (&[Sends::Bytes(9)], TAKES_ALL, 0)] {
        let (client, server, _) = run((request, TAKES_ALL), (&answer, takes));
        assert_eq!(client.lock().expect("not poisoned").bytes, counting(32));
        assert_eq!(server.lock().expect("not poisoned").acknowledgments, expected, "{request:?}");
        assert_eq!(client.lock().expect("not poisoned").acknowledgments, 0, "{request:?}");
    }
}

#[test]
fn a_reset_that_is_known_early_does_not_overtake_what_the_receiver_has_not_taken() {
    let sends = [Sends::Bytes(300_000), Sends::Reset];
    let slow = Takes { at_most: 20_000, pause: 2_000, fails_after: None };
    let (_, server, _) = run((&sends, TAKES_ALL), (&[Sends::Pause(1_000_000), Sends::HalfClose], slow));
    let server = server.lock().expect("not poisoned");
    assert_eq!(server.bytes, counting(300_000));
    assert!(server.is_aborted && !server.is_half_closed);
}

#[test]
fn a_receiver_that_takes_nothing_ends_the_session_of_a_sender_that_failed() {
    let stalled = Takes { pause: 100_000_000, ..TAKES_ALL };
    let upstream = [Sends::Pause(10_000_000)];
    let (_, server, took) = run(
        (&[Sends::Bytes(9), Sends::Pause(1), Sends::Bytes(9), Sends::Reset], TAKES_ALL),
        (&upstream, stalled),
    );
    assert!(server.lock().expect("not poisoned").is_aborted);
    assert!(took >= CHECK_INTERVAL * STALLED_CHECKS.into(), "{took:?}");
}

fn any_sends() -> impl Strategy<Value = Vec<Sends>> {
    let event = prop_oneof![
        4 => (1..100_000_usize).prop_map(Sends::Bytes),
        1 => (1..20_000_u64).prop_map(Sends::Pause),
    ];
    let end = prop_oneof![Just(Sends::HalfClose), Just(Sends::Reset)];
    (prop::collection::vec(event, 0..6), end).prop_map(|(mut events, end)| {
        events.push(end);
        events
    })
}

fn any_takes() -> impl Strategy<Value = Takes> {
    let fails_after = prop_oneof![2 => Just(None), 1 => (0..200_000_usize).prop_map(Some)];
    (2_000..200_000_usize, prop_oneof![Just(0), 1..3_000_u64], fails_after)
        .prop_map(|(at_most, pause, fails_after)| Takes { at_most, pause, fails_after })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn whatever_arrived_before_an_end_is_delivered_before_it(
        client_sends in any_sends(),
        client_takes in any_takes(),
        server_sends in any_sends(),
        server_takes in any_takes(),
    ) {
        let (client, server, _) = run((&client_sends, client_takes), (&server_sends, server_takes));
        let sides = [(&client, &client_sends, client_takes, &server_sends), (&server, &server_sends, server_takes, &client_sends)];
        let someone_failed = [&client_sends, &server_sends].iter().any(|sends| sends.ends_with(&[Sends::Reset]));
        for (seen, own, takes, others) in sides {
            let seen = seen.lock().expect("not poisoned");
            let sent = sent_bytes(others);
            prop_assert!(sent.starts_with(&seen.bytes));
            let receiver_fails = own.ends_with(&[Sends::Reset]) || takes.fails_after.is_some();
            if !receiver_fails {
                prop_assert_eq!(seen.bytes.len(), sent.len(), "bytes delivered");
                if others.ends_with(&[Sends::Reset]) {
                    prop_assert!(seen.is_aborted && !seen.is_half_closed);
                }
            }
            if !someone_failed && client_takes.fails_after.is_none() && server_takes.fails_after.is_none() {
                prop_assert!(!seen.is_aborted && seen.is_half_closed);
            }
        }
    }
}
