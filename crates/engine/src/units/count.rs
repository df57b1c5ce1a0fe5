use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use super::{ValueError, number_or_text, sensible, split};

const COUNT: &str = "a whole number: use 0 or more, like 3";

/// A whole number without a unit, 0 to 2^53.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Count(u64);

impl Count {
    /// Returns the number.
    pub fn value(self) -> u64 {
        self.0
    }
}

impl TryFrom<f64> for Count {
    type Error = ValueError;

    fn try_from(number: f64) -> Result<Self, ValueError> {
        let number = sensible(number, COUNT)?;
        if number.fract() != 0.0 {
            return Err(ValueError::new(format!("{number} is not {COUNT}")));
        }
        if number > 9_007_199_254_740_992.0 {
            return Err(ValueError::new(format!("{number} is too large: use 2^53 at most")));
        }
        #[expect(clippy::cast_possible_truncation, reason = "whole and at most 2^53")]
        Ok(Self(number as u64))
    }
}

impl FromStr for Count {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match split(text, COUNT)? {
            (number, "") => number.try_into(),
            _ => Err(ValueError::new(format!("{text:?} is not {COUNT}"))),
        }
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        number_or_text(deserializer, COUNT)
    }
}
