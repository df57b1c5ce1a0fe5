use std::borrow::Cow;
use std::fmt;

use regex_lite::Regex;
use thiserror::Error;

use crate::psql;
use crate::{Protocol, Request};

/// Selects requests by their kind and key.
///
/// | protocol | text | selects |
/// |---|---|---|
/// | PostgreSQL | `commit` | requests with a statement of this kind |
/// | | `sql=select 1` | requests with exactly this text; the amount of white space does not count |
/// | | `sql=/UPDATE accounts/` | requests whose text has a match of this regular expression ([`regex_lite`] syntax) |
/// | Redis | `SET` | requests with this command, in upper or lower case |
/// | | `SET session:*` | those whose first key fits too; `*` stands for any text |
/// | | `* session:*` | those with any command |
/// | HTTP | `POST` | requests with this method, in upper or lower case |
/// | | `POST /orders/*` | those whose target fits too: the path with its query |
/// | | `* /orders/*` | those with any method |
///
/// A target in absolute form, such as `http://host/orders/1`, fits a pattern as sent or as its path with its query.
///
/// # Examples
/// ```
/// use fault_proxy_protocol::{Protocol, Request, Selector};
///
/// let selector = Selector::parse(Protocol::Redis, "set session:*")?;
/// assert!(selector.matches(&Request { number: 1, kinds: &["SET"], key: b"session:1" }));
/// assert!(!selector.matches(&Request { number: 2, kinds: &["GET"], key: b"session:1" }));
/// # Ok::<(), fault_proxy_protocol::SelectorError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Selector {
    text: Box<str>,
    kind: Option<Box<str>>,
    key: Key,
}

#[derive(Debug, Clone)]
enum Key {
    Any,
    Text(Box<[u8]>),
    Glob(Box<str>),
    /// A pattern for a target of HTTP.
    Target(Box<str>),
    Regex(Regex),
}

/// Text that is not a selector.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SelectorError {
    /// The text has no selector.
    #[error("a kind of request is required, for example {example}")]
    Empty {
        /// A selector of the protocol.
        example: &'static str,
    },
    /// PostgreSQL has no requests of this kind.
    #[error("`{text}` is not a kind of statement: use {kinds}, or sql=TEXT or sql=/REGEX/")]
    UnknownKind {
        /// The text.
        text: String,
        /// The known kinds.
        kinds: String,
    },
    /// The regular expression is wrong.
    #[error("the regular expression in `{text}` is invalid: {problem}")]
    Regex {
        /// The text.
        text: String,
        /// The place and the reason.
        problem: String,
    },
    /// A selector of Redis or HTTP has more than two words.
    #[error("`{text}` has more than two words: use {syntax}, with `*` for any text")]
    TooManyWords {
        /// The text.
        text: String,
        /// The forms of a selector.
        syntax: &'static str,
    },
}

impl Selector {
    /// Parses a selector for requests of this protocol.
    ///
    /// # Errors
    /// If the text is not a selector.
    pub fn parse(protocol: Protocol, text: &str) -> Result<Self, SelectorError> {
        let text = text.trim();
        let (kind, key) = match protocol {
            Protocol::Psql => statement(text)?,
            Protocol::Redis => words(text, "SET session:*", "COMMAND or COMMAND KEY")?,
            Protocol::Http => match words(text, "POST /orders/*", "METHOD or METHOD PATH")? {
                (kind, Key::Glob(pattern)) => (kind, Key::Target(pattern)),
                other => other,
            },
        };
        Ok(Self { text: text.into(), kind, key })
    }

    /// Returns true if it selects all requests of one of these kinds.
    pub fn matches_kind(&self, kinds: &[&str]) -> bool {
        let of_kind = |kind: &str| kinds.iter().any(|each| each.eq_ignore_ascii_case(kind));
        matches!(self.key, Key::Any) && self.kind.as_deref().is_some_and(of_kind)
    }

    /// Returns false if it selects no request whose only kind is this one.
    pub fn may_select(&self, kind: &str) -> bool {
        self.kind.as_deref().is_none_or(|meant| meant.eq_ignore_ascii_case(kind))
    }

    /// Returns true if it selects this request.
    pub fn matches(&self, request: &Request<'_>) -> bool {
        let is_of_kind = |kind: &str| request.kinds.iter().any(|each| each.eq_ignore_ascii_case(kind));
        self.kind.as_deref().is_none_or(is_of_kind) && self.key.matches(request.key)
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Selector {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Key {
    fn matches(&self, key: &[u8]) -> bool {
        match self {
            Self::Any => true,
            Self::Text(text) => **text == *key,
            Self::Glob(pattern) => fits(pattern.as_bytes(), key),
            Self::Target(pattern) => {
                let fits = |target: &[u8]| fits(pattern.as_bytes(), target);
                fits(key) || origin_form(key).is_some_and(|target| fits(&target))
            }
            Self::Regex(regex) => regex.is_match(&String::from_utf8_lossy(key)),
        }
    }
}

fn statement(text: &str) -> Result<(Option<Box<str>>, Key), SelectorError> {
    let Some(sql) = text.strip_prefix("sql=") else {
        let is_known = psql::KINDS.iter().any(|kind| kind.eq_ignore_ascii_case(text));
        return match text {
            "" => Err(SelectorError::Empty { example: "commit" }),
            _ if is_known => Ok((Some(text.into()), Key::Any)),
            _ => Err(SelectorError::UnknownKind { text: text.to_owned(), kinds: psql::KINDS.join(", ") }),
        };
    };
    if let Some(pattern) = sql.strip_prefix('/').and_then(|sql| sql.strip_suffix('/')) {
        let regex = Regex::new(pattern);
        let wrong = |error: regex_lite::Error| SelectorError::Regex {
            text: text.to_owned(),
            problem: error.to_string(),
        };
        return Ok((None, Key::Regex(regex.map_err(wrong)?)));
    }
    if let Some(rest) = sql.strip_prefix('/') {
        let problem = match rest.contains('/') {
            true => "nothing may follow the last `/`; to ignore case, begin it with `(?i)`",
            false => "its end `/` is missing",
        };
        return Err(SelectorError::Regex { text: text.to_owned(), problem: problem.to_owned() });
    }
    if sql.trim().is_empty() {
        return Err(SelectorError::Empty { example: "sql=select 1" });
    }
    Ok((None, Key::Text(psql::normalized(sql).into())))
}

/// Parses a kind and a pattern for the key.
fn words(
    text: &str,
    example: &'static str,
    syntax: &'static str,
) -> Result<(Option<Box<str>>, Key), SelectorError> {
    let mut words = text.split_whitespace();
    let kind = words.next().ok_or(SelectorError::Empty { example })?;
    let key = words.next().map_or(Key::Any, |key| Key::Glob(key.into()));
    if words.next().is_some() {
        return Err(SelectorError::TooManyWords { text: text.to_owned(), syntax });
    }
    Ok(((kind != "*").then(|| kind.into()), key))
}

/// Returns the path and the query of a target in absolute form, as in RFC 9112, section 3.2.2. An empty path is `/`.
fn origin_form(target: &[u8]) -> Option<Cow<'_, [u8]>> {
    let scheme = target.windows(3).position(|window| window == b"://")?;
    let is_http = [&b"http"[..], b"https"].iter().any(|name| target[..scheme].eq_ignore_ascii_case(name));
    let rest = &target[scheme + 3..];
    let path = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    is_http.then(|| match &rest[path..] {
        origin @ [b'/', ..] => Cow::Borrowed(origin),
        query => Cow::Owned([b"/", query].concat()),
    })
}

/// Returns true if the text fits the pattern, in which `*` stands for any text.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    let mut parts = pattern.split(|byte| *byte == b'*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts.filter(|part| !part.is_empty()) {
        // The earliest place leaves most for the parts that follow.
        let Some(place) = rest.windows(part.len()).position(|window| window == part) else { return false };
        rest = &rest[place + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(protocol: Protocol, selector: &str, kinds: &[&str], key: &str) -> bool {
        let request = Request { number: 1, kinds, key: key.as_bytes() };
        Selector::parse(protocol, selector).expect(selector).matches(&request)
    }

    #[test]
    fn statements_are_selected_by_kind_text_or_expression() {
        for (selector, kinds, key, expected) in [
            ("commit", &["commit"][..], "COMMIT", true),
            ("COMMIT", &["begin", "commit"], "begin; commit", true),
            ("commit", &["rollback"], "ROLLBACK", false),
            ("sql=select  1", &["select"], "select 1", true),
            ("sql=select 1", &["select"], "select 12", false),
            ("sql=/UPDATE accounts/", &["update"], "UPDATE accounts SET a = 1", true),
            ("sql=/(?i)^update ACCOUNTS/", &["update"], "UPDATE accounts SET a = 1", true),
            ("sql=/^accounts/", &["update"], "UPDATE accounts SET a = 1", false),
        ] {
            assert_eq!(matches(Protocol::Psql, selector, kinds, key), expected, "{selector} {key}");
        }
    }

    #[test]
    fn commands_are_selected_by_name_and_key() {
        for (selector, command, key, expected) in [
            ("SET", "SET", "a", true),
            ("set", "SET", "a", true),
            ("SET", "SETEX", "a", false),
            ("SET session:*", "SET", "session:1", true),
            ("SET session:*", "SET", "sessions", false),
            ("* *:lock", "DEL", "a:lock", true),
            ("GET a", "GET", "a", true),
            ("GET a", "GET", "ab", false),
        ] {
            assert_eq!(
                matches(Protocol::Redis, selector, &[command], key),
                expected,
                "{selector} {command} {key}"
            );
        }
    }

    #[test]
    fn http_requests_are_selected_by_method_and_target() {
        for (selector, method, key, expected) in [
            ("POST", "POST", "/orders", true),
            ("post", "POST", "/orders", true),
            ("POST /orders/*", "POST", "/orders/1?dry=1", true),
            ("POST /orders", "POST", "/orders?dry=1", false),
            ("POST /orders*", "GET", "/orders", false),
            ("* /orders*", "GET", "/orders", true),
            ("GET /x*", "GET", "http://user@host:80/x?y", true),
            ("GET /x", "GET", "HTTPS://host/x", true),
            ("GET http://host/*", "GET", "http://host/x", true),
            ("GET /", "GET", "http://host", true),
            ("GET /?a", "GET", "http://host?a", true),
            ("GET /x", "GET", "http://host/y/x", false),
            ("GET /x", "GET", "/y?http://host/x", false),
            ("GET /x", "GET", "ftp://host/x", false),
            ("CONNECT db:*", "CONNECT", "db:443", true),
            ("OPTIONS *", "OPTIONS", "*", true),
            ("OPTIONS /*", "OPTIONS", "*", false),
        ] {
            assert_eq!(
                matches(Protocol::Http, selector, &[method], key),
                expected,
                "{selector} {method} {key}"
            );
        }
    }

    #[test]
    fn what_is_no_selector_names_the_way_out() {
        for (protocol, text, expected) in [
            (Protocol::Psql, "", "a kind of request is required, for example commit"),
            (Protocol::Psql, "comit", "`comit` is not a kind of statement: use begin, commit, rollback,"),
            (Protocol::Psql, "sql=", "for example sql=select 1"),
            (Protocol::Psql, "sql=/a", "its end `/` is missing"),
            (
                Protocol::Psql,
                "sql=/a/i",
                "nothing may follow the last `/`; to ignore case, begin it with `(?i)`",
            ),
            (Protocol::Psql, "sql=/(/", "the regular expression in `sql=/(/` is invalid: "),
            (Protocol::Redis, " ", "for example SET session:*"),
            (Protocol::Redis, "SET a b", "`SET a b` has more than two words: use COMMAND or COMMAND KEY,"),
            (Protocol::Http, "", "for example POST /orders/*"),
            (Protocol::Http, "GET / HTTP/1.1", "use METHOD or METHOD PATH, with"),
        ] {
            let error = Selector::parse(protocol, text).expect_err(text).to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn a_selected_request_is_of_a_kind_that_may_be_selected(
            selector in "(\\*|[a-cA-C]{1,2})( [ab*]{1,3})?",
            kind in "[A-C]{1,2}",
            key in "[ab]{0,3}",
        ) {
            let selector = Selector::parse(Protocol::Redis, &selector).expect("a selector");
            let matches = selector.matches(&Request { number: 1, kinds: &[&kind], key: key.as_bytes() });
            prop_assert!(selector.may_select(&kind) || !matches, "{} {} {}", selector, kind, key);
            prop_assert!(selector.may_select(&kind) || !selector.text.starts_with('*'), "{} {}", selector, kind);
        }

        #[test]
        fn a_pattern_fits_as_its_regular_expression(pattern in "[ab*]{0,8}", text in "[ab]{0,12}") {
            let regex = Regex::new(&format!("^{}$", pattern.replace('*', ".*"))).expect("valid");
            prop_assert_eq!(fits(pattern.as_bytes(), text.as_bytes()), regex.is_match(&text), "{} {}", pattern, text);
        }
    }
}
