//! Conditions of `--expect`.

mod comparison;
mod metric;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use fault_proxy_engine::{Fault, Protocol, RequestStats};
use fault_proxy_protocol::{Selector, SelectorError};
use proxy_cli::config::{did_you_mean, nearest};
use proxy_cli::terminal::counted;

use self::comparison::Comparison;
use self::metric::{METRICS, Metric};
use crate::fidelity::NEVER_ACTED;
use crate::report::{MeasuredProxy, Verdict};

/// A condition: `FAULT.METRIC OP VALUE`, `PROXY.METRIC OP VALUE`, `PROXY.KIND.METRIC OP VALUE` for requests
/// of this kind, or `METRIC OP VALUE` for all proxies together.
#[derive(Debug, Clone)]
pub(crate) struct Expectation {
    text: String,
    subject: Subject,
    metric: Metric,
    comparison: Comparison,
    value: f64,
}

/// Name of a proxy, with the protocol of its requests.
pub(crate) type NamedProxy<'a> = (&'a String, Option<Protocol>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Subject {
    All,
    Proxy(String),
    Requests {
        proxy: String,
        kind: String,
    },
    /// A fault. Before [`Expectation::resolve`], it may also be a proxy or requests.
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
                "{what}; use FAULT.METRIC<VALUE, PROXY.METRIC<VALUE, PROXY.KIND.METRIC<VALUE or METRIC<VALUE (or <=, >, >=, =), \
                 as in latency.p99_error<1ms or db.commit.unconfirmed=0; metrics: {names}"
            )
        };
        if text.trim().is_empty() {
            return Err("it is empty: remove a `;`".to_owned());
        }
        let (left, comparison, value) =
            comparison::split(text).ok_or_else(|| usage("it does not compare a metric"))?;
        let (subject, metric) = match left.trim().rsplit_once('.') {
            Some((name, metric)) => (Subject::Fault(name.to_owned()), metric),
            None => (Subject::All, left.trim()),
        };
        let found = METRICS.into_iter().find(|(name, _)| *name == metric).map(|(_, metric)| metric);
        let metric = match (found, &subject) {
            (Some(Metric::Requests(_)), Subject::All) => {
                let left = left.trim();
                return Err(usage(&format!(
                    "`{left}` requires the names of a proxy and a kind of request before it"
                )));
            }
            (Some(metric), Subject::All) if !metric.is_of_sessions() => {
                return Err(usage(&format!("`{}` requires the name of a fault before it", left.trim())));
            }
            (None, Subject::All) => return Err(usage(&format!("`{metric}` has no metric"))),
            (None, _) => return Err(usage(&format!("`{metric}` is not a metric"))),
            (Some(metric), _) => metric,
        };
        let value = metric.parse(value.trim()).map_err(|problem| format!("`{}`: {problem}", value.trim()))?;
        let expected = Self { text: text.to_owned(), subject, metric, comparison, value };
        expected.refuse_unmeetable()?;
        if expected.subject == Subject::All {
            expected.refuse_tautology()?;
        }
        Ok(expected)
    }
}

impl Expectation {
    /// Finds the fault, the proxy or the requests that the condition names. `faults` contains each fault with
    /// its name, or `None` for a toxic without an effect. `proxies` contains the name and the protocol of
    /// each proxy.
    ///
    /// # Errors
    /// Returns an error if nothing has this name, or if the named object does not have the metric.
    pub(crate) fn resolve(
        mut self,
        faults: &[(&String, Option<&Fault>)],
        proxies: &[NamedProxy<'_>],
    ) -> Result<Self, String> {
        let Subject::Fault(name) = &self.subject else { return Ok(self) };
        let mut named = faults.iter().filter(|(fault, _)| *fault == name).peekable();
        let is_fault = named.peek().is_some();
        if let Some((proxy, kind, protocol)) = requests(name, proxies)
            && (!is_fault || self.metric.is_of_requests())
        {
            if is_fault && self.metric.is_of_faults() {
                return Err(format!(
                    "`{name}` is a fault, and could be the requests `{kind}` of the proxy `{proxy}`: rename the fault"
                ));
            }
            check_requests(self.metric, proxy, kind, protocol)?;
            self.subject = Subject::Requests { proxy: proxy.to_owned(), kind: kind.to_owned() };
            self.refuse_tautology()?;
            return Ok(self);
        }
        let is_proxy = proxies.iter().any(|(proxy, _)| *proxy == name);
        match (is_fault, is_proxy) {
            (true, true) if self.metric.is_of_sessions() && self.metric.is_of_faults() => {
                return Err(format!("`{name}` is the name of a fault and of a proxy: rename one of them"));
            }
            (_, true) if self.metric.is_of_sessions() => {
                self.subject = Subject::Proxy(name.clone());
                self.refuse_tautology()?;
                return Ok(self);
            }
            (false, true) => {
                let (metrics, faults) = (metric::names(Metric::is_of_sessions), listed(faults));
                let requests = match self.metric {
                    Metric::Requests(_) => {
                        "; put the kind of its requests before the metric, as in `db.commit.requests`"
                    }
                    _ => "",
                };
                return Err(format!("`{name}` is a proxy, whose metrics are {metrics}{requests}; {faults}"));
            }
            (false, false) => {
                let proxies = proxies.iter().map(|(proxy, _)| *proxy);
                let names = faults.iter().map(|(name, _)| *name).chain(proxies.clone());
                let meant = did_you_mean(nearest(name, names.map(String::as_str)));
                let proxies = some(proxies.map(String::as_str));
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

    /// Returns an error for a condition that no value can meet. Values are not negative, and shares are at
    /// most 1.
    fn refuse_unmeetable(&self) -> Result<(), String> {
        let max = if self.metric == Metric::Loss { 1.0 } else { f64::INFINITY };
        match self.comparison {
            Comparison::Less if self.value == 0.0 => Err("no value can meet it: use <=".to_owned()),
            Comparison::Greater if self.value == max => Err("no value can meet it: use >=".to_owned()),
            Comparison::Equal if !self.metric.is_count() => {
                Err("a measured value is almost never equal: use <, <=, > or >=; = is for counts".to_owned())
            }
            Comparison::Equal if self.value.fract() != 0.0 => {
                Err("no value can meet it: a count is a whole number".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// Returns the name of the proxy whose requests the condition is about, if it is about requests.
    pub(crate) fn reads_requests_of(&self) -> Option<&str> {
        match &self.subject {
            Subject::Requests { proxy, .. } => Some(proxy),
            _ => None,
        }
    }

    /// Returns an error for a condition on sessions or requests that every value meets. A condition on a
    /// fault always requires that the fault acted.
    fn refuse_tautology(&self) -> Result<(), String> {
        if self.comparison == Comparison::AtLeast && self.value == 0.0 {
            return Err("every value meets it: use >".to_owned());
        }
        Ok(())
    }

    /// Evaluates the condition. A condition on a fault has a verdict for each proxy that has the fault.
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
            Subject::Requests { proxy: name, kind } => {
                let proxy = proxies.iter().find(|proxy| proxy.name == *name);
                vec![match proxy {
                    Some(proxy) => self.verdict_on_requests(kind, proxy),
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

    fn verdict_on_requests(&self, kind: &str, proxy: &MeasuredProxy) -> Verdict {
        // Without these checks, a condition such as `unconfirmed=0` would be met although not all requests of the
        // kind were counted.
        if proxy.unread > 0 {
            let sessions = counted(proxy.unread, "session");
            let reason = format!("{sessions} could not be read, so not all requests are counted");
            return self.not_measured(Some(proxy), &reason);
        }
        let stats = proxy.requests.iter().find(|stats| stats.kind.eq_ignore_ascii_case(kind));
        if stats.is_none() && proxy.requests.len() > RequestStats::MAX_KINDS {
            let most = RequestStats::MAX_KINDS;
            let reason = format!("its requests count as other, because {most} other kinds came before");
            return self.not_measured(Some(proxy), &reason);
        }
        match self.metric.of_requests(stats) {
            Some(value) => self.compared(Some(proxy), value),
            None => self.not_measured(Some(proxy), "no response was delivered"),
        }
    }

    /// Returns `None` if the proxy does not have the fault.
    fn verdict_on(&self, name: &str, proxy: &MeasuredProxy) -> Option<Verdict> {
        let (fault, figures) = proxy.faults.iter().find(|(fault, _)| fault.name == *name)?;
        Some(match self.metric.value(figures) {
            // A bandwidth that did not limit anything did not exceed its rate.
            None if self.comparison.is_less() && self.metric.is_unlimited_rate(figures) => {
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
        self.comparison.holds(value, self.value)
    }
}

/// Splits a name into a proxy and a kind of its requests. Several splits may be possible, because both may
/// contain dots.
fn requests<'a>(name: &'a str, proxies: &[NamedProxy<'a>]) -> Option<(&'a str, &'a str, Option<Protocol>)> {
    let split = proxies.iter().filter_map(|(proxy, protocol)| {
        let kind = name.strip_prefix(proxy.as_str())?.strip_prefix('.')?;
        Some((proxy.as_str(), kind, *protocol))
    });
    split.max_by_key(|(proxy, ..)| proxy.len())
}

/// Checks that a proxy with this protocol can have requests of this kind with this metric.
fn check_requests(metric: Metric, proxy: &str, kind: &str, protocol: Option<Protocol>) -> Result<(), String> {
    let Some(protocol) = protocol else {
        return Err(format!(
            "the requests of `{proxy}` cannot be read: its upstream needs the scheme psql, psqls, http, https, redis or rediss, as in \
             psql://HOST:PORT"
        ));
    };
    if kind.is_empty() || kind.contains(|c: char| c.is_whitespace() || "*=".contains(c)) {
        return Err(format!(
            "`{kind}` is not a kind of request: use a kind of statement such as commit, a method of HTTP such as POST, or a command \
             of Redis such as SET"
        ));
    }
    Selector::parse(protocol, kind).map_err(|error| match error {
        // Conditions are on kinds only.
        SelectorError::UnknownKind { text, kinds } => {
            let meant = did_you_mean(nearest(&text, kinds.split(", ")));
            format!("`{text}` is not a kind of statement{meant}; the kinds are {kinds}")
        }
        error => error.to_string(),
    })?;
    if !metric.is_of_requests() {
        let metrics = metric::names(Metric::is_of_requests);
        return Err(format!("requests have no such metric; their metrics are {metrics}"));
    }
    Ok(())
}

/// Lists the names of the faults that conditions can use.
fn listed(faults: &[(&String, Option<&Fault>)]) -> String {
    if faults.is_empty() {
        return "no faults are configured".to_owned();
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
mod tests;
