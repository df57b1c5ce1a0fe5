//! Sessions whose peers would have them hold more than there is memory for.

use super::*;
use crate::budget::{MIN_SHARE, MemoryBudget, OUT_OF_MEMORY};

const LIMIT: usize = 16 << 20;

fn budget() -> Arc<MemoryBudget> {
    MemoryBudget::new(LIMIT)
}

/// Another session of the server's process.
fn world_with(server: &Arc<MemoryBudget>) -> World {
    let budgets = [MemoryBudget::new(256 << 20), Arc::clone(server)];
    let mut world = World::with_memory(Encoding::Binary, 1, LIMITS, &budgets);
    world.pass(MS);
    world
}

/// All the credit there is, and never an acknowledgment.
fn grant_everything(world: &mut World) {
    let frame =
        world.ends[0].session.codec.encode(&Header { limit: u32::MAX.into(), ..Header::default() }, &[]);
    world.ends[1].session.receive(world.now, frame).expect("a frame");
}

#[test]
fn sessions_that_hold_most_of_a_full_budget_are_stopped_and_then_ended() {
    let budget = budget();
    let mut hogs: Vec<_> = (0..20).map(|_| world_with(&budget)).collect();
    for hog in &mut hogs {
        grant_everything(hog);
        while hog.write(1, 1 << 20) > 0 {}
    }
    assert!(budget.held() < LIMIT / 4 * 3 + MIN_SHARE && budget.is_full(), "{}", budget.held());
    let mut honest = world_with(&budget);
    for _ in 0..20 {
        assert!(honest.write(1, 50_000) > 0);
        honest.pass(50 * MS);
        honest.read(0, usize::MAX);
        honest.pass(50 * MS);
    }
    // The sessions that hold most are ended until there is enough for new ones.
    for _ in 0..20 {
        hogs.iter_mut().for_each(|hog| hog.pass(SECOND));
    }
    let ended: Vec<_> = hogs.iter().map(|hog| hog.failure(1).is_some()).collect();
    assert!(ended[0] && !ended[19] && !budget.is_full(), "{ended:?}");
    assert!(honest.write(1, 50_000) > MIN_SHARE);
}

#[test]
fn a_writer_that_was_stopped_goes_on_when_there_is_memory_again() {
    let budget = budget();
    let mut hog = crate::budget::Share::new(Arc::clone(&budget));
    hog.set(LIMIT);
    let mut world = world_with(&budget);
    let first = world.write(1, 1 << 20);
    assert!(first > 0 && first <= MIN_SHARE, "{first}");
    assert_eq!(world.write(1, 1), 0);
    world.pass(MS);
    world.read(0, usize::MAX);
    world.pass(50 * MS);
    assert!(world.write(1, 1) > 0);
    drop(hog);
    world.pass(MS);
    assert!(world.write(1, 50_000) == 50_000);
}

#[test]
fn a_session_that_holds_too_much_of_a_full_budget_is_ended_with_the_reason() {
    let budget = budget();
    let (mut large, mut small) = (world_with(&budget), world_with(&budget));
    large.write(0, 50_000);
    small.write(0, 1000);
    large.pass(MS);
    small.pass(MS);
    let mut hog = crate::budget::Share::new(Arc::clone(&budget));
    hog.set(LIMIT - budget.held());
    large.write(0, 1000);
    large.pass(MS);
    assert_eq!(large.failure(1).expect("ended").reason, OUT_OF_MEMORY);
    assert_eq!(large.failure(0).expect("reset").reason, OUT_OF_MEMORY);
    small.write(0, 1000);
    small.pass(MS);
    small.read(1, usize::MAX);
    assert_eq!((small.ends[1].read, small.failure(1)), (2000, None));
}

#[test]
fn windows_are_small_while_the_budget_is_full() {
    let budget = budget();
    let mut hog = crate::budget::Share::new(Arc::clone(&budget));
    hog.set(LIMIT / 4 * 3);
    let mut world = world_with(&budget);
    for _ in 0..100 {
        world.write(0, 1 << 20);
        world.pass(50 * MS);
        world.read(1, usize::MAX);
        world.pass(50 * MS);
    }
    assert!(world.write(0, 1 << 20) <= MIN_SHARE);
    assert!(world.ends[1].read > 100_000 && world.failure(1).is_none());
}

#[test]
fn what_a_session_held_is_given_back() {
    let budget = budget();
    let mut world = world_with(&budget);
    for _ in 0..20 {
        world.write(0, 1 << 20);
        world.write(1, 1 << 20);
        world.pass(MS);
        world.read(0, usize::MAX);
        world.read(1, usize::MAX);
    }
    assert!(budget.held() > 0);
    world.ends[1].session.abort(world.now, "told to");
    world.ends[1].session.close(world.now);
    assert_eq!(budget.held(), 0);
}

#[test]
fn single_bytes_keep_no_read_buffer() {
    let mut world = world();
    for (seq, payload) in [(0, 1), (1, 10_000), (10_001, 20_000)] {
        let mut frame = world.ends[0]
            .session
            .codec
            .encode(&Header { seq, ..Header::default() }, &vec![0; payload])
            .to_vec();
        let len = frame.len();
        frame.resize(64 << 10, 0);
        let buffer = Bytes::from(frame);
        world.ends[1].session.receive(world.now, buffer.slice(..len)).expect("a frame");
        assert_eq!(buffer.is_unique(), payload < 16 << 10, "{payload}");
    }
    world.ends[1].session.receiver.check_share();
}
