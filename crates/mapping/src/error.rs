use std::ops::Range;

use crate::kind::ErrorKind;
use crate::snippet::{printable, snippet};

/// Error of a text that is not a mapping: what is wrong, where, and what was probably meant.
///
/// Its display is several lines: the message, the input with carets under the span, and a hint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}\n{}\nhint: {}", snippet(.input, .span), self.hint())]
pub struct ParseError {
    kind: ErrorKind,
    span: Range<usize>,
    input: String,
    suggestion: Option<String>,
}

impl ParseError {
    pub(crate) fn new(input: &str, refusal: Refusal, suggestion: Option<String>) -> Self {
        Self { kind: refusal.kind, span: refusal.span, input: input.to_owned(), suggestion }
    }

    /// Returns what is wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns where the text is wrong, as byte offsets into [`input`](Self::input) on character boundaries.
    ///
    /// The range is empty where something is missing.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Returns the text that was refused.
    pub fn input(&self) -> &str {
        &self.input
    }

    /// Returns the mapping that was probably meant, with `HOST` and `PORT` in place of values that only the user knows.
    pub fn suggestion(&self) -> Option<&str> {
        self.suggestion.as_deref()
    }

    /// Returns what is wrong and how to correct it in one line, for messages that show the input themselves.
    pub fn in_one_line(&self) -> String {
        format!("{}; {}", self.kind, self.hint())
    }

    /// Returns how to correct the text in one line, with the suggestion if there is one.
    pub fn hint(&self) -> String {
        let hint = self.kind.hint();
        match &self.suggestion {
            Some(suggestion) => format!("{hint}: {}", printable(suggestion)),
            None => hint.to_owned(),
        }
    }
}

/// An error without its input, as the parts of the parser return it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) kind: ErrorKind,
    pub(crate) span: Range<usize>,
}

impl Refusal {
    pub(crate) fn new(kind: ErrorKind, span: Range<usize>) -> Self {
        Self { kind, span }
    }

    /// Moves the span into a text in which the refused text starts at `offset`.
    pub(crate) fn at(self, offset: usize) -> Self {
        Self { kind: self.kind, span: self.span.start + offset..self.span.end + offset }
    }
}
