//! Network paths from a NATS connection to the processes of its peers.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::id::InstanceId;
use crate::session::{PathState, Probe};

/// Maximum number of paths that are remembered for later sessions. Open sessions keep theirs.
const MAX_PATHS: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Paths {
    probe: Arc<Probe>,
    /// The most recently used path comes first.
    known: Mutex<VecDeque<(InstanceId, Arc<PathState>)>>,
}

impl Paths {
    /// Returns the path to a process. Each session with a peer that does not send the ID of its process gets a separate path.
    pub(crate) fn to(&self, peer: Option<InstanceId>) -> Arc<PathState> {
        let new = || PathState::new(Arc::clone(&self.probe));
        let Some(peer) = peer else { return new() };
        let mut known = self.known.lock();
        let place = known.iter().position(|(instance, _)| *instance == peer);
        let entry = place.and_then(|place| known.remove(place)).unwrap_or_else(|| (peer, new()));
        let path = Arc::clone(&entry.1);
        known.push_front(entry);
        known.truncate(MAX_PATHS);
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_with_one_process_share_a_path_and_no_others_do() {
        let paths = Paths::default();
        let [one, other] = ["1", "2"].map(InstanceId::parse);
        assert!(Arc::ptr_eq(&paths.to(one), &paths.to(one)));
        assert!(!Arc::ptr_eq(&paths.to(one), &paths.to(other)));
        assert!(!Arc::ptr_eq(&paths.to(None), &paths.to(None)));
    }

    #[test]
    fn the_path_used_longest_ago_is_forgotten() {
        let paths = Paths::default();
        let instance = |number: usize| InstanceId::parse(&format!("{number:x}"));
        let (first, second) = (paths.to(instance(0)), paths.to(instance(1)));
        for number in 2..MAX_PATHS {
            paths.to(instance(number));
        }
        paths.to(instance(0));
        paths.to(instance(MAX_PATHS));
        assert!(Arc::ptr_eq(&first, &paths.to(instance(0))));
        assert!(!Arc::ptr_eq(&second, &paths.to(instance(1))));
    }
}
