//! Quantities as text for users.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use crate::units::in_largest_unit;

/// A time: `300 ms`, `1.5 s`, `500 µs`, and `1 h` or `1.5 min` if that is exact with one decimal.
pub(crate) struct Time(pub(crate) Duration);

impl Display for Time {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos() as f64;
        let tenths = |unit: u128| self.0.as_nanos().is_multiple_of(unit / 10);
        match nanos {
            0.0 => f.write_str("0 ms"),
            3.6e12.. if tenths(3_600_000_000_000) => write!(f, "{} h", rounded(nanos / 3.6e12)),
            6e10.. if tenths(60_000_000_000) => write!(f, "{} min", rounded(nanos / 6e10)),
            1e9.. => write!(f, "{} s", rounded(nanos / 1e9)),
            1e6.. => write!(f, "{} ms", rounded(nanos / 1e6)),
            _ => write!(f, "{} µs", rounded(nanos / 1e3)),
        }
    }
}

pub(crate) struct Size(pub(crate) u64);

impl Display for Size {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (number, unit) = in_largest_unit(self.0);
        write!(f, "{number} {unit}")
    }
}

/// A number, and its unit without and with the prefixes kilo, mega and giga.
pub(crate) struct Scaled(pub(crate) f64, pub(crate) [&'static str; 4]);

impl Display for Scaled {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(number, [one, kilo, mega, giga]) = self;
        match *number {
            1e9.. => write!(f, "{} {giga}", rounded(number / 1e9)),
            1e6.. => write!(f, "{} {mega}", rounded(number / 1e6)),
            1e3.. => write!(f, "{} {kilo}", rounded(number / 1e3)),
            _ => write!(f, "{} {one}", rounded(*number)),
        }
    }
}

/// A rate in bytes per second, displayed in bits: `1 mbit/s`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BitRate(pub f64);

impl Display for BitRate {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Scaled(self.0 * 8.0, ["bit/s", "kbit/s", "mbit/s", "gbit/s"]).fmt(f)
    }
}

pub(crate) struct Percent(pub(crate) f64);

impl Display for Percent {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        // Rounding to 12 digits hides the error of the multiplication in the last digit.
        let text = format!("{:.12}", self.0 * 100.0);
        write!(f, "{}%", text.trim_end_matches('0').trim_end_matches('.'))
    }
}

pub(crate) fn rounded(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests;
