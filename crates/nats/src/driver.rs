//! The task of a tunnel. It handles messages from NATS, deadlines, and all frames without payload.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_nats::client::PublishErrorKind;
use async_nats::message::OutboundMessage;
use async_nats::{Client, HeaderMap, Message, StatusCode, Subscriber};
use futures_util::{Sink, Stream};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_stream::wrappers::WatchStream;
use tracing::debug;

use crate::link::{MIN_MESSAGE, NatsConnection, Status};
use crate::permissions::Registration;
use crate::session::{Destination, Transmit};
use crate::shared::Shared;
use crate::subject;
use crate::throttle::MessageWarnings;

/// Header of a notice with the ID of its session.
pub(crate) const NOTICE_SESSION: &str = "proxy-session";

/// Task of a session. It ends with the session.
pub(crate) struct Driver {
    shared: Arc<Shared>,
    link: NatsConnection,
    client: Client,
    messages: Subscriber,
    /// `Some` only for a session of the plain protocol.
    markers: Option<Subscriber>,
    status: WatchStream<Status>,
    connects: u64,
    timer: Pin<Box<Sleep>>,
    unsent: Option<Transmit>,
    bad_messages: Arc<MessageWarnings>,
    /// Dropped after the subscriptions, because it frees their place.
    registration: Registration,
}

impl Driver {
    pub(crate) fn new(
        shared: Arc<Shared>,
        link: NatsConnection,
        messages: Subscriber,
        markers: Option<Subscriber>,
        bad_messages: Arc<MessageWarnings>,
        registration: Registration,
    ) -> Self {
        let mut status = link.status();
        let at_first = *status.borrow_and_update();
        shared.lock().core.link(shared.clock.now(), at_first.is_up);
        Self {
            shared,
            client: link.client().clone(),
            link,
            messages,
            markers,
            status: WatchStream::from_changes(status),
            connects: at_first.connects,
            timer: Box::pin(sleep_until(Instant::now())),
            unsent: None,
            bad_messages,
            registration,
        }
    }

    fn poll_status(&mut self, cx: &mut Context<'_>) {
        // Never ends, because the link has the sender.
        while let Poll::Ready(Some(Status { is_up, connects })) = Pin::new(&mut self.status).poll_next(cx) {
            let now = self.shared.clock.now();
            let core = &mut self.shared.lock().core;
            if std::mem::replace(&mut self.connects, connects) != connects {
                self.registration.is_accepted = false;
                core.link(now, false);
            }
            core.link(now, is_up);
        }
    }

    /// Returns true if the subscription has ended.
    fn poll_messages(&mut self, cx: &mut Context<'_>) -> bool {
        loop {
            match Pin::new(&mut self.messages).poll_next(cx) {
                Poll::Ready(Some(message)) => self.take(message),
                Poll::Ready(None) => return true,
                Poll::Pending => break,
            }
        }
        // After the messages: those that were sent before a marker must be processed before it.
        while let Some(markers) = &mut self.markers
            && let Poll::Ready(marker) = Pin::new(markers).poll_next(cx)
        {
            let Some(marker) = marker else { return true };
            if marker.status == Some(StatusCode::NO_RESPONDERS) {
                let now = self.shared.clock.now();
                self.shared.lock().core.marker(now);
            }
        }
        false
    }

    fn take(&mut self, message: Message) {
        self.registration.is_accepted = true;
        let now = self.shared.clock.now();
        let core = &mut self.shared.lock().core;
        if message.status == Some(StatusCode::NO_RESPONDERS) {
            core.no_responders(now);
        } else if let Err(error) = core.receive(now, message.payload) {
            let subject = &self.shared.subjects.local;
            self.bad_messages.warn(Some(subject.as_str()), &error, |times| {
                format!("dropped {times} on {subject}: {error}")
            });
        }
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) {
        loop {
            let now = self.shared.clock.now();
            let mut inner = self.shared.lock();
            let mut deadline = inner.core.deadline();
            if deadline.is_some_and(|deadline| deadline <= now) {
                inner.core.on_deadline(now);
                deadline = inner.core.deadline();
            }
            // Leave an early timer armed: one spurious wake-up costs less than resetting it.
            if let Some(deadline) = deadline
                && inner.timer.is_none_or(|timer| deadline < timer || timer <= now)
            {
                let deadline = deadline.max(now);
                inner.timer = Some(deadline);
                let far = Duration::from_secs(3600);
                let at = self.shared.clock.at(deadline).unwrap_or_else(|| Instant::now() + far);
                drop(inner);
                self.timer.as_mut().reset(at);
            } else {
                drop(inner);
            }
            if deadline.is_none() || self.timer.as_mut().poll(cx).is_pending() {
                return;
            }
            self.shared.lock().timer = None;
        }
    }

    /// Publishes the messages that are due. Returns false if the client has ended.
    fn poll_transmit(&mut self, cx: &mut Context<'_>) -> bool {
        loop {
            let now = self.shared.clock.now();
            if self.unsent.is_none() {
                let core = &mut self.shared.lock().core;
                let max_message = self.link.max_message();
                if max_message < MIN_MESSAGE
                    && let Some(reason) = self.link.message_limit_problem()
                {
                    core.abort_undelivered(now, &reason);
                }
                self.unsent = core.poll_transmit(now, max_message);
            }
            if self.unsent.is_none() {
                return true;
            }
            match Pin::new(&mut self.client).poll_ready(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return false,
                Poll::Pending => return true,
            }
            let Some(Err(error)) = self.unsent.take().map(|transmit| self.publish(transmit)) else {
                continue;
            };
            if error.kind() != PublishErrorKind::MaxPayloadExceeded {
                debug!(%error, "cannot publish");
                self.shared.lock().core.abort(now, &format!("cannot publish: {error}"));
                return false;
            }
            // A new connection has a smaller limit, so the session sends everything again in shorter messages. If NATS
            // does not accept those of an abort either, the peer cannot be notified.
            let core = &mut self.shared.lock().core;
            if core.failure().is_some()
                && let Some(reason) = self.link.message_limit_problem()
            {
                core.give_up(now, &reason);
            }
        }
    }

    fn publish(&mut self, transmit: Transmit) -> Result<(), async_nats::PublishError> {
        let Transmit { message, to, wants_reply } = transmit;
        let subjects = &self.shared.subjects;
        let mut headers = None;
        let (subject, reply) = match to {
            Destination::Peer => match self.shared.diverted() {
                Some(notices) => {
                    headers = Some(notice_headers(&subjects.local));
                    (notices, &subjects.local)
                }
                None => (&subjects.peer, &subjects.local),
            },
            Destination::Pacing => (&subjects.pacing, &subjects.markers),
        };
        let message = OutboundMessage {
            subject: subject.clone(),
            reply: wants_reply.then(|| reply.clone()),
            payload: message,
            headers,
        };
        Pin::new(&mut self.client).start_send(message)
    }
}

/// Returns the headers of a notice for the session that subscribes to `own`, the server's subject.
fn notice_headers(own: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(NOTICE_SESSION, subject::last_token(own));
    headers
}

impl Future for Driver {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        // Register first, so that concurrent actions of the stream wake this task again.
        this.shared.lock().wait_to_drive(cx);
        this.poll_status(cx);
        let has_ended = this.poll_messages(cx);
        this.poll_timer(cx);
        let has_client = this.poll_transmit(cx);
        // Sending messages may have set deadlines.
        this.poll_timer(cx);
        let shared = Arc::clone(&this.shared);
        let mut inner = shared.lock();
        if has_ended || !has_client {
            inner.core.abort(shared.clock.now(), "this end's connection to NATS has ended");
        }
        inner.wake_stream();
        shared.budget.report_shortage();
        let is_over = has_ended || !has_client || (inner.core.is_over() && this.unsent.is_none());
        if is_over { Poll::Ready(()) } else { Poll::Pending }
    }
}
