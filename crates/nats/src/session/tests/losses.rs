//! Lost messages and outages of NATS.

use super::*;

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
    assert!(world.failure(0).expect("aborted").reason.contains("NATS had no subscriber for 60 s"));
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
