use std::collections::hash_map::RandomState;
use std::fs::File;
use std::hash::BuildHasher;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, anyhow};
use fault_proxy_engine::{Fault, FaultParams, ParseMode, Schedule, ScheduleContext};
use humantime::format_duration;
use tracing::warn;

use super::args::in_flags;

/// Maximum size of a file of delays, which is enough for more than a million delays.
const MAX_FILE_SIZE: u64 = 16 << 20;

/// Reads a file that a parameter names.
pub(super) fn read_file(path: &Path) -> io::Result<String> {
    // A pipe or a device might never end, and opening a pipe might never return.
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut text = String::new();
    if File::open(path)?.take(MAX_FILE_SIZE + 1).read_to_string(&mut text)? as u64 > MAX_FILE_SIZE {
        return Err(io::Error::other("larger than 16MiB"));
    }
    Ok(text)
}

/// Resolves a fault of flags and variables.
///
/// # Errors
/// Returns an error that names the flag if a parameter is invalid or missing.
pub fn from_flags(params: &FaultParams, run: &ScheduleContext) -> Result<Fault> {
    let fault_type = params.fault_type();
    let fault = params.resolve(run).map_err(|error| anyhow!(in_flags(&error, fault_type)))?;
    warn_about_merged_periods(params, &format!("--{}-sched", fault_type.name), run);
    Ok(fault)
}

/// Warns if two periods of the schedule at `place` were merged into one window.
pub fn warn_about_merged_periods(params: &FaultParams, place: &str, run: &ScheduleContext) {
    let Some(text) = &params.common.schedule else { return };
    let is_joined = Schedule::parse(text, run.parse_mode).is_ok_and(|schedule| schedule.merged_periods());
    if is_joined && run.parse_mode == ParseMode::Lenient {
        warn!(
            setting = place,
            schedule = text,
            "{place}: `{text}` is read as one window; use `,` instead of `;` for one window, \
             or --strict-schedules if two are meant"
        );
    }
}

/// Returns why the fault never acts in a run of this duration, or `None` if it may act.
pub fn idle_reason(fault: &Fault, duration: Option<Duration>) -> Option<String> {
    let Some((start, _)) = fault.windows.iter().next() else {
        return Some("its schedule has no time before the end of its phase or of the run".to_owned());
    };
    match (fault.next_action(Duration::ZERO), duration) {
        _ if fault.probability == 0.0 => Some("its probability is 0".to_owned()),
        (None, _) => Some("no window of its schedule is longer than its time `after`".to_owned()),
        (Some(acts), Some(end)) if acts >= end => {
            let is_late = start >= end;
            let [start, acts, end] = [start, acts, end].map(format_duration);
            Some(if is_late {
                format!("its schedule starts at {start}, and the run ends after {end}")
            } else {
                format!("it acts at {acts} at the earliest, and the run ends after {end}")
            })
        }
        _ => None,
    }
}

/// Returns a new seed for each call.
pub fn any_seed() -> u64 {
    // The seed has 32 bits, so that users can type it.
    RandomState::new().hash_one(()) >> 32
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::faults::FaultOptions;

    #[test]
    fn a_fault_that_never_acts_has_a_reason() {
        let duration = Some(Duration::from_secs(5));
        let reason = |params: serde_json::Value, duration| {
            let params: FaultParams = serde_json::from_value(params).expect("parameters");
            let run = FaultOptions::default().run(duration);
            idle_reason(&params.resolve(&run).expect("a fault"), duration)
        };
        let scheduled =
            |schedule: &str, duration| reason(json!({"type": "refuse", "schedule": schedule}), duration);
        for (schedule, reason) in [
            ("start:10m,duration:1m", "its schedule starts at 10m, and the run ends after 5s"),
            ("start:100%", "its schedule starts at 5s, and the run ends after 5s"),
            (
                "start:9s,duration:1s;start:6s,duration:1s",
                "its schedule starts at 6s, and the run ends after 5s",
            ),
        ] {
            assert_eq!(scheduled(schedule, duration).as_deref(), Some(reason), "{schedule}");
        }
        for (schedule, duration) in
            [("start:4s", duration), ("start:10m", None), ("start:9s;start:1s", duration)]
        {
            assert_eq!(scheduled(schedule, duration), None, "{schedule}");
        }
        let reset = |after: &str, schedule: Option<&str>| {
            reason(json!({"type": "reset", "after": after, "schedule": schedule}), duration)
        };
        let late = "it acts at 5s at the earliest, and the run ends after 5s";
        assert_eq!(reset("5s", None).as_deref(), Some(late));
        let short = "no window of its schedule is longer than its time `after`";
        assert_eq!(reset("1s", Some("start:1s,duration:1s")).as_deref(), Some(short));
        assert_eq!(reset("4s", None), None);
        assert_eq!(reset("1s", Some("start:1s,duration:2s")), None);
        let never = reason(json!({"type": "refuse", "probability": "0%"}), None);
        assert_eq!(never.as_deref(), Some("its probability is 0"));
        assert_eq!(reason(json!({"type": "refuse", "probability": "0.001%"}), None), None);
    }

    #[test]
    fn a_table_of_delays_is_read_from_a_regular_file_of_limited_size() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("delays.csv"), "rtt\n10\n20\n").expect("the directory is writable");
        File::create(path("large.csv"))
            .and_then(|file| file.set_len(MAX_FILE_SIZE + 1))
            .expect("a large file");
        let resolved = |name: &str| {
            let params = json!({"type": "latency", "distribution": "table", "table": path(name)});
            let params: FaultParams = serde_json::from_value(params).expect("parameters");
            params.resolve(&FaultOptions::default().run(None)).map(|fault| fault.effect.to_string())
        };
        assert!(
            resolved("delays.csv").is_ok_and(|effect| effect.contains("table")),
            "{:?}",
            resolved("delays.csv")
        );
        for (name, problem) in
            [("", "not a regular file"), ("absent.csv", "No such file"), ("large.csv", "larger than 16MiB")]
        {
            let error = resolved(name).expect_err(name);
            assert!(error.problem().contains(problem), "{error}");
        }
    }
}
