//! Entry points for fuzz targets outside of the crate. Not part of the API.

use std::time::Duration;

use bytes::Bytes;

use crate::budget::MemoryBudget;
use crate::handshake::{Encoding, Reply, Request};
use crate::message;
use crate::session::frame::{Codec, Flags, Header};
use crate::session::{Limits, PathState, Role, Session, Window};
use crate::subject;

const MAX_MESSAGE: usize = 1 << 20;
/// Maximum number of messages in response to one event. More would be a loop.
const MAX_MESSAGES: usize = 1000;

/// Panics if a message that was read does not read the same after it was written.
pub fn message(bytes: &[u8]) {
    if let Ok(message) = message::decode(bytes) {
        let metadata: Vec<_> =
            message.metadata.iter().map(|(key, value)| (key.as_ref(), value.as_ref())).collect();
        let written = message::encode(&message.id, &message.data, &metadata);
        assert_eq!(message::decode(&written).as_ref(), Ok(&message), "{written:?}");
    }
    Reply::parse(bytes).ok();
    Request::parse(subject::REQUEST, None, bytes).ok();
    let codec = Codec { encoding: Encoding::Json, id: "f".into() };
    if let Ok((header, payload)) = codec.decode(Bytes::copy_from_slice(bytes)) {
        let written = codec.encode(&header, &payload);
        assert_eq!(codec.decode(written).expect("it was just written"), (header, payload));
    }
}

/// Drives both ends of a session with events that the bytes select. Panics if an end breaks its invariants.
pub fn session(bytes: &[u8]) {
    let limits =
        Limits { max_outage: Duration::from_secs(60), half_close_timeout: Duration::from_secs(3600) };
    let budget = MemoryBudget::new(256 << 20);
    let codec = Codec { encoding: Encoding::Binary, id: "f".into() };
    let mut now = Duration::ZERO;
    let window = || Window::new(PathState::new(Default::default()), budget.clone(), now);
    let server = Session::new("f", Encoding::Binary, Role::Server, limits.clone(), window(), now);
    let client = Session::new("f", Encoding::Binary, Role::Client { credit: 1 << 16 }, limits, window(), now);
    let mut steps = Steps(bytes);
    for mut session in [server, client] {
        let mut is_up = true;
        for _ in 0..500 {
            match steps.byte() % 9 {
                0 => drop(session.receive(now, Bytes::copy_from_slice(steps.some()))),
                1 => {
                    let flags = Flags::from_bits(steps.byte() % 32).expect("five bits");
                    let (seq, ack) = (steps.number(), steps.number());
                    let mut beyond_ack = || ack.saturating_add(u64::from(steps.byte()) * 1000);
                    let header = Header { flags, seq, ack, got: beyond_ack(), limit: beyond_ack() };
                    let frame = codec.encode(&header, steps.some());
                    drop(session.receive(now, frame));
                }
                2 => {
                    let bytes = steps.some();
                    let len = bytes.len().min(session.room(MAX_MESSAGE));
                    if len > 0 {
                        session.write(now, &bytes[..len]);
                    }
                }
                3 => {
                    while let Some(chunk) = session.next_chunk() {
                        session.consumed(now, chunk.len());
                    }
                    session.take_end(now);
                }
                4 => session.finish(now),
                5 => {
                    is_up = !is_up;
                    session.link(now, is_up);
                }
                6 => session.no_responders(now),
                7 => now += Duration::from_millis(u64::from(steps.byte()) * 40),
                _ if steps.byte() > 250 => session.close(now),
                _ => {}
            }
            if session.deadline().is_some_and(|deadline| deadline <= now) {
                session.on_deadline(now);
            }
            let sent =
                (0..=MAX_MESSAGES).take_while(|_| session.poll_transmit(now, 1 << 20).is_some()).count();
            assert!(sent < MAX_MESSAGES, "it does not stop sending");
            if steps.0.is_empty() {
                return;
            }
        }
    }
}

/// The bytes that are left.
struct Steps<'a>(&'a [u8]);

impl<'a> Steps<'a> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// Returns a number that is small in most cases.
    fn number(&mut self) -> u64 {
        let (factor, number) = (self.byte(), u64::from(self.byte()));
        if factor == 255 { u64::MAX - number } else { u64::from(factor / 8) * number }
    }

    fn some(&mut self) -> &'a [u8] {
        let len = usize::from(self.byte()).min(self.0.len());
        let (some, rest) = self.0.split_at(len);
        self.0 = rest;
        some
    }
}
