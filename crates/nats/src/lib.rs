#![doc = include_str!("../README.md")]
//!
//! `docs/nats-protocol.md` describes the protocol.
//!
//! - [`NatsConnection`] is the connection to NATS. [`Tunnels`] is what its tunnels share.
//! - [`Tunnels::connector`] is a [`Connector`](fault_proxy_relay::Connector) to a [`Target`]; [`Tunnels::listen`] a
//!   [`Listener`](fault_proxy_relay::Listener) of what clients ask for. What either brings is a [`NatsStream`].
//!
//! | module | what it is |
//! |---|---|
//! | `session` | a reliable session: the pure state machine |
//! | `legacy` | a session with a peer that only speaks the plain protocol: the same |
//! | `any_session` | either of them |
//! | `message`, `subject`, `id`, `handshake` | what goes over NATS |
//! | `shared`, `stream`, `driver` | a session's two tasks: its user's and its own |
//! | `connect`, `accept`, `tunnels` | how sessions are created |
//! | `link` | the connection to NATS |
//! | `relearn` | a limit of it that may have grown |
//! | `targets` | what a server's clients may reach |
//! | `host` | which texts are hosts |
//! | `throttle` | a log that strangers cannot flood |

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
mod relearn;
mod rights;
mod session;
mod shared;
mod stream;
mod subject;
mod targets;
mod throttle;
mod tunnels;

pub use accept::{Dial, NatsAccept};
pub use connect::NatsConnect;
pub use handshake::{Encoding, Target};
pub use link::{Credential, InvalidUrl, LinkError, NatsConnection, NatsOptions, NatsUrl, Status, Tls};
pub use rights::{Needs, Right, ServerAnswer};
pub use stream::NatsStream;
pub use subject::{InvalidServiceName, ServiceName};
pub use targets::{InvalidRule, Rule, Targets};
pub use tunnels::{Config, Tunnels};
