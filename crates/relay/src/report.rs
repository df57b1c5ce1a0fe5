//! Log lines about sessions that have ended.

use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::connect::ConnectError;
use crate::summary::{CloseReason, SessionSummary};
use crate::throttle::Throttle;

/// [`SessionSummary::not_opened`] of a session that closes a loop.
pub(crate) const LOOP: &str = "loop";

/// Fields of a warning.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a> {
    pub(crate) proxy: Option<&'a str>,
    pub(crate) listener: Option<&'a str>,
    pub(crate) upstream: Option<&'a str>,
}

/// Warnings about sessions that were not opened. At most one of each kind is written per second, because clients can
/// cause any number of them.
#[derive(Debug)]
pub(crate) struct Failures {
    turned_away: Warnings,
    closed: Warnings,
    reset: Warnings,
    /// Warnings about clients whose upstream the connector or the layer has refused.
    denied: Warnings,
}

impl Failures {
    pub(crate) fn new() -> Self {
        Self {
            turned_away: Warnings::new("turned away"),
            closed: Warnings::new("closed, no upstream"),
            reset: Warnings::new("reset, no upstream"),
            denied: Warnings::new("reset, no upstream"),
        }
    }

    /// Reports the end of a session. Called in its span, which has the fields `proxy` and `listener`.
    pub(crate) fn report(&self, summary: &SessionSummary, fields: Fields<'_>) {
        let SessionSummary { bytes, duration, downstream_end, upstream_end, .. } = summary;
        match (downstream_end, upstream_end) {
            // The loop detector has already logged the first session of the loop.
            (_, CloseReason::NotOpened(reason)) if summary.not_opened == Some(LOOP) => {
                debug!(reason, "client reset: {reason}")
            }
            (CloseReason::NotOpened(reason), _) => self.turned_away.warn(reason, fields),
            (_, CloseReason::NotOpened(reason)) => {
                let warnings = match summary.not_opened {
                    Some(ConnectError::REFUSED) => &self.denied,
                    _ if *downstream_end == CloseReason::Closed => &self.closed,
                    _ => &self.reset,
                };
                warnings.warn(reason, fields);
            }
            _ => info!(
                bytes_to_upstream = bytes.to_upstream,
                bytes_to_downstream = bytes.to_downstream,
                duration_ms = millis(*duration),
                client = %downstream_end,
                upstream = %upstream_end,
                "session ended"
            ),
        }
    }

    /// Returns true if warnings were suppressed that [`warn_suppressed`](Self::warn_suppressed) has not written yet.
    pub(crate) fn has_suppressed(&self) -> bool {
        self.all().iter().any(|warnings| warnings.throttle.is_counting())
    }

    /// Writes one warning for the suppressed warnings of each kind, if it is due (see [`Throttle::rest`]).
    pub(crate) fn warn_suppressed(&self, now: Option<Instant>, fields: Fields<'_>) {
        for warnings in self.all() {
            if let Some((count, reason)) = warnings.throttle.rest(now) {
                warnings.write(count, &reason, fields);
            }
        }
    }

    fn all(&self) -> [&Warnings; 4] {
        [&self.turned_away, &self.closed, &self.reset, &self.denied]
    }
}

/// Warnings of one kind.
#[derive(Debug)]
struct Warnings {
    /// How the relay ended the connections of the clients.
    end: &'static str,
    throttle: Throttle,
}

/// Returns a duration in milliseconds, to the microsecond.
fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1e3
}

impl Warnings {
    fn new(end: &'static str) -> Self {
        Self { end, throttle: Throttle::default() }
    }

    fn warn(&self, reason: &str, fields: Fields<'_>) {
        if let Some(count) = self.throttle.pass(Instant::now(), reason) {
            self.write(count, reason, fields);
        }
    }

    fn write(&self, count: u64, reason: &str, Fields { proxy, listener, upstream }: Fields<'_>) {
        let end = self.end;
        let message = match count {
            1 => format!("client {end}: {reason}"),
            count => format!("{count} clients {end}, the last because {reason}"),
        };
        warn!(proxy, listener, upstream, clients = count, %reason, "{message}");
    }
}
