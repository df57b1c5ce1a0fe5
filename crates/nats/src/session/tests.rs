//! Two sessions against each other.

mod link;
mod memory;
mod properties;
mod resets;
mod world;

use std::time::Duration;

use self::world::{LIMITS, MS, Trouble, World};
use super::frame::{Flags, Header};
use super::window::FIRST_WINDOW;
use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn world() -> World {
    World::new(Encoding::Binary, 1)
}

/// Reads and lets time pass until nothing more can come of it.
fn settle(world: &mut World) {
    for _ in 0..200 {
        world.read(0, usize::MAX);
        world.read(1, usize::MAX);
        world.pass(SECOND);
        if world.is_over() {
            break;
        }
    }
}

#[test]
fn the_client_may_write_at_once_and_the_server_only_when_it_has_heard_the_client() {
    let mut world = world();
    assert_eq!(world.write(1, 10), 0);
    assert_eq!(world.write(0, 10), 10);
    world.pass(MS);
    assert_eq!(world.write(1, 10), 10);
}

#[test]
fn both_directions_end_on_their_own_and_then_both_ends_leave_at_once() {
    let mut world = world();
    world.write(0, 1000);
    world.finish(0);
    world.pass(MS);
    world.read(1, usize::MAX);
    assert!(world.ends[1].saw_end);
    world.pass(10 * SECOND);
    assert!(world.ends[0].session.is_delivered());
    assert_eq!(world.write(1, 5000), 5000);
    world.finish(1);
    world.pass(MS);
    world.read(0, usize::MAX);
    world.pass(MS);
    assert!(world.is_whole() && world.is_over());
}

#[test]
fn a_session_that_may_have_no_subscription_ends_unless_it_hears_something() {
    for hears in [false, true] {
        let mut world = world();
        let client = &mut world.ends[0].session;
        client.doubt(Duration::ZERO, "too many subscriptions");
        if hears {
            client.no_responders(MS);
        }
        assert!(client.deadline().is_some_and(|deadline| deadline <= DOUBT_TIMEOUT));
        client.on_deadline(DOUBT_TIMEOUT);
        let reason = client.failure().map(|failure| failure.reason.clone());
        assert_eq!(reason.as_deref(), (!hears).then_some("too many subscriptions"));
    }
}

#[test]
fn a_suspected_peer_is_asked_and_the_session_ends_only_without_an_answer() {
    let suspected = || {
        let mut world = world();
        world.pass(MS);
        let now = world.now;
        world.ends[1].session.suspect(now, "it may not publish");
        (world, now)
    };
    let (mut answering, _) = suspected();
    answering.pass(DOUBT_TIMEOUT * 2);
    assert_eq!(answering.failure(1), None);

    for is_gone in [false, true] {
        let (mut world, now) = suspected();
        let server = &mut world.ends[1].session;
        let question = server.poll_transmit(now, 1 << 20).expect("a question");
        assert!(question.wants_reply);
        if is_gone {
            server.no_responders(now + MS);
        } else {
            server.on_deadline(now + DOUBT_TIMEOUT);
        }
        assert_eq!(server.failure().map(|failure| &*failure.reason), Some("it may not publish"));
    }

    let (mut world, now) = suspected();
    world.ends[1].session.link(now + MS, false);
    world.ends[1].session.on_deadline(now + DOUBT_TIMEOUT);
    assert_eq!(world.failure(1), None);
}

#[test]
fn a_session_that_is_cut_off_sends_the_reason_and_no_data() {
    for is_reset in [false, true] {
        let mut world = world();
        world.pass(MS);
        let server = &mut world.ends[1].session;
        server.write(MS, b"refused");
        if is_reset {
            server.reset(MS, WAS_RESET);
        }
        server.cut_off(MS, "may not publish");
        let last = server.poll_transmit(MS, 1 << 20).expect("a reset");
        let (header, reason) = server.codec.decode(last.message).unwrap();
        assert!(header.flags.has(Flags::RST) && !header.flags.has(Flags::FIN) && last.wants_reply);
        assert_eq!(&*reason, if is_reset { WAS_RESET.as_bytes() } else { b"may not publish" });
        assert_eq!(server.poll_transmit(MS, 1 << 20), None);
    }
}

#[test]
fn a_session_that_has_heard_its_peer_is_not_in_doubt_until_the_connection_is_another_one() {
    let mut world = world();
    world.pass(MS);
    let client = &mut world.ends[0].session;
    client.doubt(2 * MS, "too many subscriptions");
    client.on_deadline(2 * MS + DOUBT_TIMEOUT);
    assert_eq!(client.failure(), None);
    client.link(SECOND, false);
    client.link(2 * SECOND, true);
    client.doubt(2 * SECOND, "too many subscriptions");
    client.on_deadline(2 * SECOND + DOUBT_TIMEOUT);
    assert!(client.failure().is_some());
}

#[test]
fn a_session_whose_messages_do_not_pass_is_over_at_once_and_one_that_cannot_hear_tells_its_peer() {
    let mut world = world();
    world.pass(MS);
    world.ends[0].session.give_up(MS, "may not publish");
    assert!(world.ends[0].session.is_over() && !world.ends[0].session.has_transmit());
    world.ends[1].session.abort(MS, "may not subscribe");
    let told = world.ends[1].session.poll_transmit(MS, 1 << 20).expect("a reset");
    assert!(told.message.ends_with(b"may not subscribe") && !world.ends[1].session.is_over());
}

/// An end that has asked for an answer when it learns of a gap must not look like one whose own connection was lost.
#[test]
fn a_gap_and_a_question_at_the_same_time_are_two_frames() {
    for (is_resumed, expected) in [(false, vec![(true, false), (false, true)]), (true, vec![(true, true)])] {
        let mut world = world();
        world.pass(MS);
        let codec = Codec { encoding: Encoding::Binary, id: "0a".into() };
        let client = &mut world.ends[0].session;
        drop(client.write(MS, b"lost"));
        client.on_deadline(MS + SECOND);
        let behind_a_gap = Header { seq: 100, limit: 65_536, ..Header::default() };
        client.receive(MS + SECOND, codec.encode(&behind_a_gap, b"words")).expect("a frame");
        if is_resumed {
            client.link(MS + SECOND, false);
            client.link(MS + SECOND, true);
            let again = client.poll_transmit(MS + SECOND, 1 << 20).expect("a repeated frame");
            assert!(again.message.ends_with(b"lost"));
        }
        let mut flags = Vec::new();
        while let Some(transmit) = client.poll_transmit(MS + SECOND, 1 << 20) {
            let (header, _) = codec.decode(transmit.message).expect("a frame");
            flags.push((header.flags.has(Flags::GAP), header.flags.has(Flags::PROBE)));
        }
        assert_eq!(flags, expected);
    }
}

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
fn an_end_of_file_is_not_delivered_before_it_is_taken() {
    let mut world = world();
    world.write(0, 10);
    world.finish(0);
    world.pass(SECOND);
    assert!(!world.ends[0].session.is_delivered());
    world.read(1, usize::MAX);
    world.pass(MS);
    assert!(world.ends[0].session.is_delivered());
}

#[test]
fn a_reader_that_does_not_read_stops_the_writer_at_the_window() {
    let mut world = world();
    assert_eq!(world.write(0, 1 << 20), FIRST_WINDOW);
    world.pass(50 * SECOND);
    assert_eq!(world.write(0, 1), 0);
    world.read(1, usize::MAX);
    world.pass(MS);
    assert!(world.write(0, 1 << 20) >= FIRST_WINDOW);
    assert_eq!(world.failure(0), None);
}

#[test]
fn a_reader_that_keeps_up_gets_more_credit() {
    let mut world = world();
    let mut most = 0;
    for _ in 0..15 {
        most = most.max(world.write(0, 16 << 20));
        world.pass(MS);
        world.read(1, usize::MAX);
        world.pass(MS);
    }
    assert!(most > 2 << 20, "{most}");
}

#[test]
fn a_lost_credit_is_asked_for() {
    let mut world = world();
    world.pass(MS);
    world.write(0, FIRST_WINDOW);
    world.pass(MS);
    world.trouble.lost = 1000;
    world.read(1, usize::MAX);
    world.pass(MS);
    assert_eq!(world.write(0, 1), 0);
    world.trouble.lost = 0;
    world.pass(5 * SECOND);
    assert_eq!(world.write(0, 1), 1);
}

#[test]
fn a_lost_last_message_is_sent_again() {
    let mut world = world();
    world.pass(MS);
    world.trouble.lost = 1000;
    world.write(0, 10);
    world.trouble.lost = 0;
    world.pass(SECOND);
    world.read(1, usize::MAX);
    assert_eq!(world.ends[1].read, 10);
}

#[test]
fn a_lost_small_request_is_noticed_while_the_other_direction_is_busy() {
    let mut world = world();
    world.pass(MS);
    world.trouble.lost = 1000;
    world.write(0, 10);
    world.trouble.lost = 0;
    for _ in 0..1000 {
        world.write(1, 1000);
        world.pass(MS);
        world.read(0, usize::MAX);
    }
    world.read(1, usize::MAX);
    assert_eq!(world.ends[1].read, 10);
}

#[test]
fn an_outage_of_either_end_is_repaired_whoever_comes_back_first() {
    for last in [0, 1] {
        let mut world = world();
        world.pass(MS);
        let sent = world.write(0, 50_000) + world.write(1, 50_000);
        world.link(0, false);
        world.link(1, false);
        world.pass(30 * SECOND);
        world.link(1 - last, true);
        world.pass(SECOND);
        world.link(last, true);
        world.pass(MS);
        world.read(0, usize::MAX);
        world.read(1, usize::MAX);
        assert_eq!(world.ends[0].read + world.ends[1].read, sent as u64);
        world.finish(0);
        world.finish(1);
        settle(&mut world);
        assert!(world.is_whole() && world.is_over());
    }
}

#[test]
fn past_the_longest_outage_both_ends_are_aborted_with_the_reason() {
    let mut world = world();
    world.pass(MS);
    world.link(1, false);
    world.pass(61 * SECOND);
    assert!(world.failure(1).expect("aborted").reason.contains("NATS was away for 60 s"));
    world.pass(61 * SECOND);
    assert!(world.failure(0).expect("aborted").reason.contains("nobody listened for 60 s"));
    world.pass(120 * SECOND);
    assert!(world.is_over());
}

#[test]
fn a_silent_end_is_asked_and_then_given_up() {
    let mut world = world();
    world.pass(MS);
    world.trouble.lost = 1000;
    world.pass(70 * SECOND);
    assert_eq!(world.failure(0), None);
    world.pass(10 * SECOND);
    assert!(world.failure(0).expect("aborted").reason.contains("has not answered for 60 s"));
}

#[test]
fn an_idle_session_lasts() {
    let mut world = world();
    world.pass(24 * 3600 * SECOND);
    assert!(world.failure(0).is_none() && world.failure(1).is_none());
    assert_eq!(world.write(0, 10), 10);
}

#[test]
fn a_client_that_never_comes_is_given_up() {
    let mut world = world();
    world.trouble.lost = 1000;
    world.pass(61 * SECOND);
    assert!(world.failure(1).is_some());
}

#[test]
fn an_abort_reaches_the_other_end_with_its_reason_and_both_leave() {
    let mut world = world();
    world.pass(MS);
    world.write(0, 10);
    world.ends[0].session.abort(world.now, "the user pulled the plug");
    world.pass(MS);
    let failure = world.failure(1).expect("aborted");
    assert_eq!((failure.reason.as_str(), failure.is_remote), ("the user pulled the plug", true));
    assert!(world.is_over());
}

#[test]
fn a_lost_abort_is_sent_again() {
    let mut world = world();
    world.pass(MS);
    world.trouble.lost = 1000;
    world.ends[0].session.abort(world.now, "gone");
    world.pass(MS);
    world.trouble.lost = 0;
    world.pass(SECOND);
    assert!(world.failure(1).is_some() && world.is_over());
}

#[test]
fn a_half_closed_session_with_nothing_moving_is_aborted_after_its_time() {
    let limits = Limits { half_close_timeout: 100 * SECOND, ..LIMITS };
    let mut world = World::with(Encoding::Binary, 1, limits);
    world.finish(0);
    world.pass(MS);
    world.read(1, usize::MAX);
    world.pass(99 * SECOND);
    assert!(world.failure(0).is_none() && world.failure(1).is_none());
    world.write(1, 10);
    world.pass(99 * SECOND);
    assert!(world.failure(0).is_none() && world.failure(1).is_none());
    world.pass(2 * SECOND);
    assert!(world.failure(0).is_some() && world.failure(1).is_some());
}

#[test]
fn closing_delivers_what_was_written() {
    let mut world = world();
    world.pass(MS);
    world.write(0, 1000);
    world.ends[0].session.close(world.now);
    world.pass(MS);
    world.read(1, usize::MAX);
    world.finish(1);
    settle(&mut world);
    assert_eq!((world.ends[1].read, world.failure(1)), (1000, None));
    assert!(world.is_over());
}

#[test]
fn closing_with_data_unread_aborts() {
    let mut world = world();
    world.pass(MS);
    world.write(1, 1000);
    world.pass(MS);
    world.ends[0].session.close(world.now);
    world.pass(MS);
    assert!(world.failure(1).is_some());
}

#[test]
fn more_than_was_granted_aborts() {
    let mut world = world();
    let frame = world.ends[0].session.codec.encode(&Header::default(), &vec![0; FIRST_WINDOW + 1]);
    world.ends[1].session.receive(world.now, frame).expect("a frame");
    assert!(world.failure(1).expect("aborted").reason.contains("breaks the protocol"));
}

#[test]
fn an_acknowledgement_of_what_was_never_sent_aborts() {
    let mut world = world();
    let header = Header { ack: 1, got: 1, limit: 1, ..Header::default() };
    let frame = world.ends[0].session.codec.encode(&header, &[]);
    world.ends[1].session.receive(world.now, frame).expect("a frame");
    assert!(world.failure(1).is_some());
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
fn trouble_is_trouble() {
    let mut world = world();
    world.trouble = Trouble { lost: 300, twice: 300, late: 300 };
    for _ in 0..100 {
        world.write(0, 1000);
        world.write(1, 1000);
        world.pass(MS);
        world.read(0, usize::MAX);
        world.read(1, usize::MAX);
    }
    let [one, other] = &world.ends;
    assert!(one.read < other.written || other.read < one.written, "nothing was in the way");
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
fn times_without_end_are_none() {
    let limits = Limits { max_outage: Duration::MAX, half_close_timeout: Duration::MAX };
    let mut world = World::with(Encoding::Binary, 1, limits);
    world.finish(0);
    world.pass(100 * SECOND);
    assert!(world.failure(0).is_none() && world.failure(1).is_none());
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
        assert!(world.ends.iter().all(|end| end.read > 500_000), "{encoding:?} {limit}: {world:?}");
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
