//! Conditions of `--expect`.

mod metric;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use fault_proxy_engine::Fault;
use proxy_cli::config::{did_you_mean, nearest};

use self::metric::{METRICS, Metric};
use crate::fidelity::NEVER_ACTED;
use crate::report::{MeasuredProxy, Verdict};

/// Condition `FAULT.METRIC OP VALUE`, `PROXY.METRIC OP VALUE`, or `METRIC OP VALUE` for all proxies together.
#[derive(Debug, Clone)]
pub(crate) struct Expectation {
    text: String,
    subject: Subject,
    metric: Metric,
    is_less: bool,
    or_equal: bool,
    value: f64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Subject {
    All,
    Proxy(String),
    /// Fault, or a proxy before [`Expectation::resolve`].
    Fault(String),
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

impl FromStr for Expectation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let usage = |what: &str| {
            let names = METRICS.map(|(name, _)| name).join(", ");
            format!(
                "{what}; use FAULT.METRIC<VALUE, PROXY.METRIC<VALUE or METRIC<VALUE (or <=, >, >=), as in \
                 latency.p99_error<1ms; metrics: {names}"
            )
        };
        if text.trim().is_empty() {
            return Err("it is empty: remove a `;`".to_owned());
        }
        let place = text.find(['<', '>']).ok_or_else(|| usage("it does not compare a metric"))?;
        let (left, rest) = text.split_at(place);
        let is_less = rest.starts_with('<');
        let (or_equal, value) = match rest[1..].strip_prefix('=') {
            Some(value) => (true, value),
            None => (false, &rest[1..]),
        };
        let (subject, metric) = match left.trim().rsplit_once('.') {
            Some((name, metric)) => (Subject::Fault(name.to_owned()), metric),
            None => (Subject::All, left.trim()),
        };
        let found = METRICS.into_iter().find(|(name, _)| *name == metric).map(|(_, metric)| metric);
        let metric = match (found, &subject) {
            (Some(metric), Subject::All) if !metric.is_of_sessions() => {
                return Err(usage(&format!("`{}` requires the name of a fault before it", left.trim())));
            }
            (None, Subject::All) => return Err(usage(&format!("`{metric}` has no metric"))),
            (None, _) => return Err(usage(&format!("`{metric}` is not a metric"))),
            (Some(metric), _) => metric,
        };
        let value = metric.parse(value.trim()).map_err(|problem| format!("`{}`: {problem}", value.trim()))?;
        let expected = Self { text: text.to_owned(), subject, metric, is_less, or_equal, value };
        expected.refuse_unmeetable()?;
        if expected.subject == Subject::All {
            expected.refuse_tautology()?;
        }
        Ok(expected)
    }
}

impl Expectation {
    /// Finds the fault or proxy that the condition names. `faults` has each fault with its name, or `None` for a toxic without an
    /// effect.
    ///
    /// # Errors
    /// Nothing has this name, or what has it does not have the metric.
    pub(crate) fn resolve(
        mut self,
        faults: &[(&String, Option<&Fault>)],
        proxies: &[&String],
    ) -> Result<Self, String> {
        let Subject::Fault(name) = &self.subject else { return Ok(self) };
        let mut named = faults.iter().filter(|(fault, _)| *fault == name).peekable();
        let (is_fault, is_proxy) = (named.peek().is_some(), proxies.contains(&name));
        match (is_fault, is_proxy) {
            (true, true) if self.metric.is_of_sessions() && self.metric.is_of_faults() => {
                return Err(format!("`{name}` is a fault and a proxy: give one of them another name"));
            }
            (_, true) if self.metric.is_of_sessions() => {
                self.subject = Subject::Proxy(name.clone());
                self.refuse_tautology()?;
                return Ok(self);
            }
            (false, true) => {
                let (metrics, faults) = (metric::names(Metric::is_of_sessions), listed(faults));
                return Err(format!("`{name}` is a proxy, whose metrics are {metrics}; {faults}"));
            }
            (false, false) => {
                let names = faults.iter().map(|(name, _)| *name).chain(proxies.iter().copied());
                let meant = did_you_mean(nearest(name, names.map(String::as_str)));
                let proxies = some(proxies.iter().map(|proxy| proxy.as_str()));
                let faults = listed(faults);
                return Err(format!(
                    "no fault or proxy is called `{name}`{meant}; {faults}; proxies: {proxies}"
                ));
            }
            (true, _) => {}
        }
        for measured in named.filter_map(|(_, fault)| *fault).map(|fault| fault.effect.measured()) {
            if !self.metric.is_of(measured) {
                let metrics = metric::names(|metric| metric.is_of(measured));
                return Err(format!("`{name}` has no such metric; its metrics are {metrics}"));
            }
        }
        Ok(self)
    }

    /// Refuses a condition that no value meets. Values are not negative, and shares are at most 1.
    fn refuse_unmeetable(&self) -> Result<(), String> {
        let max = if self.metric == Metric::Loss { 1.0 } else { f64::INFINITY };
        if self.or_equal || self.value != if self.is_less { 0.0 } else { max } {
            return Ok(());
        }
        let op = if self.is_less { "<=" } else { ">=" };
        Err(format!("no value can meet it: use {op}"))
    }

    /// Refuses a condition on sessions that every value meets. One on a fault requires that the fault acted.
    fn refuse_tautology(&self) -> Result<(), String> {
        if !self.is_less && self.or_equal && self.value == 0.0 {
            return Err("every value meets it: use >".to_owned());
        }
        Ok(())
    }

    /// Compares the condition with what was measured. A condition on a fault has a verdict for each proxy that has the fault.
    pub(crate) fn verdicts(&self, proxies: &[MeasuredProxy]) -> Vec<Verdict> {
        match &self.subject {
            Subject::All => {
                let count = proxies.iter().filter_map(|proxy| self.metric.count(&proxy.totals)).sum();
                vec![self.compared(None, count)]
            }
            Subject::Proxy(name) => {
                let proxy = proxies.iter().find(|proxy| proxy.name == *name);
                let count = proxy.and_then(|proxy| Some((proxy, self.metric.count(&proxy.totals)?)));
                vec![match count {
                    Some((proxy, count)) => self.compared(Some(proxy), count),
                    None => self.not_measured(None, &format!("the proxy {name} has been deleted")),
                }]
            }
            Subject::Fault(name) => {
                let verdicts: Vec<_> =
                    proxies.iter().filter_map(|proxy| self.verdict_on(name, proxy)).collect();
                if verdicts.is_empty() {
                    vec![self.not_measured(None, &format!("no proxy has the fault {name} any more"))]
                } else {
                    verdicts
                }
            }
        }
    }

    /// Returns `None` if the proxy does not have the fault.
    fn verdict_on(&self, name: &str, proxy: &MeasuredProxy) -> Option<Verdict> {
        let (fault, figures) = proxy.faults.iter().find(|(fault, _)| fault.name == *name)?;
        Some(match self.metric.value(figures) {
            // A bandwidth that did not limit anything did not exceed its rate.
            None if self.is_less && self.metric.is_unlimited_rate(figures) => {
                Verdict { is_met: true, ..self.not_measured(Some(proxy), self.metric.missing(figures)) }
            }
            _ if !figures.has_acted(&fault.effect) => {
                self.not_measured(Some(proxy), &format!("the fault {NEVER_ACTED}"))
            }
            Some(value) => self.compared(Some(proxy), value),
            None => self.not_measured(Some(proxy), self.metric.missing(figures)),
        })
    }

    fn compared(&self, proxy: Option<&MeasuredProxy>, value: f64) -> Verdict {
        let is_met = self.holds(value);
        let shown = self.metric.show(value);
        Verdict { is_met, value: Some(self.metric.reported(value)), ..self.not_measured(proxy, &shown) }
    }

    fn not_measured(&self, proxy: Option<&MeasuredProxy>, measured: &str) -> Verdict {
        Verdict {
            condition: self.text.clone(),
            proxy: proxy.map(|proxy| proxy.name.clone()),
            label: proxy.map(|proxy| proxy.label.clone()),
            is_met: false,
            value: None,
            unit: self.metric.unit(),
            measured: measured.to_owned(),
        }
    }

    fn holds(&self, value: f64) -> bool {
        let is_beyond = if self.is_less { value < self.value } else { value > self.value };
        is_beyond || self.or_equal && value == self.value
    }
}

/// Lists the names of the faults that conditions can use.
fn listed(faults: &[(&String, Option<&Fault>)]) -> String {
    if faults.is_empty() {
        return "no fault is set".to_owned();
    }
    format!("faults: {}", some(faults.iter().map(|(name, _)| name.as_str())))
}

/// Lists some of the names, in order.
fn some<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const MAX_LISTED: usize = 10;
    let names: BTreeSet<_> = names.into_iter().collect();
    let more = if names.len() > MAX_LISTED { ", …" } else { "" };
    let names: Vec<_> = names.into_iter().take(MAX_LISTED).collect();
    format!("{}{more}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use fault_proxy_engine::faults::Refuse;
    use fault_proxy_engine::{Effect, Engine, Settings};
    use fault_proxy_relay::RelayStats;

    use super::*;

    fn parsed(text: &str) -> Expectation {
        text.parse().unwrap()
    }

    fn holds(text: &str, value: f64) -> bool {
        parsed(text).holds(value)
    }

    fn measured(name: &str, sessions: u64, faults: &[&str]) -> MeasuredProxy {
        let faults = faults.iter().map(|name| Fault::new(*name, Effect::from(Refuse))).collect();
        let mut totals = RelayStats::default();
        totals.sessions = sessions;
        let faults = Engine::new(Settings::default()).proxy(name, faults).stats();
        MeasuredProxy { name: name.to_owned(), label: format!("{name}=up:1"), totals, faults }
    }

    fn told(expectation: &Expectation, proxies: &[MeasuredProxy]) -> Vec<(bool, String)> {
        let verdicts = expectation.verdicts(proxies).into_iter();
        verdicts.map(|verdict| (verdict.is_met, verdict.to_string())).collect()
    }

    #[test]
    fn values_have_the_units_of_their_metrics() {
        assert!(holds("latency.p99_error<1ms", 0.0009) && !holds("latency.p99_error<1ms", 0.001));
        assert!(holds("latency.p50 >= 300", 0.3) && holds("latency.max<=1s", 1.0));
        assert!(holds("bandwidth.rate<=500kbit/s", 62_500.0) && !holds("bandwidth.rate<500kbit/s", 62_500.0));
        assert!(holds("storm/packet-loss.loss<2%", 0.019) && !holds("storm/packet-loss.loss<2%", 0.021));
        assert!(holds("refuse.actions>0", 1.0) && !holds("refuse.actions>0", 0.0));
        assert!(holds("errors<1", 0.0) && !holds("cache.failed<1", 1.0));
    }

    #[test]
    fn what_is_wrong_is_named_with_the_way_out() {
        for (text, problem) in [
            ("latency.p99", "it does not compare a metric; use FAULT.METRIC<VALUE"),
            ("latency<1ms", "`latency` has no metric; use"),
            ("p99<1ms", "`p99` requires the name of a fault before it; use"),
            ("latency.p98<1ms", "`p98` is not a metric; use"),
            ("latency.p99<soon", "`soon`: "),
            ("errors<nan", "`nan`: not a number"),
            ("sessions>=-1", "`-1`: is negative"),
            ("errors<0", "no value can meet it: use <="),
            ("latency.p50<0ms", "no value can meet it: use <="),
            ("packet-loss.loss>100%", "no value can meet it: use >="),
            ("sessions>=0", "every value meets it: use >"),
            (" ", "it is empty: remove a `;`"),
            ("bandwidth.rate>1kbps", "use KBps (bytes) or kbit/s (bits)"),
        ] {
            let error = text.parse::<Expectation>().unwrap_err();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }

    #[test]
    fn a_name_is_that_of_a_fault_or_of_a_proxy() {
        let (latency, refuse, cache, db) =
            ("latency".to_owned(), "refuse".to_owned(), "cache".to_owned(), "db".to_owned());
        let fault = Fault::new("refuse", Effect::from(Refuse));
        let faults = [(&latency, None), (&refuse, Some(&fault)), (&db, None)];
        let resolve = |text: &str| parsed(text).resolve(&faults, &[&cache, &db]);
        for (text, subject) in [
            ("errors<1", Subject::All),
            ("cache.sessions>1", Subject::Proxy(cache.clone())),
            ("db.errors<1", Subject::Proxy(db.clone())),
            ("db.actions<1", Subject::Fault(db.clone())),
            ("latency.sessions>1", Subject::Fault(latency.clone())),
        ] {
            assert_eq!(resolve(text).unwrap().subject, subject, "{text}");
        }
        for (text, problem) in [
            ("db.sessions>1", "`db` is a fault and a proxy: give one of them another name"),
            (
                "cache.p50<1ms",
                "`cache` is a proxy, whose metrics are sessions, errors, failed; faults: db, latency, refuse",
            ),
            ("cache.errors>=0", "every value meets it: use >"),
            (
                "latncy.p50<1ms",
                "no fault or proxy is called `latncy`; did you mean `latency`?; faults: db, latency, refuse",
            ),
            ("cach.errors<1", "no fault or proxy is called `cach`; did you mean `cache`?"),
            (
                "6380=db:6379.errors<1",
                "no fault or proxy is called `6380=db:6379`; faults: db, latency, refuse; proxies: cache, db",
            ),
            ("refuse.errors<1", "`refuse` has no such metric; its metrics are sessions, actions"),
        ] {
            let error = resolve(text).unwrap_err();
            assert!(error.starts_with(problem), "{text}: {error}");
        }
    }

    #[test]
    fn a_fault_that_never_acted_or_was_removed_is_not_as_expected() {
        let expectation = parsed("latency.actions<=5");
        let idle = "latency.actions<=5: the fault never acted on db=up:1".to_owned();
        assert_eq!(told(&expectation, &[measured("db", 1, &["latency"])]), [(false, idle)]);
        let gone = "latency.actions<=5: no proxy has the fault latency any more".to_owned();
        assert_eq!(told(&expectation, &[measured("db", 1, &[])]), [(false, gone)]);
    }

    #[test]
    fn sessions_are_those_of_a_proxy_or_of_all() {
        let proxies = [measured("cache", 2, &[]), measured("db", 3, &[])];
        let all = "sessions>=5: 5".to_owned();
        assert_eq!(told(&parsed("sessions>=5"), &proxies), [(true, all)]);
        let of_db = parsed("db.sessions>3").resolve(&[], &[&"db".to_owned()]).unwrap();
        assert_eq!(told(&of_db, &proxies), [(false, "db.sessions>3: 3 on db=up:1".to_owned())]);
        let gone = "db.sessions>3: the proxy db has been deleted".to_owned();
        assert_eq!(told(&of_db, &proxies[..1]), [(false, gone)]);
    }

    #[test]
    fn a_rate_that_was_not_measured_is_below_any_limit_if_bytes_passed() {
        let mut figures = measured("db", 1, &["bandwidth"]).faults.remove(0).1;
        let is_met = |text: &str, figures: &fault_proxy_engine::FaultStats| {
            let expected = parsed(text);
            expected.is_less && expected.metric.is_unlimited_rate(figures)
        };
        assert!(!is_met("bandwidth.rate<1MBps", &figures), "nothing passed");
        figures.bytes = 1;
        assert!(is_met("bandwidth.rate<1MBps", &figures) && is_met("bandwidth.rate<=1MBps", &figures));
        assert!(!is_met("bandwidth.rate>1MBps", &figures) && !is_met("bandwidth.p50<1ms", &figures));
    }

    #[test]
    fn a_name_may_have_dots() {
        assert_eq!(parsed("v1.2.latency.p99<1ms").subject, Subject::Fault("v1.2.latency".to_owned()));
    }
}
