use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ratio::RATIO;
use super::{Ratio, ValueError, number_or_text, sensible, split};

const RATE: &str = "a rate: use 1000, 500kbit/s or 1MBps for a bandwidth, 0.01 or 1% for a loss";

/// A unit of bandwidth. `KB` is 1000 bytes, `kbit` 1000 bits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unit {
    name: &'static str,
    bytes_per_second: f64,
}

impl Unit {
    const BPS: Self = Self::new("Bps", 1.0);

    pub(super) const ALL: [Self; 7] = [
        Self::BPS,
        Self::new("KBps", 1e3),
        Self::new("MBps", 1e6),
        Self::new("GBps", 1e9),
        Self::new("kbit/s", 1e3 / 8.0),
        Self::new("mbit/s", 1e6 / 8.0),
        Self::new("gbit/s", 1e9 / 8.0),
    ];

    const fn new(name: &'static str, bytes_per_second: f64) -> Self {
        Self { name, bytes_per_second }
    }
}

impl FromStr for Unit {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let text = text.trim();
        match Self::ALL.into_iter().find(|unit| unit.name == text) {
            Some(unit) => Ok(unit),
            None => Err(ValueError::new(format!("{text:?} is not a unit of bandwidth: {}", hint(text)))),
        }
    }
}

/// Returns a hint for an unknown unit: the units that the user may have meant, in bits, or in bits and bytes
/// if only the case of a letter tells them apart.
fn hint(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let (bytes, bits, rest) = match lower.split_at_checked(1) {
        Some(("k", rest)) => ("KBps", "kbit/s", rest),
        Some(("m", rest)) => ("MBps", "mbit/s", rest),
        Some(("g", rest)) => ("GBps", "gbit/s", rest),
        _ => ("Bps", "kbit/s", &*lower),
    };
    match rest {
        "b" | "bps" | "b/s" => format!("use {bytes} (bytes) or {bits} (bits)"),
        "bit" | "bits" | "bit/s" | "bits/s" | "bitps" => format!("use {bits} (bits)"),
        _ => "use Bps, KBps, MBps or GBps (bytes), kbit/s, mbit/s or gbit/s (bits)".to_owned(),
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name)
    }
}

impl<'de> Deserialize<'de> for Unit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Unit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name)
    }
}

/// A rate. The fault that uses it defines its meaning: bytes per second, or a ratio.
///
/// It is a plain number, or text with `%` or a [`Unit`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    number: f64,
    suffix: Suffix,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Suffix {
    None,
    Percent,
    Unit(Unit),
}

impl Rate {
    /// Default bandwidth: 1000 of the configured unit.
    pub(crate) const DEFAULT_BANDWIDTH: Self = Self { number: 1000.0, suffix: Suffix::None };

    /// Returns the rate in bytes per second; `unit` is the unit of a plain number.
    ///
    /// # Errors
    ///
    /// Returns an error if the rate is a percentage, or if both the text and `unit` specify a unit.
    pub fn bytes_per_second(self, unit: Option<Unit>) -> Result<f64, ValueError> {
        let unit = match (self.suffix, unit) {
            (Suffix::None, unit) => unit.unwrap_or(Unit::BPS),
            (Suffix::Unit(unit), None) => unit,
            (Suffix::Unit(own), Some(unit)) => {
                return Err(ValueError::new(format!(
                    "{self} has {own} as its unit already: leave out {unit}"
                )));
            }
            (Suffix::Percent, _) => {
                return Err(ValueError::new(format!(
                    "{self} is not a bandwidth: use 1000, 500kbit/s or 1MBps"
                )));
            }
        };
        Ok(self.number * unit.bytes_per_second)
    }

    /// Returns the rate as a ratio, 0 to 1.
    ///
    /// # Errors
    ///
    /// Returns an error if the rate has a unit of bandwidth or is more than 1.
    pub fn ratio(self) -> Result<Ratio, ValueError> {
        match self.suffix {
            Suffix::None => self.number.try_into(),
            Suffix::Percent if self.number <= 100.0 => (self.number / 100.0).try_into(),
            _ => Err(ValueError::new(format!("\"{self}\" is not {RATIO}"))),
        }
    }
}

impl TryFrom<f64> for Rate {
    type Error = ValueError;

    fn try_from(number: f64) -> Result<Self, ValueError> {
        Ok(Self { number: sensible(number, RATE)?, suffix: Suffix::None })
    }
}

impl FromStr for Rate {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (number, suffix) = split(text, RATE)?;
        let suffix = match suffix {
            "" => Suffix::None,
            "%" => Suffix::Percent,
            unit => Suffix::Unit(unit.parse()?),
        };
        Ok(Self { number, suffix })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.suffix {
            Suffix::None => write!(f, "{}", self.number),
            Suffix::Percent => write!(f, "{}%", self.number),
            Suffix::Unit(unit) => write!(f, "{}{unit}", self.number),
        }
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        number_or_text(deserializer, RATE)
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.suffix {
            Suffix::None => serializer.serialize_f64(self.number),
            _ => serializer.collect_str(self),
        }
    }
}
