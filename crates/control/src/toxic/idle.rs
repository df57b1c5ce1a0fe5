//! Faults that could never act.

use std::time::Duration;

use fault_proxy_engine::{Fault, Millis};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::common::ToxicError;
use super::json;
use crate::proxies::{FaultRecord, Proxies};

/// Time of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestTime {
    pub(crate) now: Instant,
    /// Time since the start of the run, from which schedules count.
    pub(crate) elapsed: Duration,
}

impl RequestTime {
    /// Returns the time of a request that has just arrived.
    pub(crate) fn now(proxies: &Proxies) -> Self {
        Self { now: Instant::now(), elapsed: proxies.engine().now() }
    }
}

/// Checks that a new fault can act before it is removed and before the run ends after `duration`.
///
/// # Errors
/// Returns an error that names the schedule or the time to live if the fault could never act.
pub(crate) fn check_new(
    record: &FaultRecord,
    duration: Option<Duration>,
    time: RequestTime,
) -> Result<(), ToxicError> {
    let Some(fault) = &record.fault else { return Ok(()) };
    let RequestTime { now, elapsed } = time;
    let Some(acts) = fault.next_action(elapsed) else { return Err(past(fault, elapsed).into()) };
    let wait = shown(acts.saturating_sub(elapsed));
    let ttl = record.ttl.filter(|ttl| now + acts.saturating_sub(elapsed) >= ttl.ends);
    let field = if fault.windows.is_always() { "after" } else { "schedule" };
    let problem = match (ttl, duration.filter(|duration| *duration <= acts)) {
        (Some(ttl), _) => format!(
            "ttl: {} is over before the fault can act, in {wait}: use a longer ttl, or leave out ttl or {field}",
            ttl.time
        ),
        (None, Some(duration)) => format!(
            "{field}: the run ends after {}, before the fault can act, at {}: use an earlier time",
            shown(duration),
            shown(acts)
        ),
        (None, None) => return Ok(()),
    };
    Err(problem.into())
}

/// Like [`check_new`], for a fault after a change by this request. A change of other parameters is always possible.
///
/// # Errors
/// As those of [`check_new`].
pub(crate) fn check_changed(
    record: &FaultRecord,
    request: &Map<String, Value>,
    duration: Option<Duration>,
    time: RequestTime,
) -> Result<(), ToxicError> {
    let has = |given: &Map<String, Value>, names: &[&str]| {
        given.iter().any(|(name, value)| !value.is_null() && names.contains(&&*name.to_ascii_lowercase()))
    };
    let attributes = json::object(request, "attributes")?;
    let is_concerned = has(request, &["ttl", "enabled"])
        || attributes.is_some_and(|attributes| has(attributes, &["schedule", "after"]));
    if is_concerned && record.enabled { check_new(record, duration, time) } else { Ok(()) }
}

/// Returns the error about a fault that cannot act any more.
fn past(fault: &Fault, elapsed: Duration) -> String {
    let ended = fault.windows.iter().last().map_or(Some(Duration::ZERO), |(_, end)| end);
    match ended.filter(|ended| *ended <= elapsed) {
        Some(ended) => format!(
            "schedule: its last window ended {} after the start of the run, {} ago: use later times, or leave it out and set ttl",
            shown(ended),
            shown(elapsed.saturating_sub(ended))
        ),
        None => {
            "schedule: no window is longer than the time `after`: use a longer duration or a shorter time"
                .to_owned()
        }
    }
}

/// Returns a time for people, rounded up to milliseconds, or to seconds if it is long.
fn shown(time: Duration) -> String {
    let unit = if time < Duration::from_secs(10) { 1 } else { 1000 };
    let millis = time.as_nanos().div_ceil(unit * 1_000_000) * unit;
    Millis::try_from(millis as f64).unwrap_or(Millis::MAX).to_string()
}

#[cfg(test)]
mod tests {
    use fault_proxy_engine::ScheduleContext;
    use serde_json::json;

    use super::*;
    use crate::toxic::{merge, parse};

    const MINUTE: Duration = Duration::from_secs(60);

    /// Returns a fault that is added ten minutes after the start of a run, and the time of the request.
    fn added(kind: &str, attributes: &Value, ttl: Option<&str>) -> (FaultRecord, RequestTime) {
        let time = RequestTime { now: Instant::now(), elapsed: 10 * MINUTE };
        let body = json!({"type": kind, "attributes": attributes, "ttl": ttl}).to_string();
        let body = json::parse_object(body.as_bytes()).expect("an object");
        (parse(&body, &ScheduleContext::default(), time.now).expect("a fault"), time)
    }

    #[test]
    fn a_fault_that_could_never_act_is_refused() {
        let scheduled = |schedule: &str| ("blackhole", json!({"mode": "stall", "schedule": schedule}));
        let reset = |attributes: Value| ("reset", attributes);
        let hour = Some(60 * MINUTE);
        for ((kind, attributes), ttl, duration, problem) in [
            (
                scheduled("start:11m"),
                Some("30s"),
                None,
                "ttl: 30s is over before the fault can act, in 1m: use a longer ttl, or leave out ttl or schedule",
            ),
            (
                scheduled("duration:1m;start:2m,duration:90s"),
                None,
                None,
                "schedule: its last window ended 210s after the start of the run, 390s ago: use later times, or leave it out and set ttl",
            ),
            (
                scheduled("start:1h"),
                Some("2h"),
                hour,
                "schedule: the run ends after 1h, before the fault can act, at 1h: use an earlier time",
            ),
            (
                reset(json!({"after": "1m"})),
                Some("1m"),
                None,
                "ttl: 1m is over before the fault can act, in 1m: use a longer ttl, or leave out ttl or after",
            ),
            (
                reset(json!({"after": "55m"})),
                None,
                hour,
                "after: the run ends after 1h, before the fault can act, at 65m: use an earlier time",
            ),
            (
                reset(json!({"after": "1m", "schedule": "start:11m,duration:1m"})),
                None,
                None,
                "schedule: no window is longer than the time `after`: use a longer duration or a shorter time",
            ),
        ] {
            let (record, time) = added(kind, &attributes, ttl);
            let refused = check_new(&record, duration, time).expect_err(problem);
            assert_eq!(refused, problem.to_owned().into(), "{attributes}");
        }
        for ((kind, attributes), ttl, duration) in [
            (scheduled("start:11m"), Some("61s"), None),
            (scheduled("duration:11m"), Some("1ms"), hour),
            (scheduled("duration:1m;start:59m"), None, hour),
            (reset(json!({"after": "1m"})), Some("61s"), hour),
            (reset(json!({"after": "1h", "after_bytes": 5})), Some("1s"), hour),
            (("timeout", json!({"timeout": 90_000})), Some("1s"), None),
            (("noop", json!({})), Some("1ms"), hour),
        ] {
            let (record, time) = added(kind, &attributes, ttl);
            assert_eq!(check_new(&record, duration, time), Ok(()), "{attributes}");
        }
    }

    #[test]
    fn a_change_of_something_else_is_possible() {
        let (record, time) = added("blackhole", &json!({"schedule": "duration:1m"}), None);
        for (request, is_refused) in [
            (json!({"toxicity": 0.5}), false),
            (json!({"attributes": {"mode": "discard"}}), false),
            (json!({"enabled": false, "ttl": "1m"}), false),
            (json!({"attributes": {"schedule": null}}), false),
            (json!({"attributes": {"schedule": "start:11m"}, "ttl": "90s"}), false),
            (json!({"enabled": true}), true),
            (json!({"TTL": "1m"}), true),
            (json!({"Attributes": {"schedule": "duration:9m"}}), true),
        ] {
            let request = json::parse_object(request.to_string().as_bytes()).expect("an object");
            let changed = merge(&record, &request, &ScheduleContext::default(), time.now).expect("a change");
            assert_eq!(check_changed(&changed, &request, None, time).is_err(), is_refused, "{request:?}");
        }
    }
}
