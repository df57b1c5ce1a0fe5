use std::time::Duration;

use super::error::Problem;

/// Milliseconds per unit, the longest unit first.
pub(super) const UNITS: [(&str, u64); 6] =
    [("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// A time as written in a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Time {
    Millis(u64),
    /// Percentage of the run, 0 to 100.
    Percent(u32),
}

impl Time {
    pub(super) const ZERO: Self = Self::Millis(0);

    /// Creates a time from digits and a unit or `%`.
    pub(super) fn from_parts(number: &str, unit: &str) -> Result<Self, Problem> {
        if unit == "%" {
            return match number.parse() {
                Ok(percent @ 0..=100) => Ok(Self::Percent(percent)),
                _ => Err(Problem::PercentTooHigh),
            };
        }
        let (_, size) = UNITS.iter().find(|(name, _)| *name == unit).expect("the grammar's units are known");
        let millis = number.parse().ok().and_then(|number: u64| number.checked_mul(*size));
        millis.map(Self::Millis).ok_or(Problem::TooLong)
    }

    pub(super) fn is_zero(self) -> bool {
        matches!(self, Self::Millis(0) | Self::Percent(0))
    }

    /// Returns this time in a run of length `run`. `None` if it is a percentage of an unlimited run.
    pub(super) fn of(self, run: Option<Duration>) -> Option<Duration> {
        match self {
            Self::Millis(millis) => Some(Duration::from_millis(millis)),
            Self::Percent(percent) => run.map(|run| share(run, percent)),
        }
    }
}

/// Returns the percentage of `run`, accurate to the nanosecond. Dividing first and then adding the share of
/// the remainder avoids an overflow.
fn share(run: Duration, percent: u32) -> Duration {
    let hundredth = run / 100;
    let rest = run - hundredth * 100;
    hundredth * percent + rest * percent / 100
}
