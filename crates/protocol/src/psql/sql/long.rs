//! Kinds of a text that arrives in pieces and is not kept.

use memchr::{memchr, memchr2};

use super::{Kinds, MAX_VERB, Statement, is_word, plain};

/// Longest tag of a text between dollar signs, with these.
const MAX_TAG: usize = 128;

/// Scans a text in pieces of any size, with the results of [`scan`](super::scan).
#[derive(Debug, Default)]
pub(in crate::psql) struct LongScanner {
    kinds: Kinds,
    statement: Statement,
    token: Token,
    /// The last two bytes.
    last: [u8; 2],
    /// The word that is read, as far as verbs are long, or the tag of a text between dollar signs.
    text: Vec<u8>,
}

/// The token that is read.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Token {
    #[default]
    None,
    Word,
    Quoted {
        quote: u8,
        has_escapes: bool,
    },
    /// The next byte of a quoted text has no meaning.
    Escape,
    /// The quoted text ends, unless the quote is doubled.
    QuoteEnd {
        quote: u8,
        has_escapes: bool,
    },
    /// A minus sign, which may begin a comment.
    Minus,
    /// A slash, which may begin a comment.
    Slash,
    LineComment,
    /// A comment at this depth, and its last byte.
    Comment {
        depth: u32,
        last: u8,
    },
    /// A dollar sign, and the tag behind it.
    Tag,
    /// A text between dollar signs, and the number of bytes of its tag that have been read.
    Dollar {
        matched: usize,
    },
}

impl LongScanner {
    pub(in crate::psql) fn read(&mut self, mut text: &[u8]) {
        while let Some(&first) = text.first() {
            let skipped = self.skip(text);
            let read = if skipped == 0 {
                self.push(first);
                1
            } else {
                skipped
            };
            self.last = match text[..read] {
                [.., before, last] => [before, last],
                [last] => [self.last[1], last],
                [] => self.last,
            };
            text = &text[read..];
        }
    }

    /// Returns the kinds that further bytes do not change.
    pub(in crate::psql) fn known(&self) -> Kinds {
        self.kinds.and(self.statement.known_kind())
    }

    /// Returns the kinds of the statements of a text that ends here.
    pub(in crate::psql) fn finish(mut self) -> Kinds {
        match self.token {
            Token::Word => self.end_word(),
            Token::Tag => self.end_tag(),
            _ => {}
        }
        self.kinds = self.kinds.and(self.statement.kind);
        if self.kinds == Kinds::default() { Kinds::OTHER } else { self.kinds }
    }

    /// Returns the number of bytes at the beginning that change nothing.
    fn skip(&self, text: &[u8]) -> usize {
        let found = match self.token {
            Token::None if self.statement.is_decided() => return plain(text),
            Token::Quoted { quote, has_escapes } => {
                memchr2(quote, if has_escapes { b'\\' } else { quote }, text)
            }
            Token::LineComment => memchr(b'\n', text),
            Token::Comment { last, .. } if !matches!(last, b'/' | b'*') => memchr2(b'/', b'*', text),
            Token::Dollar { matched: 0 } => memchr(b'$', text),
            _ => return 0,
        };
        found.unwrap_or(text.len())
    }

    fn push(&mut self, byte: u8) {
        let escaped = Token::Quoted { quote: b'\'', has_escapes: true };
        self.token = match self.token {
            Token::None => return self.begin(byte),
            Token::Word if is_word(byte) || byte == b'$' => {
                self.push_word(byte);
                Token::Word
            }
            Token::Word => {
                self.end_word();
                return self.begin(byte);
            }
            Token::Quoted { quote, has_escapes } if byte == quote => Token::QuoteEnd { quote, has_escapes },
            Token::Quoted { has_escapes: true, .. } if byte == b'\\' => Token::Escape,
            Token::Escape => escaped,
            Token::QuoteEnd { quote, has_escapes } if byte == quote => Token::Quoted { quote, has_escapes },
            Token::Minus if byte == b'-' => Token::LineComment,
            Token::Slash if byte == b'*' => Token::Comment { depth: 1, last: 0 },
            Token::QuoteEnd { .. } | Token::Minus | Token::Slash => return self.begin(byte),
            Token::LineComment if byte == b'\n' => Token::None,
            Token::Comment { depth, last } => match (last, byte) {
                (b'/', b'*') => Token::Comment { depth: depth + 1, last: 0 },
                (b'*', b'/') if depth == 1 => Token::None,
                (b'*', b'/') => Token::Comment { depth: depth - 1, last: 0 },
                _ => Token::Comment { depth, last: byte },
            },
            Token::Tag => return self.push_tag(byte),
            Token::Dollar { matched } => match (self.text.get(matched), matched + 1 == self.text.len()) {
                (Some(expected), true) if *expected == byte => Token::None,
                (Some(expected), false) if *expected == byte => Token::Dollar { matched: matched + 1 },
                // A tag has no dollar sign but its first and last byte.
                _ => Token::Dollar { matched: usize::from(byte == b'$') },
            },
            same @ (Token::Quoted { .. } | Token::LineComment) => same,
        };
    }

    /// Begins a token.
    fn begin(&mut self, byte: u8) {
        self.token = Token::None;
        match byte {
            b'\'' => self.token = Token::Quoted { quote: byte, has_escapes: self.begins_escapes() },
            b'"' => self.token = Token::Quoted { quote: byte, has_escapes: false },
            b'-' => self.token = Token::Minus,
            b'/' => self.token = Token::Slash,
            b'$' => {
                self.text.clear();
                self.text.push(byte);
                // It can be part of a name, the rest of which follows.
                self.token = if is_word(self.last[1]) { Token::Word } else { Token::Tag };
            }
            b';' if self.statement.blocks == 0 => {
                let ended = std::mem::take(&mut self.statement);
                self.kinds = self.kinds.and(ended.kind);
            }
            b'(' => self.statement.depth += 1,
            b')' => self.statement.depth = self.statement.depth.saturating_sub(1),
            _ if is_word(byte) => {
                self.text.clear();
                self.push_word(byte);
                self.token = Token::Word;
            }
            _ => {}
        }
    }

    fn begins_escapes(&self) -> bool {
        self.last[1].eq_ignore_ascii_case(&b'e') && !is_word(self.last[0])
    }

    fn push_word(&mut self, byte: u8) {
        // A longer word is not a verb.
        if self.text.len() <= MAX_VERB {
            self.text.push(byte);
        }
    }

    fn end_word(&mut self) {
        if !self.statement.is_decided() {
            self.statement.word(&self.text);
        }
    }

    fn push_tag(&mut self, byte: u8) {
        let is_first = self.text.len() == 1;
        if byte == b'$' {
            self.text.push(byte);
            self.token = Token::Dollar { matched: 0 };
        } else if is_word(byte) && !(is_first && byte.is_ascii_digit()) && self.text.len() < MAX_TAG {
            self.text.push(byte);
        } else if is_first {
            self.begin(byte);
        } else {
            // It was a word.
            self.end_tag();
            self.begin(byte);
        }
    }

    fn end_tag(&mut self) {
        self.text.remove(0);
        if !self.text.is_empty() {
            self.text.truncate(MAX_VERB + 1);
            self.end_word();
        }
    }
}
