//! How much may be on its way to a reader.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What every session may have on its way to it, whatever the others have.
pub(crate) const FIRST_WINDOW: usize = 64 << 10;
const LARGEST_WINDOW: usize = 4 << 20;

/// What the windows of all sessions of a NATS connection may have beyond their first size, in bytes. NATS cuts off
/// a connection with 64 MiB pending (`max_pending`).
#[derive(Debug)]
pub(crate) struct WindowBudget(AtomicUsize);

impl WindowBudget {
    pub(crate) const OF_A_CONNECTION: usize = 32 << 20;

    pub(crate) fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self(AtomicUsize::new(bytes)))
    }

    fn take(&self, bytes: usize) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }

    fn put_back(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// The window of one session's reader.
#[derive(Debug)]
pub(crate) struct Window {
    size: usize,
    /// Consumed since the size last changed, or the reader last fell behind.
    kept_up: usize,
    budget: Arc<WindowBudget>,
}

impl Window {
    pub(crate) fn new(budget: Arc<WindowBudget>) -> Self {
        Self { size: FIRST_WINDOW, kept_up: 0, budget }
    }

    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// The reader took bytes; grows when it has kept up with a whole window.
    pub(crate) fn consumed(&mut self, bytes: usize, is_all_there_was: bool) {
        self.kept_up += bytes;
        if self.kept_up < self.size {
            return;
        }
        self.kept_up = 0;
        if is_all_there_was && self.size < LARGEST_WINDOW && self.budget.take(self.size) {
            self.size *= 2;
        }
    }

    /// Back to the first size. Credit that was granted stays granted.
    pub(crate) fn shrink(&mut self) {
        self.budget.put_back(self.size - FIRST_WINDOW);
        (self.size, self.kept_up) = (FIRST_WINDOW, 0);
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        self.shrink();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_keeps_up_gets_a_larger_window_up_to_the_largest() {
        let mut window = Window::new(WindowBudget::new(usize::MAX / 2));
        for _ in 0..100 {
            window.consumed(LARGEST_WINDOW, true);
        }
        assert_eq!(window.size(), LARGEST_WINDOW);
    }

    #[test]
    fn a_reader_that_is_behind_does_not() {
        let mut window = Window::new(WindowBudget::new(usize::MAX / 2));
        for _ in 0..100 {
            window.consumed(LARGEST_WINDOW, false);
        }
        assert_eq!(window.size(), FIRST_WINDOW);
    }

    #[test]
    fn windows_share_a_budget_and_give_it_back() {
        let budget = WindowBudget::new(FIRST_WINDOW);
        let (mut one, mut other) = (Window::new(Arc::clone(&budget)), Window::new(Arc::clone(&budget)));
        one.consumed(FIRST_WINDOW, true);
        other.consumed(FIRST_WINDOW, true);
        assert_eq!((one.size(), other.size()), (2 * FIRST_WINDOW, FIRST_WINDOW));
        drop(one);
        other.consumed(FIRST_WINDOW, true);
        assert_eq!(other.size(), 2 * FIRST_WINDOW);
    }
}
