//! What is counted of sessions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::metrics::histogram::Histogram;
use proxy_relay::{End, Live, Relay, SessionSummary};

/// From a request of a millisecond to a database's connection of hours, in seconds.
const DURATION_BUCKETS: [f64; 12] =
    [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0, 300.0, 1800.0, 7200.0, 43200.0];

/// From a neighbour's answer to the default time-out, in seconds.
const CONNECT_BUCKETS: [f64; 10] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 2.5, 10.0];

/// How sessions end. Of several ends that one has, `not_opened` comes first, then `failed`, then `aborted`.
const ENDS: [&str; 6] = ["clean", "aborted", "failed", "not_opened", "cut", "closed"];

/// Why sessions fail: [`SessionSummary::not_opened`], or a side that failed later.
const REASONS: [&str; 9] = [
    "resolve",
    "refused",
    "unreachable",
    "timed_out",
    "handshake",
    "client_handshake",
    "not_wanted",
    "loop",
    "failed",
];

/// What the sessions of a relay, or of some of its listeners, do. Clones are handles to the same.
#[derive(Debug, Clone, Default)]
pub struct Watch(Arc<Watched>);

#[derive(Debug)]
struct Watched {
    live: Live,
    ends: [AtomicU64; ENDS.len()],
    reasons: [AtomicU64; REASONS.len()],
    duration: Histogram,
    connect: Histogram,
    /// The most bytes that were ever said to have been received: to the upstream, to the downstream.
    received: [AtomicU64; 2],
}

impl Default for Watched {
    fn default() -> Self {
        Self {
            live: Live::new(),
            ends: Default::default(),
            reasons: Default::default(),
            duration: Histogram::new(DURATION_BUCKETS),
            connect: Histogram::new(CONNECT_BUCKETS),
            received: Default::default(),
        }
    }
}

/// How sessions ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Without an error, but not with a half-close from both sides.
    pub aborted: u64,
    /// With an error.
    pub errors: u64,
}

impl Watch {
    /// A handle on `relay` whose sessions are watched.
    #[must_use]
    pub fn on(&self, relay: &Relay) -> Relay {
        let (connected, ended) = (self.clone(), self.clone());
        relay
            .clone()
            .showing(self.live().clone())
            .on_connect(move |time| connected.0.connect.observe(time.as_secs_f64()))
            .on_session_end(move |summary| ended.ended(summary))
    }

    /// Its sessions.
    pub fn live(&self) -> &Live {
        &self.0.live
    }

    /// Returns counts of the sessions that have ended.
    pub fn counts(&self) -> Counts {
        let of =
            |names: &[&str]| self.ends().filter(|(end, _)| names.contains(end)).map(|(_, count)| count).sum();
        Counts { aborted: of(&["aborted", "cut", "closed"]), errors: of(&["failed", "not_opened"]) }
    }

    /// Counts a session that has ended, for a relay with its own observer.
    pub fn ended(&self, summary: &SessionSummary) {
        let end = end_of(&summary.downstream_end, &summary.upstream_end);
        count(&ENDS, &self.0.ends, end);
        match (summary.not_opened, end) {
            (Some(reason), _) => count(&REASONS, &self.0.reasons, reason),
            (None, "failed") => count(&REASONS, &self.0.reasons, "failed"),
            _ => {}
        }
        self.0.duration.observe(summary.duration.as_secs_f64());
    }

    pub(crate) fn ends(&self) -> impl Iterator<Item = (&'static str, u64)> {
        counted(&ENDS, &self.0.ends)
    }

    pub(crate) fn reasons(&self) -> impl Iterator<Item = (&'static str, u64)> {
        counted(&REASONS, &self.0.reasons)
    }

    pub(crate) fn duration(&self) -> &Histogram {
        &self.0.duration
    }

    pub(crate) fn connect(&self) -> &Histogram {
        &self.0.connect
    }

    /// Never less than before: what was received is put together from counts that are read one after another.
    pub(crate) fn received(&self, to_upstream: u64, to_downstream: u64) -> [u64; 2] {
        let [up, down] = &self.0.received;
        let most = |count: &AtomicU64, now: u64| count.fetch_max(now, Ordering::Relaxed).max(now);
        [most(up, to_upstream), most(down, to_downstream)]
    }
}

/// What has no name counts as the last one.
fn count(names: &[&str], counts: &[AtomicU64], name: &str) {
    let place = names.iter().position(|other| *other == name).unwrap_or(names.len() - 1);
    counts[place].fetch_add(1, Ordering::Relaxed);
}

fn counted<'a>(
    names: &'a [&'static str],
    counts: &'a [AtomicU64],
) -> impl Iterator<Item = (&'static str, u64)> + 'a {
    names.iter().copied().zip(counts.iter().map(|count| count.load(Ordering::Relaxed)))
}

fn end_of(downstream: &End, upstream: &End) -> &'static str {
    let ends = [downstream, upstream];
    let any = |is: fn(&End) -> bool| ends.into_iter().any(is);
    if any(|end| matches!(end, End::NotOpened(_))) {
        "not_opened"
    } else if any(|end| matches!(end, End::Failed(_))) {
        "failed"
    } else if any(|end| matches!(end, End::Aborted)) {
        "aborted"
    } else if ends == [&End::Finished, &End::Finished] {
        "clean"
    } else if any(|end| matches!(end, End::Closed)) {
        "closed"
    } else {
        "cut"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_that_explains_the_other_is_counted() {
        let not_opened = || End::NotOpened("refused".to_owned());
        let failed = || End::Failed("no answer".to_owned());
        for (one, other, expected) in [
            (End::Finished, End::Finished, "clean"),
            (End::Cut, End::Cut, "cut"),
            (End::Closed, End::Closed, "closed"),
            (End::Finished, End::Cut, "cut"),
            (End::Cut, End::Aborted, "aborted"),
            (End::Finished, End::Aborted, "aborted"),
            (failed(), End::Aborted, "failed"),
            (failed(), End::Cut, "failed"),
            (not_opened(), End::Cut, "not_opened"),
            (not_opened(), failed(), "not_opened"),
        ] {
            assert_eq!(end_of(&one, &other), expected, "{one}, {other}");
            assert_eq!(end_of(&other, &one), expected, "{other}, {one}");
            assert!(ENDS.contains(&expected));
        }
    }

    #[test]
    fn what_was_received_never_shrinks() {
        let watch = Watch::default();
        assert_eq!(watch.received(5, 1), [5, 1]);
        assert_eq!(watch.received(4, 2), [5, 2]);
    }
}
