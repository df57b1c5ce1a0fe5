//! Two sessions against each other.

mod hostile;
mod link;
mod losses;
mod memory;
mod messages;
mod properties;
mod refused;
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

/// Reads and lets time pass until nothing changes any more.
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
    assert!(world.failure(1).expect("aborted").reason.contains("violates the protocol"));
}

#[test]
fn an_acknowledgment_of_what_was_never_sent_aborts() {
    let mut world = world();
    let header = Header { ack: 1, got: 1, limit: 1, ..Header::default() };
    let frame = world.ends[0].session.codec.encode(&header, &[]);
    world.ends[1].session.receive(world.now, frame).expect("a frame");
    assert!(world.failure(1).is_some());
}

#[test]
fn times_without_end_are_none() {
    let limits = Limits { max_outage: Duration::MAX, half_close_timeout: Duration::MAX };
    let mut world = World::with(Encoding::Binary, 1, limits);
    world.finish(0);
    world.pass(100 * SECOND);
    assert!(world.failure(0).is_none() && world.failure(1).is_none());
}
