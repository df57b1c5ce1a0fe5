#![doc = include_str!("../README.md")]
//!
//! `docs/nats-protocol.md` describes the protocol.
//!
//! - [`NatsConnection`] is the connection to NATS. [`Tunnels`] has the state that its tunnels share.
//! - [`Tunnels::connector`] returns a [`Connector`](fault_proxy_relay::Connector) to a [`Target`]. [`Tunnels::listen`]
//!   returns a [`Listener`](fault_proxy_relay::Listener) for the requests of clients. The stream of both is a
//!   [`NatsStream`].
//!
//! | module | content |
//! |---|---|
//! | `session` | state machine of a reliable session |
//! | `legacy` | state machine of a session with a peer that only supports the plain protocol |
//! | `any_session` | either of them |
//! | `message`, `subject`, `id`, `handshake` | messages on NATS |
//! | `shared`, `stream`, `driver` | a session, its stream, and the task that runs it |
//! | `connect`, `accept`, `tunnels` | opening of sessions |
//! | `link` | the connection to NATS |
//! | `relearn` | detection of a larger message limit of NATS |
//! | `targets` | rules for the targets that clients of a server may reach |
//! | `host` | validation of hosts |
//! | `throttle` | rate limit for log lines that clients can cause |

mod accept;
mod any_session;
mod budget;
mod connect;
mod driver;
#[cfg(feature = "fuzz")]
#[doc(hidden)]
pub mod fuzz;
mod handshake;
mod host;
mod id;
mod legacy;
mod link;
mod message;
mod paths;
mod permissions;
mod relearn;
mod session;
mod shared;
mod stream;
mod subject;
mod targets;
mod throttle;
mod tunnels;

pub use accept::NatsAccept;
pub use connect::NatsConnect;
pub use handshake::{Encoding, Target};
pub use link::{Credential, InvalidUrl, LinkError, NatsConnection, NatsOptions, NatsUrl, Status, Tls};
pub use permissions::{Needs, Permission, ServerAnswer};
pub use stream::NatsStream;
pub use subject::{InvalidServiceName, ServiceName};
pub use targets::{InvalidRule, Rule, Targets};
pub use tunnels::{Config, Tunnels};
