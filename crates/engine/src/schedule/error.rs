use std::ops::Range;

use unicode_width::UnicodeWidthStr;

/// Longest time in weeks: 2^64 ms.
const MAX_WEEKS: u64 = u64::MAX / 604_800_000;

/// Error for a text that is not a schedule, or for a schedule that cannot be resolved.
///
/// It displays as four lines: the message, the input, carets below the place, and a hint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}\n{}\nhint: {}", self.place(), self.problem.hint(self.found()))]
pub struct ScheduleError {
    problem: Problem,
    /// Byte offsets into the input. The range is empty if something is missing there.
    span: Range<usize>,
    input: String,
}

impl ScheduleError {
    pub(super) fn new(input: &str, problem: Problem, span: Range<usize>) -> Self {
        Self { problem, span, input: input.to_owned() }
    }

    fn found(&self) -> &str {
        &self.input[self.span.clone()]
    }

    /// Returns the input with carets below the place. Characters that a terminal does not show are escaped.
    fn place(&self) -> String {
        let shown = |text: &str| text.escape_debug().to_string();
        let before = " ".repeat(shown(&self.input[..self.span.start]).width());
        let carets = "^".repeat(shown(self.found()).width().max(1));
        format!("  {}\n  {before}{carets}", shown(&self.input))
    }
}

/// Problem of a schedule. It displays as the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Problem {
    #[error("the schedule is empty")]
    Empty,
    #[error("a period or a duration is missing")]
    MissingClause,
    #[error("unknown word: expected `start` or `duration`")]
    UnknownWord,
    #[error("no duration after the comma")]
    NoDurationAfterComma,
    #[error("a comma after a duration")]
    CommaAfterDuration,
    #[error("no comma or semicolon after a time")]
    NoSeparator,
    #[error("missing colon")]
    MissingColon,
    #[error("not a whole number")]
    NotWhole,
    #[error("missing unit")]
    MissingUnit,
    #[error("unknown unit")]
    UnknownUnit,
    #[error("the time is too long")]
    TooLong,
    #[error("more than 100%")]
    PercentTooHigh,
    #[error("the window has no length")]
    EmptyWindow,
    #[error("a percentage without --duration")]
    PercentWithoutDuration,
}

impl Problem {
    /// Returns how to fix the problem. `found` is the text above the carets.
    fn hint(self, found: &str) -> String {
        let lower = found.to_ascii_lowercase();
        let hint = match self {
            Self::Empty => "omit the schedule to keep the fault on, or use one such as start:30s,duration:1m",
            Self::MissingClause => "remove this comma or semicolon",
            Self::UnknownWord if ["start", "duration"].contains(&&*lower) => {
                return format!("words are in lower case: {lower}");
            }
            Self::UnknownWord => "a period is `start:TIME`, `duration:TIME` or `start:TIME,duration:TIME`",
            Self::NoDurationAfterComma => {
                "a period is start:TIME,duration:TIME; separate periods with a semicolon"
            }
            Self::CommaAfterDuration => {
                "a period is start:TIME,duration:TIME, in this order; separate periods with a semicolon"
            }
            Self::NoSeparator => {
                "separate a start from its duration with a comma, and periods with a semicolon"
            }
            Self::MissingColon => "put a colon before the time, as in start:30s",
            Self::NotWhole => "a time is a whole number and a unit, as in 30s, 1500ms or 50%",
            Self::MissingUnit => {
                let units = ["s", "ms", "m", "h", "d", "w"].map(|unit| format!("{found}{unit}")).join(", ");
                return format!("write {units}, or {found}% of --duration");
            }
            Self::UnknownUnit if ["ms", "s", "m", "h", "d", "w"].contains(&&*lower) => {
                return format!("units are in lower case: {lower}");
            }
            Self::UnknownUnit => {
                "a time has one unit: ms, s, m (minutes), h, d, w, or % of --duration; 90m is 1h and 30m"
            }
            Self::TooLong => return format!("the longest time is {MAX_WEEKS}w"),
            Self::PercentTooHigh => "a percentage refers to --duration and must be 0% to 100%",
            Self::EmptyWindow => "use a longer duration, or omit it to stay on until the end",
            Self::PercentWithoutDuration => {
                "percentages refer to --duration: set it, or use a time such as 30s"
            }
        };
        hint.to_owned()
    }
}
