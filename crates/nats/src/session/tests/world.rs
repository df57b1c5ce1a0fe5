//! Two ends and a NATS that can do everything wrong, in simulated time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::budget::MemoryBudget;
use crate::handshake::Encoding;
use crate::session::window::FIRST_WINDOW;
use crate::session::{Destination, Failure, Limits, PathState, Role, Session, Transmit, Window};

pub(super) const MS: Duration = Duration::from_millis(1);
const TRANSIT: Duration = Duration::from_micros(100);

pub(super) const LIMITS: Limits =
    Limits { max_outage: Duration::from_secs(60), half_close_timeout: Duration::from_secs(3600) };

/// One end, with what its user did and saw.
#[derive(Debug)]
pub(super) struct End {
    pub(super) session: Session,
    pub(super) written: u64,
    pub(super) read: u64,
    pub(super) saw_end: bool,
    /// The longest message that this end's NATS takes.
    pub(super) max_message: usize,
    is_up: bool,
}

#[derive(Debug)]
enum Delivery {
    Message(Bytes),
    NoResponders,
}

/// In thousandths of messages.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Trouble {
    pub(super) lost: u64,
    pub(super) twice: u64,
    pub(super) late: u64,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) now: Duration,
    pub(super) ends: [End; 2],
    pub(super) trouble: Trouble,
    /// Longer messages are lost on the way.
    pub(super) max_on_the_way: usize,
    /// How many were.
    pub(super) too_long: usize,
    wire: BTreeMap<(Duration, u64), (usize, Delivery)>,
    sent: u64,
    draws: u64,
}

/// The byte at this place of what an end writes.
fn byte(end: usize, place: u64) -> u8 {
    u8::try_from((place * 7 + place / 251 + end as u64 * 13) % 256).expect("a byte")
}

impl World {
    pub(super) fn new(encoding: Encoding, seed: u64) -> Self {
        Self::with(encoding, seed, LIMITS)
    }

    pub(super) fn with(encoding: Encoding, seed: u64, limits: Limits) -> Self {
        Self::with_memory(encoding, seed, limits, &[(); 2].map(|()| MemoryBudget::new(256 << 20)))
    }

    /// With the memory of either end's process.
    pub(super) fn with_memory(
        encoding: Encoding,
        seed: u64,
        limits: Limits,
        budgets: &[Arc<MemoryBudget>; 2],
    ) -> Self {
        let now = Duration::from_secs(1000);
        let [client, server] = budgets.each_ref().map(|budget| {
            let path = PathState::new(Default::default());
            path.on_trial_arrived(1 << 20);
            Window::new(path, Arc::clone(budget), now)
        });
        let credit = FIRST_WINDOW as u64;
        let client = Session::new("0a", encoding, Role::Client { credit }, limits.clone(), client, now);
        let server = Session::new("0a", encoding, Role::Server, limits, server, now);
        let end =
            |session| End { session, written: 0, read: 0, saw_end: false, max_message: 1 << 20, is_up: true };
        Self {
            now,
            ends: [end(client), end(server)],
            trouble: Trouble::default(),
            max_on_the_way: 1 << 20,
            too_long: 0,
            wire: BTreeMap::new(),
            sent: 0,
            draws: seed,
        }
    }

    /// Splitmix64.
    fn draw(&mut self) -> u64 {
        self.draws = self.draws.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.draws;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn happens(&mut self, thousandths: u64) -> bool {
        self.draw() % 1000 < thousandths
    }

    fn publish(&mut self, from: usize, transmit: Transmit) {
        let to = 1 - from;
        let length = transmit.message.len();
        assert!(length <= self.ends[from].max_message, "a message of {length} bytes: {:?}", self.ends[from]);
        let there = &self.ends[to];
        let arrives = self.now + TRANSIT;
        if there.session.is_over() || !there.is_up {
            if transmit.wants_reply {
                self.sent += 1;
                self.wire.insert((arrives, self.sent), (from, Delivery::NoResponders));
            }
            return;
        }
        if length > self.max_on_the_way {
            self.too_long += 1;
            return;
        }
        if self.happens(self.trouble.lost) {
            return;
        }
        let copies = if self.happens(self.trouble.twice) { 2 } else { 1 };
        for _ in 0..copies {
            let late = if self.happens(self.trouble.late) { TRANSIT * 30 } else { Duration::ZERO };
            self.sent += 1;
            let delivery = Delivery::Message(transmit.message.clone());
            self.wire.insert((arrives + late, self.sent), (to, delivery));
        }
    }

    fn pump(&mut self) {
        for end in 0..2 {
            while let Some(transmit) = self.poll_transmit(end) {
                self.publish(end, transmit);
            }
            self.check_memory(end);
        }
    }

    fn poll_transmit(&mut self, end: usize) -> Option<Transmit> {
        let end = &mut self.ends[end];
        end.session.poll_transmit(self.now, end.max_message)
    }

    fn check_memory(&self, end: usize) {
        let most = 33 << 20;
        let Session { sender, receiver, .. } = &self.ends[end].session;
        assert!(sender.unacked_bytes() <= most, "{} bytes kept", sender.unacked_bytes());
        assert!(receiver.held_bytes() <= most, "{} bytes held", receiver.held_bytes());
        sender.check_share();
        receiver.check_share();
    }

    /// Lets this time pass.
    pub(super) fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        let mut steps = 0;
        loop {
            self.pump();
            let due = self.wire.first_key_value().map(|((time, _), _)| *time);
            let deadlines = self.ends.iter().filter_map(|end| end.session.deadline());
            let Some(next) = deadlines.chain(due).min().filter(|next| *next <= until) else { break };
            steps = if next > self.now { 0 } else { steps + 1 };
            assert!(steps < 10_000, "time does not pass: {:?}", self.ends);
            self.now = self.now.max(next);
            while let Some(entry) = self.wire.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let (end, delivery) = entry.remove();
                self.deliver(end, delivery);
                self.pump();
            }
            for end in &mut self.ends {
                if end.session.deadline().is_some_and(|deadline| deadline <= self.now) {
                    end.session.on_deadline(self.now);
                }
            }
        }
        self.now = until;
    }

    fn deliver(&mut self, end: usize, delivery: Delivery) {
        let end = &mut self.ends[end];
        // What was under way to a lost connection is lost.
        if !end.is_up {
            return;
        }
        match delivery {
            Delivery::Message(message) => end.session.receive(self.now, message).expect("a frame"),
            Delivery::NoResponders => end.session.no_responders(self.now),
        }
    }

    /// Writes as much of `bytes` as there is room for.
    pub(super) fn write(&mut self, end: usize, bytes: usize) -> usize {
        let mut written = 0;
        while written < bytes {
            let writer = &mut self.ends[end];
            let room = writer.session.room(writer.max_message).min(bytes - written);
            if room == 0 {
                break;
            }
            let payload: Vec<_> = (0..room as u64).map(|place| byte(end, writer.written + place)).collect();
            let message = writer.session.write(self.now, &payload);
            writer.written += room as u64;
            written += room;
            self.publish(end, Transmit { message, to: Destination::Peer, wants_reply: false });
        }
        written
    }

    /// Reads up to `bytes` of what is there, in whole chunks, and the end.
    pub(super) fn read(&mut self, end: usize, bytes: usize) {
        let reader = &mut self.ends[end];
        let mut left = bytes;
        while left > 0
            && let Some(chunk) = reader.session.next_chunk()
        {
            for (index, found) in chunk.iter().enumerate() {
                let place = reader.read + index as u64;
                assert_eq!(*found, byte(1 - end, place), "byte {place} of what end {end} reads");
            }
            reader.read += chunk.len() as u64;
            left = left.saturating_sub(chunk.len());
            reader.session.consumed(self.now, chunk.len());
        }
        if left > 0 {
            reader.saw_end |= reader.session.take_end(self.now);
        }
        assert!(self.ends[end].read <= self.ends[1 - end].written);
    }

    pub(super) fn finish(&mut self, end: usize) {
        self.ends[end].session.finish(self.now);
    }

    pub(super) fn link(&mut self, end: usize, is_up: bool) {
        self.ends[end].is_up = is_up;
        self.ends[end].session.link(self.now, is_up);
    }

    /// This end connects to NATS again, which takes messages of another length.
    pub(super) fn limit(&mut self, end: usize, max_message: usize) {
        let is_up = self.ends[end].is_up;
        self.link(end, false);
        self.ends[end].max_message = max_message;
        self.link(end, is_up);
    }

    pub(super) fn failure(&self, end: usize) -> Option<&Failure> {
        self.ends[end].session.failure()
    }

    pub(super) fn is_over(&self) -> bool {
        self.ends.iter().all(|end| end.session.is_over())
    }

    /// All that was written was read, both ways, and so were the ends.
    pub(super) fn is_whole(&self) -> bool {
        let [one, other] = &self.ends;
        one.read == other.written && other.read == one.written && one.saw_end && other.saw_end
    }
}
