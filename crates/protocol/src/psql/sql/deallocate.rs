//! Names in DEALLOCATE.

use super::lexical::quoted;
use super::{is_word, name_length};

/// Calls `then` with the name in each of the DEALLOCATE statements that a text begins with.
pub(in super::super) fn deallocated(mut text: &[u8], mut then: impl FnMut(&[u8])) {
    while let Some(rest) = behind_word(text, b"deallocate") {
        let Some((name, rest)) = name(behind_word(rest, b"prepare").unwrap_or(rest)) else { return };
        then(&name);
        let Some(next) = rest.trim_ascii_start().strip_prefix(b";") else { return };
        text = next;
    }
}

/// Returns what follows this word, if the text begins with it.
fn behind_word<'a>(text: &'a [u8], word: &[u8]) -> Option<&'a [u8]> {
    let (first, rest) = text.trim_ascii_start().split_at_checked(word.len())?;
    (first.eq_ignore_ascii_case(word) && !rest.first().copied().is_some_and(is_word)).then_some(rest)
}

/// Returns the name that the text begins with, as the server has it, and what follows it.
fn name(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let text = text.trim_ascii_start();
    if text.starts_with(b"\"") {
        let (name, rest) = text.split_at(quoted(text, b'"', false));
        let name = name[1..].strip_suffix(b"\"")?;
        let (mut bytes, mut unquoted) = (name.iter(), Vec::with_capacity(name.len()));
        while let Some(&byte) = bytes.next() {
            unquoted.push(byte);
            if byte == b'"' {
                // The second one of two, which stand for one.
                bytes.next();
            }
        }
        return Some((unquoted, rest));
    }
    let length = name_length(text);
    let (name, rest) = text.split_at(length);
    (length > 0).then(|| (name.to_ascii_lowercase(), rest))
}
