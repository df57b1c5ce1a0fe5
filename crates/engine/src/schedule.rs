//! Schedules: the times at which a fault is on.
//!
//! | module | what it is |
//! |---|---|
//! | `time` | a time as written: a number and a unit, or a percentage of the run |
//! | `parse` | the pest grammar, and the conversion of its pairs to periods |
//! | `error` | what is wrong with a schedule, where, and how to fix it |
//! | `windows` | a resolved schedule: the instants at which the fault is switched on or off |
//!
//! The grammar, in pest's notation:
//!
//! ```text
#![doc = include_str!("schedule/grammar.pest")]
//! ```

mod error;
mod parse;
mod time;
mod windows;

use std::time::Duration;

pub use error::ScheduleError;
pub use parse::ParseMode;
pub use windows::Windows;

use error::Problem;
use parse::Period;
use time::Time;

/// Periods in which a fault is on, as written. Times may be percentages of the run.
///
/// Two schedules are equal if their periods are equal. [`Display`](std::fmt::Display) writes all periods with
/// their start, so that the output parses to an equal schedule in either [`ParseMode`].
#[derive(Debug, Clone)]
pub struct Schedule {
    text: String,
    periods: Vec<Period>,
    merged: bool,
}

impl Schedule {
    /// Reads `period *(";" period)`. A period is `start:TIME`, `duration:TIME` or `start:TIME,duration:TIME`.
    ///
    /// # Errors
    ///
    /// Returns an error if the text does not match the grammar, a time is out of range, or a window has no
    /// length.
    pub fn parse(text: &str, reading: ParseMode) -> Result<Self, ScheduleError> {
        let (periods, joined) = parse::periods(text, reading)?;
        Ok(Self { text: text.to_owned(), periods, merged: joined })
    }

    /// Returns true if lenient parsing joined a separate start and a separate duration into one window.
    pub fn merged_periods(&self) -> bool {
        self.merged
    }

    /// Returns the windows in a run of `duration`, or in an unlimited run if it is `None`.
    ///
    /// Windows may overlap and may extend beyond the end of the run. Windows without length, which result
    /// from a percentage of a very short run, are left out.
    ///
    /// # Errors
    ///
    /// Returns an error if a time is a percentage and `duration` is `None`.
    pub fn resolve(&self, duration: Option<Duration>) -> Result<Windows, ScheduleError> {
        let resolve = |time: Time| time.of(duration).ok_or_else(|| self.percent_without_duration());
        let mut windows = Vec::with_capacity(self.periods.len());
        for period in &self.periods {
            let start = resolve(period.start)?;
            let length = period.duration.map(resolve).transpose()?;
            windows.push((start, length.map(|length| start.saturating_add(length))));
        }
        Ok(Windows::union(windows))
    }

    /// Returns the error that points to the first percentage.
    fn percent_without_duration(&self) -> ScheduleError {
        let sign = self.text.find('%').expect("a percentage was read from the text");
        let number = self.text[..sign].trim_end();
        let start = number.trim_end_matches(|digit: char| digit.is_ascii_digit()).len();
        ScheduleError::new(&self.text, Problem::PercentWithoutDuration, start..sign + 1)
    }
}

#[cfg(test)]
mod tests;
