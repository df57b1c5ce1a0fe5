//! Snapshot of all proxies, for the page and other live views.

use std::sync::Arc;
use std::time::Duration;

use fault_proxy_engine::{Direction, Fault, FaultStats, Quantiles};
use fault_proxy_relay::OpenSession;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{FaultRecord, Proxies, Proxy, ProxyRequests, RecentState, RequestsState, millis};
use crate::watch::Failure;

/// Maximum number of listed sessions per proxy.
const LISTED_SESSIONS: usize = 100;

/// Snapshot of the proxies of a program. All counts are since the start of the run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    /// Version of the program.
    pub version: String,
    /// Time since the start of the run.
    pub uptime_ms: u64,
    /// Duration of the run, if it has one.
    pub duration_ms: Option<u64>,
    /// Seed of all random decisions.
    pub seed: u64,
    /// Number of changes by clients of the API, which `GET /changes` lists.
    pub changes: u64,
    /// Proxies in the order of their names.
    pub proxies: Vec<ProxyState>,
}

/// Snapshot of a proxy.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are descriptive")]
pub struct ProxyState {
    pub name: String,
    pub label: String,
    pub listen: String,
    pub upstream: String,
    pub enabled: bool,
    pub sessions_total: u64,
    pub sessions_active: usize,
    /// Sessions that failed or were not opened.
    pub sessions_failed: u64,
    /// The latest failure.
    pub last_failure: Option<FailureState>,
    /// Bytes delivered to the upstream.
    pub bytes_to_upstream: u64,
    /// Bytes delivered to clients.
    pub bytes_to_client: u64,
    /// Bytes that faults hold in both directions.
    pub held_bytes: u64,
    /// Time that faults held bytes, summed over all bytes, in milliseconds. Its increase divided by the number of bytes
    /// delivered in the same time is the mean added latency (Little's law).
    pub byte_ms_to_upstream: f64,
    /// Like [`byte_ms_to_upstream`](Self::byte_ms_to_upstream), for bytes to clients.
    pub byte_ms_to_client: f64,
    /// Statistics of the last five seconds.
    pub recent: RecentState,
    /// Protocol of its requests, which the scheme of the upstream names: `http`, `psql` or `redis`.
    pub protocol: Option<String>,
    /// Counts of each kind of request, in the sessions whose requests are read.
    pub requests: Vec<RequestsState>,
    /// Number of sessions whose requests could not be read to their end.
    pub sessions_opaque: u64,
    pub faults: Vec<FaultState>,
    /// Some of the open sessions.
    pub sessions: Vec<SessionState>,
}

/// Failure of a session.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FailureState {
    /// Time since the start of the run.
    pub at_ms: u64,
    /// Reason in one word, as in `/metrics`: `refused`, `timed_out`, `failed` and others.
    pub reason: String,
    /// The error.
    pub message: String,
}

/// Snapshot of a fault.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FaultState {
    /// Name of the fault.
    pub name: String,
    /// Type, as given.
    #[serde(rename = "type")]
    pub kind: String,
    /// Stream, as given.
    pub stream: String,
    /// Toxicity, as given.
    pub toxicity: f64,
    /// Attributes, as given.
    pub attributes: Map<String, Value>,
    /// Description of its effect.
    pub description: String,
    /// False if it was switched off.
    pub enabled: bool,
    /// Whether it is on: enabled, and in a window of its schedule.
    pub on: bool,
    /// Start and end of each window in milliseconds since the start of the run. An end of `None` is the end
    /// of the run.
    pub windows: Vec<(u64, Option<u64>)>,
    /// Number of sessions that the fault was selected for.
    pub sessions: u64,
    /// Number of times that the fault acted.
    pub applied: u64,
    /// True if the fault has affected anything.
    pub acted: bool,
    /// True if `times` sessions or requests were selected. The fault does not act on further ones.
    #[serde(default)]
    pub used_up: bool,
    /// Delays that were drawn.
    pub asked_ms: Option<TimesState>,
    /// Measured delays.
    pub held_ms: Option<TimesState>,
    /// Time between the due time of bytes and their release.
    pub late_ms: Option<TimesState>,
    /// Throughput while the fault limited it.
    pub bytes_per_second: Option<f64>,
    /// Segments sent.
    pub segments: u64,
    /// Segments lost.
    pub lost: u64,
    /// Ratio of lost segments, from 0 to 1.
    pub loss_share: Option<f64>,
}

/// Distribution of times in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are descriptive")]
pub struct TimesState {
    pub count: u64,
    pub p50: f64,
    pub p90: f64,
    pub p95: f64,
    pub p99: f64,
    pub max: f64,
}

/// Snapshot of an open session.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are descriptive")]
pub struct SessionState {
    pub id: u64,
    pub client: String,
    pub upstream: Option<String>,
    pub age_ms: u64,
    pub bytes_to_upstream: u64,
    pub bytes_to_client: u64,
}

impl Proxies {
    /// Returns a snapshot of all proxies.
    pub fn state(&self) -> State {
        let now = self.engine().now();
        State {
            version: self.inner.version.clone(),
            uptime_ms: millis(now),
            duration_ms: self.inner.duration.map(millis),
            seed: self.engine().seed(),
            changes: self.change_count(),
            proxies: self.all().into_iter().map(|proxy| ProxyState::from_proxy(proxy, now)).collect(),
        }
    }
}

impl ProxyState {
    fn from_proxy(proxy: Proxy, now: Duration) -> Self {
        let totals = proxy.watch.live().stats();
        let [up, down] =
            [Direction::ToUpstream, Direction::ToDownstream].map(|way| proxy.engine.flow_stats(way));
        let figures = proxy.engine.stats();
        let of = |record: FaultRecord| {
            let figures = figures.iter().find(|(fault, _)| fault.name == record.name);
            FaultState::from_record(record, figures, now)
        };
        let sessions = proxy.watch.live().open(LISTED_SESSIONS);
        let requests = ProxyRequests::from_proxy(&proxy);
        Self {
            faults: proxy.faults.into_iter().map(of).collect(),
            name: proxy.name,
            label: proxy.label,
            listen: proxy.listen.to_string(),
            upstream: proxy.upstream.text,
            enabled: proxy.enabled,
            sessions_total: totals.sessions,
            sessions_active: totals.active,
            sessions_failed: totals.ends.errors(),
            last_failure: proxy.watch.last_failure().map(|failure| FailureState::from_failure(failure, now)),
            bytes_to_upstream: totals.bytes.to_upstream,
            bytes_to_client: totals.bytes.to_downstream,
            held_bytes: up.held + down.held,
            byte_ms_to_upstream: up.byte_seconds * 1e3,
            byte_ms_to_client: down.byte_seconds * 1e3,
            recent: proxy.recent,
            protocol: requests.protocol.map(str::to_owned),
            requests: requests.requests,
            sessions_opaque: requests.sessions_opaque,
            sessions: sessions.iter().map(SessionState::from_session).collect(),
        }
    }
}

impl FailureState {
    fn from_failure(failure: Failure, now: Duration) -> Self {
        let Failure { at, reason, message } = failure;
        Self { at_ms: millis(now.saturating_sub(at.elapsed())), reason: reason.to_owned(), message }
    }
}

impl FaultState {
    pub(super) fn from_record(
        record: FaultRecord,
        figures: Option<&(Fault, FaultStats)>,
        now: Duration,
    ) -> Self {
        let FaultRecord { name, kind, stream, toxicity, enabled, attributes, fault, .. } = record;
        let windows = fault.iter().flat_map(|fault| fault.windows.iter());
        let windows = windows.map(|(start, end)| (millis(start), end.map(millis))).collect();
        let on = enabled && fault.as_ref().is_some_and(|fault| fault.windows.is_on(now));
        let description = fault.map_or_else(|| "nothing".to_owned(), |fault| fault.effect.to_string());
        let applied = figures.map_or(0, |(fault, figures)| figures.applied(&fault.effect));
        let acted = figures.is_some_and(|(fault, figures)| figures.has_acted(&fault.effect));
        let figures = figures.map(|(_, figures)| figures);
        let times =
            |of: fn(&FaultStats) -> Option<Quantiles>| figures.and_then(of).map(TimesState::from_quantiles);
        Self {
            name,
            kind,
            stream,
            toxicity,
            attributes,
            description,
            enabled,
            on,
            windows,
            sessions: figures.map_or(0, |figures| figures.sessions),
            applied,
            acted,
            used_up: figures.is_some_and(|figures| figures.used_up),
            asked_ms: times(|figures| figures.requested_delay),
            held_ms: times(|figures| figures.delay),
            late_ms: times(|figures| figures.error),
            bytes_per_second: figures.and_then(|figures| figures.rate),
            segments: figures.map_or(0, |figures| figures.segments),
            lost: figures.map_or(0, |figures| figures.lost),
            loss_share: figures.and_then(|figures| figures.loss_share),
        }
    }
}

impl TimesState {
    pub(super) fn from_quantiles(times: Quantiles) -> Self {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let Quantiles { count, p50, p90, p95, p99, max, .. } = times;
        Self { count, p50: ms(p50), p90: ms(p90), p95: ms(p95), p99: ms(p99), max: ms(max) }
    }
}

impl SessionState {
    fn from_session(session: &Arc<OpenSession>) -> Self {
        let moved = session.bytes();
        Self {
            id: session.id,
            client: session.downstream.to_string(),
            upstream: session.upstream().map(ToString::to_string),
            age_ms: millis(session.age()),
            bytes_to_upstream: moved.to_upstream,
            bytes_to_client: moved.to_downstream,
        }
    }
}
