//! Bytes that were sent before a reset, and those that an abort gives up.

use proptest::prelude::*;

use super::properties::{acts, encodings, heal, perform, short};
use super::*;
use crate::session::frame::Flags;

/// Both directions and both encodings.
fn worlds() -> impl Iterator<Item = (World, usize)> {
    let encodings = [Encoding::Binary, Encoding::Json];
    let worlds = encodings.into_iter().flat_map(|encoding| [(encoding, 0), (encoding, 1)]);
    worlds.map(|(encoding, end)| {
        let mut world = World::new(encoding, 1);
        world.pass(MS);
        (world, end)
    })
}

/// The relay's part after a side has failed: what was written is sent, and the stream is dropped.
fn reset(world: &mut World, end: usize) {
    world.ends[end].session.reset(world.now, "the target was reset");
    world.ends[end].session.close(world.now);
}

fn assert_read_and_reset(world: &mut World, end: usize, bytes: usize) {
    world.read(1 - end, usize::MAX);
    assert_eq!(world.ends[1 - end].read, bytes as u64);
    assert_eq!(world.failure(1 - end).expect("reset").reason, "the target was reset");
    assert!(!world.ends[1 - end].session.awaits_bytes() && world.ends[1 - end].session.is_readable());
    assert!(world.is_over());
}

#[test]
fn what_was_sent_before_a_reset_is_read_before_it() {
    for (mut world, end) in worlds() {
        world.write(end, 50_000);
        reset(&mut world, end);
        world.pass(MS);
        assert_eq!(world.ends[1 - end].session.room(1 << 20), 0, "writes end at once");
        assert_read_and_reset(&mut world, end, 50_000);
    }
}

#[test]
fn an_end_of_file_before_a_reset_is_read_as_well() {
    for (mut world, end) in worlds() {
        world.write(end, 1000);
        world.finish(end);
        world.pass(MS);
        reset(&mut world, end);
        world.pass(MS);
        assert_read_and_reset(&mut world, end, 1000);
        assert!(world.ends[1 - end].saw_end);
    }
}

#[test]
fn what_is_lost_before_a_reset_is_sent_again() {
    for (mut world, end) in worlds() {
        world.trouble.lost = 1000;
        world.write(end, 50_000);
        world.trouble.lost = 0;
        reset(&mut world, end);
        world.pass(5 * SECOND);
        assert_read_and_reset(&mut world, end, 50_000);
    }
}

#[test]
fn an_outage_of_either_end_at_a_reset_loses_nothing() {
    for away in [0, 1] {
        for (mut world, end) in worlds() {
            world.write(end, 20_000);
            world.link(away, false);
            world.pass(MS);
            world.write(end, 20_000);
            let written = world.ends[end].written;
            reset(&mut world, end);
            // Longer than an end without anything at stake waits for listeners.
            world.pass(20 * SECOND);
            world.link(away, true);
            world.pass(5 * SECOND);
            assert_read_and_reset(&mut world, end, usize::try_from(written).expect("small"));
        }
    }
}

#[test]
fn closing_with_data_unread_delivers_what_was_written() {
    for (mut world, end) in worlds() {
        world.write(end, 1000);
        world.write(1 - end, 1000);
        world.pass(MS);
        world.ends[end].session.close(world.now);
        world.pass(MS);
        world.read(1 - end, usize::MAX);
        assert_eq!(world.ends[1 - end].read, 1000);
        assert!(world.failure(1 - end).is_some() && world.is_over());
        assert_eq!(world.ends[end].session.receiver.held_bytes(), 0);
    }
}

#[test]
fn an_abort_gives_up_what_was_not_read() {
    for (mut world, end) in worlds() {
        world.write(end, 1000);
        world.pass(MS);
        world.ends[end].session.abort(world.now, "told to");
        world.pass(MS);
        world.read(1 - end, usize::MAX);
        assert_eq!(world.ends[1 - end].read, 0);
        assert!(world.failure(1 - end).is_some() && world.is_over());
    }
}

#[test]
fn an_end_that_gives_up_hands_on_what_it_has() {
    let mut world = world();
    world.pass(MS);
    world.write(0, 1000);
    world.pass(MS);
    world.link(1, false);
    world.pass(61 * SECOND);
    assert!(world.failure(1).is_some());
    world.read(1, usize::MAX);
    assert_eq!(world.ends[1].read, 1000);
}

#[test]
fn a_reset_whose_bytes_never_come_ends_the_reader() {
    let mut world = world();
    world.pass(MS);
    let mut flags = Flags::RST;
    flags.set(Flags::FIN, true);
    let header = Header { flags, seq: u64::MAX, ..Header::default() };
    let frame = world.ends[0].session.codec.encode(&header, b"gone");
    world.ends[1].session.receive(world.now, frame).expect("a frame");
    assert!(!world.ends[1].session.is_readable());
    world.pass(61 * SECOND);
    assert!(world.ends[1].session.is_readable() && world.ends[1].session.is_over());
}

/// Recorded frames of a server from before resets had an offset, after 2,000 bytes from its client: an answer and the reset.
const RECORDED: [&[u8]; 2] = [
    b"\xb1\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07\xd0\x00\x00\x00\x00\x00\x01\x00\x00\
      -ERR Protocol error\r\n",
    b"\xb1\x08\x00\x00\x00\x00\x00\x00\x00\x15\x00\x00\x00\x00\x00\x00\x07\xd0\x00\x00\x00\x00\x00\x01\x00\x00\
      the connection on the other side was reset",
];

#[test]
fn what_an_older_end_sent_is_read_before_its_reset() {
    for frames in [&RECORDED[..], &RECORDED[1..]] {
        let mut world = world();
        world.write(0, 2000);
        let reader = &mut world.ends[0].session;
        for frame in frames {
            reader.receive(world.now, Bytes::from_static(frame)).expect("a frame");
        }
        let read: Vec<_> = std::iter::from_fn(|| reader.next_chunk()).collect();
        assert_eq!(read.concat(), if frames.len() == 2 { &b"-ERR Protocol error\r\n"[..] } else { b"" });
        assert_eq!(reader.failure().expect("reset").reason, "the connection on the other side was reset");
        assert!(reader.is_readable() && !reader.awaits_bytes(), "it sends nothing again");
        let answer = reader.poll_transmit(world.now, 1 << 20).expect("an answer").message;
        assert_eq!(answer[1], 16, "an older end waits for `done` alone");
        assert!(reader.is_over());
    }
}

#[test]
fn an_older_end_ends_a_reset_that_has_bytes_to_deliver() {
    let mut world = world();
    world.pass(MS);
    world.write(1, 1000);
    let server = &mut world.ends[1].session;
    server.reset(world.now, "gone");
    let reset = server.poll_transmit(world.now, 1 << 20).expect("a reset").message;
    assert_eq!((reset[0], reset[1] & 8), (0xb1, 8));
    let done = b"\xb1\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0";
    server.receive(world.now, Bytes::from_static(done)).expect("a frame");
    assert!(server.is_over());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// The peer reads everything that was written before a reset, also if NATS loses messages or is away.
    #[test]
    fn a_reset_overtakes_nothing(encoding in encodings(), seed: u64, acts in acts(), end in 0..2_usize) {
        let mut world = World::new(encoding, seed);
        perform(&mut world, &short(acts));
        reset(&mut world, end);
        world.pass(SECOND);
        heal(&mut world);
        settle(&mut world);
        prop_assert!(world.is_over(), "never over: {world:?}");
        // Bytes may arrive with the end of the session.
        world.read(1 - end, usize::MAX);
        prop_assert_eq!(world.ends[1 - end].read, world.ends[end].written);
        prop_assert!(world.failure(1 - end).is_some() || world.is_whole());
    }
}
