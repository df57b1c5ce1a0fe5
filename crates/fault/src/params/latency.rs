//! A latency's distribution, and which parameters go with it.

use std::time::Duration;

use super::{Distribution, FaultParams, Kind, ParamError, needed, table};
use crate::delay::Delay;
use crate::effect::Effect;
use crate::faults::Latency;
use crate::units::Millis;

const TAKES: [(Distribution, &[&str]); 7] = [
    (Distribution::Normal, &["mean", "stddev"]),
    (Distribution::Constant, &["mean"]),
    (Distribution::Uniform, &["min", "max"]),
    (Distribution::LogNormal, &["mean", "stddev"]),
    (Distribution::Pareto, &["scale", "shape"]),
    (Distribution::ParetoNormal, &["scale", "shape", "mean", "stddev"]),
    (Distribution::Table, &["table"]),
];

impl FaultParams {
    pub(super) fn latency(&self) -> Result<Effect, ParamError> {
        let distribution = self.distribution.unwrap_or(Distribution::Normal);
        self.check_choice(Kind::Latency, "distribution", distribution, &TAKES)?;
        let delay = match distribution {
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
            Distribution::Table => {
                Delay::Table(table::read(&needed(Kind::Latency, "table", self.table.clone(), "delays.csv")?)?)
            }
        };
        Ok(Effect::from(Latency { delay, once: self.once.unwrap_or(false) }))
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
            return Err(ParamError::new(Kind::Latency, "min", "is more than `max`: exchange them"));
        }
        Ok(Delay::Uniform { min, max })
    }

    fn scale(&self) -> Result<Duration, ParamError> {
        positive("scale", time("scale", self.scale, "20ms, the shortest delay")?)
    }

    fn shape(&self) -> Result<f64, ParamError> {
        let shape =
            needed(Kind::Latency, "shape", self.shape, "1.5; the smaller, the heavier the tail")?.value();
        if shape > 0.0 { Ok(shape) } else { Err(zero("shape")) }
    }
}

fn time(param: &'static str, value: Option<Millis>, example: &str) -> Result<Duration, ParamError> {
    let value = needed(Kind::Latency, param, value, example)?;
    if value.duration() > Delay::LONGEST {
        return Err(ParamError::new(Kind::Latency, param, format!("{value} is too long: say 1h at most")));
    }
    Ok(value.duration())
}

fn positive(param: &'static str, time: Duration) -> Result<Duration, ParamError> {
    if time.is_zero() { Err(zero(param)) } else { Ok(time) }
}

fn zero(param: &'static str) -> ParamError {
    ParamError::new(Kind::Latency, param, "is 0: say more than 0")
}
