//! Results of a search in words.

use proxy_cli::table::Table;
use proxy_cli::terminal::counted;

use super::confidence::{self, CONFIDENCE};
use super::range::Range;
use super::search::{Outcome, Search, Tally, Verdict};

/// Place of the easy end.
const EASY: u32 = 0;

/// Returns the result in one line, such as `passes up to 210 ms, fails from 220 ms (3 of 3)`.
pub(super) fn headline(search: &Search, outcome: Outcome, range: &Range) -> String {
    let shown = |place| range.shown(place);
    let all = |place: u32| share(search.tally(place));
    let passes = |place: u32| {
        let is_clean = search.seen().range(..=place).all(|(_, tally)| tally.failed == 0);
        format!("passes{} up to {}", if is_clean { "" } else { " in most runs" }, shown(place))
    };
    let hard = search.last();
    match outcome {
        Outcome::FailsAtEasyEnd if search.verdict(EASY) == Verdict::Fails => {
            format!("fails already at {} ({})", shown(EASY), all(EASY))
        }
        Outcome::FailsAtEasyEnd => {
            format!("fails too often to be measured: {} runs at {}", all(EASY), shown(EASY))
        }
        Outcome::PassesAtHardEnd => {
            let Tally { passed, .. } = search.tally(hard);
            let runs = search.tally(hard).runs();
            format!("{}, the end of the range ({passed} of {runs})", passes(hard))
        }
        Outcome::Found { passes: place, fails: Some(fails) } => {
            let is_clean = search.seen().range(fails..).all(|(_, tally)| tally.passed == 0);
            let most = if is_clean { "" } else { " in most runs" };
            let between = if fails - place > 1 { ", and does both between them" } else { "" };
            format!("{}, fails{most} from {} ({}){between}", passes(place), shown(fails), all(fails))
        }
        Outcome::Found { passes: place, fails: None } => {
            let end = shown(hard);
            format!("{}, fails in {} runs at {end}, the end of the range", passes(place), all(hard))
        }
        Outcome::NotMonotonic { passes: place } => {
            let fails = search.seen().keys().find(|at| **at > place);
            let fails = fails.map_or(hard, |place| *place);
            format!(
                "is not monotonic: {}, fails at {} ({}), and passes again at a harder value",
                passes(place),
                shown(fails),
                all(fails)
            )
        }
    }
}

/// Returns what else a reader must know: how sure the result is, failures that do not come from the fault, and a limit at which the
/// fault was not seen.
pub(super) fn notes(search: &Search, outcome: Outcome, range: &Range, fault: &str) -> Vec<String> {
    let mut notes = Vec::new();
    let easy = search.tally(EASY);
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    let confidence = percent(CONFIDENCE);
    if let Some((low, high)) = limit(search, outcome) {
        notes.push(format!(
            "The limit is between {} and {} with a confidence of {confidence}.",
            range.shown(low),
            range.shown(high)
        ));
    }
    if easy.failed > 0 && outcome != Outcome::FailsAtEasyEnd {
        let (low, high) = confidence::failing(easy);
        notes.push(format!(
            "The command also fails at {}, in {} runs: between {} and {} of its runs fail there with a confidence of {confidence}.",
            range.shown(EASY),
            share(easy),
            percent(low),
            percent(high)
        ));
    }
    match outcome {
        Outcome::FailsAtEasyEnd => {
            notes.push("Nothing was measured. Make the command pass at the easy end first, and check that the upstream responds.".to_owned())
        }
        Outcome::PassesAtHardEnd if easy.failed == 0 => {
            let (_, high) = confidence::failing(search.tally(search.last()));
            let end = range.shown(search.last());
            notes.push(format!(
                "At most {} of its runs fail at {end} with a confidence of {confidence}.",
                percent(high)
            ));
        }
        Outcome::PassesAtHardEnd => {
            notes.push("No value of the range makes it fail in most runs.".to_owned());
        }
        Outcome::NotMonotonic { .. } => notes.push("There is no single limit.".to_owned()),
        Outcome::Found { passes, .. } => {
            let has_acted_before = search.seen().range(..passes).any(|(_, tally)| tally.acted > 0);
            if has_acted_before && search.tally(passes).acted == 0 {
                let value = range.shown(passes);
                notes.push(format!("`{fault}` did not act in the runs at {value}, although it did at easier values."));
            }
        }
    }
    match search.seen().values().map(|tally| u64::from(tally.unrelated)).sum() {
        0 => {}
        unrelated => {
            let runs = counted(unrelated, "run");
            notes.push(format!("{runs} failed although `{fault}` did not act. Such runs do not count."));
        }
    }
    notes
}

/// Returns the places between which the limit is with the confidence of all intervals.
pub(super) fn limit(search: &Search, outcome: Outcome) -> Option<(u32, u32)> {
    match outcome {
        Outcome::Found { passes, fails } => {
            Some(confidence::limit(search.seen(), (passes, fails.unwrap_or(search.last()))))
        }
        _ => None,
    }
}

/// Returns the highest value up to which the command passes, if it was measured.
pub(super) fn passes_up_to(search: &Search, outcome: Outcome) -> Option<u32> {
    match outcome {
        Outcome::FailsAtEasyEnd => None,
        Outcome::PassesAtHardEnd => Some(search.last()),
        Outcome::Found { passes, .. } | Outcome::NotMonotonic { passes } => Some(passes),
    }
}

/// Returns the table of all values if their results are not all one or the other, or not monotonic.
pub(super) fn table(search: &Search, outcome: Outcome, range: &Range) -> Option<String> {
    let is_mixed = search.seen().values().any(|tally| tally.passed > 0 && tally.failed > 0);
    if !is_mixed && !matches!(outcome, Outcome::NotMonotonic { .. }) {
        return None;
    }
    let mut table = Table::new(["value", "passed", "failed", "fault acted"]);
    for (place, Tally { passed, failed, acted, .. }) in search.seen() {
        table.add_row([range.shown(*place), passed.to_string(), failed.to_string(), acted.to_string()]);
    }
    Some(table.for_stdout().to_string())
}

/// Returns the share of runs that failed, such as `3 of 3`.
fn share(tally: Tally) -> String {
    format!("{} of {}", tally.failed, tally.runs())
}

#[cfg(test)]
mod tests {
    use fault_proxy_engine::ValueType;

    use super::*;
    use crate::margin::search::Step;

    fn lines_with(
        mut passes: impl FnMut(u32, u32) -> bool,
        mut acts: impl FnMut(u32, u32) -> bool,
    ) -> Vec<String> {
        let range = Range::new(ValueType::Time, "0", "1s", Some("10ms")).expect("a range");
        let mut search = Search::new(range.last(), 3);
        let outcome = loop {
            match search.next() {
                Step::Run(place) => {
                    let run = search.tally(place).all_runs();
                    search.record(place, passes(place, run), acts(place, run));
                }
                Step::Done(outcome) => break outcome,
                Step::Unrelated(place) => panic!("unrelated at {place}"),
            }
        };
        let mut lines = vec![headline(&search, outcome, &range)];
        lines.extend(notes(&search, outcome, &range, "latency"));
        lines
    }

    fn lines(passes: impl FnMut(u32, u32) -> bool) -> Vec<String> {
        lines_with(passes, |_, _| true)
    }

    #[test]
    fn each_outcome_has_its_words() {
        let fifth = |run: u32| run % 5 == 4;
        let below = |place: u32, _: u32| place < 22;
        let cases: [(Vec<String>, &[&str]); 9] = [
            (
                lines(|place, _| place < 22),
                &[
                    "passes up to 210 ms, fails from 220 ms (3 of 3)",
                    "The limit is between 210 ms and 220 ms with a confidence of 95 %.",
                ],
            ),
            (lines(|_, _| false), &["fails already at 0 ms (3 of 3)", "Nothing was measured."]),
            (
                lines(|_, run| run % 2 == 0),
                &["fails too often to be measured: 7 of 15 runs at 0 ms", "Nothing was measured."],
            ),
            (
                lines(|_, _| true),
                &[
                    "passes up to 1 s, the end of the range (15 of 15)",
                    "At most 20 % of its runs fail at 1 s",
                ],
            ),
            (
                lines(|_, run| !fifth(run)),
                &[
                    "passes in most runs up to 1 s, the end of the range (12 of 15)",
                    "The command also fails at 0 ms, in 3 of 15 runs: between 7 % and 45 % of its runs fail there",
                    "No value of the range makes it fail in most runs.",
                ],
            ),
            (
                lines(|place, run| place < 22 && !(place > 5 && run == 1)),
                &["passes in most runs up to 210 ms, fails from 220 ms (3 of 3)", "The limit is between"],
            ),
            (
                lines_with(|place, run| place < 22 && !(place == 12 && run == 0), |place, _| place != 12),
                &[
                    "passes up to 210 ms, fails from 220 ms (3 of 3)",
                    "The limit is between",
                    "1 run failed although `latency` did not act. Such runs do not count.",
                ],
            ),
            (
                lines_with(below, |place, _| place != 21),
                &[
                    "passes up to 210 ms, fails from 220 ms (3 of 3)",
                    "The limit is between",
                    "`latency` did not act in the runs at 210 ms, although it did at easier values.",
                ],
            ),
            (
                lines(|place, _| place < 22 || place == 75),
                &["is not monotonic: passes up to", "There is no single limit."],
            ),
        ];
        for (lines, expected) in cases {
            for (index, start) in expected.iter().enumerate() {
                assert!(lines.get(index).is_some_and(|line| line.starts_with(start)), "{start}: {lines:#?}");
            }
            assert_eq!(lines.len(), expected.len(), "{lines:#?}");
        }
    }
}
