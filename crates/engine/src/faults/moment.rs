//! Parameters for the moment at which a fault begins: in the middle of a flow, or on requests.

use std::num::NonZeroU64;

use super::prelude::*;
use crate::direction::Directions;
use crate::requests::rule::{Moment, Part, RequestAction, RequestFault};
use crate::units::Count;

/// Protocols in which faults act on requests.
const REQUESTS: &[Protocol] = &[Protocol::Http, Protocol::Psql, Protocol::Redis];

pub(super) const AFTER_BYTES: Parameter =
    Parameter::bytes("after-bytes", "Number of bytes to let pass first, for example 64KiB").main();

pub(super) const ON: Parameter = Parameter::new(
    "on",
    ValueType::Text("REQUESTS"),
    "Requests to act on: commit or sql=/REGEX/ (PostgreSQL), POST /orders/* (HTTP), SET session:* (Redis)",
)
.of(REQUESTS)
.main();

pub(super) const AT: Parameter = Parameter::new(
    "at",
    ValueType::Words("MOMENT", MomentWord::WORDS),
    "Moment at which the fault begins; all but first-byte need `on`, and mid-response also needs `bytes`, `rows` or `events`",
)
.of(REQUESTS)
.main();

pub(super) const BYTES: Parameter =
    Parameter::bytes("bytes", "Number of bytes of the response that pass first, with `on`").of(REQUESTS);

pub(super) const ROWS: Parameter =
    Parameter::count("rows", "Number of rows of the response that pass first, with `on` (PostgreSQL)")
        .of(&[Protocol::Psql]);

pub(super) const EVENTS: Parameter = Parameter::count(
    "events",
    "Number of server-sent events of the response that pass first, with `on` (HTTP)",
)
.of(&[Protocol::Http]);

/// Moment in a request and its response, or in a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MomentWord {
    BeforeForward,
    AfterForward,
    FirstByte,
    MidResponse,
    BeforeReady,
    End,
}

words! { MomentWord, "a moment",
    BeforeForward = "before-forward", AfterForward = "after-forward", FirstByte = "first-byte",
    MidResponse = "mid-response", BeforeReady = "before-ready", End = "end"
}

/// Parameters of a fault that can act on requests.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct OnRequests {
    on: Option<String>,
    at: Option<MomentWord>,
    bytes: Option<ByteCount>,
    rows: Option<Count>,
    events: Option<Count>,
}

/// Parameters of a fault that can act on requests, or begin in the middle of a flow.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Where {
    #[serde(rename = "after-bytes")]
    after_bytes: Option<ByteCount>,
    #[serde(flatten)]
    requests: OnRequests,
}

impl Where {
    /// Returns the number of bytes to let pass first, for a fault that acts on flows.
    pub(super) fn bytes_before(&self) -> Result<u64, ParamError> {
        let is_at_first_byte = self.requests.at == Some(MomentWord::FirstByte);
        match self.after_bytes.map(ByteCount::count) {
            Some(_) if is_at_first_byte => {
                Err(ParamError::new("at", "is given with `after-bytes`: use one of them"))
            }
            Some(0) => Err(ParamError::new(
                "after-bytes",
                "is 0: leave it out to let no byte pass, or use at least 1B",
            )),
            bytes => Ok(bytes.unwrap_or(u64::from(is_at_first_byte))),
        }
    }

    /// Returns the fault on requests, if it acts on requests. The moment defaults to `default`.
    pub(super) fn on_requests(
        &self,
        default: Moment,
        action: impl FnOnce() -> RequestAction,
    ) -> Result<Option<RequestFault>, ParamError> {
        if self.after_bytes.is_some() && self.requests.on.is_some() {
            return Err(ParamError::new(
                "after-bytes",
                "does not apply with `on`: use `bytes`, which counts those of the response",
            ));
        }
        self.requests.fault(default, true, action)
    }

    /// Returns the directions of a fault without a `direction`.
    pub(super) fn directions(&self) -> Option<Directions> {
        let is_in_flow = self.after_bytes.is_some() || self.requests.at.is_some();
        is_in_flow.then_some(Directions::TO_DOWNSTREAM)
    }
}

impl OnRequests {
    /// Returns the fault on requests, if it acts on requests. The moment defaults to `default`.
    pub(super) fn on_requests(
        &self,
        default: Moment,
        action: impl FnOnce() -> RequestAction,
    ) -> Result<Option<RequestFault>, ParamError> {
        self.fault(default, false, action)
    }

    /// Returns the fault on requests. `first_byte` is true if a fault on flows can begin at the first byte.
    fn fault(
        &self,
        default: Moment,
        first_byte: bool,
        action: impl FnOnce() -> RequestAction,
    ) -> Result<Option<RequestFault>, ParamError> {
        let moment = self.moment(default)?;
        if let Some(on) = &self.on {
            return Ok(Some(RequestFault::new(on, moment, action())));
        }
        let needs_on = match (self.at, self.part()?) {
            (Some(MomentWord::FirstByte), None) if first_byte => None,
            (Some(at), _) => Some(("at", format!("{at} needs `on`"))),
            (None, part) => part.map(|(name, _)| (name, "needs `on`".to_owned())),
        };
        needs_on.map_or(Ok(None), |(name, problem)| {
            Err(ParamError::new(
                name,
                format!("{problem}, which selects the requests that the fault acts on"),
            ))
        })
    }

    /// Returns the selected requests, and the part of their responses that passes. Both are required.
    pub(super) fn part_of_response(&self) -> Result<(&str, Moment), ParamError> {
        let on = needed("on", self.on.as_deref(), "GET /orders/* or select")?;
        match self.part()? {
            Some((_, part)) => Ok((on, Moment::MidResponse(part))),
            None => Err(ParamError::new("bytes", "is required, or `rows` or `events`, for example 100")),
        }
    }

    fn moment(&self, default: Moment) -> Result<Moment, ParamError> {
        let at = match self.at {
            Some(at) => at,
            None if self.part()?.is_some() => MomentWord::MidResponse,
            None => return Ok(default),
        };
        match (at, self.part()?) {
            (MomentWord::MidResponse, Some((_, part))) => Ok(Moment::MidResponse(part)),
            (MomentWord::MidResponse, None) => Err(ParamError::new(
                "at",
                "mid-response needs `bytes`, `rows` or `events`, the part that passes first",
            )),
            (other, Some((name, _))) => {
                Err(ParamError::new(name, format!("does not apply to `at` {other}: use mid-response")))
            }
            (MomentWord::BeforeForward, None) => Ok(Moment::BeforeForward),
            (MomentWord::AfterForward, None) => Ok(Moment::AfterForward),
            (MomentWord::FirstByte, None) => Ok(Moment::FirstByte),
            (MomentWord::BeforeReady, None) => Ok(Moment::BeforeReady),
            (MomentWord::End, None) => Ok(Moment::End),
        }
    }

    /// Returns the part of the response that passes first, and its parameter.
    fn part(&self) -> Result<Option<(&'static str, Part)>, ParamError> {
        let parts = [
            ("bytes", self.bytes.map(ByteCount::count), Part::Bytes as fn(NonZeroU64) -> Part),
            ("rows", self.rows.map(Count::value), Part::Rows),
            ("events", self.events.map(Count::value), Part::Events),
        ];
        let mut given = parts.into_iter().filter_map(|(name, count, part)| Some((name, count?, part)));
        let Some((name, count, part)) = given.next() else { return Ok(None) };
        if let Some((other, ..)) = given.next() {
            return Err(ParamError::new(other, format!("is given with `{name}`: use one of them")));
        }
        let count = NonZeroU64::new(count).ok_or_else(|| ParamError::new(name, "is 0: use at least 1"))?;
        Ok(Some((name, part(count))))
    }
}
