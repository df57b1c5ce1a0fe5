#![doc = include_str!("../README.md")]
//!
//! - [`Relay`] accepts clients from a [`Listener`], connects to the upstream through a [`Connector`] and relays each
//!   session in one task. [`Config`] holds its limits. A [`Route`] specifies the connector of a listener's sessions and
//!   how they are opened.
//! - [`Shutdown`] ends a relay: it lets sessions finish, closes them or aborts them.
//! - [`Stream`] is the trait of connections that can be relayed. [`TcpAcceptor`], [`TcpConnector`] and
//!   [`UnixConnector`] accept and open plain connections. A [`Handshake`] runs on the client's connection before the
//!   upstream is dialed, for example for TLS.
//! - [`Layer`] takes part in each session of a route: it can refuse the session, delay its dial and wrap its streams.
//! - [`SessionTracker`] lists open sessions. [`SessionSummary`] describes a session that has ended: the bytes of each
//!   direction and how each side ended.
//!
//! # Guarantees of a session
//!
//! - Each direction ends independently. The relay forwards a half-close (FIN) when all data before it is delivered, and
//!   the other direction continues.
//! - An abort (RST, or any failure) on one side becomes an abort on the other side, never an end of file. The relay
//!   also aborts a session that [`Shutdown::abort`] ends, and a client whose upstream cannot be reached, unless
//!   [`Route::on_upstream_failure`] is set.
//! - Bytes that a side sent before its abort or failure are delivered before the other side is aborted. The relay
//!   discards them only if their receiver stalls for 10 s, a fault ends the session, or the relay is shut down.
//! - A flow whose receiver does not read holds at most one buffer of 1 MiB. A flow whose sender is silent does not hold
//!   a buffer.

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
