use crate::event::{Event, EventKind, OpaqueReason};
use crate::http::Http;
use crate::psql::Psql;
use crate::redis::Redis;

/// A protocol that framers know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// HTTP/1.0 and HTTP/1.1.
    Http,
    /// PostgreSQL, protocol 3.
    Psql,
    /// Redis, RESP2 and RESP3.
    Redis,
}

/// Finds requests and responses in the two streams of a session.
///
/// The framer copies only keys and names. It has no I/O and no clock. How the streams are cut into pieces changes neither the events
/// nor their order in a stream.
///
/// # Examples
/// ```
/// use fault_proxy_protocol::{EventKind, Framer, Protocol};
///
/// let mut framer = Framer::new(Protocol::Psql);
/// framer.on_requests(b"\x00\x00\x00\x0a\x00\x03\x00\x00u\x00", |_| {});
/// framer.on_responses(b"R\x00\x00\x00\x08\x00\x00\x00\x00Z\x00\x00\x00\x05I", |_| {});
///
/// let mut seen = Vec::new();
/// framer.on_requests(b"Q\x00\x00\x00\x0bcommit\x00", |event| {
///     if let EventKind::RequestBegins(request) = event.kind {
///         seen.push((event.offset, request.kinds.join(" ")));
///     }
/// });
/// assert_eq!(seen, [(10, "commit".to_owned())]);
/// ```
#[derive(Debug)]
pub struct Framer {
    core: Core,
}

#[derive(Debug)]
enum Core {
    Http(Http),
    Psql(Psql),
    Redis(Redis),
    Opaque,
}

impl Framer {
    /// Creates the framer of a new session.
    pub fn new(protocol: Protocol) -> Self {
        let core = match protocol {
            Protocol::Http => Core::Http(Http::default()),
            Protocol::Psql => Core::Psql(Psql::default()),
            Protocol::Redis => Core::Redis(Redis::default()),
        };
        Self { core }
    }

    /// Reads the next bytes that the client sent.
    pub fn on_requests(&mut self, bytes: &[u8], mut sink: impl FnMut(Event<'_>)) {
        let result = match &mut self.core {
            Core::Http(core) => core.on_requests(bytes, &mut sink),
            Core::Psql(core) => core.on_requests(bytes, &mut sink),
            Core::Redis(core) => core.on_requests(bytes, &mut sink),
            Core::Opaque => Ok(()),
        };
        self.check(result, &mut sink);
    }

    /// Reads the next bytes that the server sent. The requests that they respond to must have been read before.
    pub fn on_responses(&mut self, bytes: &[u8], mut sink: impl FnMut(Event<'_>)) {
        let result = match &mut self.core {
            Core::Http(core) => core.on_responses(bytes, &mut sink),
            Core::Psql(core) => core.on_responses(bytes, &mut sink),
            Core::Redis(core) => core.on_responses(bytes, &mut sink),
            Core::Opaque => Ok(()),
        };
        self.check(result, &mut sink);
    }

    /// The server has ended its stream, and not by a reset. The response of HTTP that lasts until then ends.
    pub fn on_responses_end(&mut self, mut sink: impl FnMut(Event<'_>)) {
        if let Core::Http(core) = &mut self.core {
            core.on_responses_end(&mut sink);
        }
    }

    /// The server receives a simple query of PostgreSQL in the place of the Execute of this request, and then the Sync of its group. If an
    /// earlier message of the group fails, the server skips both the query and its ReadyForQuery. Otherwise, the query ends the
    /// transaction. Call this before the response is read.
    pub fn embed_query(&mut self, request: u64) {
        if let Core::Psql(core) = &mut self.core {
            core.embed_query(request);
        }
    }

    /// Returns the offset of the message in the stream of requests that may become a request, but has not been read far enough.
    pub fn undecided_since(&self) -> Option<u64> {
        match &self.core {
            Core::Http(core) => core.undecided_since(),
            Core::Psql(core) => core.undecided_since(),
            Core::Redis(core) => core.undecided_since(),
            Core::Opaque => None,
        }
    }

    /// Returns the offset of the message in the stream of responses that may be an interim response of HTTP or begin the response itself,
    /// but has not been read far enough.
    pub fn undecided_response_since(&self) -> Option<u64> {
        match &self.core {
            Core::Http(core) => core.undecided_response_since(),
            Core::Psql(_) | Core::Redis(_) | Core::Opaque => None,
        }
    }

    /// Returns true if the client has sent the end of a group of PostgreSQL messages that the server has not answered: ReadyForQuery
    /// follows. False for other protocols.
    pub fn expects_ready(&self) -> bool {
        match &self.core {
            Core::Psql(core) => core.expects_ready(),
            Core::Http(_) | Core::Redis(_) | Core::Opaque => false,
        }
    }

    /// Returns true if the framer cannot read the session any more.
    pub fn is_opaque(&self) -> bool {
        matches!(self.core, Core::Opaque)
    }

    fn check(&mut self, result: Result<(), Opaque>, sink: &mut dyn FnMut(Event<'_>)) {
        if let Err(Opaque { offset, reason }) = result {
            self.core = Core::Opaque;
            sink(Event { offset, kind: EventKind::Opaque(reason) });
        }
    }
}

/// First byte of a session with TLS: a record of its handshake.
pub(crate) const TLS_HANDSHAKE: u8 = 0x16;

/// A framer that gives up at this offset of the stream it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Opaque {
    pub(crate) offset: u64,
    pub(crate) reason: OpaqueReason,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_send<T: Send>(value: T) -> T {
        value
    }

    #[test]
    fn a_framer_is_small() {
        for protocol in [Protocol::Psql, Protocol::Redis] {
            let framer = assert_send(Framer::new(protocol));
            assert!(size_of_val(&framer) <= 512, "{protocol:?}: {}", size_of_val(&framer));
        }
    }
}
