//! Places of ended sessions, which new ones may take while NATS refuses more subscriptions.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::PermissionTracker;

/// Place of an ended session. Dropping it frees the place again.
#[derive(Debug)]
pub(crate) struct Place(Option<Arc<PermissionTracker>>);

impl PermissionTracker {
    /// Returns true if NATS refuses more subscriptions and no session has ended since, so that new sessions fail.
    pub(crate) fn is_full(&self) -> bool {
        *self.is_full.borrow() && self.places.load(Ordering::Relaxed) == 0
    }

    /// Takes the place of an ended session. Returns `None` unless [`Self::is_full`] depends on these places.
    ///
    /// Each place admits one session, so that many requests at the limit do not cause refused subscriptions.
    pub(crate) fn take_place(self: &Arc<Self>) -> Option<Place> {
        if !*self.is_full.borrow() {
            return None;
        }
        let taken = |places: usize| places.checked_sub(1);
        self.places.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).ok()?;
        Some(Place(Some(Arc::clone(self))))
    }

    /// Counts a subscription that has ended, if NATS refuses more of them.
    pub(super) fn free_place(&self) {
        if *self.is_full.borrow() {
            self.places.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Place {
    /// Gives the place to a session that has subscribed.
    pub(crate) fn occupy(mut self) {
        self.0 = None;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(permissions) = &self.0 {
            permissions.free_place();
        }
    }
}
