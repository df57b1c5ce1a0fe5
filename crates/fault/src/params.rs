//! The parameters of a fault as people give them, and what they resolve to.
//!
//! [`FaultParams`] is what the command line, the environment, the configuration file and the HTTP API have in common;
//! [`FaultParams::resolve`] makes a [`Fault`] of it. [`parameters`] tells which parameters a [`Kind`] of fault takes.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::effect::{Fault, Scope, Sides};
use crate::schedule::{Reading, Schedule, Windows};
use crate::units::{Bytes, Millis, Number, Rate, Share, Unit};

mod effects;
mod error;
mod flows;
mod kinds;
mod latency;
mod packet_loss;
mod table;
mod words;

pub use error::ParamError;
pub use kinds::{COMMON_PARAMETERS, parameters};
pub use words::{Distribution, FlowDirection, Kind, Mode, Model};

/// The parameters of a fault, as given: none is known to make sense.
///
/// Names of parameters and words among values may be written with `_` for `-`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct FaultParams {
    /// What the fault does; needed.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// Unique within the proxy; else the type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whose socket [`direction`](Self::direction) is about; else the server's. Of [`Kind::Reset`]: which connections
    /// are reset, else both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub side: Option<Sides>,
    /// Of the side's socket; else ingress, or both for faults that end or hold a session as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<FlowDirection>,
    /// Of sessions; else all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probability: Option<Share>,
    /// When it is on, like `start:30s,duration:10%`; else always.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,

    /// Of a latency; else normal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distribution: Option<Distribution>,
    /// Of a constant, normal, log-normal or pareto-normal latency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<Millis>,
    /// Of a normal, log-normal or pareto-normal latency; else 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stddev: Option<Millis>,
    /// Of a pareto or pareto-normal latency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shape: Option<Number>,
    /// Of a pareto or pareto-normal latency: the minimum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<Millis>,
    /// Of a uniform latency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<Millis>,
    /// Of a uniform latency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<Millis>,
    /// Of a table latency: a CSV file of values in milliseconds.
    ///
    /// One or more a line, `#` starts a comment, the first line may be a header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<PathBuf>,
    /// Of a latency: only the first segment of a flow is held; else each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub once: Option<bool>,

    /// Of a jitter: the longest hold; else 20 ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amplitude: Option<Millis>,
    /// Of a jitter: holds a second, at most; else 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency: Option<Number>,

    /// Of a bandwidth (else 1000 bytes a second), a packet loss (share of segments) or a corruption (share of bytes).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// Of a bandwidth's rate that has none of its own; else bytes a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
    /// Of a bandwidth; else what passes in 1 ms, and at least 1500.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burst: Option<Bytes>,
    /// Of a bandwidth; else the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,

    /// Of a packet loss; else bernoulli if there is a rate, markov if not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<Model>,
    /// Of a bernoulli loss, less than 1; else 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation: Option<Share>,
    /// Of a gilbert-elliott loss: probability a segment.
    #[serde(alias = "good_to_bad", skip_serializing_if = "Option::is_none")]
    pub good_to_bad: Option<Share>,
    /// Of a gilbert-elliott loss: probability a segment.
    #[serde(alias = "bad_to_good", skip_serializing_if = "Option::is_none")]
    pub bad_to_good: Option<Share>,
    /// Of a gilbert-elliott loss: loss in the good state; else 0.
    #[serde(alias = "good_loss", skip_serializing_if = "Option::is_none")]
    pub good_loss: Option<Share>,
    /// Of a gilbert-elliott loss: loss in the bad state; else 1.
    #[serde(alias = "bad_loss", skip_serializing_if = "Option::is_none")]
    pub bad_loss: Option<Share>,
    /// Of a packet loss: the round-trip time of the simulated path; else as measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtt: Option<Millis>,
    /// Of a packet loss: 1 to 65535; else 1460.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mss: Option<Bytes>,

    /// Of a blackhole; else stall.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Of a slow close or a slow open; of a slicer between pieces, else 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<Millis>,
    /// Of a data limit; of a reset, not before so many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<Bytes>,
    /// Of a reset, else 0; of a timeout, else never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Millis>,
    /// Of a slicer's pieces, on average.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<Bytes>,
    /// Of the size of a slicer's pieces, less than that; else 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variation: Option<Bytes>,
}

/// The run that schedules are resolved against.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// Its length, which percentages are of; `None`: no end.
    pub duration: Option<Duration>,
    /// How schedules are read.
    pub reading: Reading,
}

impl FaultParams {
    /// The fault they stand for, with a default for what is not given. Reads the file of a table of delays.
    ///
    /// # Errors
    ///
    /// The first parameter that is missing, makes no sense or does not belong to the type.
    pub fn resolve(&self, run: &Run) -> Result<Fault, ParamError> {
        let kind = self.kind()?;
        self.check_belong(kind)?;
        Ok(Fault {
            name: self.name(kind)?,
            flows: self.flows(kind)?,
            probability: self.probability.map_or(1.0, Share::fraction),
            windows: self.windows(kind, run)?,
            effect: self.effect(kind)?,
        })
    }

    /// The type.
    ///
    /// # Errors
    ///
    /// It is not given.
    pub fn kind(&self) -> Result<Kind, ParamError> {
        self.kind.ok_or_else(|| ParamError::new(None, "type", "is needed, for example latency"))
    }

    fn name(&self, kind: Kind) -> Result<String, ParamError> {
        match &self.name {
            None => Ok(kind.to_string()),
            Some(name) if name.trim().is_empty() || name.contains(char::is_control) => {
                Err(ParamError::quoting(
                    kind,
                    "name",
                    format!("{name:?} is no name: say a word or two on one line"),
                ))
            }
            Some(name) => Ok(name.clone()),
        }
    }

    fn windows(&self, kind: Kind, run: &Run) -> Result<Windows, ParamError> {
        let Some(schedule) = &self.schedule else { return Ok(Windows::always()) };
        Schedule::parse(schedule, run.reading)
            .and_then(|schedule| schedule.resolve(run.duration))
            .map_err(|error| ParamError::quoting(kind, "schedule", error))
    }

    /// Refuses the parameters that belong to a choice other than the one made.
    ///
    /// `choices` are the values of the parameter `by`, and what each takes.
    fn check_choice<T: Copy + PartialEq + std::fmt::Display>(
        &self,
        kind: Kind,
        by: &str,
        chosen: T,
        choices: &[(T, &[&str])],
    ) -> Result<(), ParamError> {
        let takes = choices.iter().find(|(choice, _)| *choice == chosen).map_or(&[][..], |(_, takes)| takes);
        for param in self.given().filter(|param| !takes.contains(param)) {
            let Some((other, _)) = choices.iter().find(|(_, takes)| takes.contains(&param)) else { continue };
            let takes = if takes.is_empty() { "none".to_owned() } else { kinds::quoted(takes) };
            return Err(ParamError::new(
                kind,
                param,
                format!("means nothing to `{by}` {chosen}, which takes {takes}; say `{by}` {other}"),
            ));
        }
        Ok(())
    }
}

/// The value, if it is given.
fn needed<T>(kind: Kind, param: &'static str, value: Option<T>, example: &str) -> Result<T, ParamError> {
    value.ok_or_else(|| ParamError::new(kind, param, format!("is needed, for example {example}")))
}

#[cfg(test)]
mod tests;
