//! Values in configurations: a number in a default unit, or text with a unit.
//!
//! Each type deserializes from both. [`FromStr`] parses text, and [`TryFrom`] converts a number in the default unit.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{self, Deserializer, Visitor};

mod bytes;
mod count;
mod rate;
mod ratio;
mod time;

pub use bytes::ByteCount;
pub(crate) use bytes::in_largest_unit;
pub use count::Count;
pub use rate::{Rate, Unit};
pub use ratio::{Number, Ratio};
pub use time::Millis;

/// Error for a value that was refused. It displays what was given and what is expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ValueError(String);

impl ValueError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// Parses a text as a finite, non-negative number and the rest, which is a unit or empty.
fn split<'a>(text: &'a str, wanted: &str) -> Result<(f64, &'a str), ValueError> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && !"+-.".contains(c)).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    match number.parse() {
        Ok(number) => Ok((sensible(number, wanted)?, unit.trim_start())),
        Err(_) => Err(ValueError::new(format!("{text:?} is not {wanted}"))),
    }
}

/// Returns the number if it is finite and not negative.
fn sensible(number: f64, wanted: &str) -> Result<f64, ValueError> {
    if !number.is_finite() {
        Err(ValueError::new(format!("{number} is not {wanted}")))
    } else if number.is_sign_negative() && number != 0.0 {
        Err(ValueError::new(format!("{number} is negative, not {wanted}")))
    } else {
        // Removes the sign of -0.
        Ok(number.abs())
    }
}

/// Deserializes a value from a number in its default unit or from text.
fn number_or_text<'de, D, T>(deserializer: D, wanted: &'static str) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err = ValueError> + TryFrom<f64, Error = ValueError>,
{
    struct NumberOrText<T>(&'static str, PhantomData<T>);

    impl<T> Visitor<'_> for NumberOrText<T>
    where
        T: FromStr<Err = ValueError> + TryFrom<f64, Error = ValueError>,
    {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }

        fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
            self.visit_f64(number as f64)
        }

        fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
            self.visit_f64(number as f64)
        }

        fn visit_f64<E: de::Error>(self, number: f64) -> Result<T, E> {
            T::try_from(number).map_err(E::custom)
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }
    }

    deserializer.deserialize_any(NumberOrText(wanted, PhantomData))
}

#[cfg(test)]
mod tests;
