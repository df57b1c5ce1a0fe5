//! Responses of the proxy instead of the upstream's.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use bytes::Bytes;
use fault_proxy_protocol::{Persistence, Protocol, TransactionStatus};

use crate::fault_type::ParamError;

/// Response of the proxy to a request that the upstream does not execute.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Response {
    /// An error of PostgreSQL with this SQLSTATE. In a transaction block, the server fails the transaction.
    Psql {
        /// Five letters and digits, such as `40001`.
        sqlstate: String,
    },
    /// A response of HTTP.
    Http {
        /// Status, 200 to 599.
        status: u16,
        /// Value of Retry-After in whole seconds, if there is one.
        retry_after: Option<Duration>,
        /// Body, as text. Without it, the body is a short text that names the proxy.
        body: Option<String>,
    },
    /// An error of Redis. In a transaction, the server fails the transaction.
    Redis {
        /// Text of the error without its first `-`, such as `LOADING Redis is loading the dataset in memory`.
        error: String,
    },
}

/// Messages of PostgreSQL for errors that clients often handle.
const MESSAGES: [(&str, &str); 12] = [
    ("23505", "duplicate key value violates unique constraint"),
    ("25006", "cannot execute statement in a read-only transaction"),
    ("40001", "could not serialize access due to concurrent update"),
    ("40P01", "deadlock detected"),
    ("53100", "could not extend file: No space left on device"),
    ("53200", "out of memory"),
    ("53300", "sorry, too many clients already"),
    ("55P03", "could not obtain lock on row"),
    ("57014", "canceling statement due to statement timeout"),
    ("57P01", "terminating connection due to administrator command"),
    ("57P02", "terminating connection because of crash of another server process"),
    ("57P03", "the database system is starting up"),
];

/// Errors after which PostgreSQL closes the connection.
const FATAL: [&str; 4] = ["53300", "57P01", "57P02", "57P03"];

/// Errors of Redis that a first word stands for.
const ERRORS: [(&str, &str); 7] = [
    ("LOADING", "LOADING Redis is loading the dataset in memory"),
    ("BUSY", "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."),
    ("READONLY", "READONLY You can't write against a read only replica."),
    ("OOM", "OOM command not allowed when used memory > 'maxmemory'."),
    ("CLUSTERDOWN", "CLUSTERDOWN The cluster is down"),
    ("MASTERDOWN", "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."),
    ("TRYAGAIN", "TRYAGAIN Multiple keys request during rehashing of slot"),
];

const BODY: &str = "This response is from fault-proxy.\n";

impl Response {
    /// Returns an error of Redis. A known first word alone stands for the whole text.
    ///
    /// # Errors
    /// The text cannot be an error, or a redirect has no slot and no address.
    pub(crate) fn redis(text: &str) -> Result<Self, ParamError> {
        let text = text.trim().trim_start_matches('-');
        let problem = match text.split(' ').collect::<Vec<_>>()[..] {
            [""] => Some("is empty: use for example LOADING, READONLY or OOM".to_owned()),
            _ if text.contains(char::is_control) => Some("must be one line".to_owned()),
            [redirect @ ("MOVED" | "ASK"), ref rest @ ..] if !is_place(rest) => Some(format!(
                "{redirect} needs a slot and an address, for example {redirect} 3999 127.0.0.1:6381"
            )),
            _ => None,
        };
        if let Some(problem) = problem {
            return Err(ParamError::quoting("error", problem));
        }
        let known = ERRORS.iter().find(|(word, _)| *word == text);
        Ok(Self::Redis { error: known.map_or(text, |(_, whole)| whole).to_owned() })
    }

    pub(crate) fn protocol(&self) -> Protocol {
        match self {
            Self::Psql { .. } => Protocol::Psql,
            Self::Http { .. } => Protocol::Http,
            Self::Redis { .. } => Protocol::Redis,
        }
    }

    /// Returns true if the connection ends after it.
    pub(super) fn is_fatal(&self) -> bool {
        matches!(self, Self::Psql { sqlstate } if FATAL.contains(&sqlstate.as_str()))
    }

    /// Returns the bytes of the response to a request of this kind.
    pub(super) fn bytes(&self, is_head: bool, persistence: Persistence) -> Bytes {
        match self {
            Self::Psql { sqlstate } => error_response(sqlstate, self.is_fatal()),
            Self::Redis { error } => format!("-{error}\r\n").into(),
            Self::Http { status, retry_after, body } => {
                // RFC 9110, section 15.3.6
                let body = if *status == 205 { "" } else { body.as_deref().unwrap_or(BODY) };
                let retry_after = retry_after.map(|time| format!("Retry-After: {}\r\n", whole_seconds(time)));
                let connection = match persistence {
                    Persistence::Implicit => "",
                    Persistence::Requested => "Connection: keep-alive\r\n",
                    Persistence::Close => "Connection: close\r\n",
                };
                // RFC 9110, section 8.6
                let content = match status {
                    204 => String::new(),
                    _ => format!(
                        "Content-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n",
                        body.len()
                    ),
                };
                let head = format!(
                    "HTTP/1.1 {status} {}\r\n{content}{}{connection}\r\n",
                    reason(*status),
                    retry_after.unwrap_or_default()
                );
                // RFC 9110, section 6.4.1
                let has_body = !is_head && !matches!(status, 204 | 304);
                Bytes::from(if has_body { head + body } else { head })
            }
        }
    }
}

/// Returns true for the slot and the address of a redirect.
fn is_place(words: &[&str]) -> bool {
    matches!(words, [slot, address] if slot.parse::<u16>().is_ok_and(|slot| slot < 16_384) && address.contains(':'))
}

/// Text of statements that fail without an effect. The log of the server shows it.
const FAILING: &str = "fault_proxy replaces this statement";

/// Returns a simple query that fails without an effect.
pub(super) fn failing_query() -> Bytes {
    message(b'Q', &[FAILING.as_bytes(), b"\0"].concat())
}

/// Returns a Parse that fails without an effect. After an earlier error in its group, the server skips it.
pub(super) fn failing_parse() -> Bytes {
    message(b'P', &[b"fault_proxy\0", FAILING.as_bytes(), b"\0\0\0"].concat())
}

/// Returns a simple query that fails and ends the transaction, which a syntax error does not. The identifier is too long for PREPARE
/// TRANSACTION, so nothing is prepared.
pub(super) fn failing_commit() -> Bytes {
    message(b'Q', format!("prepare transaction '{:x<201}'\0", "fault-proxy").as_bytes())
}

/// Returns the end of a group of messages.
pub(super) fn sync() -> Bytes {
    message(b'S', b"")
}

/// Returns ReadyForQuery.
pub(super) fn ready(status: TransactionStatus) -> Bytes {
    let status = match status {
        TransactionStatus::Idle => b"I",
        TransactionStatus::InTransaction => b"T",
        TransactionStatus::Failed => b"E",
    };
    message(b'Z', status)
}

/// Returns a command of Redis that fails a transaction, or one that ends it without an effect.
pub(super) fn failing_command(ends_transaction: bool) -> Bytes {
    Bytes::from_static(if ends_transaction {
        b"*1\r\n$7\r\nDISCARD\r\n"
    } else {
        b"*1\r\n$11\r\nFAULT-PROXY\r\n"
    })
}

/// Returns a message of PostgreSQL.
fn message(tag: u8, payload: &[u8]) -> Bytes {
    let len = u32::try_from(payload.len() + 4).unwrap_or(u32::MAX);
    Bytes::from([&[tag], &len.to_be_bytes()[..], payload].concat())
}

/// See "Error and Notice Message Fields" of the PostgreSQL documentation.
fn error_response(sqlstate: &str, is_fatal: bool) -> Bytes {
    let severity = if is_fatal { "FATAL" } else { "ERROR" };
    let known = MESSAGES.iter().find(|(code, _)| *code == sqlstate);
    let text = known.map_or("this statement fails", |(_, text)| text);
    let fields =
        format!("S{severity}\0V{severity}\0C{sqlstate}\0M{text}\0DThis error is from fault-proxy.\0\0");
    message(b'E', fields.as_bytes())
}

fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// Returns the reason phrase, as in RFC 9110, section 15, and RFC 6585. Clients ignore it.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        408 => "Request Timeout",
        409 => "Conflict",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Injected",
    }
}

impl Display for Response {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Psql { sqlstate } => write!(f, "error {sqlstate}"),
            Self::Http { status, .. } => write!(f, "status {status}"),
            Self::Redis { error } => write!(f, "error {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stands_for_a_known_error_of_redis() {
        let text =
            |error: &str| Response::redis(error).map(|response| response.bytes(false, Persistence::Implicit));
        assert_eq!(text("CLUSTERDOWN").expect("known"), "-CLUSTERDOWN The cluster is down\r\n");
        assert_eq!(text("-ERR x y").expect("as it is"), "-ERR x y\r\n");
        assert_eq!(text("MOVED 1 a:2").expect("complete"), "-MOVED 1 a:2\r\n");
        for (wrong, expected) in
            [("", "is empty"), ("MOVED a b", "MOVED 3999 127.0.0.1:6381"), ("a\r\nb", "one line")]
        {
            let error = Response::redis(wrong).expect_err(wrong).to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_response_without_a_body_says_how_long_it_would_be() {
        let http = |status, body: Option<&str>| Response::Http {
            status,
            retry_after: Some(Duration::from_millis(1500)),
            body: body.map(str::to_owned),
        };
        let head = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n\
            Content-Length: 2\r\nRetry-After: 2\r\n\r\n";
        assert_eq!(http(503, Some("no")).bytes(true, Persistence::Implicit), head);
        assert_eq!(http(503, Some("no")).bytes(false, Persistence::Implicit), head.to_owned() + "no");
        assert_eq!(
            http(204, None).bytes(false, Persistence::Implicit),
            "HTTP/1.1 204 No Content\r\nRetry-After: 2\r\n\r\n"
        );
        let reset = http(205, Some("no")).bytes(false, Persistence::Implicit);
        assert!(reset.windows(19).any(|header| header == b"Content-Length: 0\r\n"), "{reset:?}");
        assert!(reset.ends_with(b"\r\n\r\n"), "{reset:?}");
        assert!(http(304, None).bytes(false, Persistence::Implicit).ends_with(b"\r\n\r\n"));
    }
}
