use std::ops::Range;

use pest::Parser as _;
use pest::error::{ErrorVariant, InputLocation};
use pest::iterators::Pair;

use super::error::{Problem, ScheduleError};
use super::time::Time;

#[derive(pest_derive::Parser)]
#[grammar = "schedule/grammar.pest"]
struct Grammar;

/// Meaning of a separate start that is followed by a separate duration, as in `start:30s;duration:3m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ParseMode {
    /// One window with this start and this duration, which is what most users who write this mean.
    #[default]
    Lenient,
    /// Two windows, as in the grammar: from the start to the end of the run, and from 0 for the duration.
    Strict,
}

/// A period of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Period {
    pub(super) start: Time,
    /// `None` for a period that lasts to the end of the run.
    pub(super) duration: Option<Time>,
}

/// Returns the periods, and whether two of them were merged.
pub(super) fn periods(text: &str, reading: ParseMode) -> Result<(Vec<Period>, bool), ScheduleError> {
    let mut schedule = Grammar::parse(Rule::schedule, text).map_err(|error| refusal(text, error))?;
    let mut periods: Vec<Period> = Vec::new();
    let (mut after_lone_start, mut joined) = (false, false);
    for pair in schedule.next().expect("a match has one schedule").into_inner() {
        if pair.as_rule() == Rule::EOI {
            break;
        }
        let (start, duration) = clauses(text, pair)?;
        match (periods.last_mut(), start, duration) {
            (Some(last), None, Some(_)) if after_lone_start && reading == ParseMode::Lenient => {
                last.duration = duration;
                joined = true;
            }
            _ => periods.push(Period { start: start.unwrap_or(Time::ZERO), duration }),
        }
        after_lone_start = duration.is_none();
    }
    Ok((periods, joined))
}

/// Returns the start and the duration of a period.
fn clauses(text: &str, period: Pair<'_, Rule>) -> Result<(Option<Time>, Option<Time>), ScheduleError> {
    let (mut start, mut duration) = (None, None);
    for clause in period.into_inner() {
        let rule = clause.as_rule();
        let pair = clause.into_inner().find(|part| part.as_rule() == Rule::time);
        let pair = pair.expect("a clause has a time");
        let span = pair.as_span().start()..pair.as_span().end();
        let mut parts = pair.into_inner();
        let mut part = || parts.next().expect("a time has a number and a unit").as_str();
        let time = Time::from_parts(part(), part())
            .map_err(|problem| ScheduleError::new(text, problem, span.clone()))?;
        if rule == Rule::start {
            start = Some(time);
        } else if time.is_zero() {
            return Err(ScheduleError::new(text, Problem::EmptyWindow, span));
        } else {
            duration = Some(time);
        }
    }
    Ok((start, duration))
}

/// Returns an error that states what the grammar expected and what it found.
fn refusal(text: &str, error: pest::error::Error<Rule>) -> ScheduleError {
    let (InputLocation::Pos(at) | InputLocation::Span((at, _))) = error.location;
    let expected = match error.variant {
        ErrorVariant::ParsingError { positives, .. } => positives,
        ErrorVariant::CustomError { .. } => Vec::new(),
    };
    let expects = |rule| expected.contains(&rule);
    let word = word_at(text, at);
    let before = text[..at].trim_end();
    let number = before.trim_end_matches(|digit: char| digit.is_ascii_digit()).len();

    let (problem, span) = if text.trim().is_empty() {
        (Problem::Empty, 0..text.len())
    } else if expects(Rule::unit) && text[word.clone()].starts_with('.') {
        (Problem::NotWhole, number..word.end)
    } else if expects(Rule::unit) && word.is_empty() {
        (Problem::MissingUnit, number..before.len())
    } else if expects(Rule::unit) {
        (Problem::UnknownUnit, word)
    } else if expects(Rule::number) {
        (Problem::NotWhole, word)
    } else if expects(Rule::colon) {
        (Problem::MissingColon, before.len()..before.len())
    } else if expects(Rule::period) || expects(Rule::duration_word) {
        let problem = match text[word.clone()].to_ascii_lowercase().as_str() {
            "" => Problem::MissingClause,
            found if expects(Rule::period) || found == "duration" => Problem::UnknownWord,
            _ => Problem::NoDurationAfterComma,
        };
        (problem, word)
    } else if text[at..].starts_with(',') {
        (Problem::CommaAfterDuration, at..at + 1)
    } else {
        (Problem::NoSeparator, word)
    };
    ScheduleError::new(text, problem, span)
}

/// Returns the range of the word at `at`, which ends at white space, `,`, `;` or `:`.
fn word_at(text: &str, at: usize) -> Range<usize> {
    let rest = &text[at..];
    let end = rest.find(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | ':')).unwrap_or(rest.len());
    at..at + end
}
