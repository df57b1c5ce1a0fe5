//! Peers that use the protocol against other sessions.

use super::*;
use crate::budget::{MemoryBudget, OUT_OF_MEMORY};
use crate::session::path::{PathState, Probe};
use crate::session::round::RoundTrip;
use crate::session::tests::world::End;

const HOUR: Duration = Duration::from_secs(3600);

/// A peer decides how long its round trips take. The time in which all sessions of the connection wait for an empty path
/// must not depend on it.
#[test]
fn a_peer_cannot_stop_the_other_sessions_of_a_connection() {
    let probe = Arc::new(Probe::default());
    let slow = RoundTrip { rtt: HOUR, is_limited: true, is_alone: false };
    let paths: Vec<_> = (0..20).map(|_| PathState::new(Arc::clone(&probe))).collect();
    for path in &paths {
        path.on_round_trip(HOUR, &RoundTrip { rtt: MS, ..slow }, 0, 0);
    }
    let mut stopped = 0;
    let times = 600;
    for second in 0..times {
        let now = HOUR + SECOND * second;
        // One process can claim to be many.
        for path in &paths {
            path.on_round_trip(now, &slow, 0, 0);
        }
        stopped += u32::from(probe.is_on(now + SECOND / 2));
    }
    assert!(stopped > 0 && stopped < times / 3, "{stopped} of {times}");
}

/// Sends this many single bytes to the server.
fn send_bytes(world: &mut World, count: u64) {
    for seq in 0..count {
        let header = Header { seq, ..Header::default() };
        let frame = world.ends[0].session.codec.encode(&header, b"x");
        world.ends[1].session.receive(world.now, frame).expect("a frame");
    }
}

/// Single bytes take more memory than the credit that they use, and their target never reads.
#[test]
fn sessions_whose_data_is_not_read_are_ended_when_the_budget_is_full() {
    let budget = MemoryBudget::new(16 << 20);
    let world = || {
        let budgets = [MemoryBudget::new(256 << 20), Arc::clone(&budget)];
        let mut world = World::with_memory(Encoding::Binary, 1, LIMITS, &budgets);
        world.trouble.lost = 1000;
        world
    };
    let mut slow = world();
    send_bytes(&mut slow, 1000);
    let mut hogs = [(); 3].map(|()| world());
    for hog in &mut hogs {
        send_bytes(hog, 30_000);
    }
    assert!(budget.is_full());
    for _ in 0..30 {
        hogs.iter_mut().for_each(|hog| hog.pass(SECOND));
        let reader = &mut slow.ends[1].session;
        let chunk = reader.next_chunk().expect("more than it reads here");
        reader.consumed(slow.now, chunk.len());
        slow.pass(SECOND);
    }
    assert_eq!(hogs[0].failure(1).map(|failure| &*failure.reason), Some(OUT_OF_MEMORY));
    assert!(!budget.is_full() && slow.failure(1).is_none());
}

/// The frames of this peer keep the session alive, and none of them is the last.
#[test]
fn a_peer_cannot_keep_a_session_that_is_delivered() {
    let mut world = world();
    world.pass(MS);
    for end in 0..2 {
        world.finish(end);
    }
    world.trouble.lost = 1000;
    let End { session, .. } = &mut world.ends[1];
    let mut header = Header { limit: 1 << 16, ..Header::default() };
    header.flags.set(Flags::FIN, true);
    let mut now = world.now;
    let receive = |session: &mut Session, now, header: &Header| {
        let frame = session.codec.encode(header, &[]);
        session.receive(now, frame).expect("a frame");
        session.on_deadline(now);
        while session.poll_transmit(now, 1 << 20).is_some() {}
    };
    receive(session, now, &header);
    assert!(session.take_end(now));
    let header = Header { seq: 1, ack: 1, got: 1, limit: 1 << 16, ..Header::default() };
    for _ in 0..360 {
        receive(session, now, &header);
        now += 10 * SECOND;
    }
    assert!(session.is_delivered() && session.failure().is_none());
    assert!(session.is_over());
}
