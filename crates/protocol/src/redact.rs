//! Keys of requests without what may be secret.

use std::iter;

use crate::{Protocol, Request};

/// Maximum length of a redacted key, in characters.
const MAX_LENGTH: usize = 200;

impl Request<'_> {
    /// Returns the key without what may be secret, for logs: a statement with `?` for its literals and without comments, or a target
    /// of HTTP without its query. Keys of Redis stay as they are. Long keys are cut.
    pub fn redacted_key(&self, protocol: Protocol) -> String {
        let key = String::from_utf8_lossy(self.key);
        let redacted = match protocol {
            Protocol::Psql => statement(&key),
            Protocol::Http => path(&key).to_owned(),
            Protocol::Redis => key.into_owned(),
        };
        redacted.chars().take(MAX_LENGTH).collect()
    }
}

/// Returns the statement with `?` for its literals. A text that is cut inside a literal or a comment ends there.
fn statement(text: &str) -> String {
    let mut redacted = String::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let is_in_word = redacted.ends_with(|last: char| last.is_alphanumeric() || matches!(last, '_' | '$'));
        let literal = match next {
            '\'' => Some(continued(rest, is_escape_string(&redacted))),
            '$' if !is_in_word => dollar_quoted(rest),
            '0'..='9' if !is_in_word => Some(number(rest)),
            _ => None,
        };
        if let Some(len) = literal {
            redacted.push('?');
            rest = &rest[len..];
        } else if next == '"' {
            let len = rest[1..].find('"').map_or(rest.len(), |end| end + 2);
            redacted.push_str(&rest[..len]);
            rest = &rest[len..];
        } else if rest.starts_with("--") {
            // The key has lost the end of the line.
            break;
        } else if rest.starts_with("/*") {
            rest = &rest[comment(rest)..];
        } else {
            redacted.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    redacted
}

/// Returns true if the text ends with the prefix of a literal that has backslash escapes.
fn is_escape_string(before: &str) -> bool {
    let mut last = before.chars().rev();
    let is_prefix = matches!(last.next(), Some('e' | 'E'));
    is_prefix && !last.next().is_some_and(|before| before.is_alphanumeric() || before == '_')
}

/// Returns the path of a target of HTTP, without its query. An absolute target may have a password before its path.
fn path(target: &str) -> &str {
    let target = target.split('?').next().unwrap_or_default();
    match target.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("", |path| &rest[path..]),
        None => target,
    }
}

/// Returns the length of the literal in quotes at the start of the text, with the literals behind white space that continue it.
fn continued(text: &str, has_escapes: bool) -> usize {
    let mut len = quoted(text, has_escapes);
    loop {
        let rest = text[len..].trim_start();
        if !rest.starts_with('\'') {
            return len;
        }
        len = text.len() - rest.len() + quoted(rest, has_escapes);
    }
}

/// Returns the length of the literal in quotes at the start of the text.
fn quoted(text: &str, has_escapes: bool) -> usize {
    let mut bytes = iter::zip(1.., text.bytes()).skip(1);
    while let Some((end, byte)) = bytes.next() {
        match byte {
            b'\\' if has_escapes => {
                bytes.next();
            }
            b'\'' => return end,
            _ => {}
        }
    }
    text.len()
}

/// Returns the length of the literal in dollar quotes at the start of the text, if there is one.
fn dollar_quoted(text: &str) -> Option<usize> {
    let tag = &text[..text[1..].find('$')? + 2];
    let is_tag = tag[1..tag.len() - 1].chars().all(|c| c.is_alphanumeric() || c == '_');
    let is_parameter = text[1..].starts_with(|c: char| c.is_ascii_digit());
    let end = text[tag.len()..].find(tag).map_or(text.len(), |end| end + 2 * tag.len());
    (is_tag && !is_parameter).then_some(end)
}

fn number(text: &str) -> usize {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '_';
    text.find(|c| !is_part(c)).unwrap_or(text.len())
}

/// Returns the length of the comment at the start of the text.
fn comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        match &text.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn redacted(protocol: Protocol, key: &str) -> String {
        Request { number: 1, kinds: &[], key: key.as_bytes() }.redacted_key(protocol)
    }

    #[test]
    fn literals_of_statements_are_replaced() {
        for (statement, expected) in [
            ("ALTER ROLE joe PASSWORD 'it''s secret' VALID", "ALTER ROLE joe PASSWORD ? VALID"),
            (r"select E'a' '\'secret', 1", "select E?, ?"),
            (r"select E'a\'b', e'c'", "select E?, e?"),
            ("select $1, $2 from t1 where a_1 = 12.5e3", "select $1, $2 from t1 where a_1 = ?"),
            ("do $$ begin 'x' end $$; do $b$ $$ $b$;", "do ?; do ?;"),
            ("select \"it's\", 'x' /* don't /* 'a' */ */ from t", "select \"it's\", ?  from t"),
            ("select 1 -- don't say 'x'", "select ? "),
            ("insert into t values ('cut", "insert into t values (?"),
            ("select $tag$cut", "select ?"),
            ("update é set a='ü'", "update é set a=?"),
        ] {
            assert_eq!(redacted(Protocol::Psql, statement), expected, "{statement}");
        }
    }

    #[test]
    fn queries_of_targets_are_removed() {
        assert_eq!(redacted(Protocol::Http, "/orders/1?token=x"), "/orders/1");
        assert_eq!(redacted(Protocol::Http, "http://user:secret@host/orders?a"), "/orders");
        assert_eq!(redacted(Protocol::Redis, "session:1?"), "session:1?");
        assert_eq!(redacted(Protocol::Redis, &"x".repeat(300)).len(), MAX_LENGTH);
    }

    proptest! {
        #[test]
        fn no_literal_is_left(
            before in "[a-z =,(]{0,9}",
            secret in "[a-z$/*-]{1,12}",
            after in "[a-z ')$/*-]{0,9}",
        ) {
            let statement = format!("{before} '#{secret}#'{after}");
            prop_assert!(!redacted(Protocol::Psql, &statement).contains('#'));
        }
    }
}
