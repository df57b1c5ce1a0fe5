//! Kinds of SQL statements.
//!
//! The lexical rules are those of the PostgreSQL documentation, "Lexical Structure": quotes, dollar quotes and nested comments.

mod deallocate;
mod lexical;
mod long;
#[cfg(test)]
mod tests;

pub(super) use self::deallocate::deallocated;
use self::lexical::{comment, dollar_quoted, position, quoted};
pub(super) use self::long::LongScanner;
use crate::key::KEPT_CAPACITY;

/// Kinds of statements, as a set.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kinds(u16);

/// Names of the kinds, in the order of their bits.
pub(crate) const NAMES: [&str; 10] =
    ["begin", "commit", "rollback", "select", "insert", "update", "delete", "ddl", "copy", "other"];

impl Kinds {
    const BEGIN: Self = Self(1);
    const COMMIT: Self = Self(1 << 1);
    const ROLLBACK: Self = Self(1 << 2);
    const SELECT: Self = Self(1 << 3);
    const INSERT: Self = Self(1 << 4);
    const UPDATE: Self = Self(1 << 5);
    const DELETE: Self = Self(1 << 6);
    const DDL: Self = Self(1 << 7);
    const COPY: Self = Self(1 << 8);
    pub(super) const OTHER: Self = Self(1 << 9);

    /// Returns these kinds and another one.
    fn and(self, kind: Option<Self>) -> Self {
        Self(self.0 | kind.map_or(0, |kind| kind.0))
    }

    /// Returns the kinds that are not among these others.
    pub(super) fn without(self, others: Self) -> Option<Self> {
        let rest = self.0 & !others.0;
        (rest != 0).then_some(Self(rest))
    }

    /// Calls `then` with the names of the kinds.
    pub(super) fn with_names<T>(self, then: impl FnOnce(&[&str]) -> T) -> T {
        let first = self.0.trailing_zeros() as usize;
        if self.0.is_power_of_two() {
            return then(&NAMES[first..=first]);
        }
        let mut names = [""; NAMES.len()];
        let mut count = 0;
        for (bit, name) in NAMES.into_iter().enumerate().skip(first) {
            if self.0 & (1 << bit) != 0 {
                names[count] = name;
                count += 1;
            }
        }
        then(&names[..count])
    }
}

/// Length of the longest known verb.
const MAX_VERB: usize = 8;

/// Number of bytes that are compared together, and the one after them.
const BLOCK: usize = 17;

/// Returns the kinds of the statements of a text, and the text with each run of white space as one space. Uses `scratch` if it
/// differs from the text.
pub(super) fn scan<'a>(text: &'a [u8], scratch: &'a mut Vec<u8>) -> (Kinds, &'a [u8]) {
    scratch.clear();
    scratch.shrink_to(KEPT_CAPACITY);
    let mut scanner = Scanner { text, at: 0, kinds: Kinds::default(), statement: Statement::default() };
    // Begin of the text that is not in `scratch`. It is copied in long pieces.
    let mut copied = 0;
    while scanner.at < text.len() {
        let begin = scanner.at;
        if !text[begin].is_ascii_whitespace() {
            scanner.skip_token();
            continue;
        }
        scanner.skip_space();
        let is_at_edge = begin == 0 || scanner.at == text.len();
        if is_at_edge || text[begin..scanner.at] != b" "[..] {
            scratch.extend_from_slice(&text[copied..begin]);
            copied = scanner.at;
            if !is_at_edge {
                scratch.push(b' ');
            }
        }
    }
    scanner.end_statement();
    let kinds = if scanner.kinds == Kinds::default() { Kinds::OTHER } else { scanner.kinds };
    if copied == 0 {
        return (kinds, text);
    }
    scratch.extend_from_slice(&text[copied..]);
    (kinds, scratch)
}

/// State of the statement that is scanned.
#[derive(Debug, Default)]
struct Statement {
    /// Number of words so far, at most 3.
    words: u8,
    depth: u32,
    kind: Option<Kinds>,
    /// After WITH: the verb of the statement itself is still to come.
    seeks_verb: bool,
    /// The last word is BEGIN.
    after_begin: bool,
    /// Number of open blocks in the body of a function: BEGIN ATOMIC and CASE, up to END.
    blocks: u32,
}

impl Statement {
    /// Returns true if further words do not change the kind.
    fn is_decided(&self) -> bool {
        match self.kind {
            None => false,
            Some(Kinds::ROLLBACK | Kinds::COMMIT) => self.words >= 3,
            // It may create a function whose body has statements.
            Some(Kinds::DDL) => false,
            Some(_) => !self.seeks_verb,
        }
    }

    /// Returns the kind if further words do not change it.
    fn known_kind(&self) -> Option<Kinds> {
        match self.kind {
            Some(Kinds::DDL) => self.kind,
            _ if self.is_decided() => self.kind,
            _ => None,
        }
    }

    fn word(&mut self, word: &[u8]) {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        self.words = (self.words + 1).min(3);
        if self.words == 1 {
            self.seeks_verb = is("with");
            self.kind = Some(kind_of_verb(word));
        } else if self.words == 2 {
            // ROLLBACK TO SAVEPOINT ends no transaction, and the end of a prepared transaction is that of another session.
            let ends = matches!(self.kind, Some(Kinds::ROLLBACK | Kinds::COMMIT));
            if ends && (is("to") || is("prepared")) {
                self.kind = Some(Kinds::OTHER);
            }
        } else if self.kind == Some(Kinds::ROLLBACK) && is("to") {
            self.kind = Some(Kinds::OTHER);
        }
        if self.kind == Some(Kinds::DDL) {
            self.word_of_ddl(word);
            return;
        }
        if self.seeks_verb && self.words > 1 && self.depth == 0 {
            let kind = kind_of_verb(word);
            if matches!(kind, Kinds::SELECT | Kinds::INSERT | Kinds::UPDATE | Kinds::DELETE) {
                self.kind = Some(kind);
                self.seeks_verb = false;
            }
        }
    }

    /// Opens and closes blocks of the body of a function.
    fn word_of_ddl(&mut self, word: &[u8]) {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        let is_open = self.blocks > 0;
        if (self.after_begin && is("atomic")) || (is_open && is("case")) {
            self.blocks += 1;
        } else if is_open && is("end") {
            self.blocks -= 1;
        }
        self.after_begin = is("begin");
    }
}

/// Returns true for bytes that can have a meaning once the kind of a statement is decided.
fn is_special(byte: u8) -> bool {
    (byte <= b' ')
        | (byte == b'\'')
        | (byte == b'"')
        | (byte == b'-')
        | (byte == b'/')
        | (byte == b'$')
        | (byte == b';')
}

/// Returns the number of bytes without a meaning at the beginning of a text whose kind is decided. Single spaces between words have
/// none.
fn plain(text: &[u8]) -> usize {
    let is_plain = |byte: u8, next: u8| !is_special(byte) | ((byte == b' ') & (next > b' '));
    let mut at = 0;
    // The compiler turns the loop over an array into instructions for many bytes.
    while let Some(bytes) = text[at..].first_chunk::<BLOCK>() {
        if !(1..BLOCK).fold(true, |all, next| all & is_plain(bytes[next - 1], bytes[next])) {
            break;
        }
        at += BLOCK - 1;
    }
    at + text[at..].windows(2).take_while(|pair| is_plain(pair[0], pair[1])).count()
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    kinds: Kinds,
    statement: Statement,
}

impl Scanner<'_> {
    fn skip_space(&mut self) {
        self.at += self.text[self.at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    }

    /// Skips a word, a quoted text, a comment or another character.
    fn skip_token(&mut self) {
        let rest = &self.text[self.at..];
        let first = rest[0];
        let length = match first {
            b'\'' => quoted(rest, b'\'', self.begins_escapes()),
            b'"' => quoted(rest, b'"', false),
            b'-' if rest.starts_with(b"--") => position(rest, b"\n").unwrap_or(rest.len()),
            b'/' if rest.starts_with(b"/*") => comment(rest),
            // Dollar signs can be part of a name, the rest of which follows.
            b'$' if self.text[..self.at].last().is_some_and(|byte| is_word(*byte)) => name_length(rest),
            b'$' => dollar_quoted(rest),
            b';' => {
                if self.statement.blocks == 0 {
                    self.end_statement();
                }
                1
            }
            b'(' => {
                self.statement.depth += 1;
                1
            }
            b')' => {
                self.statement.depth = self.statement.depth.saturating_sub(1);
                1
            }
            _ if self.statement.is_decided() => plain(rest).max(1),
            _ if is_word(first) => {
                let length = name_length(rest);
                self.statement.word(&rest[..length]);
                length
            }
            _ => 1,
        };
        self.at += length;
    }

    /// Returns true for a quote after a separate E, as in `E'\n'`.
    fn begins_escapes(&self) -> bool {
        let mut before = self.text[..self.at].iter().rev();
        before.next().is_some_and(|byte| byte.eq_ignore_ascii_case(&b'e'))
            && !before.next().is_some_and(|byte| is_word(*byte))
    }

    fn end_statement(&mut self) {
        let ended = std::mem::take(&mut self.statement);
        self.kinds = self.kinds.and(ended.kind);
    }
}

/// Returns the kind of the statements that begin with this word.
fn kind_of_verb(word: &[u8]) -> Kinds {
    let mut lower = [0; MAX_VERB];
    let Some(lower) = lower.get_mut(..word.len()) else { return Kinds::OTHER };
    for (lower, byte) in lower.iter_mut().zip(word) {
        *lower = byte.to_ascii_lowercase();
    }
    match &*lower {
        b"begin" | b"start" => Kinds::BEGIN,
        b"commit" | b"end" => Kinds::COMMIT,
        b"rollback" | b"abort" => Kinds::ROLLBACK,
        b"select" | b"values" | b"table" => Kinds::SELECT,
        b"insert" => Kinds::INSERT,
        b"update" => Kinds::UPDATE,
        b"delete" => Kinds::DELETE,
        b"copy" => Kinds::COPY,
        b"create" | b"alter" | b"drop" | b"truncate" | b"comment" | b"grant" | b"revoke" | b"reindex"
        | b"refresh" | b"import" => Kinds::DDL,
        _ => Kinds::OTHER,
    }
}

/// Returns the number of bytes up to the end of a name.
fn name_length(text: &[u8]) -> usize {
    text.iter().take_while(|byte| is_word(**byte) || **byte == b'$').count()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}
