use std::fmt;

/// Position in one of the two streams of a session at which a message begins or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<'a> {
    /// Number of bytes of the stream before this place.
    pub offset: u64,
    /// The message, and which end of it.
    pub kind: EventKind<'a>,
}

/// Kind of an event. Requests are numbered from 1 in the order in which they begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind<'a> {
    /// The first byte of a request, in the stream of requests.
    ///
    /// The event comes when the framer has read the key, up to [`MAX_KEY`](crate::MAX_KEY) bytes of it. Until then
    /// [`Framer::undecided_since`](crate::Framer::undecided_since) has its offset.
    RequestBegins(Request<'a>),
    /// Further kinds of a PostgreSQL request whose text is longer than [`MAX_KEY`](crate::MAX_KEY) bytes, at its end, in the stream of
    /// requests. [`RequestBegins`](Self::RequestBegins) has the kinds that were known from its first bytes, if there were any, and the same
    /// key.
    KindsFound(Request<'a>),
    /// The end of the head of an HTTP request, in the stream of requests.
    HeadEnds {
        /// Number of the request.
        request: u64,
        /// Whether the connection can be used again after the response.
        persistence: Persistence,
        /// The client may wait for a response before it sends the body, as RFC 9110, section 10.1.1, has it.
        expects_continue: bool,
    },
    /// The end of a request, in the stream of requests.
    RequestEnds {
        /// Number of the request.
        request: u64,
        /// The request is a whole group of PostgreSQL messages: a simple query or a function call.
        is_group: bool,
    },
    /// The end of a group of PostgreSQL messages, which the server answers with ReadyForQuery, in the stream of requests: the end of Sync,
    /// of a simple query or of a function call.
    GroupEnds,
    /// The first byte of a response, in the stream of responses. For HTTP, a response begins behind its interim responses, such as
    /// 100 (Continue). The event comes when the framer has read the status. Until then
    /// [`Framer::undecided_response_since`](crate::Framer::undecided_response_since) has its offset. For PostgreSQL, a response begins behind the messages that respond to Parse, Bind and Describe, and behind CopyInResponse, after which the
    /// client sends data. A skipped request has no such event.
    ResponseBegins {
        /// Number of the request.
        request: u64,
    },
    /// The end of a row of PostgreSQL, which can be one of COPY, or of a server-sent event in an HTTP response, before the rest of
    /// its chunk.
    PartEnds {
        /// Number of the request.
        request: u64,
        /// Number of the part in its response, from 1.
        part: u64,
    },
    /// The first byte of PostgreSQL's ReadyForQuery, in the stream of responses. What the server sends for the requests before it,
    /// such as CommandComplete or an error, ends at or before this place.
    ReadyBegins {
        /// Number of the last request before it. It is `None` at the start of a session, and after a group of messages without
        /// a request.
        request: Option<u64>,
    },
    /// The end of PostgreSQL's ReadyForQuery, in the stream of responses. The responses that end with it have their events after
    /// this one.
    Ready {
        /// Number of the last request before it, as in [`ReadyBegins`](Self::ReadyBegins).
        request: Option<u64>,
        /// State of the transaction of the session.
        status: TransactionStatus,
    },
    /// The first byte of a message of PostgreSQL that can come at any time, in the stream of responses: NoticeResponse,
    /// NotificationResponse or ParameterStatus. Those before the first ReadyForQuery have no event.
    AsynchronousBegins,
    /// The end of such a message, in the stream of responses.
    AsynchronousEnds,
    /// The end of a response, in the stream of responses. An HTTP response that lasts until the connection closes ends with
    /// [`Framer::on_responses_end`](crate::Framer::on_responses_end).
    ///
    /// The response to a simple query or a function call of PostgreSQL ends with ReadyForQuery. That to Execute ends with its
    /// CommandComplete, PortalSuspended or error, before ReadyForQuery. A skipped one ends with ReadyForQuery.
    ResponseEnds {
        /// Number of the request.
        request: u64,
        /// Result of the request.
        outcome: Outcome<'a>,
    },
    /// The framer cannot read the session from here on, in the stream that it read last. No further events follow.
    Opaque(OpaqueReason),
}

/// A request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// Its number in the session, from 1.
    pub number: u64,
    /// For PostgreSQL, the known kinds of its statements, of `begin`, `commit`, `rollback`, `select`, `insert`, `update`,
    /// `delete`, `ddl`, `copy` and `other`. For Redis, the name of the command in upper case. For HTTP, the method as sent.
    pub kinds: &'a [&'a str],
    /// For PostgreSQL, the text of the statement, with each run of white space as one space. For Redis, the first key of the
    /// command, which is its first argument in most commands. For HTTP, the request target as sent, which is the path with the
    /// query in most requests. Long keys are cut.
    pub key: &'a [u8],
}

/// Result of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// The request was executed.
    Success,
    /// The request was executed, and PostgreSQL has rolled a transaction back and committed none. So it responds to ROLLBACK, and to COMMIT
    /// in a transaction that has failed.
    RolledBack,
    /// The request failed with this SQLSTATE of PostgreSQL after one of its statements had committed a transaction.
    FailureAfterCommit(&'a [u8]),
    /// Redis has responded with null instead of an array. So it responds to EXEC if a watched key has changed, and then the transaction
    /// was not executed. Other commands that respond so were executed, such as BLPOP after its timeout.
    Null,
    /// Redis has queued the command, and EXEC executes it.
    Queued,
    /// The request failed with this code: for PostgreSQL the SQLSTATE, for Redis the first word of the error, for HTTP the status
    /// if it is 400 or higher.
    Failure(&'a [u8]),
    /// The server skipped the request, because one before it in its group failed.
    Skipped,
}

/// Whether a client of HTTP uses its connection again after the response, as in RFC 9112, section 9.3.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Persistence {
    /// The connection can be used again, as HTTP/1.1 has it.
    #[default]
    Implicit,
    /// The client of HTTP/1.0 asks with `Connection: keep-alive` to use it again. The response must agree with the same field.
    Requested,
    /// The connection ends after the response: the request has `Connection: close`, or is of HTTP/1.0.
    Close,
}

/// State of the transaction of a PostgreSQL session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionStatus {
    /// The session is not in a transaction block.
    Idle,
    /// The session is in a transaction block.
    InTransaction,
    /// The session is in a transaction block that has failed. The server rejects statements until the block ends.
    Failed,
}

impl TransactionStatus {
    /// Returns the status that ReadyForQuery has as this byte.
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            b'I' => Some(Self::Idle),
            b'T' => Some(Self::InTransaction),
            b'E' => Some(Self::Failed),
            _ => None,
        }
    }
}

/// Reason why a framer cannot read a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpaqueReason {
    /// The bytes are not those of the protocol.
    OtherProtocol,
    /// The session is encrypted from here on.
    Encrypted,
    /// The session replicates a database.
    Replication,
    /// The number of responses to a request is not known, as for MONITOR of Redis.
    UnknownResponses,
    /// The head or the body of an HTTP message does not determine where it ends, or peers can disagree about it.
    Ambiguous,
    /// The session is a tunnel or of another protocol from here on, after CONNECT or Upgrade of HTTP.
    Switched,
    /// The server sent an HTTP response before a request.
    Unrequested,
    /// The head of an HTTP message, or its trailers, are longer than 64 KiB.
    LongHead,
    /// The session has more open requests or prepared statements than the framer remembers.
    TooMany,
}

impl fmt::Display for OpaqueReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherProtocol => "the data is not of the protocol",
            Self::Encrypted => "the session is encrypted",
            Self::Replication => "the session replicates a database",
            Self::UnknownResponses => "the number of responses to a request is not known",
            Self::Ambiguous => "the end of a message is ambiguous",
            Self::Switched => "the session has switched to another protocol",
            Self::Unrequested => "a response has no request",
            Self::LongHead => "the head of a message is too long",
            Self::TooMany => "the session has too many open requests or prepared statements",
        })
    }
}

/// Receives events.
pub(crate) type Sink<'a> = &'a mut dyn FnMut(Event<'_>);
