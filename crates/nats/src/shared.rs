//! State that the stream of a session and its driver share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

use async_nats::Subject;
use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

use crate::any_session::AnySession;
use crate::budget::MemoryBudget;
use crate::id::InstanceId;

/// Clock of a NATS connection. The times of all its sessions count from its start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now(self) -> Duration {
        self.0.elapsed()
    }

    pub(crate) fn at(self, time: Duration) -> Option<Instant> {
        self.0.checked_add(time)
    }
}

/// The subjects of one end of a session.
#[derive(Debug, Clone)]
pub(crate) struct Subjects {
    /// Subject that this end subscribes to.
    pub(crate) local: Subject,
    /// Subject that the peer subscribes to.
    pub(crate) peer: Subject,
    /// Subject without subscribers. NATS reports that when it has processed all earlier messages.
    pub(crate) pacing: Subject,
    pub(crate) markers: Subject,
    /// Inbox of the client for notices, if this is the server's end.
    pub(crate) notices: Option<Subject>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    pub(crate) subjects: Subjects,
    pub(crate) budget: Arc<MemoryBudget>,
    /// Process of the peer, or `None` if the peer does not send its ID.
    pub(crate) peer: Option<InstanceId>,
    /// True if NATS refuses messages to the peer's subject, so that they are sent as notices.
    is_diverted: AtomicBool,
    inner: Mutex<Inner>,
}

/// The session, and the tasks that wait for it.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) core: AnySession,
    /// Time that the driver's timer is set to.
    pub(crate) timer: Option<Duration>,
    reader: Option<Waker>,
    writer: Option<Waker>,
    driver: Option<Waker>,
}

impl Shared {
    pub(crate) fn new(
        core: AnySession,
        clock: Clock,
        subjects: Subjects,
        budget: Arc<MemoryBudget>,
        peer: Option<InstanceId>,
    ) -> Arc<Self> {
        let inner = Inner { core, timer: None, reader: None, writer: None, driver: None };
        let is_diverted = AtomicBool::new(false);
        Arc::new(Self { clock, subjects, budget, peer, is_diverted, inner: Mutex::new(inner) })
    }

    /// Changes the session from outside of its tasks, and wakes the tasks that have work because of it.
    pub(crate) fn update(&self, change: impl FnOnce(&mut AnySession, Duration)) {
        let now = self.clock.now();
        let mut inner = self.lock();
        change(&mut inner.core, now);
        inner.wake_driver();
        inner.wake_stream();
    }

    /// Handles the refusal of a message to `subject`. The peer is notified of the reason by a notice, if NATS allows
    /// that.
    pub(crate) fn on_publish_refused(&self, subject: &str, reason: &str) {
        match &self.subjects.notices {
            Some(notices) if **notices != *subject => {
                if !self.is_diverted.swap(true, Ordering::Relaxed) {
                    self.update(|core, now| core.cut_off(now, reason));
                }
            }
            _ => self.update(|core, now| core.give_up(now, reason)),
        }
    }

    /// Returns the subject of notices if NATS refuses messages to the peer's own subject.
    pub(crate) fn diverted(&self) -> Option<&Subject> {
        self.subjects.notices.as_ref().filter(|_| self.is_diverted.load(Ordering::Relaxed))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }
}

impl Inner {
    pub(crate) fn wait_to_read(&mut self, cx: &Context<'_>) {
        register(&mut self.reader, cx);
    }

    pub(crate) fn wait_to_write(&mut self, cx: &Context<'_>) {
        register(&mut self.writer, cx);
    }

    pub(crate) fn wait_to_drive(&mut self, cx: &Context<'_>) {
        register(&mut self.driver, cx);
    }

    /// Wakes the driver if the stream has given it work.
    pub(crate) fn wake_driver(&mut self) {
        let deadline = self.core.deadline();
        let is_early = deadline.is_some_and(|deadline| self.timer.is_none_or(|timer| deadline < timer));
        if (is_early || self.core.has_transmit() || self.core.is_over())
            && let Some(waker) = self.driver.take()
        {
            waker.wake();
        }
    }

    /// Wakes the tasks that can continue after the driver has run.
    pub(crate) fn wake_stream(&mut self) {
        if self.core.is_readable()
            && let Some(waker) = self.reader.take()
        {
            waker.wake();
        }
        // The writer waits for room, for an acknowledged end, or to leave the queue of the client.
        if let Some(waker) = self.writer.take() {
            waker.wake();
        }
    }
}

fn register(slot: &mut Option<Waker>, cx: &Context<'_>) {
    match slot {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *slot = Some(cx.waker().clone()),
    }
}
