//! Delays each segment.

mod table;

use std::path::PathBuf;
use std::sync::Arc;

use super::moment::{AT, BYTES, EVENTS, ON, OnRequests, ROWS};
use super::prelude::*;
use crate::delay::Delay;
use crate::requests::rule::{Moment, RequestAction};
use crate::stage::hold::{HoldStage, HoldTimes};

/// Holds each segment for a random time.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Latency {
    /// Distribution of the hold times.
    pub delay: Delay,
    /// Holds only the first segment of a flow.
    pub once: bool,
}

impl Latency {
    /// Holds each segment for a time drawn from `delay`.
    pub fn new(delay: Delay) -> Self {
        Self { delay, once: false }
    }
}

impl Behavior for Latency {
    fn describe(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "latency {}", self.delay)?;
        f.write_str(if self.once { ", once a flow" } else { "" })
    }

    fn place(&self) -> Place {
        Place::Path
    }

    fn stage(&self, start: Start) -> Option<Box<dyn Stage>> {
        let times = LatencyTimes { latency: self.clone(), drawn: None, key: start.key };
        Some(Box::new(HoldStage::new(times)))
    }

    fn measured(&self) -> Measured {
        Measured::Delays
    }
}

#[derive(Debug)]
struct LatencyTimes {
    latency: Latency,
    /// Number and hold time of the last segment.
    drawn: Option<(u64, Duration)>,
    key: DrawKey,
}

impl HoldTimes for LatencyTimes {
    const COUNTS_ALL: bool = true;

    fn hold_time(&mut self, chunk: &Chunk, context: &mut StageContext<'_>) -> Duration {
        let delay = match self.drawn {
            Some((segment, delay)) if segment == chunk.segment => return delay,
            Some(_) if self.latency.once => Duration::ZERO,
            _ => self.latency.delay.sample(&mut self.key.at(chunk.offset)),
        };
        self.drawn = Some((chunk.segment, delay));
        context.hold(chunk, delay);
        delay
    }

    fn needs_segments(&self) -> bool {
        self.latency.once || !self.latency.delay.is_constant()
    }
}

pub(super) static TYPE: FaultType = FaultType {
    name: "latency",
    help: "Delay data; requires `mean` or the parameters of another distribution",
    target: Target::Flow(SocketDirection::Ingress),
    parameters: &[
        Parameter::new(
            "distribution",
            ValueType::Words("NAME", Distribution::WORDS),
            "Distribution of the delays: normal, uniform, pareto, pareto-normal, constant, log-normal or table",
        )
        .or("normal"),
        Parameter::time("mean", "Mean delay, for example 300ms; a bare number is in milliseconds")
            .main()
            .with(&["normal", "constant", "log-normal", "pareto-normal"])
            .one_of(&["mean"]),
        Parameter::time("stddev", "Standard deviation of the delay")
            .or("0")
            .main()
            .in_variable("STANDARD_DEVIATION")
            .with(&["normal", "log-normal", "pareto-normal"]),
        Parameter::new(
            "shape",
            ValueType::Number("N"),
            "Shape of the Pareto distribution; smaller values give a heavier tail",
        )
        .with(PARETO)
        .one_of(&["shape"]),
        Parameter::time("scale", "Shortest delay of the Pareto distribution")
            .with(PARETO)
            .one_of(&["scale"]),
        Parameter::time("min", "Shortest delay of the uniform distribution")
            .with(&["uniform"])
            .one_of(&["min"]),
        Parameter::time("max", "Longest delay of the uniform distribution")
            .with(&["uniform"])
            .one_of(&["max"]),
        Parameter::new("table", ValueType::File, "File of delays in milliseconds, for the distribution table")
            .with(&["table"])
            .one_of(&["table"]),
        Parameter::new("once", ValueType::Switch(Some(("per-read-write", "Delay all data; this is the default"))), "Delay only the first data of each session"),
        ON,
        AT.or("first-byte"),
        BYTES,
        ROWS,
        EVENTS,
    ],
    read: read_own::<Params>,
};

const PARETO: &[&str] = &["pareto", "pareto-normal"];

#[derive(Debug, Serialize, Deserialize)]
struct Params {
    distribution: Option<Distribution>,
    mean: Option<Millis>,
    stddev: Option<Millis>,
    shape: Option<Number>,
    scale: Option<Millis>,
    min: Option<Millis>,
    max: Option<Millis>,
    /// A CSV file of values in milliseconds with one or more values per line. `#` starts a comment, and the
    /// first line may be a header.
    table: Option<PathBuf>,
    once: Option<bool>,
    #[serde(flatten)]
    at: OnRequests,
}

/// The distribution of a latency; see [`Delay`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Distribution {
    Normal,
    Constant,
    Uniform,
    LogNormal,
    Pareto,
    ParetoNormal,
    Table,
}

words! { Distribution, "a distribution",
    Normal = "normal", Constant = "constant", Uniform = "uniform", LogNormal = "log-normal", Pareto = "pareto",
    ParetoNormal = "pareto-normal", Table = "table"
}

impl Parameters for Params {
    fn resolve(&self, _side: Option<Side>, read_file: ReadFile) -> Result<Effect, ParamError> {
        let delay = match self.distribution() {
            Distribution::Normal => Delay::Normal { mean: self.mean()?, stddev: self.stddev()? },
            Distribution::Constant => Delay::Constant(self.mean()?),
            Distribution::Uniform => self.uniform()?,
            Distribution::LogNormal => {
                Delay::LogNormal { mean: positive("mean", self.mean()?)?, stddev: self.stddev()? }
            }
            Distribution::Pareto => Delay::Pareto { scale: self.scale()?, shape: self.shape()? },
            Distribution::ParetoNormal => Delay::ParetoNormal {
                scale: self.scale()?,
                shape: self.shape()?,
                mean: self.mean()?,
                stddev: self.stddev()?,
            },
            Distribution::Table => Delay::Table(self.table(read_file)?),
        };
        let on_requests = self.at.on_requests(Moment::FirstByte, || RequestAction::Delay(delay.clone()))?;
        match on_requests {
            Some(_) if self.once.is_some() => {
                Err(ParamError::new("once", "does not apply with `on`: each request is delayed once"))
            }
            Some(fault) => Ok(fault.into()),
            None => Ok(Latency { delay, once: self.once.unwrap_or(false) }.into()),
        }
    }

    fn choice(&self) -> Option<(&'static str, &'static str)> {
        Some(("distribution", self.distribution().word()))
    }
}

impl Params {
    fn distribution(&self) -> Distribution {
        self.distribution.unwrap_or(Distribution::Normal)
    }

    fn mean(&self) -> Result<Duration, ParamError> {
        time("mean", self.mean, "300ms")
    }

    fn stddev(&self) -> Result<Duration, ParamError> {
        self.stddev.map_or(Ok(Duration::ZERO), |stddev| time("stddev", Some(stddev), "40ms"))
    }

    fn uniform(&self) -> Result<Delay, ParamError> {
        let min = time("min", self.min, "300ms")?;
        let max = time("max", self.max, "500ms")?;
        if min > max {
            return Err(ParamError::new("min", "is more than `max`: exchange them"));
        }
        Ok(Delay::Uniform { min, max })
    }

    fn table(&self, read_file: ReadFile) -> Result<Arc<[Duration]>, ParamError> {
        let path = needed("table", self.table.as_ref(), "delays.csv")?;
        let text = read_file(path).map_err(|error| error.to_string());
        text.and_then(|text| table::parse(&text))
            .map_err(|problem| ParamError::quoting("table", format!("{}: {problem}", path.display())))
    }

    fn scale(&self) -> Result<Duration, ParamError> {
        positive("scale", time("scale", self.scale, "20ms, the shortest delay")?)
    }

    fn shape(&self) -> Result<f64, ParamError> {
        let shape = needed("shape", self.shape, "1.5; smaller values give a heavier tail")?.value();
        if shape > 0.0 { Ok(shape) } else { Err(zero("shape")) }
    }
}

fn time(param: &'static str, value: Option<Millis>, example: &str) -> Result<Duration, ParamError> {
    let value = needed(param, value, example)?;
    if value.duration() > Delay::MAX {
        return Err(ParamError::new(param, format!("{value} is too long: use 1h at most")));
    }
    Ok(value.duration())
}

fn positive(param: &'static str, time: Duration) -> Result<Duration, ParamError> {
    if time.is_zero() { Err(zero(param)) } else { Ok(time) }
}

fn zero(param: &'static str) -> ParamError {
    ParamError::new(param, "must be greater than 0")
}
