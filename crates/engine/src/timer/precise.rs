//! One `timerfd` for many timers. It is armed for the earliest deadline in an ordered queue.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Returns a queue and its driver.
pub(super) fn open() -> io::Result<(Queue, TimerDriver)> {
    // The clock of `std::time::Instant`.
    let clock = TimerfdClockId::Monotonic;
    let timerfd = Arc::new(timerfd_create(clock, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?);
    let queue = Queue::new(Arc::clone(&timerfd));
    #[expect(
        deprecated,
        reason = "its heir is unsafe, for handles that may close or change; an OwnedFd does not"
    )]
    let timerfd = AsyncFd::with_interest(timerfd, Interest::READABLE)?;
    Ok((queue.clone(), TimerDriver { timerfd, queue }))
}

/// Makes precise timers fire.
///
/// When the driver is dropped, the waiting tasks are woken and their timers become
/// [coarse](super::Timers::coarse), as are timers that are created later.
#[derive(Debug)]
#[must_use = "its timers are coarse once it is dropped"]
pub struct TimerDriver {
    timerfd: AsyncFd<Arc<OwnedFd>>,
    queue: Queue,
}

impl TimerDriver {
    /// Fires timers for as long as it is polled.
    ///
    /// The sooner it is polled after a wake-up, the less late the timers are. Poll it in the future that the
    /// runtime blocks on rather than in a task that waits in the run queue.
    ///
    /// # Errors
    ///
    /// Returns an error if the `timerfd` cannot be waited for, for example because the runtime shuts down.
    pub async fn run(self) -> io::Result<Infallible> {
        let mut due = Vec::new();
        loop {
            let mut ready = self.timerfd.readable().await?;
            match rustix::io::read(&self.timerfd, &mut [0; 8]) {
                Ok(_) | Err(Errno::AGAIN) => ready.clear_ready(),
                Err(error) => return Err(error.into()),
            }
            self.queue.with(|open| open.take_due(Instant::now(), &mut due));
            due.drain(..).for_each(Waker::wake);
        }
    }
}

impl Drop for TimerDriver {
    fn drop(&mut self) {
        let closed = self.queue.0.lock().take();
        for waker in closed.into_iter().flat_map(|open| open.wakers.into_values()) {
            waker.wake();
        }
    }
}

/// Deadlines and the wakers of their tasks. It is closed (`None`) when the driver is dropped.
#[derive(Debug, Clone)]
pub(super) struct Queue(Arc<Mutex<Option<Open>>>);

impl Queue {
    pub(super) fn new(timerfd: Arc<OwnedFd>) -> Self {
        let open = Open { timerfd, armed: None, wakers: BTreeMap::new(), last_id: 0 };
        Self(Arc::new(Mutex::new(Some(open))))
    }

    /// Runs `work` under the lock. Returns `None` if the queue is closed.
    ///
    /// `work` must neither wake nor drop a waker: either may run code of a task, which may call this function
    /// again.
    pub(super) fn with<R>(&self, work: impl FnOnce(&mut Open) -> R) -> Option<R> {
        self.0.lock().as_mut().map(work)
    }
}

#[derive(Debug)]
pub(super) struct Open {
    timerfd: Arc<OwnedFd>,
    /// Time that the `timerfd` is armed for. It is never later than the first deadline.
    pub(super) armed: Option<Instant>,
    /// Wakers by deadline and id of the entry.
    pub(super) wakers: BTreeMap<(Instant, u64), Waker>,
    last_id: u64,
}

impl Open {
    /// Moves the wakers due at `now` to `due`, in the order of their deadlines, and arms the `timerfd` for
    /// the next one.
    pub(super) fn take_due(&mut self, now: Instant, due: &mut Vec<Waker>) {
        while let Some(first) = self.wakers.first_entry()
            && first.key().0 <= now
        {
            due.push(first.remove());
        }
        self.armed = None;
        if let Some(&(deadline, _)) = self.wakers.keys().next() {
            self.arm(deadline);
        }
    }

    /// Wakes the driver at `deadline` or earlier.
    fn arm(&mut self, deadline: Instant) {
        // A duration of 0 would disarm the `timerfd`. A day is far below the overflow of the types of the
        // system.
        const MIN_DELAY: Duration = Duration::from_nanos(1);
        const MAX_DELAY: Duration = Duration::from_secs(86_400);
        let left = deadline.saturating_duration_since(Instant::now()).clamp(MIN_DELAY, MAX_DELAY);
        let it_value = Timespec::try_from(left).expect("a day fits");
        let once = Itimerspec { it_interval: Timespec::default(), it_value };
        timerfd_settime(&self.timerfd, TimerfdTimerFlags::empty(), &once)
            .expect("it is a timerfd, and the duration is valid");
        self.armed = Some(deadline);
    }
}

/// Registration of one timer in a queue.
#[derive(Debug)]
pub(super) struct Entry {
    queue: Queue,
    id: u64,
    /// The deadline and the waker that were last added to the queue. They may have fired since.
    registered: Option<(Instant, Waker)>,
}

impl Entry {
    /// Returns `None` if the queue is closed.
    pub(super) fn new(queue: Queue) -> Option<Self> {
        let id = queue.with(|open| {
            open.last_id += 1;
            open.last_id
        })?;
        Some(Self { queue, id, registered: None })
    }

    /// Wakes `waker` at `deadline`, instead of an earlier registration. Returns false if the queue is closed.
    pub(super) fn register(&mut self, deadline: Instant, waker: &Waker) -> bool {
        if let Some((at, who)) = &self.registered
            && *at == deadline
            && who.will_wake(waker)
        {
            return self.queue.with(|_| ()).is_some();
        }
        let before = self.registered.replace((deadline, waker.clone()));
        let waker = waker.clone();
        let replaced = self.queue.with(|open| {
            let replaced = before.as_ref().and_then(|(at, _)| open.wakers.remove(&(*at, self.id)));
            open.wakers.insert((deadline, self.id), waker);
            if open.armed.is_none_or(|armed| deadline < armed) {
                open.arm(deadline);
            }
            replaced
        });
        replaced.is_some()
    }

    pub(super) fn clear(&mut self) {
        if let Some((deadline, _)) = self.registered.take() {
            self.queue.with(|open| open.wakers.remove(&(deadline, self.id)));
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.clear();
    }
}
