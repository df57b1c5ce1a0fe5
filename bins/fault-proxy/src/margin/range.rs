//! Values of a parameter between two ends.

use std::fmt;

use anyhow::{Result, anyhow, bail};
use fault_proxy_engine::{ByteCount, Count, Millis, Number, Rate, Ratio, ValueType};
use serde_json::{Number as JsonNumber, Value};

/// Maximum number of steps between the ends.
const MAX_STEPS: f64 = 1e6;

/// Number of steps without a resolution.
const DEFAULT_STEPS: f64 = 100.0;

/// Relative tolerance of sums of steps.
const TOLERANCE: f64 = 1e-6;

/// The values that a search can test: from the easy end in steps of one size, and the hard end.
#[derive(Debug, Clone)]
pub(super) struct Range {
    value: ValueType,
    from: f64,
    to: f64,
    /// Negative if the hard end is the smaller one.
    step: f64,
    last: u32,
}

impl Range {
    /// Parses the ends and the distance of the values.
    ///
    /// # Errors
    /// A text is not a value of this type, or they do not make a range.
    pub(super) fn new(value: ValueType, from: &str, to: &str, resolution: Option<&str>) -> Result<Self> {
        let texts = [Some(from), Some(to), resolution];
        let has_unit = |text: &str| text.ends_with(|c: char| c.is_alphabetic() || c == '%');
        if texts.iter().flatten().any(|text| has_unit(text)) {
            let is_bare = |text: &&&str| !has_unit(text) && text.trim().parse() != Ok(0.0);
            if let Some(bare) = texts.iter().flatten().find(is_bare) {
                bail!("`{bare}` has no unit although others have: write the unit of each value");
            }
        }
        let (from, to) = (parse(value, from)?, parse(value, to)?);
        let length = (to - from).abs();
        if length == 0.0 {
            bail!("both ends are the same: write an easy and a hard end, as in 0..5s");
        }
        let size = match resolution {
            Some(text) => parse(value, text).map_err(|error| anyhow!("--resolution: {error}"))?,
            None if matches!(value, ValueType::Bytes | ValueType::Count(_)) => {
                (length / DEFAULT_STEPS).ceil()
            }
            None => length / DEFAULT_STEPS,
        };
        if size <= 0.0 || length / size > MAX_STEPS {
            bail!("--resolution is too small: use at least {}", shown(value, length / MAX_STEPS));
        }
        if size > length {
            bail!("--resolution is larger than the range: use at most {}", shown(value, length));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 1e6")]
        let last = (length / size - TOLERANCE).ceil() as u32;
        Ok(Self { value, from, to, step: size * (to - from).signum(), last })
    }

    /// Returns the place of the hard end.
    pub(super) fn last(&self) -> u32 {
        self.last
    }

    /// Returns the value at a place: milliseconds, bytes, bytes per second, a fraction or a number.
    pub(super) fn at(&self, place: u32) -> f64 {
        if place == self.last { self.to } else { self.from + self.step * f64::from(place) }
    }

    /// Returns the value at a place as a parameter of a fault.
    pub(super) fn parameter(&self, place: u32) -> Value {
        let value = self.at(place);
        match self.value {
            ValueType::Rate => format!("{value}Bps").into(),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "whole and below 2^53"
            )]
            _ if value.fract() == 0.0 && value < 9e15 => (value as u64).into(),
            _ => JsonNumber::from_f64(value).map_or(Value::Null, Value::Number),
        }
    }

    /// Returns the value at a place for people, such as `210 ms`.
    pub(super) fn shown(&self, place: u32) -> String {
        shown(self.value, self.at(place))
    }

    /// Returns the distance of the values for people.
    pub(super) fn resolution(&self) -> String {
        shown(self.value, self.step.abs())
    }

    /// Returns the unit of [`at`](Self::at).
    pub(super) fn unit(&self) -> &'static str {
        match self.value {
            ValueType::Time => "ms",
            ValueType::Bytes => "bytes",
            ValueType::Rate => "bytes/s",
            ValueType::Share => "ratio",
            _ => "count",
        }
    }

    /// Returns the place of a value.
    ///
    /// # Errors
    /// The text is not one of the values.
    pub(super) fn place(&self, text: &str) -> Result<u32> {
        let value = parse(self.value, text)?;
        let steps = (value - self.from) / self.step;
        if steps < -TOLERANCE || (value - self.to) * self.step.signum() > TOLERANCE * self.step.abs() {
            bail!("{text} is not between {} and {}", self.shown(0), self.shown(self.last));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1e6")]
        let place = (steps + 0.5) as u32;
        let is_value = |place: u32| (self.at(place) - value).abs() < TOLERANCE * self.step.abs();
        match [place, self.last].into_iter().find(|place| is_value(*place)) {
            Some(place) => Ok(place),
            None => bail!(
                "{text} is not tested, because --resolution is {}: use a multiple of it from {} on",
                self.resolution(),
                self.shown(0)
            ),
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "from {} to {} in steps of {}", self.shown(0), self.shown(self.last), self.resolution())
    }
}

/// Returns true if a search can vary values of this type.
pub(crate) fn is_numeric(value: ValueType) -> bool {
    use ValueType::{Bytes, Count, Number, Rate, Share, Time};
    matches!(value, Time | Bytes | Rate | Share | Number(_) | Count(_))
}

fn parse(value: ValueType, text: &str) -> Result<f64> {
    Ok(match value {
        ValueType::Time => text.parse::<Millis>()?.duration().as_nanos() as f64 / 1e6,
        ValueType::Bytes => text.parse::<ByteCount>()?.count() as f64,
        ValueType::Rate => text.parse::<Rate>()?.bytes_per_second(None)?,
        ValueType::Share => text.parse::<Ratio>()?.fraction(),
        ValueType::Count(_) => text.parse::<Count>()?.value() as f64,
        _ => text.parse::<Number>()?.value(),
    })
}

/// Returns a value with a space before its unit.
fn shown(value: ValueType, number: f64) -> String {
    let rounded = |number: f64| (number * 1e6).round() / 1e6;
    let text = match value {
        ValueType::Time => Ok(match number {
            1e3.. => format!("{}s", rounded(number / 1e3)),
            ..1.0 if number > 0.0 => format!("{}us", rounded(number * 1e3)),
            _ => format!("{}ms", rounded(number)),
        }),
        ValueType::Bytes => ByteCount::try_from(number.round()).map(|bytes| bytes.to_string()),
        ValueType::Share => Ok(format!("{}%", rounded(number * 100.0))),
        ValueType::Rate => {
            let units = [(1e9, "GBps"), (1e6, "MBps"), (1e3, "KBps")];
            let (size, unit) = units.into_iter().find(|(size, _)| number >= *size).unwrap_or((1.0, "Bps"));
            Ok(format!("{}{unit}", rounded(number / size)))
        }
        _ => Ok(rounded(number).to_string()),
    };
    let text = text.unwrap_or_else(|_| number.to_string());
    match text.find(|c: char| c.is_alphabetic() || c == '%') {
        Some(unit) => format!("{} {}", &text[..unit], &text[unit..]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NUMBER: ValueType = ValueType::Number("N");
    const COUNT: ValueType = ValueType::Count("N");

    fn range(value: ValueType, from: &str, to: &str, resolution: &str) -> Range {
        Range::new(value, from, to, Some(resolution)).expect("a range")
    }

    #[test]
    fn values_go_from_the_easy_to_the_hard_end() {
        for (value, (from, to, resolution), last, third, parameter) in [
            (ValueType::Time, ("0", "5s", "10ms"), 500, "30 ms", json!(30)),
            (ValueType::Time, ("1s", "0", "1ms"), 1000, "997 ms", json!(997)),
            (ValueType::Time, ("0", "1s", "300ms"), 4, "900 ms", json!(900)),
            (ValueType::Time, ("0", "5s", "500ms"), 10, "1.5 s", json!(1500)),
            (ValueType::Time, ("0", "1ms", "100us"), 10, "300 us", json!(0.3)),
            (ValueType::Share, ("0", "20%", "0.1%"), 200, "0.3 %", json!(0.003)),
            (ValueType::Rate, ("1MBps", "10KBps", "10KBps"), 99, "970 KBps", json!("970000Bps")),
            (ValueType::Bytes, ("64KiB", "0", "1KiB"), 64, "61 KiB", json!(62464)),
            (NUMBER, ("1", "3", "0.1"), 20, "1.3", json!(1.3)),
        ] {
            let range = range(value, from, to, resolution);
            assert_eq!((range.last(), &*range.shown(3)), (last, third), "{from}..{to}");
            let close = match (range.parameter(3).as_f64(), parameter.as_f64()) {
                (Some(one), Some(other)) => (one - other).abs() < 1e-9,
                _ => range.parameter(3) == parameter,
            };
            assert!(close, "{} and {parameter}", range.parameter(3));
            assert!(range.at(last) == parse(value, to).expect("a value"), "the last is the end");
        }
        for (value, (from, to), last, resolution) in [
            (ValueType::Time, ("0", "5s"), 100, "50 ms"),
            (ValueType::Bytes, ("1B", "10B"), 9, "1 B"),
            (COUNT, ("0", "3"), 3, "1"),
            (COUNT, ("250", "1"), 83, "3"),
            (NUMBER, ("3", "1"), 100, "0.02"),
        ] {
            let range = Range::new(value, from, to, None).expect("a range");
            assert_eq!((range.last(), &*range.resolution()), (last, resolution), "{from}..{to}");
        }
    }

    #[test]
    fn ranges_that_make_no_sense_are_refused() {
        for (value, from, to, resolution, problem) in [
            (ValueType::Time, "1", "5s", None, "`1` has no unit although others have"),
            (ValueType::Time, "0", "5s", Some("10"), "`10` has no unit although others have"),
            (ValueType::Time, "0", "soon", None, "\"soon\" is not a time"),
            (ValueType::Time, "5s", "5000ms", None, "both ends are the same"),
            (ValueType::Time, "0", "5s", Some("0ms"), "--resolution is too small: use at least"),
            (ValueType::Time, "0", "1s", Some("2s"), "larger than the range: use at most 1 s"),
            (ValueType::Share, "0", "200%", None, "is not a share"),
            (NUMBER, "0", "5Hz", None, "is not a number"),
            (COUNT, "0", "3", Some("0.5"), "--resolution: 0.5 is not a whole number"),
        ] {
            let error = Range::new(value, from, to, resolution).expect_err(problem).to_string();
            assert!(error.contains(problem), "{error}");
        }
    }

    #[test]
    fn a_value_has_a_place_if_it_is_tested() {
        let ascending = range(ValueType::Time, "0", "1s", "300ms");
        for (text, place) in [("0ms", 0), ("300ms", 1), ("0.9s", 3), ("1s", 4)] {
            assert_eq!(ascending.place(text).ok(), Some(place), "{text}");
        }
        let descending = range(ValueType::Rate, "1MBps", "10KBps", "10KBps");
        assert_eq!(descending.place("500KBps").ok(), Some(50));
        for (range, text, problem) in [
            (&ascending, "200ms", "200ms is not tested, because --resolution is 300 ms"),
            (&ascending, "2s", "2s is not between 0 ms and 1 s"),
            (&descending, "2MBps", "2MBps is not between 1 MBps and 10 KBps"),
        ] {
            let error = range.place(text).expect_err(text).to_string();
            assert!(error.contains(problem), "{error}");
        }
    }
}
