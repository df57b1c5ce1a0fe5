//! The length of messages, and those that are cut.

use super::*;

/// The limit gets smaller while two frames are under way, and the first of them arrives after all.
#[test]
fn a_kept_frame_is_cut_from_where_its_peer_has_it() {
    for encoding in [Encoding::Binary, Encoding::Json] {
        let mut world = World::new(encoding, 1);
        let client = &mut world.ends[0].session;
        let codec = Codec { encoding, id: "0a".into() };
        let frames: Vec<Vec<u8>> = [7, 8].map(|byte| vec![byte; 10_000]).into();
        frames.iter().for_each(|frame| drop(client.write(MS, frame)));
        let piece = |session: &mut Session| {
            let message = session.poll_transmit(MS, 4096).expect("a piece").message;
            assert!(message.len() <= 4096);
            codec.decode(message).expect("a frame")
        };
        client.link(MS, false);
        client.link(MS, true);
        let (first, bytes) = piece(client);
        assert_eq!((first.seq, &bytes[..]), (0, &frames[0][..bytes.len()]));
        let arrived = Header { got: 10_100, limit: 65_536, ..Header::default() };
        client.receive(MS, codec.encode(&arrived, &[])).expect("a frame");
        let mut sent = 10_100;
        while sent < 20_000 {
            let (next, bytes) = piece(client);
            assert_eq!((next.seq, &bytes[..]), (sent, &frames[1][..bytes.len()]));
            sent += bytes.len() as u64;
        }
        assert_eq!(sent, 20_000);
    }
}

#[test]
fn small_writes_wait_for_each_other_when_too_many_are_under_way() {
    let mut world = world();
    let mut frames = 0;
    while world.write(0, 1) == 1 {
        frames += 1;
    }
    assert_eq!(frames, 1024);
    world.pass(MS);
    world.read(1, usize::MAX);
    world.pass(MS);
    assert!(world.write(0, 1) == 1);
}

#[test]
fn a_payload_that_is_partly_here_is_trimmed() {
    let mut world = world();
    for (seq, payload) in [(0, &b"0123456789"[..]), (5, b"56789abcde"), (0, b"0123")] {
        let frame = world.ends[0].session.codec.encode(&Header { seq, ..Header::default() }, payload);
        world.ends[1].session.receive(world.now, frame).expect("a frame");
    }
    let reader = &mut world.ends[1].session;
    let chunks: Vec<_> = std::iter::from_fn(|| reader.next_chunk()).collect();
    assert_eq!(chunks.concat(), b"0123456789abcde");
}

#[test]
fn a_way_that_takes_no_payload_ends_the_session_at_both_ends() {
    let mut world = world();
    // The header of a frame still passes, and the reason for the end does not.
    world.max_on_the_way = 26;
    world.write(0, 100_000);
    world.pass(LIMITS.max_outage / 2);
    let reason = &world.failure(0).expect("it ends").reason;
    assert!(reason.starts_with("the shortest messages are lost"), "{reason}");
    world.max_on_the_way = 200;
    world.pass(LIMITS.max_outage);
    assert_eq!(world.failure(1).map(|failure| failure.is_remote), Some(true));
    assert!(world.is_over());
}

/// A server on the way that takes shorter messages than both ends' ends its link at each longer one.
#[test]
fn a_limit_on_the_way_loses_one_message_in_each_direction() {
    for (encoding, limit) in [(Encoding::Binary, 450), (Encoding::Binary, 2048), (Encoding::Json, 2048)] {
        let mut world = World::new(encoding, 1);
        world.pass(MS);
        // It is restarted with another limit while messages are under way.
        world.trouble.lost = 1000;
        for end in 0..2 {
            world.write(end, 20_000);
        }
        world.pass(SECOND);
        (world.max_on_the_way, world.trouble.lost) = (limit, 0);
        for _ in 0..20 {
            for end in 0..2 {
                world.write(end, 50_000);
            }
            world.pass(SECOND);
            (0..2).for_each(|end| world.read(end, usize::MAX));
            world.pass(SECOND);
        }
        assert!(world.ends.iter().all(|end| end.read > 400_000), "{encoding:?} {limit}: {world:?}");
        assert_eq!(world.too_long, 2, "{encoding:?} {limit}");
    }
}

#[test]
fn the_longest_payload_fits_beside_the_longest_header() {
    let mut flags = Flags::default();
    for flag in [Flags::FIN, Flags::GAP, Flags::PROBE, Flags::RST, Flags::FINAL] {
        flags.set(flag, true);
    }
    let header = Header { flags, seq: u64::MAX, ack: u64::MAX, got: u64::MAX, limit: u64::MAX };
    for encoding in [Encoding::Binary, Encoding::Json] {
        let codec = Codec { encoding, id: "0".repeat(32).into() };
        for max in 384..500 {
            let message = codec.encode(&header, &vec![255; codec.payload_within(max)]);
            assert!(message.len() <= max, "{} of {max}", message.len());
        }
    }
}
