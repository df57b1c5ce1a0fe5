//! Effects of faults on requests.

use std::fmt::{self, Display, Formatter};
use std::num::NonZeroU64;
use std::time::Duration;

use fault_proxy_protocol::{Protocol, Selector};

use crate::delay::Delay;
use crate::describe::{BitRate, Size, Time};
use crate::direction::Side;
use crate::effect::{Behavior, Fault, Measured, Place};
use crate::fault_type::ParamError;
use crate::requests::response::Response;

/// Acts on requests that a selector selects, in sessions whose [`Protocol`] is known.
///
/// The sessions of a proxy are read if [`Faults::set_protocol`](crate::Faults::set_protocol) was called. The selection of the fault then counts
/// requests of all sessions, and its probability is drawn for each request.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RequestFault {
    /// [`Selector`] of the requests, in the words of the protocol: `commit`, `SET session:*` or `POST /orders/*`.
    pub on: String,
    /// Moment at which it acts.
    pub at: Moment,
    /// Its effect.
    pub action: RequestAction,
}

/// Effect of a fault on a request.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum RequestAction {
    /// Everything behind the moment waits for a time drawn from this distribution.
    Delay(Delay),
    /// The session ends, this long after the moment. Nothing behind the moment is delivered.
    End {
        /// Time since the moment.
        after: Duration,
        /// How it ends.
        ending: Ending,
    },
    /// The upstream executes the request. Its response is dropped, and the session ends when it is complete.
    LoseResponse(Ending),
    /// The response passes at this rate, in bytes per second.
    Limit(f64),
    /// The upstream does not execute the request. The proxy responds instead.
    Respond(Response),
    /// Both connections are closed in the response, behind a [part](Part) of it. After rows or events, the next one begins.
    Truncate,
}

/// How a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// These connections are reset. The others are closed.
    Reset(Side),
    /// Both connections are closed.
    Close,
    /// Both connections stay open. Nothing more is delivered in the direction in which the moment is.
    Stall,
}

/// Moment of a request at which a fault acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Moment {
    /// Before its first byte is forwarded to the upstream.
    BeforeForward,
    /// After its last byte has been forwarded.
    AfterForward,
    /// The first byte of the response. A delay acts before it, the end of a session after it.
    FirstByte,
    /// In the response, after this part of it.
    MidResponse(Part),
    /// Before ReadyForQuery of PostgreSQL, which follows the response.
    BeforeReady,
    /// After the response.
    End,
}

/// A part of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// A number of bytes.
    Bytes(NonZeroU64),
    /// A number of rows of PostgreSQL.
    Rows(NonZeroU64),
    /// A number of server-sent events of HTTP.
    Events(NonZeroU64),
}

impl RequestFault {
    /// Acts on the requests that `on` selects.
    pub fn new(on: impl Into<String>, at: Moment, action: RequestAction) -> Self {
        Self { on: on.into(), at, action }
    }
}

impl Behavior for RequestFault {
    fn describe(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { on, at, action } = self;
        match action {
            RequestAction::Delay(delay) => write!(f, "latency {delay} on {on}, {at}"),
            RequestAction::LoseResponse(ending) => write!(f, "lost response on {on}, then {ending}"),
            RequestAction::Limit(rate) => write!(f, "bandwidth {} on {on}", BitRate(*rate)),
            RequestAction::Respond(response) => write!(f, "{response} instead of {on}"),
            RequestAction::Truncate => write!(f, "truncated response on {on}, {at}"),
            RequestAction::End { after, ending } => {
                write!(f, "{ending} on {on}, {at}")?;
                if after.is_zero() { Ok(()) } else { write!(f, ", {} later", Time(*after)) }
            }
        }
    }

    fn place(&self) -> Place {
        Place::Requests
    }

    fn requests(&self) -> Option<&RequestFault> {
        Some(self)
    }

    fn measured(&self) -> Measured {
        match self.action {
            RequestAction::Delay(_) => Measured::Delays,
            _ => Measured::Actions,
        }
    }
}

impl Display for Ending {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reset(Side::Client) => "reset of the client's connection",
            Self::Reset(Side::Server) => "reset of the server's connection",
            Self::Reset(Side::Both) => "reset of both connections",
            Self::Close => "close",
            Self::Stall => "stall",
        })
    }
}

impl Display for Moment {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::BeforeForward => f.write_str("before it is forwarded"),
            Self::AfterForward => f.write_str("after it is forwarded"),
            Self::FirstByte => f.write_str("at the first byte of the response"),
            Self::MidResponse(Part::Bytes(bytes)) => {
                write!(f, "after {} of the response", Size(bytes.get()))
            }
            Self::MidResponse(Part::Rows(rows)) => write!(f, "after {rows} rows"),
            Self::MidResponse(Part::Events(events)) => write!(f, "after {events} events"),
            Self::BeforeReady => f.write_str("before ReadyForQuery"),
            Self::End => f.write_str("after the response"),
        }
    }
}

impl Fault {
    /// Checks that the fault can act in sessions of this protocol, or in sessions of an unknown one.
    ///
    /// # Errors
    /// The fault acts on requests, and the protocol is unknown, or does not have such requests or moments.
    pub fn check_protocol(&self, protocol: Option<Protocol>) -> Result<(), ParamError> {
        let Some(RequestFault { on, at, action }) = self.effect.behavior().requests() else { return Ok(()) };
        let Some(protocol) = protocol else {
            return Err(ParamError::new(
                "on",
                "needs an upstream whose protocol is known: use the scheme psql, psqls, http, https, redis or rediss",
            ));
        };
        Selector::parse(protocol, on).map_err(|error| ParamError::quoting("on", error))?;
        if let RequestAction::Respond(response) = action
            && response.protocol() != protocol
        {
            let parameter = |protocol| match protocol {
                Protocol::Http => "status",
                Protocol::Redis => "error",
                _ => "sqlstate",
            };
            let (given, needed) = (parameter(response.protocol()), parameter(protocol));
            return Err(ParamError::new(given, format!("does not apply to this protocol: use `{needed}`")));
        }
        match (at, protocol) {
            (Moment::BeforeReady, Protocol::Http | Protocol::Redis) => {
                Err(ParamError::new("at", "is before-ready, which only PostgreSQL has: use end"))
            }
            (Moment::MidResponse(Part::Rows(_)), Protocol::Http | Protocol::Redis) => {
                Err(ParamError::new("rows", "counts rows of PostgreSQL: use `bytes`"))
            }
            (Moment::MidResponse(Part::Events(_)), Protocol::Psql | Protocol::Redis) => {
                Err(ParamError::new("events", "counts server-sent events of HTTP: use `bytes`"))
            }
            _ => Ok(()),
        }
    }
}
