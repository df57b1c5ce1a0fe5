//! Lengths of quoted texts and comments.

use super::is_word;

/// Returns the length of a quoted text. A doubled quote is part of it.
pub(super) fn quoted(text: &[u8], quote: u8, has_escapes: bool) -> usize {
    let mut at = 1;
    while at < text.len() {
        if has_escapes && text[at] == b'\\' {
            at += 2;
        } else if text[at] == quote {
            if text.get(at + 1) != Some(&quote) {
                return at + 1;
            }
            at += 2;
        } else {
            at += 1;
        }
    }
    text.len()
}

/// Returns the length of a comment, in which others may be nested.
pub(super) fn comment(text: &[u8]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

/// Returns the length of a text between dollar signs, or 1 for a dollar sign that starts none, such as that of a parameter.
pub(super) fn dollar_quoted(text: &[u8]) -> usize {
    let Some(end) = text[1..].iter().position(|byte| *byte == b'$') else { return 1 };
    let tag = &text[..end + 2];
    let name = &tag[1..tag.len() - 1];
    if name.first().is_some_and(u8::is_ascii_digit) || !name.iter().all(|byte| is_word(*byte)) {
        return 1;
    }
    position(&text[tag.len()..], tag).map_or(text.len(), |found| 2 * tag.len() + found)
}

pub(super) fn position(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}
