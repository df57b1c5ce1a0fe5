//! Values that flags and files contain as text.

use std::fmt::{self, Display};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A time: `90s`, `10m`, `1h 30m`, or a number of seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time(pub Duration);

const TIMES: &str = "write 90s, 10m or 1h 30m, or a whole number of seconds";

impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(seconds) = text.parse() {
            return Ok(Self(Duration::from_secs(seconds)));
        }
        let problem = match humantime::parse_duration(text) {
            Ok(time) => return Ok(Self(time)),
            Err(_) if text.starts_with('-') => "must not be negative",
            Err(humantime::DurationError::NumberOverflow) => "too long, or more precise than 1 ns",
            Err(_) => "not a time",
        };
        Err(format!("{problem}; {TIMES}"))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(self.0))
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrText;

        impl Visitor<'_> for NumberOrText {
            type Value = Time;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a time: {TIMES}")
            }

            fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Time, E> {
                Ok(Time(Duration::from_secs(seconds)))
            }

            fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Time, E> {
                u64::try_from(seconds)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(seconds), &self))
                    .and_then(|seconds| self.visit_u64(seconds))
            }

            fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Time, E> {
                Duration::try_from_secs_f64(seconds)
                    .map(Time)
                    .map_err(|_| E::invalid_value(de::Unexpected::Float(seconds), &self))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Time, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_any(NumberOrText)
    }
}

/// A [`Time`] that is greater than 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Time", into = "Time")]
pub struct Timeout(pub Duration);

impl TryFrom<Time> for Timeout {
    type Error = &'static str;

    fn try_from(Time(time): Time) -> Result<Self, &'static str> {
        if time.is_zero() { Err("must be greater than 0, for example 10s") } else { Ok(Self(time)) }
    }
}

impl From<Timeout> for Time {
    fn from(Timeout(time): Timeout) -> Self {
        Self(time)
    }
}

impl FromStr for Timeout {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse::<Time>()?.try_into().map_err(str::to_owned)
    }
}

/// Returns a parser of whole numbers in a range.
///
/// # Errors
/// The parser returns an error that names the range. That of `FromStr` would only say that a digit is invalid.
pub fn whole_number<T: FromStr + Display + PartialOrd + Clone + Send + Sync + 'static>(
    range: RangeInclusive<T>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static {
    move |text: &str| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| format!("expected a whole number from {} to {}", range.start(), range.end()))
    }
}

/// Parses a switch: true, 1, yes, or false, 0, no or an empty text.
///
/// # Errors
/// Returns an error for any other word, which lists the accepted words.
pub fn switch(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" => Ok(true),
        "false" | "0" | "no" | "" => Ok(false),
        _ => Err("expected true, 1 or yes, or false, 0, no or an empty value".to_owned()),
    }
}

/// Deserializes several values from a list, or from one text in which they are separated by commas.
pub mod list {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, de};

    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a text or a list of texts")]
    enum Texts {
        One(String),
        Many(Vec<String>),
    }

    /// Parses each value with its `FromStr`, without surrounding white space.
    ///
    /// # Errors
    /// Returns an error if the value is neither a list nor a text, or if `FromStr` fails.
    pub fn deserialize<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<T>, D::Error> {
        let texts = match Texts::deserialize(deserializer)? {
            Texts::One(text) => text.split(',').map(str::to_owned).collect(),
            Texts::Many(texts) => texts,
        };
        texts.iter().map(|text| text.trim().parse().map_err(de::Error::custom)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn time(value: serde_json::Value) -> Result<Time, serde_json::Error> {
        serde_json::from_value(value)
    }

    #[test]
    fn a_bare_number_is_seconds() {
        assert_eq!("90".parse(), Ok(Time(Duration::from_secs(90))));
        assert_eq!("1h 30m".parse(), Ok(Time(Duration::from_secs(5400))));
        assert!("10 parsecs".parse::<Time>().expect_err("no unit of time").contains("write 90s"));
        assert_eq!(time(90.into()).unwrap(), Time(Duration::from_secs(90)));
        assert_eq!(time(1.5.into()).unwrap(), Time(Duration::from_millis(1500)));
        assert!(time((-1).into()).unwrap_err().to_string().contains("write 90s"));
        for text in ["-1", "-90s"] {
            assert!(text.parse::<Time>().unwrap_err().starts_with("must not be negative; write 90s"));
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for text in ["90s", "1h 30m", "1500ms", "0"] {
            let read: Time = text.parse().unwrap();
            assert_eq!(time(serde_json::to_value(read).unwrap()).unwrap(), read);
        }
    }

    #[test]
    fn a_timeout_is_greater_than_0() {
        assert_eq!("1ms".parse(), Ok(Timeout(Duration::from_millis(1))));
        assert!("0s".parse::<Timeout>().unwrap_err().contains("for example 10s"));
        assert!(serde_json::from_str::<Timeout>("0").is_err());
        assert_eq!(serde_json::from_str::<Timeout>("2").unwrap(), Timeout(Duration::from_secs(2)));
    }

    #[test]
    fn a_refused_number_names_the_allowed_ones() {
        let seed = whole_number(0..=u64::MAX);
        assert_eq!(seed("18446744073709551615"), Ok(u64::MAX));
        for text in ["x", "", "-3", "1.5", "18446744073709551616"] {
            let expected = "expected a whole number from 0 to 18446744073709551615";
            assert_eq!(seed(text), Err(expected.to_owned()), "{text}");
        }
        let sessions = whole_number(NonZeroU32::MIN..=NonZeroU32::MAX);
        assert_eq!(sessions("0"), Err("expected a whole number from 1 to 4294967295".to_owned()));
        assert_eq!(whole_number(1..=100)("101"), Err("expected a whole number from 1 to 100".to_owned()));
    }

    #[test]
    fn a_refused_time_has_no_words_of_a_library() {
        for (text, problem) in [
            ("soon", "not a time"),
            ("5x", "not a time"),
            ("1.5", "not a time"),
            ("99999999999999999999", "too long, or more precise than 1 ns"),
        ] {
            assert_eq!(text.parse::<Time>(), Err(format!("{problem}; {TIMES}")));
        }
    }

    #[test]
    fn switches_are_words_or_nothing() {
        assert_eq!(["true", "1", "YES"].map(switch), [const { Ok(true) }; 3]);
        assert_eq!(["false", "0", "no", ""].map(switch), [const { Ok(false) }; 4]);
        assert!(switch("maybe").is_err());
    }
}
