//! Implementation for systems without a `timerfd`, on which every timer is coarse.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::task::Waker;
use std::time::Instant;

/// Returns a queue and its driver.
pub(super) fn open() -> io::Result<(Queue, TimerDriver)> {
    Ok((Queue, TimerDriver { _private: () }))
}

/// Makes precise timers fire on Linux. On this system, all timers are [coarse](super::Timers::coarse), and
/// the driver does nothing.
#[derive(Debug)]
#[must_use = "its timers are coarse once it is dropped"]
pub struct TimerDriver {
    _private: (),
}

impl TimerDriver {
    /// Never returns.
    ///
    /// # Errors
    ///
    /// Does not fail on this system.
    pub async fn run(self) -> io::Result<Infallible> {
        pending().await
    }
}

/// A queue without entries.
#[derive(Debug, Clone)]
pub(super) struct Queue;

#[derive(Debug)]
pub(super) enum Entry {}

impl Entry {
    /// Returns `None`, so that the timer is coarse.
    pub(super) fn new(_queue: Queue) -> Option<Self> {
        None
    }

    pub(super) fn register(&mut self, _deadline: Instant, _waker: &Waker) -> bool {
        match *self {}
    }

    pub(super) fn clear(&mut self) {
        match *self {}
    }
}
