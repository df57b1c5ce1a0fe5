use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{ValueError, number_or_text, sensible, split};

const WANTED: &str = "a time: use 300 or 300ms, 500us, 2s, 1m or 1h";

/// Units of times in nanoseconds, the longest first.
const UNITS: [(&str, u64); 5] =
    [("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)];

/// A time of at most 365 days, accurate to the nanosecond. A plain number is in milliseconds and may have a
/// fraction. A text may have the unit `us`, `ms`, `s`, `m` or `h`. It serializes as milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millis(Duration);

impl Millis {
    /// Longest time: 365 days.
    pub const MAX: Self = Self(Duration::from_secs(365 * 24 * 3600));

    /// Returns the time.
    pub fn duration(self) -> Duration {
        self.0
    }

    fn millis(self) -> f64 {
        self.0.as_nanos() as f64 / 1e6
    }
}

impl TryFrom<f64> for Millis {
    type Error = ValueError;

    fn try_from(millis: f64) -> Result<Self, ValueError> {
        let millis = sensible(millis, WANTED)?;
        match Duration::try_from_secs_f64(millis / 1e3).map(Self) {
            Ok(time) if time <= Self::MAX => Ok(time),
            _ => Err(ValueError::new(format!("{millis}ms is too long: use 8760h (a year) at most"))),
        }
    }
}

impl FromStr for Millis {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (number, unit) = split(text, WANTED)?;
        let unit = match unit {
            "" => "ms",
            "µs" | "μs" => "us",
            unit => unit,
        };
        let Some((_, nanos)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(ValueError::new(format!("{text:?} has no known unit: use us, ms, s, m or h")));
        };
        let millis = number * (*nanos as f64 / 1e6);
        millis.try_into()
    }
}

/// Displays the time in the largest unit in which it is a whole number.
impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        let is_whole = |(_, unit): &&(&str, u64)| nanos > 0 && nanos.is_multiple_of(u128::from(*unit));
        match UNITS.iter().find(is_whole) {
            Some((name, unit)) => write!(f, "{}{name}", nanos / u128::from(*unit)),
            None => write!(f, "{}ms", self.millis()),
        }
    }
}

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        number_or_text(deserializer, WANTED)
    }
}

impl Serialize for Millis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match u64::try_from(self.0.as_millis()) {
            Ok(whole) if Duration::from_millis(whole) == self.0 => serializer.serialize_u64(whole),
            _ => serializer.serialize_f64(self.millis()),
        }
    }
}
