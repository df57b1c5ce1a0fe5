//! Timers that wait for an instant: those of the runtime (1 ms), or more precise ones on Linux.

// `--cfg portable` selects the implementation of other systems on Linux too, for tests.
#[cfg_attr(not(all(target_os = "linux", not(portable))), path = "timer/portable.rs")]
mod precise;
#[cfg(test)]
mod tests;

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep, sleep_until};

pub use precise::TimerDriver;

/// Timers for the release of held bytes. A clone is cheap and uses the same timers.
///
/// The default is [coarse](Self::coarse).
#[derive(Debug, Clone, Default)]
pub struct Timers {
    queue: Option<precise::Queue>,
}

impl Timers {
    /// Returns the timers of the tokio runtime in which they are used. They are up to 1 ms late, and follow
    /// its paused clock.
    ///
    /// Waiting with them panics outside a runtime whose time driver is enabled.
    pub fn coarse() -> Self {
        Self::default()
    }

    /// Returns timers on one `timerfd`, which are tens of microseconds late, and the future that makes them
    /// fire. On systems other than Linux, the timers are [coarse](Self::coarse).
    ///
    /// On Linux, they follow the monotonic clock of the system, so do not pause the clock of tokio with them.
    /// They can be used from any thread, and cost least on the thread that polls the driver.
    ///
    /// # Errors
    ///
    /// Returns an error if the system cannot create a `timerfd`, or the runtime cannot watch it.
    ///
    /// # Panics
    ///
    /// Panics outside a tokio runtime whose I/O driver is enabled.
    pub fn precise() -> std::io::Result<(Self, TimerDriver)> {
        let (queue, driver) = precise::open()?;
        Ok((Self { queue: Some(queue) }, driver))
    }
}

/// A timer that wakes one task at one instant.
#[derive(Debug)]
pub(crate) struct Timer {
    /// `None` if the timers are coarse or their driver was dropped.
    precise: Option<precise::Entry>,
    coarse: Option<Pin<Box<Sleep>>>,
}

impl Timer {
    pub(crate) fn new(timers: Timers) -> Self {
        Self { precise: timers.queue.and_then(precise::Entry::new), coarse: None }
    }

    /// Ready once `deadline` has passed.
    ///
    /// Until then, wakes the task of `cx` at the deadline, which replaces any earlier deadline. The task may
    /// also be woken earlier, if the driver of the timers is dropped.
    pub(crate) fn poll_until(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        if deadline <= Instant::now() {
            return Poll::Ready(());
        }
        if let Some(entry) = &mut self.precise {
            if entry.register(deadline.into_std(), cx.waker()) {
                return Poll::Pending;
            }
            self.precise = None;
        }
        let sleep = self.coarse.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() != deadline {
            sleep.as_mut().reset(deadline);
        }
        sleep.as_mut().poll(cx)
    }

    /// Wakes no task until the next call of [`poll_until`](Self::poll_until).
    pub(crate) fn clear(&mut self) {
        if let Some(entry) = &mut self.precise {
            entry.clear();
        }
        self.coarse = None;
    }
}
