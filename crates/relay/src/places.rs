//! Places of sessions: the limit on concurrent sessions, and the share of each listener in it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use slab::Slab;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::warn;

use crate::throttle::Throttle;

/// One `KEPT_PART`th of all places is reserved, in equal shares, for listeners that use less than their share.
const KEPT_PART: usize = 4;

const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// State of the limit on sessions ([`Config::max_sessions`](crate::Config::max_sessions)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimitStats {
    /// The limit.
    pub max_sessions: usize,
    /// Number of accepted connections that wait for a session to end. Further connections may wait to be accepted.
    pub waiting: usize,
    /// Number of connections that had to wait since the relay was created.
    pub waits: u64,
}

/// All places of a relay. Clones share one state.
#[derive(Debug, Clone)]
pub(crate) struct Places(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    max: usize,
    state: Mutex<State>,
    log: Throttle,
}

#[derive(Debug)]
struct State {
    free: usize,
    /// Number of places in use by each listener.
    used: Slab<usize>,
    /// Waiting connections in order of arrival. None of them may take a free place at the moment.
    queue: VecDeque<Waiter>,
    waits: u64,
}

#[derive(Debug)]
struct Waiter {
    key: usize,
    /// Notified when the connection has a place.
    admit: oneshot::Sender<()>,
}

/// The registration of a listener. Dropping it unregisters the listener.
#[derive(Debug)]
pub(crate) struct Share {
    places: Places,
    key: usize,
}

/// Place of a session. Dropping it passes the place to the next connection that waits.
#[derive(Debug)]
pub(crate) struct Place(Arc<Share>);

impl Places {
    pub(crate) fn new(max: usize) -> Self {
        let state = State { free: max, used: Slab::new(), queue: VecDeque::new(), waits: 0 };
        Self(Arc::new(Inner { max, state: Mutex::new(state), log: Throttle::every(LOG_INTERVAL) }))
    }

    /// Registers a listener.
    pub(crate) fn join(&self) -> Arc<Share> {
        let key = self.0.state.lock().used.insert(0);
        Arc::new(Share { places: self.clone(), key })
    }

    pub(crate) fn used(&self) -> usize {
        self.0.max - self.0.state.lock().free
    }

    pub(crate) fn stats(&self) -> LimitStats {
        let state = self.0.state.lock();
        LimitStats { max_sessions: self.0.max, waiting: state.queue.len(), waits: state.waits }
    }

    /// Returns true if warnings were suppressed that [`warn_suppressed`](Self::warn_suppressed) has not written yet.
    pub(crate) fn has_suppressed(&self) -> bool {
        self.0.log.is_counting()
    }

    /// Writes one warning for all connections whose warnings were suppressed, if it is due (see [`Throttle::rest`]).
    pub(crate) fn warn_suppressed(&self, now: Option<Instant>) {
        if let Some((waited, _)) = self.0.log.rest(now) {
            warn_about_limit(self.0.max, self.stats().waiting, waited);
        }
    }
}

impl State {
    /// Returns true if this listener may take a free place. Free places that are reserved for other listeners do not
    /// count.
    fn may_take(&self, max: usize, key: usize) -> bool {
        let share = max / KEPT_PART / self.used.len();
        let others = self.used.len() - 1;
        if self.free > share.saturating_mul(others) {
            return true;
        }
        let owed =
            |(other, used): (usize, &usize)| if other == key { 0 } else { share.saturating_sub(*used) };
        self.free > self.used.iter().map(owed).sum()
    }

    /// Gives free places to waiting connections.
    fn hand_out(&mut self, max: usize) {
        let mut at = 0;
        while self.free > 0 && at < self.queue.len() {
            if !self.may_take(max, self.queue[at].key) {
                at += 1;
            } else if let Some(Waiter { key, admit }) = self.queue.remove(at)
                && admit.send(()).is_ok()
            {
                self.take(key);
            }
        }
    }

    fn take(&mut self, key: usize) {
        self.free -= 1;
        self.used[key] += 1;
    }
}

impl Share {
    /// Waits for a place. The connections that may take one get it in order of arrival.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the queue.
    pub(crate) async fn place(self: &Arc<Self>) -> Place {
        let max_sessions = self.places.0.max;
        let (mut place, waiting) = {
            let mut state = self.places.0.state.lock();
            if state.free > 0 && state.may_take(max_sessions, self.key) {
                state.take(self.key);
                return Place(Arc::clone(self));
            }
            let (admit, admitted) = oneshot::channel();
            state.queue.push_back(Waiter { key: self.key, admit });
            state.waits += 1;
            (Waiting { share: self, admitted }, state.queue.len())
        };
        if let Some(waited) = self.places.0.log.pass(Instant::now(), "") {
            warn_about_limit(max_sessions, waiting, waited);
        }
        (&mut place.admitted).await.expect("it stays in the queue until it has a place");
        Place(Arc::clone(self))
    }
}

/// Warns that `waited` connections had to wait since the last warning.
fn warn_about_limit(max_sessions: usize, waiting: usize, waited: u64) {
    warn!(max_sessions, waiting, waited, "session limit reached, new connections wait for a session to end");
}

/// A connection in the queue. Dropping it removes the connection from the queue.
struct Waiting<'a> {
    share: &'a Arc<Share>,
    admitted: oneshot::Receiver<()>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.admitted.close();
        if self.admitted.try_recv().is_ok() {
            // The connection has received a place at the last moment, which goes to the next one.
            drop(Place(Arc::clone(self.share)));
        } else {
            self.share.places.0.state.lock().queue.retain(|waiter| !waiter.admit.is_closed());
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut state = self.places.0.state.lock();
        state.used.remove(self.key);
        // The shares of the other listeners are larger now.
        state.hand_out(self.places.0.max);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Share { places, key } = &*self.0;
        let mut state = places.0.state.lock();
        state.free += 1;
        state.used[*key] -= 1;
        state.hand_out(places.0.max);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use futures_util::future::LocalBoxFuture;
    use proptest::prelude::*;

    use super::*;

    fn taken(share: &Arc<Share>) -> Option<Place> {
        share.place().now_or_never()
    }

    /// Takes all places that the listener may take now.
    fn all(share: &Arc<Share>) -> Vec<Place> {
        std::iter::from_fn(|| taken(share)).collect()
    }

    #[test]
    fn a_listener_leaves_places_for_the_others() {
        let places = Places::new(100);
        let (greedy, other, third) = (places.join(), places.join(), places.join());
        // A quarter of 100 is 25: 8 for each.
        let hoard = all(&greedy);
        assert_eq!(hoard.len(), 84);
        assert_eq!(all(&other).len(), 8);
        let few = [taken(&other), taken(&other)];
        assert_eq!(all(&third).len(), 8);
        drop(few);
        drop(hoard);
        assert_eq!(all(&third).len(), 84);
        assert_eq!(places.used(), 0);
    }

    #[test]
    fn a_lone_listener_has_all_places_and_one_place_is_enough_for_many() {
        assert_eq!(all(&Places::new(100).join()).len(), 100);
        let places = Places::new(1);
        let (one, other) = (places.join(), places.join());
        let only = taken(&one);
        assert!(only.is_some() && taken(&other).is_none());
        drop(only);
        assert!(taken(&other).is_some());
    }

    #[test]
    fn those_that_wait_are_served_in_order_and_counted() {
        let places = Places::new(2);
        let share = places.join();
        let mut held = vec![taken(&share), taken(&share)];
        let mut waiting: Vec<LocalBoxFuture<'_, Place>> = Vec::new();
        for _ in 0..3 {
            let mut next = share.place().boxed_local();
            assert!((&mut next).now_or_never().is_none());
            waiting.push(next);
        }
        assert_eq!(places.stats(), LimitStats { max_sessions: 2, waiting: 3, waits: 3 });
        // One of them leaves before it gets a place, another one after.
        drop(waiting.remove(1));
        held.pop();
        assert!((&mut waiting[1]).now_or_never().is_none(), "not its turn");
        drop(waiting.remove(0));
        let last = waiting.remove(0).now_or_never().expect("the place of the one that has gone");
        assert_eq!(places.stats().waiting, 0);
        drop((held, last));
        assert_eq!(places.used(), 0);
    }

    #[test]
    fn a_listener_that_leaves_gives_its_share_to_those_that_wait() {
        let places = Places::new(8);
        let (one, other) = (places.join(), places.join());
        let held = all(&one);
        assert_eq!(held.len(), 7);
        let mut waiting = one.place().boxed_local();
        assert!((&mut waiting).now_or_never().is_none());
        drop(other);
        assert!(waiting.now_or_never().is_some());
    }

    proptest! {
        /// For any sequence of acquires and releases, no place is lost or used twice, and no listener waits for a free place.
        #[test]
        fn places_are_neither_lost_nor_given_twice(
            max in 1usize..40,
            steps in prop::collection::vec((0usize..4, 0u8..4, any::<prop::sample::Index>()), 0..200),
        ) {
            let places = Places::new(max);
            let shares: Vec<_> = (0..4).map(|_| places.join()).collect();
            let mut held: Vec<Place> = Vec::new();
            let mut waiting: Vec<LocalBoxFuture<'_, Place>> = Vec::new();
            for (listener, step, at) in steps {
                match step {
                    0 | 1 => {
                        let mut next = shares[listener].place().boxed_local();
                        match (&mut next).now_or_never() {
                            Some(place) => held.push(place),
                            None => waiting.push(next),
                        }
                    }
                    2 if !held.is_empty() => drop(held.swap_remove(at.index(held.len()))),
                    3 if !waiting.is_empty() => drop(waiting.swap_remove(at.index(waiting.len()))),
                    _ => {}
                }
                let mut still = Vec::new();
                for mut each in waiting {
                    match (&mut each).now_or_never() {
                        Some(place) => held.push(place),
                        None => still.push(each),
                    }
                }
                waiting = still;
                prop_assert_eq!(places.used(), held.len());
                prop_assert_eq!(places.stats().waiting, waiting.len());
                let state = places.0.state.lock();
                let blocked = |waiter: &Waiter| state.free == 0 || !state.may_take(max, waiter.key);
                prop_assert!(state.queue.iter().all(blocked));
            }
            drop((held, waiting));
            prop_assert_eq!(places.used(), 0);
        }
    }
}
