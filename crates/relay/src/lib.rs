#![doc = include_str!("../README.md")]
//!
//! - [`Relay`] accepts from a [`Listener`], connects through a [`Connector`] and relays each session in one task;
//!   [`Config`] holds its limits, [`Route`] is where the sessions of a listener go.
//! - [`Shutdown`] ends it: it drains first and aborts at the deadline, or closes immediately.
//! - [`Stream`] is what can be relayed; [`TcpAcceptor`], [`TcpConnector`] and [`UnixConnector`] are the plain ones,
//!   [`Handshake`] is where TLS or a protocol's opening comes in.
//! - [`Layer`] takes part in each session of a route: it can refuse it, delay its dial and wrap its streams.
//! - [`SessionTracker`] lists open sessions. [`SessionSummary`] describes a session that has ended: the bytes of each direction and how each side
//!   ended.
//!
//! # What a session guarantees
//!
//! - Each direction ends on its own: a half-close (FIN) is passed on when everything before it is delivered, and the
//!   other direction goes on.
//! - An abort (RST, or any failure) on one side becomes an abort on the other, never an end of file. So does a
//!   relay that is ended, and an upstream that cannot be reached unless [`Route::on_upstream_failure`] is set.
//! - Bytes that a side sent before its abort or failure are delivered before the other side is aborted. The relay
//!   discards them only if their receiver stalls for 10 s, a fault cuts the session, or the relay is ended.
//! - A flow that waits for its reader holds at most one buffer of 1 MiB. A flow that waits for its writer does not hold a buffer.

mod config;
mod connect;
mod flow;
mod handshake;
mod layer;
mod listen;
mod loops;
mod places;
mod pool;
mod relay;
mod report;
mod resolve;
mod route;
mod session;
mod shutdown;
mod socket;
mod splice;
mod stats;
mod stream;
mod summary;
mod sys;
mod throttle;

pub use config::{Config, DataPath};
pub use connect::{
    CONNECT_TIMEOUT, ConnectError, Connected, Connecting, Connector, TcpConnector, UnixConnector,
};
pub use handshake::{Accepting, CompleteHandshake, Completing, Handshake, HandshakeProgress, ProtocolOffer};
pub use layer::{DynLayer, Layer};
pub use listen::{Accepted, Listener, TcpAcceptor};
pub use loops::{Dialed, LoopDetector, ProxyPort};
pub use places::LimitStats;
pub use relay::{Relay, error_chain};
pub use resolve::Resolver;
pub use route::{OnUpstreamFailure, Route};
pub use shutdown::Shutdown;
pub use socket::tune_listener;
pub use stats::{ByteCounts, Ends, OpenSession, RelayStats, SessionTracker};
pub use stream::{BoxStream, Legs, Peer, Stream};
pub use summary::{CloseReason, SessionSummary};
pub use throttle::Throttle;
