//! The opening of a session: the client's handshake, then the upstream's connection.

use std::error::Error;
use std::io;
use std::time::Instant;

use tokio::select;
use tracing::{Span, field};

use super::pending::PendingDownstream;
use super::task::{Run, SessionTask};
use crate::connect::{ConnectError, Connected};
use crate::handshake::HandshakeProgress;
use crate::layer;
use crate::route::OnUpstreamFailure;
use crate::session;
use crate::stream::Legs;
use crate::summary::{CloseReason, SessionSummary};

impl SessionTask {
    /// Performs the handshake with the downstream, then dials the upstream. If either fails, returns `None` with the
    /// reason in the summary. The caller must then abort the stream that is left in `downstream`.
    pub(super) async fn open(&mut self, run: &Run, downstream: &mut PendingDownstream) -> Option<Legs> {
        let Self { marks, summary, connector, .. } = self;
        let handshake_failed = |summary: &mut SessionSummary, error: &io::Error| {
            summary.downstream_end = CloseReason::NotOpened(error_chain(error));
            summary.not_opened = Some("client_handshake");
        };
        run.relay.refuse_loop(marks, summary)?;
        let mut offer = None;
        if let Some(handshake) = &run.route.handshake {
            match handshake.accept(downstream.take()).await {
                Ok(HandshakeProgress::Complete(stream)) => downstream.0 = Some(stream),
                Ok(HandshakeProgress::OffersProtocols(stream, offered)) => {
                    downstream.0 = Some(stream);
                    offer = Some(offered);
                }
                Err(error) => {
                    handshake_failed(summary, &error);
                    return None;
                }
            }
        }
        let Some(connector) = connector.as_ref().or(run.route.connector.as_ref()) else {
            summary.upstream_end = CloseReason::NotOpened(
                "the client did not request an upstream, and the route does not have one".to_owned(),
            );
            summary.not_opened = Some("not_wanted");
            return None;
        };
        let dialed = Instant::now();
        let protocols = offer.as_ref().map(|offer| &*offer.protocols);
        let connecting = match &run.route.layer {
            None => layer::connect(&**connector, protocols),
            Some(layer) => layer.connect(&**connector, protocols),
        };
        let mut connected = select! {
            biased;
            connected = connecting => connected,
            () = downstream.wait_disconnected(offer.is_some()) => {
                summary.downstream_end = CloseReason::Aborted;
                return None;
            }
        };
        if let Ok(connected) = &mut connected {
            if let Some(observer) = &run.relay.connect_observer {
                observer(dialed.elapsed());
            }
            Span::current().record("upstream.addr", field::display(&connected.peer));
            summary.upstream = Some(connected.peer.clone());
            marks.dialed = connected.dialed.take();
            // Check again: the proxy that dialed the downstream runs on another thread and may have registered it only
            // now.
            if run.relay.refuse_loop(marks, summary).is_none() {
                connected.stream.abort();
                return None;
            }
        }
        if let Some(offer) = offer {
            let choice = connected.as_ref().map(|connected| connected.protocol.clone());
            match (offer.complete)(downstream.take(), choice).await {
                Ok(stream) => downstream.0 = Some(stream),
                Err(error) => {
                    // An error of the upstream has more detail, so it is reported instead of this one.
                    if let Ok(connected) = &mut connected {
                        connected.stream.abort();
                        handshake_failed(summary, &error);
                        return None;
                    }
                }
            }
        }
        match connected {
            Ok(Connected { stream, wrap, .. }) => {
                let legs = Legs { downstream: downstream.take(), upstream: stream };
                Some(match wrap {
                    Some(wrap) => wrap(legs),
                    None => legs,
                })
            }
            Err(error) => {
                summary.upstream_end = CloseReason::NotOpened(error_chain(&error));
                summary.not_opened = Some(error.reason());
                let is_refused = matches!(error, ConnectError::Refused(_));
                let is_reset = error.is_reset();
                // `downstream` is empty if its handshake failed because of this error.
                if run.route.on_upstream_failure == OnUpstreamFailure::Close
                    && !is_refused
                    && !is_reset
                    && let Some(stream) = downstream.0.take()
                {
                    summary.downstream_end = CloseReason::Closed;
                    // Boxed: few sessions get here, and inline the future would make all of them larger.
                    Box::pin(session::close(stream)).await;
                }
                None
            }
        }
    }
}

/// Formats an error and its sources as one line.
pub fn error_chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        line = format!("{line}: {error}");
        source = error.source();
    }
    line
}
