//! The listeners of a proxy, which a fault may close.

use super::shared::Listeners;
use super::{Faults, Shared};
use crate::timer::Timers;

/// Registration of a listener, from [`Faults::listener`]. The listener reports through it whether it is open,
/// and counts as open until the first report. Dropping the handle unregisters the listener.
#[derive(Debug)]
pub struct ListenerHandle {
    faults: Faults,
    key: usize,
}

impl ListenerHandle {
    /// Returns the faults that the listener follows.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Uses `timers` to wait for faults; see [`Faults::with_timers`].
    #[must_use]
    pub fn with_timers(mut self, timers: Timers) -> Self {
        self.faults.timers = timers;
        self
    }

    /// Reports whether the listener is open.
    pub fn set_open(&self, is_open: bool) {
        let listeners = self.listeners();
        listeners.are_open.lock()[self.key] = is_open;
        listeners.changed.notify_waiters();
    }

    fn listeners(&self) -> &Listeners {
        &self.faults.shared.listeners
    }
}

impl Drop for ListenerHandle {
    fn drop(&mut self) {
        let listeners = self.listeners();
        listeners.are_open.lock().remove(self.key);
        listeners.changed.notify_waiters();
    }
}

impl Faults {
    /// Registers a listener that is open. It must close and open as [`is_refusing`](Self::is_refusing)
    /// requires.
    pub fn listener(&self) -> ListenerHandle {
        let key = self.shared.listeners.are_open.lock().insert(true);
        ListenerHandle { faults: self.clone(), key }
    }

    /// Waits until all listeners are closed, if a fault closes them, or open otherwise. Afterwards, the
    /// current faults apply to new clients.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn wait_for_listeners(&self) {
        let Shared { listeners, .. } = &*self.shared;
        loop {
            let mut changed = std::pin::pin!(listeners.changed.notified());
            changed.as_mut().enable();
            let is_open = !self.is_refusing();
            if listeners.are_open.lock().iter().all(|(_, open)| *open == is_open) {
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
        // The listener does not need to open before it is closed again.
        let waiting = faults.wait_for_listeners();
        let changing = async { faults.replace(vec![Fault::new("refuse", Effect::from(Refuse))]) };
        tokio::join!(biased; waiting, changing);
    }
}
