//! The start of a session: a request and its reply. See `docs/nats-protocol.md`.

mod refusal;

use std::fmt;
use std::time::Duration;

use async_nats::{HeaderMap, Subject};
use bytes::Bytes;
use thiserror::Error;

pub(crate) use self::refusal::{Refusal, Scope};
use crate::host;
use crate::id::{InstanceId, InvalidId, RequestId, SessionId};
use crate::message::{self, MessageError};
use crate::subject::{self, ServiceName};

const HOST: &str = "remote_host";
const PORT: &str = "remote_port";
const OFFERED_VERSION: &str = "proxy-version";
const OFFERED_ENCODINGS: &str = "proxy-encodings";
const OFFERED_INSTANCE: &str = "proxy-instance";
const OFFERED_MAX_MESSAGE: &str = "proxy-max-message";
const NOTICES: &str = "proxy-notices";
const REFUSED_BY: &str = "proxy-refused-by";
const CHECK: &str = "proxy-check";
const REQUEST_ID: &str = "proxy-request";
/// In milliseconds.
const WAIT: &str = "proxy-wait";
const VERSION: &str = "1";
const INSTANCE: &str = "instance";
const MAX_MESSAGE: &str = "max-message";
/// Maximum length of an invalid host in an error, in characters.
const MAX_SHOWN_HOST: usize = 100;
/// Maximum length of an inbox that a server stores, in bytes.
pub(crate) const MAX_INBOX: usize = 256;
/// Maximum length of a text of the peer, in characters.
const MAX_REASON: usize = 500;

/// Target that a client reaches through a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// An address. The server resolves its host.
    Host {
        /// A name or an IP address, without brackets.
        host: String,
        /// The TCP port.
        port: u16,
    },
    /// The target that servers offer under this name.
    Service(ServiceName),
}

impl Target {
    /// Returns the subject of requests for this target. All hosts have the same one.
    pub fn subject(&self) -> String {
        match self {
            Self::Host { .. } => subject::REQUEST.to_owned(),
            Self::Service(name) => subject::service(name),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Host { host, port } => write!(f, "{host}:{port}"),
            Self::Service(name) => write!(f, "nats-service:{name}"),
        }
    }
}

/// Encoding of the frames of a reliable session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encoding {
    /// A short prefix, and the payload.
    Binary,
    /// JSON with base64, as in the plain protocol.
    Json,
}

impl Encoding {
    fn name(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::Json => "json",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Binary, Self::Json].into_iter().find(|encoding| encoding.name() == name)
    }
}

/// Capabilities of a client beyond the plain protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offer {
    /// The preferred encoding comes first.
    pub(crate) encodings: Vec<Encoding>,
    pub(crate) sender: EndInfo,
}

/// Properties of an end that the peer receives when a session opens. Older versions send fewer of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct EndInfo {
    /// ID of the process.
    pub(crate) instance: Option<InstanceId>,
    /// Maximum size of a message that its NATS server accepts, in bytes.
    pub(crate) max_message: Option<usize>,
}

impl Offer {
    /// Returns the first offered encoding that this end supports. Every peer supports JSON.
    pub(crate) fn choose(&self, native: &[Encoding]) -> Encoding {
        self.encodings.iter().copied().find(|offered| native.contains(offered)).unwrap_or(Encoding::Json)
    }
}

/// Result of the negotiation that the server has sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Negotiated {
    pub(crate) encoding: Encoding,
    /// The client's first credit, in bytes.
    pub(crate) window: u64,
    pub(crate) sender: EndInfo,
}

/// The fields of a request other than its target.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms<'a> {
    pub(crate) offer: &'a Offer,
    /// ID of the request. It stays the same when the request is repeated.
    pub(crate) id: &'a RequestId,
    /// Time that the client waits from now on.
    pub(crate) wait: Duration,
    /// Servers that must not be asked again.
    pub(crate) refused_by: &'a [InstanceId],
    /// Inbox of the client for notices.
    pub(crate) notices: Option<&'a str>,
}

/// Returns the headers and the payload of a request.
pub(crate) fn request(target: &Target, terms: &Terms<'_>) -> (HeaderMap, Bytes) {
    let Terms { offer, id, wait, refused_by, notices } = *terms;
    let mut headers = HeaderMap::new();
    if let Target::Host { host, port } = target {
        headers.insert(HOST, host.as_str());
        headers.insert(PORT, port.to_string());
    }
    let encodings: Vec<_> = offer.encodings.iter().map(|encoding| encoding.name()).collect();
    headers.insert(OFFERED_VERSION, VERSION);
    headers.insert(OFFERED_ENCODINGS, encodings.join(","));
    if let Some(instance) = offer.sender.instance {
        headers.insert(OFFERED_INSTANCE, instance.to_string());
    }
    if let Some(max_message) = offer.sender.max_message {
        headers.insert(OFFERED_MAX_MESSAGE, max_message.to_string());
    }
    headers.insert(REQUEST_ID, id.as_str());
    headers.insert(WAIT, wait.as_millis().to_string());
    if !refused_by.is_empty() {
        let refused_by: Vec<_> = refused_by.iter().map(ToString::to_string).collect();
        headers.insert(REFUSED_BY, refused_by.join(","));
    }
    if let Some(notices) = notices {
        headers.insert(NOTICES, notices);
    }
    (headers, message::encode("", &[], &[]))
}

/// Returns a request for which servers do not dial. A client uses it to check that it may send requests. A server logs
/// `report` unless it is empty. `unable` is the client's process if it cannot publish: the server ends the sessions
/// with that process unless it answers.
pub(crate) fn check(report: &str, unable: Option<InstanceId>) -> (HeaderMap, Bytes) {
    let mut headers = HeaderMap::new();
    headers.insert(CHECK, report);
    if let Some(unable) = unable {
        headers.insert(OFFERED_INSTANCE, unable.to_string());
    }
    (headers, message::encode("", &[], &[]))
}

/// Returns the report and the process of a [`check`], or `None` for other requests.
pub(crate) fn parse_check(headers: Option<&HeaderMap>) -> Option<(String, Option<InstanceId>)> {
    let headers = headers?;
    let report = printable(headers.get(CHECK)?.as_str().as_bytes());
    Some((report, headers.get(OFFERED_INSTANCE).and_then(|instance| InstanceId::parse(instance.as_str()))))
}

/// A client's request, as a server parses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) target: Target,
    /// `None` if the client only supports the plain protocol.
    pub(crate) offer: Option<Offer>,
    /// Servers that have refused the request.
    pub(crate) refused_by: Vec<InstanceId>,
    /// `None` if the client sends each request once.
    pub(crate) id: Option<RequestId>,
    /// Time that the client waits, counted from when the request was sent. `None` if the request does not specify it.
    pub(crate) wait: Option<Duration>,
    /// Inbox of the client for notices, if it has one.
    pub(crate) notices: Option<Subject>,
}

/// Error for a message that is not a request. Errors other than [`Self::Message`] are sent to the client. Their texts
/// contain spaces, because some clients take a text without spaces for a session ID.
#[derive(Debug, Error)]
pub(crate) enum RequestError {
    #[error(transparent)]
    Message(#[from] MessageError),
    #[error("the request has no `{0}`")]
    Missing(&'static str),
    #[error(
        "the request's `remote_host` {0:?} is not a host name (letters, digits, `-`, `_` and `.`) or an IP address"
    )]
    Host(String),
    #[error("the request's `remote_port` is not a port: 1 to 65535")]
    Port,
    #[error("the request has no service")]
    Service,
}

impl Request {
    /// Parses a request. If the message has headers, they are used instead of its metadata.
    pub(crate) fn parse(
        subject: &str,
        headers: Option<&HeaderMap>,
        payload: &[u8],
    ) -> Result<Self, RequestError> {
        let message = message::decode(payload)?;
        let headers = headers.filter(|headers| !headers.is_empty());
        let field = |name| match headers {
            Some(headers) => headers.get(name).map(|value| value.as_str()),
            None => message.get(name),
        };
        let target = if subject == subject::REQUEST {
            let host = field(HOST).filter(|host| !host.is_empty()).ok_or(RequestError::Missing(HOST))?;
            let host = host::parse(host)
                .ok_or_else(|| RequestError::Host(host.chars().take(MAX_SHOWN_HOST).collect()))?
                .to_owned();
            let port = field(PORT).ok_or(RequestError::Missing(PORT))?;
            let port = port.parse().ok().filter(|port| *port > 0).ok_or(RequestError::Port)?;
            Target::Host { host, port }
        } else {
            Target::Service(subject::named_service(subject).ok_or(RequestError::Service)?)
        };
        let offer = field(OFFERED_VERSION).map(|_| {
            let encodings = field(OFFERED_ENCODINGS).unwrap_or_default();
            Offer {
                encodings: encodings.split(',').filter_map(|name| Encoding::from_name(name.trim())).collect(),
                sender: EndInfo {
                    instance: field(OFFERED_INSTANCE).and_then(InstanceId::parse),
                    max_message: field(OFFERED_MAX_MESSAGE).and_then(|text| text.parse().ok()),
                },
            }
        });
        let refused_by = field(REFUSED_BY).unwrap_or_default();
        let refused_by = refused_by.split(',').filter_map(InstanceId::parse).collect();
        let id = field(REQUEST_ID).and_then(|id| RequestId::parse(id).ok());
        let wait = field(WAIT).and_then(|wait| wait.parse().ok()).map(Duration::from_millis);
        let is_inbox = |inbox: &&str| inbox.len() <= MAX_INBOX && subject::is_literal(inbox);
        let notices = field(NOTICES).filter(is_inbox).map(Subject::from);
        Ok(Self { target, offer, refused_by, id, wait, notices })
    }

    /// Returns the ID of a request that a client has repeated to the server that received it.
    pub(crate) fn parse_repeated(headers: &HeaderMap) -> Option<RequestId> {
        RequestId::parse(headers.get(REQUEST_ID)?.as_str()).ok()
    }
}

/// Returns the reply with which a server opens a session.
pub(crate) fn opened(id: &SessionId, agreed: Option<Negotiated>) -> Bytes {
    let data = id.as_str().as_bytes();
    match agreed {
        None => message::encode_reply(data),
        Some(Negotiated { encoding, window, sender }) => {
            let window = window.to_string();
            let instance = sender.instance.map(|instance| instance.to_string());
            let max_message = sender.max_message.map(|max_message| max_message.to_string());
            let mut metadata = vec![("version", VERSION), ("encoding", encoding.name()), ("window", &window)];
            metadata.extend(instance.as_deref().map(|instance| (INSTANCE, instance)));
            metadata.extend(max_message.as_deref().map(|max_message| (MAX_MESSAGE, max_message)));
            message::encode("", data, &metadata)
        }
    }
}

/// Returns the reply with which a server reports that it has received the request and has not decided yet.
pub(crate) fn pending(server: InstanceId) -> Bytes {
    message::encode("", &[], &[("pending", "true"), (INSTANCE, &server.to_string())])
}

/// Reply that a client receives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    Opened {
        id: SessionId,
        /// `None` if the server only supports the plain protocol.
        agreed: Option<Negotiated>,
    },
    /// A server has received the request and has not decided yet.
    Pending { server: InstanceId },
    Refused {
        refusal: Refusal,
        /// `None` if the server does not send its ID.
        server: Option<InstanceId>,
    },
}

/// Reason why a reply cannot be used.
#[derive(Debug, Error)]
pub(crate) enum ReplyError {
    /// The reply is not a message.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// The reply does not contain a session.
    #[error("the server's reply has no session")]
    Id(#[from] InvalidId),
    /// The reply chooses an unknown encoding.
    #[error("the server's reply has an unknown encoding")]
    Encoding,
    /// The reply does not grant credit.
    #[error("the server's reply has no window")]
    Window,
}

impl Reply {
    pub(crate) fn parse(payload: &[u8]) -> Result<Self, ReplyError> {
        let message = message::decode(payload)?;
        let server = message.get(INSTANCE).and_then(InstanceId::parse);
        if message.get("error").is_some() {
            return Ok(Self::Refused { refusal: Refusal::read(&message), server });
        }
        if let (Some(_), Some(server)) = (message.get("pending"), server) {
            return Ok(Self::Pending { server });
        }
        let id = SessionId::parse(&String::from_utf8_lossy(&message.data))?;
        let agreed = match message.get("version") {
            None => None,
            Some(_) => Some(Negotiated {
                encoding: message
                    .get("encoding")
                    .and_then(Encoding::from_name)
                    .ok_or(ReplyError::Encoding)?,
                window: message.get("window").and_then(|text| text.parse().ok()).ok_or(ReplyError::Window)?,
                sender: EndInfo {
                    instance: server,
                    max_message: message.get(MAX_MESSAGE).and_then(|text| text.parse().ok()),
                },
            }),
        };
        Ok(Self::Opened { id, agreed })
    }

    /// Returns the server that has sent the reply, or `None` if it does not send its ID.
    pub(crate) fn server(&self) -> Option<InstanceId> {
        match self {
            Self::Opened { agreed, .. } => agreed.and_then(|agreed| agreed.sender.instance),
            Self::Pending { server } => Some(*server),
            Self::Refused { server, .. } => *server,
        }
    }
}

/// Returns the text of a peer in a form that is safe to log.
pub(crate) fn printable(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    text.chars().take(MAX_REASON).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests;
