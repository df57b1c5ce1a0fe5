//! Which parameters a type of fault takes.

use super::{FaultParams, Kind, ParamError};

/// The parameters that faults of all types take, beside those of their type; see [`parameters`].
///
/// `side` and `direction` mean nothing to [`Kind::Refuse`] and [`Kind::SlowOpen`].
pub const COMMON_PARAMETERS: [&str; 5] = ["name", "side", "direction", "probability", "schedule"];

/// The parameters of a type of fault, in kebab-case, the most important first.
pub fn parameters(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Latency => &["distribution", "mean", "stddev", "shape", "scale", "min", "max", "table", "once"],
        Kind::Jitter => &["amplitude", "frequency"],
        Kind::Bandwidth => &["rate", "unit", "burst", "scope"],
        Kind::PacketLoss => &[
            "rate",
            "model",
            "correlation",
            "good-to-bad",
            "bad-to-good",
            "good-loss",
            "bad-loss",
            "rtt",
            "mss",
        ],
        Kind::Blackhole => &["mode"],
        Kind::Reset => &["after", "bytes"],
        Kind::Timeout => &["after"],
        Kind::SlowClose | Kind::SlowOpen => &["delay"],
        Kind::Slicer => &["size", "variation", "delay"],
        Kind::LimitData => &["bytes"],
        Kind::Refuse => &[],
        Kind::Corrupt => &["rate"],
    }
}

impl FaultParams {
    /// Refuses what does not belong to the type.
    pub(super) fn check_belong(&self, kind: Kind) -> Result<(), ParamError> {
        let takes = parameters(kind);
        let Some(param) = self.given().find(|param| !takes.contains(param)) else { return Ok(()) };
        let problem = if takes.is_empty() {
            format!("means nothing to {kind}, which takes no parameters of its own")
        } else {
            format!("means nothing to {kind}; it takes {}", quoted(takes))
        };
        Err(ParamError::new(kind, param, problem))
    }

    /// The parameters of types that are given, whatever the type.
    pub(super) fn given(&self) -> impl Iterator<Item = &'static str> {
        [
            ("distribution", self.distribution.is_some()),
            ("mean", self.mean.is_some()),
            ("stddev", self.stddev.is_some()),
            ("shape", self.shape.is_some()),
            ("scale", self.scale.is_some()),
            ("min", self.min.is_some()),
            ("max", self.max.is_some()),
            ("table", self.table.is_some()),
            ("once", self.once.is_some()),
            ("amplitude", self.amplitude.is_some()),
            ("frequency", self.frequency.is_some()),
            ("rate", self.rate.is_some()),
            ("unit", self.unit.is_some()),
            ("burst", self.burst.is_some()),
            ("scope", self.scope.is_some()),
            ("model", self.model.is_some()),
            ("correlation", self.correlation.is_some()),
            ("good-to-bad", self.good_to_bad.is_some()),
            ("bad-to-good", self.bad_to_good.is_some()),
            ("good-loss", self.good_loss.is_some()),
            ("bad-loss", self.bad_loss.is_some()),
            ("rtt", self.rtt.is_some()),
            ("mss", self.mss.is_some()),
            ("mode", self.mode.is_some()),
            ("delay", self.delay.is_some()),
            ("bytes", self.bytes.is_some()),
            ("after", self.after.is_some()),
            ("size", self.size.is_some()),
            ("variation", self.variation.is_some()),
        ]
        .into_iter()
        .filter_map(|(param, given)| given.then_some(param))
    }
}

/// Names of parameters as [`ParamError`] wants them in its problem.
pub(super) fn quoted(params: &[&str]) -> String {
    params.iter().map(|param| format!("`{param}`")).collect::<Vec<_>>().join(", ")
}
