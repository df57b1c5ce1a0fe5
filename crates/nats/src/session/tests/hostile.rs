//! Peers that use the protocol against other sessions.

use super::*;
use crate::session::path::{PathState, Probe};
use crate::session::round::RoundTrip;

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
