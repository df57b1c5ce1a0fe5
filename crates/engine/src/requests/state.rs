//! The faults of a session's requests, and how far they are.

use std::collections::VecDeque;
use std::mem;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use fault_proxy_protocol::{Event, EventKind, Framer, OpaqueReason, Outcome, Protocol, TransactionStatus};
use tracing::warn;

use super::Output;
use super::open::{KindSet, OpenRequests};
use super::pending::{Pending, PendingFaults};
use super::response::Response;
use super::rule::{Moment, Part, RequestAction};
use super::stream_plan::{StepAction, StreamPlan};
use crate::direction::Direction;
use crate::pipeline::SessionContext;
use crate::pipeline::plan::{Plan, PlanEntry};
use crate::proxy;
use crate::shared::SessionEnd;

/// Number of bytes of the next row or event that pass before a response is truncated.
const TRUNCATED_PART: u64 = 3;

/// Faults of the requests, and how far they are.
#[derive(Debug)]
pub(super) struct State {
    pub(super) protocol: Protocol,
    pub(super) proxy: Arc<proxy::Shared>,
    pub(super) context: Arc<SessionContext>,
    pub(super) plan: Plan,
    pub(super) version: u64,
    /// Kinds that no fault of the plan selects, among this number of kinds.
    pub(super) unselected: KindSet,
    pub(super) classified: usize,
    /// A fault may act on requests before they are forwarded.
    pub(super) holds_requests: bool,
    /// One for each [`Direction`].
    pub(super) streams: [StreamPlan; 2],
    pub(super) open: OpenRequests,
    /// Number of the last request before the last ReadyForQuery.
    ready: u64,
    /// Status of PostgreSQL before the next request of the client, as far as it is known.
    pub(super) status: Option<TransactionStatus>,
    /// Number of the last request whose response has ended.
    pub(super) ended: u64,
    /// Number of requests in the group of PostgreSQL messages that the client is sending.
    pub(super) in_group: u32,
    /// The connection of HTTP ends after a response of the proxy. Further requests are dropped.
    pub(super) is_closing: bool,
    /// Created for the first request that a fault acts on.
    pub(super) acting: Option<Box<Acting>>,
}

/// Faults that act on open requests.
#[derive(Debug, Default)]
pub(super) struct Acting {
    /// Earliest end of the window of one of them.
    pub(super) window_end: Option<Duration>,
    pub(super) pending: PendingFaults,
    /// Faults that act on the stream of requests when the client has sent the Sync of the group of PostgreSQL messages.
    pub(super) before_sync: Vec<Pending>,
    /// Faults that wait for the next ReadyForQuery of PostgreSQL. The responses of their requests have ended.
    pub(super) before_ready: Vec<Pending>,
    /// The fault that responds to the request that the client is sending, or to its group.
    pub(super) responding: Option<Pending>,
    /// The faults that respond to complete requests of HTTP, in the order of these.
    pub(super) own: VecDeque<Pending>,
    /// The fault whose response takes the place of the one that the upstream is sending.
    pub(super) replaced: Option<Pending>,
    /// The same while an asynchronous message of PostgreSQL passes, which is not a part of that response.
    pub(super) interrupted: Option<Pending>,
    /// Requests in whose place the server receives a simple query that ends the transaction, before the Sync of their group.
    pub(super) embedded: Vec<u64>,
    /// Responses of the proxy that the stream of responses has not received.
    pub(super) injected: BytesMut,
    /// Faults whose session is counted.
    pub(super) counted: Vec<Arc<PlanEntry>>,
}

impl State {
    pub(super) fn new(protocol: Protocol, proxy: Arc<proxy::Shared>, context: Arc<SessionContext>) -> Self {
        let (version, plan) = (proxy.version(), proxy.plan());
        Self {
            protocol,
            version,
            unselected: 0,
            classified: 0,
            holds_requests: holds_requests(&plan),
            plan,
            proxy,
            context,
            streams: Default::default(),
            open: OpenRequests::default(),
            ready: 0,
            status: None,
            ended: 0,
            in_group: 0,
            is_closing: false,
            acting: None,
        }
    }

    pub(super) fn stream(&mut self, direction: Direction) -> &mut StreamPlan {
        &mut self.streams[direction as usize]
    }

    pub(super) fn acting(&mut self) -> &mut Acting {
        self.acting.get_or_insert_default()
    }

    /// Returns when the next window of a fault ends that acts on an open request.
    pub(super) fn window_end(&self) -> Option<Duration> {
        self.acting.as_ref()?.window_end
    }

    /// Returns the offset of bytes that wait, since they may be the begin of a request or of a response that a fault acts on.
    pub(super) fn undecided(&self, direction: Direction, framer: &Framer) -> Option<u64> {
        match direction {
            Direction::ToUpstream if self.holds_requests && !self.is_closing => framer.undecided_since(),
            Direction::ToUpstream => None,
            // These are few bytes.
            Direction::ToDownstream => framer.undecided_response_since(),
        }
    }

    /// Reads an event of the stream of requests. Those of requests that no fault acts on come first, since most are of these.
    #[inline]
    pub(super) fn on_request(&mut self, now: Duration, event: Event<'_>) {
        match event.kind {
            EventKind::RequestBegins(request) if !self.is_closing => {
                self.begin(now, event.offset, &request);
                self.act(Direction::ToUpstream, now, request.number, |rule| {
                    (rule.at == Moment::BeforeForward).then_some(event.offset)
                });
            }
            EventKind::RequestEnds { request, .. } if self.acting.is_none() && !self.is_closing => {
                self.stream(Direction::ToUpstream).push_end(event.offset, request);
            }
            _ => self.on_other_request_event(now, event),
        }
    }

    #[inline(never)]
    fn on_other_request_event(&mut self, now: Duration, Event { offset, kind }: Event<'_>) {
        match kind {
            EventKind::Opaque(reason) => self.on_opaque(Direction::ToUpstream, offset, reason),
            _ if self.is_closing => {}
            EventKind::HeadEnds { request, persistence, expects_continue } => {
                self.end_head(request, persistence, expects_continue);
            }
            EventKind::KindsFound(request) => self.find_kinds(now, offset, &request),
            EventKind::GroupEnds => {
                self.in_group = 0;
                self.resume_sending(offset);
                self.act_behind_group(now, offset);
            }
            EventKind::RequestEnds { request, is_group } => {
                self.stream(Direction::ToUpstream).push_end(offset, request);
                self.end_sending(offset, request, is_group);
                if self.protocol == Protocol::Psql {
                    self.await_group(request);
                } else {
                    self.act(Direction::ToUpstream, now, request, |rule| {
                        (rule.at == Moment::AfterForward).then_some(offset)
                    });
                }
            }
            _ => {}
        }
    }

    /// Reads an event of the stream of responses. Those of requests that no fault acts on come first, since most are of these.
    #[inline]
    pub(super) fn on_response(&mut self, now: Duration, event: Event<'_>) {
        match event.kind {
            EventKind::ResponseBegins { .. } | EventKind::PartEnds { .. } if self.acting.is_none() => {}
            EventKind::ResponseEnds { request, outcome } if self.acting.is_none() => {
                self.count_answer(event.offset, request, outcome);
            }
            _ => self.on_other_response_event(now, event),
        }
    }

    fn count_answer(&mut self, offset: u64, request: u64, outcome: Outcome<'_>) {
        self.stream(Direction::ToDownstream).push_end(offset, request);
        self.open.answer(request, outcome);
        self.ended = request;
    }

    #[inline(never)]
    fn on_other_response_event(&mut self, now: Duration, Event { offset, kind }: Event<'_>) {
        let to_client = Direction::ToDownstream;
        match kind {
            EventKind::ResponseBegins { request } => self.act(to_client, now, request, |rule| {
                let loses = matches!(rule.action, RequestAction::LoseResponse(_));
                let ends = matches!(rule.action, RequestAction::End { .. });
                let responds = matches!(
                    rule.action,
                    RequestAction::Respond(Response::Redis { .. } | Response::Psql { .. })
                );
                let limits = matches!(rule.action, RequestAction::Limit(_));
                match rule.at {
                    _ if loses || responds || limits => Some(offset),
                    // The session may not have ended yet.
                    Moment::AfterForward => Some(offset),
                    // The client learns from the first byte that there is a response.
                    Moment::FirstByte => Some(offset + u64::from(ends)),
                    Moment::MidResponse(Part::Bytes(bytes)) => Some(offset.saturating_add(bytes.get())),
                    _ => None,
                }
            }),
            EventKind::PartEnds { request, part } => self.act(to_client, now, request, |rule| {
                let is_last = |items: NonZeroU64| items.get() == part;
                match rule.at {
                    Moment::MidResponse(Part::Rows(items) | Part::Events(items)) if is_last(items) => {
                        let truncates = matches!(rule.action, RequestAction::Truncate);
                        Some(offset + if truncates { TRUNCATED_PART } else { 0 })
                    }
                    _ => None,
                }
            }),
            EventKind::Ready { request: Some(request), status } if self.is_embedded(request) => {
                self.end_embedded(offset, request, status);
            }
            // Requests behind it, which the server has not executed, may change the status.
            EventKind::Ready { request, status } if self.open.is_last(request.unwrap_or(self.ended)) => {
                self.status = Some(status);
            }
            EventKind::ReadyBegins { request: Some(request) } if self.is_embedded(request) => {}
            EventKind::ReadyBegins { request: Some(request) } => {
                self.end_replaced(offset);
                // The response to a simple query ends behind ReadyForQuery.
                self.act(to_client, now, request, |rule| (rule.at == Moment::BeforeReady).then_some(offset));
                self.end_group(now, request, Some(offset));
                self.ready = request;
            }
            EventKind::AsynchronousBegins => self.interrupt_replaced(offset),
            EventKind::AsynchronousEnds => self.continue_replaced(offset),
            EventKind::ResponseEnds { request, outcome } => self.end_response(now, offset, request, outcome),
            EventKind::Opaque(reason) => self.on_opaque(to_client, offset, reason),
            _ => {}
        }
    }

    fn end_response(&mut self, now: Duration, offset: u64, request: u64, outcome: Outcome<'_>) {
        self.count_answer(offset, request, outcome);
        self.stream(Direction::ToDownstream).end_steps(request, offset);
        self.end_replaced(offset);
        while let Some(pending) = self.acting.as_mut().and_then(|acting| acting.pending.next_up_to(request)) {
            let Some(rule) = pending.rule() else { continue };
            let is_ready = self.ready >= request;
            match (&rule.action, rule.at) {
                (RequestAction::LoseResponse(_), _) if outcome == Outcome::Skipped => {}
                // Before that, the server may not have committed.
                (RequestAction::LoseResponse(_), _) | (_, Moment::BeforeReady) if !is_ready => {
                    self.acting().before_ready.push(pending);
                }
                (RequestAction::LoseResponse(ending), _) => {
                    self.push(Direction::ToDownstream, offset, StepAction::End(*ending), &pending);
                }
                (RequestAction::Limit(_), _) => {
                    self.push(Direction::ToDownstream, offset, StepAction::EndLimit, &pending);
                }
                (_, Moment::End) => self.act_now(Direction::ToDownstream, now, offset, &pending),
                _ => {}
            }
        }
    }

    /// Returns true if faults wait for ReadyForQuery.
    pub(super) fn awaits_ready(&self) -> bool {
        self.acting.as_ref().is_some_and(|acting| !acting.before_ready.is_empty())
    }

    /// ReadyForQuery of the requests up to this one begins at the offset, or does not come, and the client waits for the response.
    pub(super) fn end_group(&mut self, now: Duration, request: u64, ready: Option<u64>) {
        let is_over = |pending: &Pending| pending.request <= request;
        let Some(acting) = &mut self.acting else { return };
        if !acting.before_ready.iter().any(is_over) {
            return;
        }
        let waiting = mem::take(&mut acting.before_ready);
        let to_client = Direction::ToDownstream;
        let offset = ready.unwrap_or_else(|| self.stream(to_client).received());
        for pending in waiting {
            match pending.rule().map(|rule| &rule.action) {
                Some(RequestAction::LoseResponse(ending)) if is_over(&pending) => {
                    self.push(to_client, offset, StepAction::End(*ending), &pending);
                }
                Some(_) if is_over(&pending) && ready.is_some() => {
                    self.act_now(to_client, now, offset, &pending);
                }
                _ => self.acting().before_ready.push(pending),
            }
        }
    }

    /// Returns the next action when all received bytes have passed, or `None` if a step has become due.
    pub(super) fn at_end(&mut self, direction: Direction) -> Option<Output> {
        let [to_upstream, to_client] = &self.streams;
        let to_upstream_has_ended = to_upstream.has_ended();
        if direction == Direction::ToUpstream || !to_client.has_ended() || !to_client.is_dropping() {
            let is_dropping = self.streams[direction as usize].is_dropping();
            return Some(Output::More(self.window_end().filter(|_| is_dropping)));
        }
        // The server has closed a connection whose responses are dropped.
        if self.end_lost() {
            return None;
        }
        Some(if to_upstream_has_ended {
            Output::End(SessionEnd::Closed)
        } else {
            Output::Wait(self.window_end().unwrap_or(Duration::MAX))
        })
    }

    /// Ends the session if it drops a response whose end cannot be known any more.
    fn end_lost(&mut self) -> bool {
        let to_client = Direction::ToDownstream;
        let is_dropping = self.stream(to_client).is_to_drop();
        let Some(acting) = self.acting.as_mut().filter(|_| is_dropping) else { return false };
        let lost = match acting.before_ready.iter().position(|pending| pending.lost().is_some()) {
            Some(index) => Some(acting.before_ready.remove(index)),
            None => acting.pending.take_first_lost(),
        };
        let Some(pending) = lost else { return false };
        let (offset, ending) = (self.stream(to_client).received(), pending.lost());
        if let Some(ending) = ending {
            self.push(to_client, offset, StepAction::End(ending), &pending);
        }
        ending.is_some()
    }

    /// The session cannot be read any more.
    fn on_opaque(&mut self, direction: Direction, offset: u64, reason: OpaqueReason) {
        self.end_lost();
        if let Some(acting) = self.acting.take() {
            // Waits and drops still end with their window.
            self.acting().window_end = acting.window_end;
            self.stop_responding(direction, offset, *acting);
        }
        if self.proxy.requests.record_opaque(reason) {
            let hint = match reason {
                OpaqueReason::Encrypted => "; let clients connect without TLS, or with TLS to the proxy",
                _ => "",
            };
            warn!(
                proxy = %self.context.proxy,
                %reason,
                "requests of such sessions are not read, so no fault acts on them: {reason}{hint}"
            );
        }
    }
}

/// Returns true if a fault of the plan may act on requests before they are forwarded.
pub(super) fn holds_requests(plan: &Plan) -> bool {
    let mut rules = plan.iter().filter_map(|entry| entry.fault.effect.behavior().requests());
    rules.any(|rule| rule.at == Moment::BeforeForward)
}
