//! Kinds of SQL statements.
//!
//! The lexical rules are those of the PostgreSQL documentation, "Lexical Structure": quotes, dollar quotes and nested comments.

/// Kinds of statements, as a set.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kinds(u16);

pub(crate) const NAMES: [&str; 10] =
    ["begin", "commit", "rollback", "select", "insert", "update", "delete", "ddl", "copy", "other"];

const OTHER: &str = "other";

impl Kinds {
    pub(super) fn of(name: &str) -> Self {
        let index = NAMES.iter().position(|known| *known == name);
        Self(index.map_or(0, |index| 1 << index))
    }

    fn add(&mut self, name: &str) {
        self.0 |= Self::of(name).0;
    }

    /// Calls `then` with the names of the kinds.
    pub(super) fn with_names<T>(self, then: impl FnOnce(&[&str]) -> T) -> T {
        let mut names = [""; NAMES.len()];
        let mut count = 0;
        for (index, name) in NAMES.into_iter().enumerate() {
            if self.0 & (1 << index) != 0 {
                names[count] = name;
                count += 1;
            }
        }
        then(&names[..count])
    }
}

/// Returns the kinds of the statements of a text, and writes the text with each run of white space as one space to `key`.
pub(super) fn scan(text: &[u8], key: &mut Vec<u8>) -> Kinds {
    key.clear();
    let mut scanner = Scanner { text, at: 0, kinds: Kinds::default(), statement: Statement::default() };
    // Begin of the text that is not in the key. It is copied in long pieces.
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
            key.extend_from_slice(&text[copied..begin]);
            copied = scanner.at;
            if !is_at_edge {
                key.push(b' ');
            }
        }
    }
    key.extend_from_slice(&text[copied..]);
    scanner.end_statement();
    if scanner.kinds == Kinds::default() {
        scanner.kinds.add(OTHER);
    }
    scanner.kinds
}

/// State of the statement that is scanned.
#[derive(Debug, Default)]
struct Statement {
    /// Number of words so far, at most 3.
    words: u8,
    depth: u32,
    kind: Option<&'static str>,
    /// After WITH: the verb of the statement itself is still to come.
    seeks_verb: bool,
}

impl Statement {
    /// Returns true if further words do not change the kind.
    fn is_decided(&self) -> bool {
        self.words >= 3 && !self.seeks_verb
    }
}

/// Bytes without a meaning once the kind of a statement is decided.
const PLAIN: [bool; 256] = {
    let mut plain = [true; 256];
    let special = b" \t\n\x0c\r'\"-/$;()";
    let mut index = 0;
    while index < special.len() {
        plain[special[index] as usize] = false;
        index += 1;
    }
    plain
};

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
            b'$' => dollar_quoted(rest),
            b';' => {
                self.end_statement();
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
            _ if self.statement.is_decided() => {
                rest.iter().take_while(|byte| PLAIN[usize::from(**byte)]).count().max(1)
            }
            _ if is_word(first) => {
                let length = rest.iter().take_while(|byte| is_word(**byte) || **byte == b'$').count();
                self.word(&rest[..length]);
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

    fn word(&mut self, word: &[u8]) {
        let statement = &mut self.statement;
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        statement.words = (statement.words + 1).min(3);
        if statement.words == 1 {
            statement.seeks_verb = is("with");
            statement.kind = Some(kind_of_verb(word));
        } else if statement.words == 2 {
            // ROLLBACK TO SAVEPOINT ends no transaction, and the end of a prepared transaction is that of another session.
            let ends = matches!(statement.kind, Some("rollback" | "commit"));
            if ends && (is("to") || is("prepared")) {
                statement.kind = Some(OTHER);
            }
        } else if statement.kind == Some("rollback") && is("to") {
            statement.kind = Some(OTHER);
        }
        if statement.seeks_verb && statement.words > 1 && statement.depth == 0 {
            let kind = kind_of_verb(word);
            if matches!(kind, "select" | "insert" | "update" | "delete") {
                statement.kind = Some(kind);
                statement.seeks_verb = false;
            }
        }
    }

    fn end_statement(&mut self) {
        let ended = std::mem::take(&mut self.statement);
        if let Some(kind) = ended.kind {
            self.kinds.add(kind);
        }
    }
}

/// Returns the kind of the statements that begin with this word.
fn kind_of_verb(word: &[u8]) -> &'static str {
    const VERBS: [(&str, &[&str]); 8] = [
        ("begin", &["begin", "start"]),
        ("commit", &["commit", "end"]),
        ("rollback", &["rollback", "abort"]),
        ("select", &["select", "values", "table"]),
        ("insert", &["insert"]),
        ("update", &["update"]),
        ("delete", &["delete"]),
        ("copy", &["copy"]),
    ];
    const DDL: [&str; 10] =
        ["create", "alter", "drop", "truncate", "comment", "grant", "revoke", "reindex", "refresh", "import"];
    let is = |name: &&str| word.eq_ignore_ascii_case(name.as_bytes());
    match VERBS.iter().find(|(_, verbs)| verbs.iter().any(&is)) {
        Some((kind, _)) => kind,
        None if DDL.iter().any(is) => "ddl",
        None => OTHER,
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

/// Returns the length of a quoted text. A doubled quote is part of it.
fn quoted(text: &[u8], quote: u8, has_escapes: bool) -> usize {
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
fn comment(text: &[u8]) -> usize {
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
fn dollar_quoted(text: &[u8]) -> usize {
    let Some(end) = text[1..].iter().position(|byte| *byte == b'$') else { return 1 };
    let tag = &text[..end + 2];
    let name = &tag[1..tag.len() - 1];
    if name.first().is_some_and(u8::is_ascii_digit) || !name.iter().all(|byte| is_word(*byte)) {
        return 1;
    }
    position(&text[tag.len()..], tag).map_or(text.len(), |found| 2 * tag.len() + found)
}

fn position(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> String {
        scan(text.as_bytes(), &mut Vec::new()).with_names(|names| names.join(" "))
    }

    #[test]
    fn statements_have_the_kind_of_their_verb() {
        for (text, expected) in [
            ("COMMIT", "commit"),
            ("  -- done\n commit work;", "commit"),
            ("/* a /* nested */ comment */ End", "commit"),
            ("start transaction isolation level serializable", "begin"),
            ("ABORT", "rollback"),
            ("(SELECT 1) UNION (SELECT 2)", "select"),
            ("with moved as (delete from a returning *) insert into b select * from moved", "insert"),
            ("with x as (select 1) select * from x", "select"),
            ("create table commit (id int)", "ddl"),
            ("copy t from stdin", "copy"),
            ("set search_path to a", "other"),
            ("", "other"),
            (";;", "other"),
            ("update t set a = 'x; commit'", "update"),
            ("update t set a = E'\\'; commit --'", "update"),
            ("update t set a = name'\\' ; commit", "commit update"),
            ("update t set a = 1 where b = e'\\' ; commit'", "update"),
            ("do $x$ begin; commit; end $x$", "other"),
            ("select $1; commit", "commit select"),
            ("begin; insert into t values (1); commit", "begin commit insert"),
            ("insert into \"a;b\" values (1)", "insert"),
            ("SAVEPOINT a", "other"),
        ] {
            assert_eq!(kinds(text), expected, "{text}");
        }
    }

    #[test]
    fn what_ends_no_transaction_of_the_session_is_other() {
        for text in ["rollback to a", "rollback to savepoint a", "ROLLBACK WORK TO a", "commit prepared 'x'"]
        {
            assert_eq!(kinds(text), "other", "{text}");
        }
        assert_eq!(kinds("rollback and chain"), "rollback");
        assert_eq!(kinds("commit and no chain"), "commit");
    }

    #[test]
    fn white_space_outside_of_quotes_is_one_space() {
        let mut key = Vec::new();
        scan(b"  select \n\t 'a  b' ,\r\n\"c  d\"  ", &mut key);
        assert_eq!(String::from_utf8_lossy(&key), "select 'a  b' , \"c  d\"");
    }

    #[test]
    fn a_text_without_its_end_is_scanned_to_its_end() {
        for text in ["select 'a", "select \"a", "/* a", "$x$ a", "select E'a\\", "--", "$", "$$", "$a"] {
            assert!(!kinds(text).is_empty(), "{text}");
        }
    }
}
