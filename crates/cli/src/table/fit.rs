//! Widths of columns, and lines of cells, that fit a terminal.

/// Returns a width for each column, so that their sum is at most `available`. `natural` are the widths of the
/// longest cells, and `words` the widths of the longest parts that should not be broken. Only the widest
/// columns become narrower. Words are broken only if every column is as narrow as its longest word.
pub(super) fn widths(natural: &[usize], words: &[usize], available: usize) -> Vec<usize> {
    let mut widths = natural.to_vec();
    shrink(&mut widths, words, available);
    shrink(&mut widths, &vec![1; natural.len()], available);
    widths
}

/// Makes the widest column that is wider than its minimum narrower, until the columns fit.
fn shrink(widths: &mut [usize], min: &[usize], available: usize) {
    while widths.iter().sum::<usize>() > available {
        let wide = (0..widths.len()).filter(|column| widths[*column] > min[*column]);
        let Some(widest) = wide.max_by_key(|column| widths[*column]) else { return };
        widths[widest] -= 1;
    }
}

/// Returns the width of the longest part of a text that should not be broken.
pub(super) fn longest_word(text: &str) -> usize {
    words(text).map(|word| width(word.trim_end())).max().unwrap_or(0)
}

/// Breaks a text into lines of at most `limit` characters, after spaces and commas, or within a word that is
/// longer.
pub(super) fn lines(text: &str, limit: usize) -> String {
    let mut lines = vec![String::new()];
    for word in words(text) {
        let last = lines.last().map_or(0, |line| width(line));
        if last > 0 && last + width(word.trim_end()) > limit {
            lines.push(String::new());
        }
        for c in word.chars() {
            let is_full = lines.last().is_some_and(|line| width(line) >= limit);
            // A space at the end of a line is not visible.
            if is_full && c == ' ' {
                continue;
            }
            if is_full {
                lines.push(String::new());
            }
            lines.last_mut().into_iter().for_each(|line| line.push(c));
        }
    }
    lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n")
}

/// Returns the parts of a text, each with the space or the comma after it.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive([' ', ','])
}

pub(super) fn width(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_wide_columns_become_narrower() {
        assert_eq!(widths(&[5, 20, 7], &[5, 20, 7], 100), [5, 20, 7]);
        assert_eq!(widths(&[5, 20, 7], &[5, 6, 7], 22), [5, 10, 7]);
        assert_eq!(widths(&[10, 30, 30], &[10, 15, 8], 45), [10, 18, 17]);
        assert_eq!(widths(&[5, 20, 7], &[5, 20, 7], 15), [5, 5, 5], "words are cut");
        assert_eq!(widths(&[5, 5], &[5, 5], 0), [1, 1]);
    }

    #[test]
    fn lines_end_behind_spaces_and_commas() {
        assert_eq!(lines("jitter=1000ms latency=500ms", 14), "jitter=1000ms\nlatency=500ms");
        assert_eq!(lines("stream, packet_loss_down", 16), "stream,\npacket_loss_down");
        assert_eq!(lines("a,b,c,d", 4), "a,b,\nc,d");
        assert_eq!(lines("127.0.0.1:37077", 15), "127.0.0.1:37077");
        assert_eq!(lines("127.0.0.1:37077", 10), "127.0.0.1:\n37077");
        assert_eq!(lines("", 5), "");
        assert_eq!(longest_word("jitter=1000ms latency=5ms"), 13);
        assert_eq!(longest_word("stream, a"), 7);
    }
}
