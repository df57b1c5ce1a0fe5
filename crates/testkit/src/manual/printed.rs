//! Compares the output that a page shows with the actual output.

use super::page::ANYTHING;

/// Returns the smallest number of printed lines that match, or `None`. If `whole` is true, all of them must
/// match.
pub(super) fn matched<S: AsRef<str>>(shown: &[S], printed: &[String], whole: bool) -> Option<usize> {
    let Some((first, rest)) = shown.split_first() else {
        return (!whole || printed.is_empty()).then_some(0);
    };
    if first.as_ref() == ANYTHING {
        let mut skipped = 0..=printed.len();
        return skipped.find_map(|skipped| Some(skipped + matched(rest, &printed[skipped..], whole)?));
    }
    if is_rule(first.as_ref()) {
        return matched(rest, printed, whole);
    }
    let (line, others) = printed.split_first()?;
    same(&plain(first.as_ref()), &plain(line)).then_some(())?;
    Some(1 + matched(rest, others, whole)?)
}

/// Normalizes white space, because a pipe gets tabs instead of columns.
fn plain(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns true if a line is the rule below the header of a table, which only a terminal gets.
fn is_rule(line: &str) -> bool {
    !line.is_empty() && line.chars().all(|c| c == '─')
}

/// Returns true if `line` matches `shown`, in which `…` stands for any text, or makes the number before it a
/// lower bound.
fn same(shown: &str, line: &str) -> bool {
    let Some((before, after)) = shown.split_once(ANYTHING) else { return shown == line };
    let text = before.trim_end_matches(of_number);
    match (line.strip_prefix(text), before[text.len()..].parse::<f64>()) {
        (Some(rest), Ok(least)) => {
            let (number, rest) = rest.split_at(rest.find(|c| !of_number(c)).unwrap_or(rest.len()));
            number.parse::<f64>().is_ok_and(|number| number >= least) && same(after, rest)
        }
        _ => line.strip_prefix(before).is_some_and(|rest| {
            let mut ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
            ends.any(|at| same(after, &rest[at..]))
        }),
    }
}

fn of_number(c: char) -> bool {
    c.is_ascii_digit() || c == '.'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn lines_are_compared_exactly_but_for_what_is_left_out() {
        assert!(same("a … c", "a b c") && same("…c", "c") && same("…", ""));
        assert!(!same("a … c", "a b d") && !same("a", "ab"));
        assert!(same("real 0m0.3…s", "real 0m0.412s") && same("real 0m0.3…s", "real 0m12s"));
        assert!(!same("real 0m0.3…s", "real 0m0.299s") && !same("3… bytes", "many bytes"));
        assert_eq!(plain("a \t b  "), plain("a b"));
        assert_eq!(matched(&["a  b", "────", "1  2"], &lines("a\tb\n1\t2"), true), Some(2));
    }

    #[test]
    fn lines_may_be_left_out() {
        let printed = lines("a\nb\nc\nd");
        assert_eq!(matched(&["…", "c"], &printed, false), Some(3));
        assert_eq!(matched(&["…", "c"], &printed, true), None);
        assert_eq!(matched(&["a", "…", "d"], &printed, true), Some(4));
        assert_eq!(matched(&["b"], &printed, false), None);
    }
}
