//! Distributions of delays.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};
use rand_distr::{Distribution, Exp1, StandardNormal};

use crate::describe::Time;

/// A distribution of delays.
///
/// No draw is longer than [`Delay::MAX`], so that the tail of a heavy distribution cannot hold a flow
/// forever.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Delay {
    /// The same delay each time.
    Constant(Duration),
    /// Each nanosecond from `min` to `max`, both included, is equally likely.
    Uniform {
        /// Shortest delay.
        min: Duration,
        /// Longest delay. Must not be less than `min`.
        max: Duration,
    },
    /// Uniform from `center - spread` to `center + spread`; draws below 0 are 0.
    Around {
        /// Center of the range.
        center: Duration,
        /// Maximum distance from the center.
        spread: Duration,
    },
    /// Normal; draws below 0 are 0.
    Normal {
        /// Mean.
        mean: Duration,
        /// Standard deviation.
        stddev: Duration,
    },
    /// Log-normal.
    LogNormal {
        /// Mean of the delay, not of its logarithm. Must be greater than 0.
        mean: Duration,
        /// Standard deviation of the delay, not of its logarithm.
        stddev: Duration,
    },
    /// Pareto, type I: a delay longer than x has probability `(scale / x)^shape`.
    Pareto {
        /// Shortest delay; must be greater than 0.
        scale: Duration,
        /// Shape; smaller values give a heavier tail. Must be greater than 0.
        shape: f64,
    },
    /// A Pareto draw plus a normal draw; sums below 0 are 0.
    ParetoNormal {
        /// Scale of the Pareto draw, as in [`Pareto`](Self::Pareto).
        scale: Duration,
        /// Shape of the Pareto draw, as in [`Pareto`](Self::Pareto).
        shape: f64,
        /// Mean of the normal draw.
        mean: Duration,
        /// Standard deviation of the normal draw.
        stddev: Duration,
    },
    /// One of these delays, each with equal probability. An empty table does not delay.
    Table(Arc<[Duration]>),
}

impl Delay {
    /// Longest delay that is drawn: one hour.
    pub const MAX: Duration = Duration::from_secs(3600);

    /// Draws a delay.
    pub fn sample(&self, draws: &mut impl Rng) -> Duration {
        let delay = match self {
            Self::Constant(delay) => *delay,
            Self::Uniform { min, max } => {
                let span = (*max).min(Self::MAX).saturating_sub(*min);
                let span = u64::try_from(span.as_nanos()).expect("an hour in nanoseconds fits");
                min.saturating_add(Duration::from_nanos(draws.random_range(0..=span)))
            }
            Self::Around { center, spread } => {
                from_nanos(nanos(*center) + nanos(*spread) * draws.random_range(-1.0..=1.0))
            }
            Self::Normal { mean, stddev } => from_nanos(normal(*mean, *stddev, draws)),
            Self::LogNormal { mean, stddev } => from_nanos(log_normal(*mean, *stddev, draws)),
            Self::Pareto { scale, shape } => from_nanos(pareto(*scale, *shape, draws)),
            Self::ParetoNormal { scale, shape, mean, stddev } => {
                from_nanos(pareto(*scale, *shape, draws) + normal(*mean, *stddev, draws))
            }
            Self::Table(values) => values.choose(draws).copied().unwrap_or_default(),
        };
        delay.min(Self::MAX)
    }

    /// Returns true if all draws are equal.
    pub fn is_constant(&self) -> bool {
        match self {
            Self::Constant(_) => true,
            Self::Uniform { min, max } => min == max,
            Self::Around { spread, .. } => spread.is_zero(),
            Self::Normal { stddev, .. } | Self::LogNormal { stddev, .. } => stddev.is_zero(),
            Self::Pareto { .. } | Self::ParetoNormal { .. } => false,
            Self::Table(values) => values.windows(2).all(|pair| pair[0] == pair[1]),
        }
    }
}

fn normal(mean: Duration, stddev: Duration, draws: &mut impl Rng) -> f64 {
    let z: f64 = StandardNormal.sample(draws);
    nanos(mean) + nanos(stddev) * z
}

/// `exp(mu + sigma z)`, with `sigma² = ln(1 + (stddev / mean)²)` and `mu = ln(mean) - sigma² / 2`
/// (Johnson, Kotz, Balakrishnan, Continuous Univariate Distributions, chapter 14).
fn log_normal(mean: Duration, stddev: Duration, draws: &mut impl Rng) -> f64 {
    let z: f64 = StandardNormal.sample(draws);
    let mean = nanos(mean);
    let variance = (nanos(stddev) / mean).powi(2).ln_1p();
    mean * (variance.sqrt() * z - variance / 2.0).exp()
}

/// The logarithm of a Pareto draw over its scale is exponential with rate `shape` (ibid., chapter 20).
fn pareto(scale: Duration, shape: f64, draws: &mut impl Rng) -> f64 {
    let exponential: f64 = Exp1.sample(draws);
    nanos(scale) * (exponential / shape).exp()
}

fn nanos(time: Duration) -> f64 {
    time.as_secs() as f64 * 1e9 + f64::from(time.subsec_nanos())
}

#[expect(clippy::cast_possible_truncation, reason = "the cast saturates; below 0 and NaN are 0")]
fn from_nanos(nanos: f64) -> Duration {
    Duration::from_nanos(nanos as u64)
}

impl fmt::Display for Delay {
    /// Displays the distribution for users: `normal 300 ms ± 40 ms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(delay) => write!(f, "constant {}", Time(*delay)),
            Self::Uniform { min, max } => write!(f, "uniform {} to {}", Time(*min), Time(*max)),
            Self::Around { center: delay, spread: around }
            | Self::Normal { mean: delay, stddev: around }
            | Self::LogNormal { mean: delay, stddev: around }
                if around.is_zero() =>
            {
                write!(f, "constant {}", Time(*delay))
            }
            Self::Around { center, spread } => write!(f, "uniform {} ± {}", Time(*center), Time(*spread)),
            Self::Normal { mean, stddev } => write!(f, "normal {} ± {}", Time(*mean), Time(*stddev)),
            Self::LogNormal { mean, stddev } => write!(f, "log-normal {} ± {}", Time(*mean), Time(*stddev)),
            Self::Pareto { scale, shape } => write!(f, "pareto from {}, shape {shape}", Time(*scale)),
            Self::ParetoNormal { scale, shape, mean, stddev } => {
                write!(f, "pareto from {}, shape {shape}, ", Time(*scale))?;
                write!(f, "plus normal {} ± {}", Time(*mean), Time(*stddev))
            }
            Self::Table(values) => {
                let min = values.iter().min().copied().unwrap_or_default();
                let max = values.iter().max().copied().unwrap_or_default();
                write!(f, "table of {} from {} to {}", values.len(), Time(min), Time(max))
            }
        }
    }
}

#[cfg(test)]
mod tests;
