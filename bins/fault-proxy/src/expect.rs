//! Conditions of `--expect`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use fault_proxy_engine::{FaultStats, Faults, Measured, Millis, Rate, Ratio, ValueError};

use crate::fidelity::NEVER_ACTED;

/// Condition `FAULT.METRIC OP VALUE`.
#[derive(Debug, Clone)]
pub(crate) struct Expectation {
    text: String,
    pub(crate) fault: String,
    metric: Metric,
    is_less: bool,
    or_equal: bool,
    value: f64,
}

#[derive(Debug, Clone, Copy)]
enum Metric {
    P50,
    P99,
    P50Error,
    P99Error,
    Rate,
    Loss,
    Sessions,
    Actions,
}

const METRICS: [(&str, Metric); 8] = [
    ("p50", Metric::P50),
    ("p99", Metric::P99),
    ("p50_error", Metric::P50Error),
    ("p99_error", Metric::P99Error),
    ("rate", Metric::Rate),
    ("loss", Metric::Loss),
    ("sessions", Metric::Sessions),
    ("actions", Metric::Actions),
];

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
                "{what}; use FAULT.METRIC<VALUE (or <=, >, >=), as in latency.p99_error<1ms; metrics: {names}"
            )
        };
        let place = text.find(['<', '>']).ok_or_else(|| usage("it does not compare a metric"))?;
        let (subject, rest) = text.split_at(place);
        let is_less = rest.starts_with('<');
        let (or_equal, value) = match rest[1..].strip_prefix('=') {
            Some(value) => (true, value),
            None => (false, &rest[1..]),
        };
        let (fault, metric) = subject
            .trim()
            .rsplit_once('.')
            .ok_or_else(|| usage(&format!("`{}` has no metric", subject.trim())))?;
        let (_, metric) = METRICS
            .into_iter()
            .find(|(name, _)| *name == metric)
            .ok_or_else(|| usage(&format!("`{metric}` is not a metric")))?;
        let value = metric.parse(value.trim()).map_err(|problem| format!("`{}`: {problem}", value.trim()))?;
        Ok(Self { text: text.to_owned(), fault: fault.to_owned(), metric, is_less, or_equal, value })
    }
}

impl Metric {
    /// Parses a value. Times are in seconds, rates in bytes per second. Shares and counts do not have a unit.
    fn parse(self, text: &str) -> Result<f64, String> {
        match self {
            Self::P50 | Self::P99 | Self::P50Error | Self::P99Error => text
                .parse::<Millis>()
                .map(|time| time.duration().as_secs_f64())
                .map_err(|error| error.to_string()),
            Self::Rate => text
                .parse::<Rate>()
                .and_then(|rate| rate.bytes_per_second(None))
                .map_err(|error| error.to_string()),
            Self::Loss => text.parse().map(Ratio::fraction).map_err(|error: ValueError| error.to_string()),
            Self::Sessions | Self::Actions => text.parse().map_err(|_| "not a number".to_owned()),
        }
    }

    /// Returns true if a fault with this measure can have a value other than 0.
    fn is_of(self, measured: Measured) -> bool {
        match self {
            Self::P50 | Self::P99 | Self::P50Error | Self::P99Error => measured == Measured::Delays,
            Self::Rate => matches!(measured, Measured::Rate(_)),
            Self::Loss => measured == Measured::Loss,
            Self::Sessions => true,
            Self::Actions => !matches!(measured, Measured::Rate(_) | Measured::Loss),
        }
    }

    fn value(self, figures: &FaultStats) -> Option<f64> {
        let seconds = |time: Duration| time.as_secs_f64();
        match self {
            Self::P50 => figures.delay.map(|held| seconds(held.p50)),
            Self::P99 => figures.delay.map(|held| seconds(held.p99)),
            Self::P50Error => figures.error.map(|late| seconds(late.p50)),
            Self::P99Error => figures.error.map(|late| seconds(late.p99)),
            Self::Rate => figures.rate,
            Self::Loss => figures.loss_share,
            Self::Sessions => Some(figures.sessions as f64),
            Self::Actions => Some(figures.actions as f64),
        }
    }

    /// Returns the reason for a missing value.
    fn missing(self, figures: &FaultStats) -> &'static str {
        match self {
            Self::Rate if figures.bytes > 0 => "the bandwidth was the limit for less than 100 ms",
            _ => "nothing was measured",
        }
    }

    fn show(self, value: f64) -> String {
        match self {
            Self::P50 | Self::P99 | Self::P50Error | Self::P99Error => format!("{:.3} ms", value * 1e3),
            Self::Rate => format!("{value:.0} B/s"),
            Self::Loss => format!("{:.3} %", value * 100.0),
            Self::Sessions | Self::Actions => format!("{value:.0}"),
        }
    }
}

impl Expectation {
    /// Returns one line for each proxy that does not meet the condition. A removed fault does not meet it.
    pub(crate) fn unmet<'a>(
        &'a self,
        proxies: impl IntoIterator<Item = (&'a str, &'a Faults)>,
    ) -> Vec<String> {
        let (mut unmet, mut is_there) = (Vec::new(), false);
        for (proxy, faults) in proxies {
            for (fault, figures) in faults.stats() {
                if fault.name != self.fault {
                    continue;
                }
                is_there = true;
                if !figures.has_acted(&fault.effect) {
                    unmet.push(format!("{}: the fault {NEVER_ACTED} on {proxy}", self.text));
                    continue;
                }
                match self.metric.value(&figures) {
                    Some(value) if self.holds(value) => {}
                    Some(value) => {
                        unmet.push(format!("{}: {} on {proxy}", self.text, self.metric.show(value)))
                    }
                    None if self.is_vacuous(&figures) => {}
                    None => {
                        unmet.push(format!("{}: {} on {proxy}", self.text, self.metric.missing(&figures)))
                    }
                }
            }
        }
        if !is_there {
            unmet.push(format!("{}: no proxy has the fault {} any more", self.text, self.fault));
        }
        unmet
    }

    /// Checks that a fault with this measure has the metric.
    ///
    /// # Errors
    /// Lists the metrics that the fault has.
    pub(crate) fn check(&self, measured: Measured) -> Result<(), String> {
        if self.metric.is_of(measured) {
            return Ok(());
        }
        let metrics = METRICS.iter().filter(|(_, metric)| metric.is_of(measured));
        let metrics: Vec<_> = metrics.map(|(name, _)| *name).collect();
        Err(format!("`{}` has no such metric; its metrics are {}", self.fault, metrics.join(", ")))
    }

    /// Returns true if a missing value meets the condition: a bandwidth that did not limit anything did not exceed its rate.
    fn is_vacuous(&self, figures: &FaultStats) -> bool {
        self.is_less && matches!(self.metric, Metric::Rate) && figures.bytes > 0
    }

    fn holds(&self, value: f64) -> bool {
        let is_beyond = if self.is_less { value < self.value } else { value > self.value };
        is_beyond || self.or_equal && value == self.value
    }
}

#[cfg(test)]
mod tests {
    use fault_proxy_engine::{Effect, Engine, Fault, Settings};

    use super::*;
    use fault_proxy_engine::faults::Refuse;

    fn holds(text: &str, value: f64) -> bool {
        text.parse::<Expectation>().unwrap().holds(value)
    }

    #[test]
    fn values_have_the_units_of_their_metrics() {
        assert!(holds("latency.p99_error<1ms", 0.0009) && !holds("latency.p99_error<1ms", 0.001));
        assert!(holds("latency.p50 >= 300", 0.3));
        assert!(holds("bandwidth.rate<=500kbit/s", 62_500.0) && !holds("bandwidth.rate<500kbit/s", 62_500.0));
        assert!(holds("storm/packet-loss.loss<2%", 0.019) && !holds("storm/packet-loss.loss<2%", 0.021));
        assert!(holds("refuse.actions>0", 1.0) && !holds("refuse.actions>0", 0.0));
    }

    #[test]
    fn what_is_wrong_is_named_with_the_way_out() {
        for (text, problem) in [
            ("latency.p99", "it does not compare a metric; use FAULT.METRIC<VALUE"),
            ("latency<1ms", "`latency` has no metric; use"),
            ("latency.p95<1ms", "`p95` is not a metric; use"),
            ("latency.p99<soon", "`soon`: "),
            ("bandwidth.rate>1kbps", "use KBps (bytes) or kbit/s (bits)"),
        ] {
            let error = text.parse::<Expectation>().unwrap_err();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }

    #[test]
    fn a_fault_that_never_acted_or_was_removed_is_not_as_expected() {
        let faults =
            Engine::new(Settings::default()).proxy("db", vec![Fault::new("latency", Effect::from(Refuse))]);
        let expectation: Expectation = "latency.actions<=5".parse().unwrap();
        let unmet = expectation.unmet([("db", &faults)]);
        assert_eq!(unmet, ["latency.actions<=5: the fault never acted on db"]);
        faults.replace(Vec::new());
        let unmet = expectation.unmet([("db", &faults)]);
        assert_eq!(unmet, ["latency.actions<=5: no proxy has the fault latency any more"]);
    }

    #[test]
    fn a_rate_that_was_not_measured_is_below_any_limit_if_bytes_passed() {
        let faults =
            Engine::new(Settings::default()).proxy("db", vec![Fault::new("bandwidth", Effect::from(Refuse))]);
        let mut figures = faults.stats().remove(0).1;
        let unmet = |text: &str, figures: &FaultStats| {
            let expectation: Expectation = text.parse().unwrap();
            !expectation.is_vacuous(figures)
        };
        assert!(unmet("bandwidth.rate<1MBps", &figures), "nothing passed");
        figures.bytes = 1;
        assert!(!unmet("bandwidth.rate<1MBps", &figures) && !unmet("bandwidth.rate<=1MBps", &figures));
        assert!(unmet("bandwidth.rate>1MBps", &figures) && unmet("bandwidth.p50<1ms", &figures));
    }

    #[test]
    fn a_name_may_have_dots() {
        assert_eq!("v1.2.latency.p99<1ms".parse::<Expectation>().unwrap().fault, "v1.2.latency");
    }
}
