//! One end against a NATS server and a peer that takes everything.

use proptest::prelude::*;

use super::*;

const ID: &str = "93e6cb0299a5e8f4";
const MS: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);
const MAX: usize = 1 << 20;

/// Answers without delay.
struct Nats {
    plain: LegacySession,
    now: Duration,
    peer_listens: bool,
    answers_markers: bool,
    /// What the peer got.
    data: Vec<u8>,
    closes: usize,
}

impl Nats {
    fn new(peer_listens: bool) -> Self {
        let now = Duration::from_secs(5);
        let plain = LegacySession::new(ID, now, HOUR, MemoryBudget::new(256 << 20));
        Self { plain, now, peer_listens, answers_markers: true, data: Vec::new(), closes: 0 }
    }

    fn publish(&mut self, to: Destination, wants_reply: bool, payload: &[u8]) {
        match to {
            Destination::Pacing => {
                if self.answers_markers {
                    self.plain.marker(self.now);
                }
            }
            Destination::Peer if !self.peer_listens => {
                if wants_reply {
                    self.plain.no_responders(self.now);
                } else {
                    assert!(self.plain.failure().is_some(), "what goes to nobody is lost");
                }
            }
            Destination::Peer => {
                let message = message::decode(payload).expect("a message");
                assert_eq!(message.id, ID);
                assert!(message.data.len() <= MAX_DATA);
                self.data.extend(&message.data);
                self.closes += usize::from(message.is_close());
            }
        }
    }

    fn pump(&mut self) {
        while let Some(transmit) = self.plain.poll_transmit(self.now) {
            self.publish(transmit.to, transmit.wants_reply, &transmit.message);
        }
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        self.pump();
        while let Some(deadline) = self.plain.deadline().filter(|deadline| *deadline <= until) {
            self.now = self.now.max(deadline);
            self.plain.on_deadline(self.now);
            self.pump();
        }
        self.now = until;
    }

    fn write(&mut self, bytes: &[u8]) -> usize {
        let room = self.plain.room(MAX).min(bytes.len());
        if room > 0 {
            let message = self.plain.write(self.now, &bytes[..room]);
            self.publish(Destination::Peer, false, &message);
            self.pump();
        }
        room
    }

    fn hear(&mut self, data: &[u8], metadata: &[(&str, &str)]) {
        let payload = message::encode(ID, data, metadata);
        self.plain.receive(self.now, &payload).expect("a message");
    }
}

#[test]
fn nothing_is_sent_before_the_peer_listens() {
    let mut nats = Nats::new(false);
    nats.pass(500 * MS);
    assert_eq!(nats.write(b"hello"), 0);
    nats.peer_listens = true;
    nats.pass(2 * MAX_PROBE_INTERVAL);
    assert_eq!(nats.write(b"hello"), 5);
    assert_eq!(nats.data, b"hello");
}

#[test]
fn a_peer_that_never_listens_is_given_up() {
    let mut nats = Nats::new(false);
    nats.pass(11_000 * MS);
    assert_eq!(nats.plain.failure(), Some("the other end never listened"));
}

#[test]
fn a_lost_answer_is_asked_for_again() {
    let mut nats = Nats::new(true);
    nats.answers_markers = false;
    nats.pass(MS);
    assert_eq!(nats.write(b"x"), 0);
    nats.answers_markers = true;
    nats.pass(3000 * MS);
    assert_eq!(nats.write(b"x"), 1);
}

#[test]
fn no_more_than_a_mebibyte_is_under_way_and_markers_let_it_go_on() {
    let mut nats = Nats::new(true);
    nats.pass(MS);
    nats.answers_markers = false;
    let mut sent = 0;
    while let written @ 1.. = nats.write(&[7; MAX_DATA]) {
        sent += written;
    }
    assert_eq!(sent as u64, MAX_IN_FLIGHT);
    nats.pass(ANSWER_TIMEOUT + MS);
    assert!(nats.write(&[7]) == 1, "an answer that does not come is forgiven");
}

#[test]
fn markers_that_come_back_keep_it_going() {
    let mut nats = Nats::new(true);
    nats.pass(MS);
    for _ in 0..1000 {
        assert_eq!(nats.write(&[7; MAX_DATA]), MAX_DATA);
    }
}

#[test]
fn a_close_goes_out_after_everything_and_comes_in_after_everything() {
    let mut nats = Nats::new(true);
    nats.pass(MS);
    nats.write(b"last");
    nats.plain.finish(nats.now);
    assert!(!nats.plain.is_delivered());
    nats.pass(MS);
    assert!(nats.plain.is_delivered() && nats.closes == 1 && nats.data == b"last");
    nats.hear(b"words", &[]);
    nats.hear(b"", &[("type", "close")]);
    assert!(!nats.plain.take_end(nats.now), "the words come first");
    assert_eq!(nats.plain.next_chunk().expect("words"), "words");
    nats.plain.consumed(nats.now, 5);
    assert!(nats.plain.take_end(nats.now) && nats.plain.is_over());
}

#[test]
fn a_peer_that_says_nothing_after_our_close_has_ended_after_a_while() {
    let mut nats = Nats::new(true);
    nats.pass(MS);
    nats.plain.finish(nats.now);
    nats.pass(29_000 * MS);
    nats.hear(b"late", &[]);
    nats.plain.next_chunk();
    nats.plain.consumed(nats.now, 4);
    nats.pass(29_000 * MS);
    assert!(!nats.plain.take_end(nats.now));
    nats.pass(2_000 * MS);
    assert!(nats.plain.take_end(nats.now));
}

#[test]
fn an_idle_session_ends_with_a_reason_and_a_close() {
    let mut nats = Nats::new(true);
    nats.pass(HOUR + MS);
    assert!(nats.plain.failure().expect("ended").contains("no data for 3600 s"));
    assert!(nats.closes == 1 && nats.plain.is_over());
}

#[test]
fn more_than_a_part_of_the_memory_ends_it() {
    let budget = MemoryBudget::new(30 << 20);
    let new = || LegacySession::new(ID, MS, HOUR, Arc::clone(&budget));
    let (mut large, mut small) = (new(), new());
    let payload = message::encode(ID, &[7; MAX_DATA], &[]);
    while large.failure().is_none() {
        assert!(budget.held() <= 11 << 20);
        large.receive(MS, &payload).expect("a message");
        small.queue.is_empty().then(|| small.receive(MS, &payload).expect("a message"));
    }
    assert_eq!((large.failure(), small.failure()), (Some(OUT_OF_MEMORY), None));
    assert_eq!(budget.held(), MAX_DATA + entry_size(0));
    assert_eq!(small.next_chunk().expect("words").len(), MAX_DATA);
    small.consumed(MS, MAX_DATA);
    assert_eq!(budget.held(), 0);
}

#[test]
fn a_lost_connection_ends_it() {
    let mut nats = Nats::new(true);
    nats.plain.link(nats.now, false);
    assert!(nats.plain.failure().expect("ended").contains("cannot repair"));
}

#[test]
fn what_arrived_before_a_lost_connection_can_still_be_read() {
    let mut nats = Nats::new(true);
    nats.hear(b"words", &[]);
    nats.plain.link(nats.now, false);
    assert_eq!(nats.plain.next_chunk().expect("words"), "words");
    nats.plain.consumed(nats.now, 5);
    nats.plain.close(nats.now);
    assert_eq!((nats.plain.next_chunk(), nats.plain.held), (None, 0));
}

#[test]
fn a_message_of_another_session_is_none_of_ours() {
    let mut nats = Nats::new(true);
    let payload = message::encode("other", b"x", &[]);
    assert_eq!(nats.plain.receive(nats.now, &payload), Err(MessageError::Foreign));
    assert!(!nats.plain.is_readable());
}

#[test]
fn a_dropped_stream_still_closes() {
    let mut nats = Nats::new(true);
    nats.pass(MS);
    nats.write(b"x");
    nats.plain.close(nats.now);
    nats.pass(MS);
    assert!(nats.closes == 1 && nats.plain.is_over());
}

proptest! {
    #[test]
    fn what_is_written_arrives_once_and_in_order(
        chunks in prop::collection::vec((0..100_000_usize, 0..10_u32), 0..40),
        listens_after in 0..100_u32,
    ) {
        let mut nats = Nats::new(false);
        nats.pass(MS * listens_after);
        nats.peer_listens = true;
        nats.pass(2 * MAX_PROBE_INTERVAL);
        let mut written: Vec<u8> = Vec::new();
        for (index, (length, pause)) in chunks.into_iter().enumerate() {
            let chunk = vec![u8::try_from(index).unwrap(); length];
            let taken = nats.write(&chunk);
            written.extend(&chunk[..taken]);
            nats.pass(MS * pause);
        }
        nats.plain.finish(nats.now);
        nats.pass(MS * 10);
        prop_assert!(nats.data == written);
        prop_assert_eq!(nats.closes, 1);
    }
}

#[test]
fn a_chunk_that_outlives_its_session_can_still_be_consumed() {
    let mut nats = Nats::new(true);
    nats.hear(b"words", &[]);
    assert_eq!(nats.plain.next_chunk().expect("words"), "words");
    nats.plain.link(nats.now, false);
    nats.plain.consumed(nats.now, 5);
    assert!(nats.plain.failure().is_some());
}

#[test]
fn a_timeout_without_end_is_none() {
    let mut plain = LegacySession::new(ID, MS, Duration::MAX, MemoryBudget::new(256 << 20));
    assert!(plain.deadline().is_some());
    plain.on_deadline(HOUR);
    assert!(plain.failure().is_none_or(|reason| !reason.contains("no data for")));
}
