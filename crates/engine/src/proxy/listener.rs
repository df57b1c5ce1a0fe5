//! The listeners of a proxy, which a fault may want closed.

use super::shared::{Listeners, lock};
use super::{Faults, Shared};
use crate::timer::Timers;

/// A listener's word on whether it is open: given by [`Faults::listener`], true until it says otherwise, and taken back when it
/// is dropped.
#[derive(Debug)]
pub struct ListenerHandle {
    faults: Faults,
    key: usize,
}

impl ListenerHandle {
    /// Those that it follows.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Lets waits for its faults use `timers`; see [`Faults::with_timers`].
    #[must_use]
    pub fn with_timers(mut self, timers: Timers) -> Self {
        self.faults.timers = timers;
        self
    }

    /// Says that the listener is open now, or that it is closed.
    pub fn set_open(&self, is_open: bool) {
        let listeners = self.listeners();
        lock(&listeners.are_open)[self.key] = is_open;
        listeners.notify();
    }

    fn listeners(&self) -> &Listeners {
        &self.faults.shared.listeners
    }
}

impl Drop for ListenerHandle {
    fn drop(&mut self) {
        let listeners = self.listeners();
        lock(&listeners.are_open).remove(self.key);
        listeners.notify();
    }
}

impl Faults {
    /// For a listener that is open, and follows [`is_refusing`](Self::is_refusing).
    pub fn listener(&self) -> ListenerHandle {
        let key = lock(&self.shared.listeners.are_open).insert(true);
        ListenerHandle { faults: self.clone(), key }
    }

    /// Waits until every listener is closed if they are to be, or else open: a client that comes then meets the faults of now.
    ///
    /// # Cancel safety
    /// Nothing is lost when it is dropped.
    pub async fn wait_for_listeners(&self) {
        let Shared { listeners, .. } = &*self.shared;
        loop {
            let mut changed = std::pin::pin!(listeners.changed.notified());
            changed.as_mut().enable();
            let is_open = !self.is_refusing();
            if lock(&listeners.are_open).iter().all(|(_, open)| *open == is_open) {
                return;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::yield_now;

    use crate::faults::Refuse;
    use crate::{Effect, Engine, Fault, Settings};

    #[tokio::test]
    async fn all_listeners_are_waited_for() {
        let faults = Engine::new(Settings::default()).proxy("test", Vec::new());
        faults.wait_for_listeners().await;
        let (one, other) = (faults.listener(), faults.listener());
        faults.wait_for_listeners().await;
        faults.replace(vec![Fault::new("refuse", Effect::from(Refuse))]);
        let waiting = faults.wait_for_listeners();
        let following = async {
            yield_now().await;
            one.set_open(false);
            yield_now().await;
            drop(other);
            "both have followed"
        };
        assert_eq!(tokio::join!(biased; following, waiting).0, "both have followed");
        faults.replace(Vec::new());
        let early = tokio::select! {
            biased;
            () = faults.wait_for_listeners() => true,
            () = yield_now() => false,
        };
        assert!(!early, "one is still closed");
        // nobody has to open again what is to be closed again
        let waiting = faults.wait_for_listeners();
        let changing = async { faults.replace(vec![Fault::new("refuse", Effect::from(Refuse))]) };
        tokio::join!(biased; waiting, changing);
    }
}
