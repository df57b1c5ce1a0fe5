use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use super::{ValueError, number_or_text, sensible, split};

pub(super) const RATIO: &str = "a share: use 0 to 1, like 0.01, or a percentage, like 1%";
const NUMBER: &str = "a number: use 0 or more, like 1.5";

/// A ratio or a probability: a number from 0 to 1, or a text such as `1%`.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize)]
pub struct Ratio(f64);

impl Ratio {
    /// Returns the value, 0 to 1.
    pub fn fraction(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Ratio {
    type Error = ValueError;

    fn try_from(fraction: f64) -> Result<Self, ValueError> {
        match sensible(fraction, RATIO)? {
            fraction if fraction <= 1.0 => Ok(Self(fraction)),
            number if number <= 100.0 => {
                Err(ValueError::new(format!("{number} is more than 1: a share is 0 to 1, or use {number}%")))
            }
            number => Err(ValueError::new(format!("{number} is more than 1, not {RATIO}"))),
        }
    }
}

impl FromStr for Ratio {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match split(text, RATIO)? {
            (fraction, "") => fraction.try_into(),
            (percent, "%") if percent <= 100.0 => Ok(Self(percent / 100.0)),
            _ => Err(ValueError::new(format!("{text:?} is not {RATIO}"))),
        }
    }
}

impl<'de> Deserialize<'de> for Ratio {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        number_or_text(deserializer, RATIO)
    }
}

/// A number without a unit, finite and not negative.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize)]
pub struct Number(f64);

impl Number {
    /// Returns the number.
    pub fn value(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Number {
    type Error = ValueError;

    fn try_from(number: f64) -> Result<Self, ValueError> {
        sensible(number, NUMBER).map(Self)
    }
}

impl FromStr for Number {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match split(text, NUMBER)? {
            (number, "") => Ok(Self(number)),
            _ => Err(ValueError::new(format!("{text:?} is not {NUMBER}"))),
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        number_or_text(deserializer, NUMBER)
    }
}
