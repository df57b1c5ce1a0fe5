//! The opening of a session: the client's handshake, then the upstream's connection.

use std::error::Error;
use std::io;
use std::time::Instant;

use tracing::{Span, field};

use super::Relay;
use super::chains::LoopMarks;
use crate::connect::{ConnectError, Connected};
use crate::handshake::HandshakeProgress;
use crate::route::{OnUpstreamFailure, Route};
use crate::session;
use crate::stream::BoxStream;
use crate::summary::{End, SessionSummary};

impl Relay {
    /// Hands shake with the downstream, then dials; `None` with the reason in `summary` if either fails.
    pub(super) async fn open(
        &self,
        downstream: BoxStream,
        route: &Route,
        marks: &mut LoopMarks,
        summary: &mut SessionSummary,
    ) -> Option<(BoxStream, BoxStream)> {
        let mut downstream = Unopened(Some(downstream));
        self.refuse_loop(marks, summary)?;
        let downstream = downstream.take();
        let handshake_failed = |summary: &mut SessionSummary, error: &io::Error| {
            summary.downstream_end = End::NotOpened(one_line(error));
            summary.not_opened = Some("client_handshake");
        };
        let progress = match &route.handshake {
            None => HandshakeProgress::Complete(downstream),
            Some(handshake) => match handshake.accept(downstream).await {
                Ok(progress) => progress,
                Err(error) => {
                    handshake_failed(summary, &error);
                    return None;
                }
            },
        };
        let (mut downstream, offer) = match progress {
            HandshakeProgress::Complete(stream) => (Unopened(Some(stream)), None),
            HandshakeProgress::OffersProtocols(offer) => (Unopened(None), Some(offer)),
        };
        let Some(connector) = &route.connector else {
            summary.upstream_end =
                End::NotOpened("it asked for no upstream, and there is none for all".to_owned());
            summary.not_opened = Some("not_wanted");
            return None;
        };
        let dialled = Instant::now();
        let mut connected = match &offer {
            None => connector.connect().await,
            Some(offer) => connector.connect_offering(&offer.protocols).await,
        };
        if let Ok(connected) = &connected {
            if let Some(observer) = &self.connect_observer {
                observer(dialled.elapsed());
            }
            Span::current().record("upstream.addr", field::display(&connected.peer));
            summary.upstream = Some(connected.peer.clone());
        }
        if let Ok(connected) = &mut connected {
            marks.dialed = connected.dialed.take();
            // The proxy that has dialed the downstream, on another thread, may have remembered it only now.
            if self.refuse_loop(marks, summary).is_none() {
                connected.stream.abort();
                return None;
            }
        }
        if let Some(offer) = offer {
            let choice = connected.as_ref().map(|connected| connected.protocol.clone());
            match (offer.complete)(choice).await {
                Ok(stream) => downstream = Unopened(Some(stream)),
                Err(error) => {
                    // The upstream's error, if there is one, says more.
                    if let Ok(connected) = &mut connected {
                        connected.stream.abort();
                        handshake_failed(summary, &error);
                        return None;
                    }
                }
            }
        }
        match connected {
            Ok(Connected { stream, around_downstream, .. }) => {
                let downstream = downstream.take();
                let downstream = match around_downstream {
                    Some(wrap) => wrap(downstream),
                    None => downstream,
                };
                Some((downstream, stream))
            }
            Err(error) => {
                summary.upstream_end = End::NotOpened(one_line(&error));
                summary.not_opened = Some(error.reason());
                let is_refused = matches!(error, ConnectError::Refused(_));
                let is_reset = error.is_reset();
                // A downstream whose own handshake failed for this is gone.
                if route.on_upstream_failure == OnUpstreamFailure::Close
                    && !is_refused
                    && !is_reset
                    && let Some(stream) = downstream.0.take()
                {
                    summary.downstream_end = End::Closed;
                    // In a box, since most sessions do not come here and all would be larger.
                    Box::pin(session::close(stream)).await;
                }
                None
            }
        }
    }
}

/// A downstream that is aborted if its session never opens, unless it is taken out to be closed.
struct Unopened(Option<BoxStream>);

impl Unopened {
    fn take(&mut self) -> BoxStream {
        self.0.take().expect("taken once")
    }
}

impl Drop for Unopened {
    fn drop(&mut self) {
        if let Some(stream) = &mut self.0 {
            stream.abort();
        }
    }
}

/// An error and its sources, as one line.
pub fn one_line(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        line = format!("{line}: {error}");
        source = error.source();
    }
    line
}
