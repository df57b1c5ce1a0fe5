use std::time::Duration;

use anyhow::{Result, bail};
use fault_proxy_engine::ScheduleContext;
use figment::value::{Dict, Value};
use proxy_cli::args::Time;
use proxy_cli::config::{FileErrors, did_you_mean, nearest};

use super::faults::{self, LocatedFault};
use super::file::Phase;

/// A fault of a phase. Its name starts with the name of the phase.
#[derive(Debug)]
pub(super) struct PhaseFault {
    /// Name of the proxy, or `None` for all proxies.
    pub(super) proxy: Option<String>,
    pub(super) placed: LocatedFault,
}

/// Returns the total duration of the phases, or `None` if there are no phases or one is unlimited.
pub(super) fn total(phases: &[Phase]) -> Option<Duration> {
    let durations = phases.iter().map(|phase| phase.duration.map(|Time(duration)| duration));
    let total = durations.collect::<Option<Vec<_>>>()?;
    (!total.is_empty()).then(|| total.into_iter().fold(Duration::ZERO, Duration::saturating_add))
}

/// Returns the faults of consecutive phases, with windows relative to the start of the run.
///
/// Inside a phase, schedules count from its start, and percentages refer to its duration.
pub(super) fn faults(
    phases: &[Phase],
    proxies: &[&str],
    file: &FileErrors,
    run: &ScheduleContext,
) -> Result<Vec<PhaseFault>> {
    let mut all = Vec::new();
    let mut names: Vec<String> = Vec::new();
    let mut start = Duration::ZERO;
    for (index, phase) in phases.iter().enumerate() {
        let place = format!("phases[{index}]");
        let name = phase.name.clone().unwrap_or_else(|| format!("phase-{}", index + 1));
        if names.contains(&name) {
            bail!(file.at(&format!("{place}.name"), format!("an earlier phase has the name `{name}` too")));
        }
        let end = phase.duration.map(|Time(duration)| start.saturating_add(duration));
        if end.is_none() && index + 1 < phases.len() {
            bail!(file.at(&place, "`duration` is missing: only the last phase may be without"));
        }
        let duration = end.or(run.duration).map(|end| end.saturating_sub(start));
        let phase_run = PhaseRun { start, end, run: ScheduleContext { duration, ..*run } };
        for (index, params) in phase.faults.iter().enumerate() {
            let place = format!("{place}.faults[{index}]");
            let mut fault = phase_run.fault(params.clone(), place, proxies, file)?;
            let fault_name = &mut fault.placed.given.fault.name;
            *fault_name = format!("{name}/{fault_name}");
            all.push(fault);
        }
        names.push(name);
        start = end.unwrap_or(start);
    }
    Ok(all)
}

struct PhaseRun {
    start: Duration,
    end: Option<Duration>,
    /// Context for schedules, with the duration of the phase.
    run: ScheduleContext,
}

impl PhaseRun {
    fn fault(
        &self,
        mut params: Dict,
        place: String,
        proxies: &[&str],
        file: &FileErrors,
    ) -> Result<PhaseFault> {
        let proxy_place = format!("{place}.proxy");
        let proxy: Option<String> = match params.remove("proxy") {
            Some(name) => Some(name.deserialize().map_err(|error| file.explain(&error, &proxy_place, &[]))?),
            None => None,
        };
        if let Some(name) = &proxy
            && !proxies.contains(&name.as_str())
        {
            let meant = did_you_mean(nearest(name, proxies.iter().copied()));
            bail!(file.at(&proxy_place, format!("no proxy is called `{name}`{meant}")));
        }
        let schedule = params.get("schedule").and_then(Value::as_str);
        if self.run.duration.is_none() && schedule.is_some_and(|schedule| schedule.contains('%')) {
            bail!(file.at(
                &format!("{place}.schedule"),
                "a percentage is of the duration of the phase, which lasts until a signal: set `duration` in the phase, or end the run with \
                 --duration, FAULT_PROXY_DURATION or `duration` at the top of the file, or use a time such as 30s"
            ));
        }
        let mut given = faults::from_file(&params, &place, &["proxy"], file, &self.run)?;
        given.fault.windows = given.fault.windows.within(self.start, self.end);
        Ok(PhaseFault { proxy, placed: LocatedFault { given, place } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn phases(toml: &str) -> Vec<Phase> {
        use figment::providers::Format;
        use proxy_cli::config::Toml;
        figment::Figment::from(Toml::string(toml)).extract_inner("phases").unwrap()
    }

    type Named = (String, Vec<(Duration, Option<Duration>)>);

    fn windows(toml: &str, duration: Option<Duration>) -> Vec<Named> {
        let phases = phases(toml);
        let run = ScheduleContext { duration: duration.or(total(&phases)), ..ScheduleContext::default() };
        let faults = faults(&phases, &["db"], &FileErrors::new("f.toml".as_ref()), &run).unwrap();
        let faults = faults.into_iter().map(|fault| fault.placed.given.fault);
        faults.map(|fault| (fault.name, fault.windows.iter().collect())).collect()
    }

    const TWO: &str = "
        [[phases]]
        name = 'calm'
        duration = '10s'
        [[phases.faults]]
        type = 'refuse'
        schedule = 'start:5s'
        [[phases]]
        name = 'storm'
        [[phases.faults]]
        type = 'refuse'
        schedule = 'start:50%'
    ";

    #[test]
    fn windows_are_of_the_phase_and_within_it() {
        let [calm, storm] = &windows(TWO, Some(30 * SECOND))[..] else { panic!("two faults") };
        assert_eq!(*calm, ("calm/refuse".to_owned(), vec![(5 * SECOND, Some(10 * SECOND))]));
        assert_eq!(*storm, ("storm/refuse".to_owned(), vec![(20 * SECOND, None)]));
    }

    #[test]
    fn a_percentage_of_an_unlimited_phase_is_refused_with_all_ways_to_limit_it() {
        let (phases, run) = (phases(TWO), ScheduleContext::default());
        let refused = faults(&phases, &["db"], &FileErrors::new("f.toml".as_ref()), &run).unwrap_err();
        let refused = refused.to_string();
        assert!(refused.starts_with("phases[1].faults[0].schedule in f.toml: a percentage "), "{refused}");
        for way in ["`duration` in the phase", "--duration", "FAULT_PROXY_DURATION", "top of the file", "30s"]
        {
            assert!(refused.contains(way), "{way}: {refused}");
        }
    }

    #[test]
    fn phases_that_all_have_durations_have_a_total() {
        assert_eq!(total(&phases(TWO)), None);
        let ended = TWO.replace("name = 'storm'", "name = 'storm'\nduration = 20");
        assert_eq!(total(&phases(&ended)), Some(30 * SECOND));
        let [_, storm] = &windows(&ended, None)[..] else { panic!("two faults") };
        assert_eq!(storm.1, [(20 * SECOND, Some(30 * SECOND))]);
    }
}
