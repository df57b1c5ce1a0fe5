use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use super::{ValueError, number_or_text, sensible, split};

const WANTED: &str = "a number of bytes: use 1500, 64KiB or 1MB";

/// Units of byte counts, the largest first.
const UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1000),
    ("B", 1),
];

/// A whole number of bytes, at most 2^53. A text may have the unit `B`, `KB` (1000), `KiB` (1024), `MB`,
/// `MiB`, `GB` or `GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ByteCount(u64);

impl ByteCount {
    /// Returns the number of bytes.
    pub fn count(self) -> u64 {
        self.0
    }
}

/// Returns the count in the largest unit in which it is a whole number.
pub(crate) fn in_largest_unit(count: u64) -> (u64, &'static str) {
    UNITS
        .iter()
        .find(|(_, size)| count >= *size && count.is_multiple_of(*size))
        .map_or((count, "B"), |(unit, size)| (count / size, unit))
}

impl From<usize> for ByteCount {
    fn from(count: usize) -> Self {
        Self(count as u64)
    }
}

impl TryFrom<f64> for ByteCount {
    type Error = ValueError;

    fn try_from(count: f64) -> Result<Self, ValueError> {
        let count = sensible(count, WANTED)?;
        if count.fract() != 0.0 {
            return Err(ValueError::new(format!("{count} bytes: a whole number is expected")));
        }
        if count > 9_007_199_254_740_992.0 {
            return Err(ValueError::new(format!("{count} bytes is too many: use 2^53 at most")));
        }
        #[expect(clippy::cast_possible_truncation, reason = "whole and at most 2^53")]
        Ok(Self(count as u64))
    }
}

impl FromStr for ByteCount {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (number, unit) = split(text, WANTED)?;
        match UNITS.iter().find(|(name, _)| *name == unit || (unit.is_empty() && *name == "B")) {
            Some((_, size)) => (number * *size as f64).try_into(),
            None => Err(ValueError::new(format!(
                "{text:?} has no known unit: use B, KB (1000), KiB (1024), MB, MiB, GB or GiB"
            ))),
        }
    }
}

impl fmt::Display for ByteCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, unit) = in_largest_unit(self.0);
        write!(f, "{number}{unit}")
    }
}

impl<'de> Deserialize<'de> for ByteCount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        number_or_text(deserializer, WANTED)
    }
}
