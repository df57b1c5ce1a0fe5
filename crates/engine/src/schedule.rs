//! When a fault is on.
//!
//! | module | what it is |
//! |---|---|
//! | `time` | a time as it is written: a number and a unit, or a percentage of the run |
//! | `parse` | the pest grammar, and from its pairs to periods |
//! | `error` | what is wrong with a schedule, where, and the way out |
//! | `windows` | a schedule resolved: the instants at which the fault changes |
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

/// The periods in which a fault is on, as they were written: some may be percentages of the run.
///
/// Two schedules are equal if their periods are. [`Display`](std::fmt::Display) writes all periods with their
/// start, so that what it writes parses to an equal schedule in either [`ParseMode`].
#[derive(Debug, Clone)]
pub struct Schedule {
    text: String,
    periods: Vec<Period>,
    merged: bool,
}

impl Schedule {
    /// Reads `period *(";" period)`, a period being `start:TIME`, `duration:TIME` or `start:TIME,duration:TIME`.
    ///
    /// # Errors
    ///
    /// The text does not match the grammar, a time is out of range, or a window has no length.
    pub fn parse(text: &str, reading: ParseMode) -> Result<Self, ScheduleError> {
        let (periods, joined) = parse::periods(text, reading)?;
        Ok(Self { text: text.to_owned(), periods, merged: joined })
    }

    /// Returns true if lenient parsing joined a separate start and a separate duration into one window.
    pub fn merged_periods(&self) -> bool {
        self.merged
    }

    /// The windows in a run of `duration`; without one, the run has no end.
    ///
    /// Windows may overlap and may go beyond the end of the run. One that a percentage of a very short run
    /// leaves without length is left out.
    ///
    /// # Errors
    ///
    /// A time is a percentage and there is no `duration`.
    pub fn resolve(&self, duration: Option<Duration>) -> Result<Windows, ScheduleError> {
        let resolve = |time: Time| time.of(duration).ok_or_else(|| self.share_of_nothing());
        let mut windows = Vec::with_capacity(self.periods.len());
        for period in &self.periods {
            let start = resolve(period.start)?;
            let length = period.duration.map(resolve).transpose()?;
            windows.push((start, length.map(|length| start.saturating_add(length))));
        }
        Ok(Windows::union(windows))
    }

    /// The error that points at the first percentage.
    fn share_of_nothing(&self) -> ScheduleError {
        let sign = self.text.find('%').expect("a percentage was read from the text");
        let number = self.text[..sign].trim_end();
        let start = number.trim_end_matches(|digit: char| digit.is_ascii_digit()).len();
        ScheduleError::new(&self.text, Problem::ShareOfNothing, start..sign + 1)
    }
}

#[cfg(test)]
mod tests;
