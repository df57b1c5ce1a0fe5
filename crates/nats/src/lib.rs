#![doc = include_str!("../README.md")]
//!
//! `docs/nats-protocol.md` describes the protocol.
//!
//! - [`Link`] is the connection to NATS, [`Tunnels`] what its tunnels share.
//! - [`Tunnels::connector`] is a [`Connector`](fault_proxy_relay::Connector) to a [`Target`]; [`Tunnels::listen`] a
//!   [`Listener`](fault_proxy_relay::Listener) of what clients ask for. What either brings is a [`NatsStream`].
//!
//! | module | what it is |
//! |---|---|
//! | `session` | a reliable session: the pure state machine |
//! | `plain` | a session with a peer that only speaks the plain protocol: the same |
//! | `core` | either of them |
//! | `message`, `subject`, `id`, `opening` | what goes over NATS |
//! | `shared`, `stream`, `driver` | a session's two tasks: its user's and its own |
//! | `connect`, `accept`, `tunnels` | how sessions come about |
//! | `link` | the connection to NATS |
//! | `relearn` | a limit of it that may have grown |
//! | `targets` | what a server's clients may reach |
//! | `host` | which texts are hosts |
//! | `throttle` | a log that strangers cannot flood |

mod accept;
mod budget;
mod connect;
mod core;
mod driver;
#[cfg(feature = "fuzz")]
#[doc(hidden)]
pub mod fuzz;
mod host;
mod id;
mod link;
mod message;
mod opening;
mod paths;
mod plain;
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
pub use id::{InvalidId, SessionId};
pub use link::{Credential, InvalidUrl, Link, LinkError, NatsOptions, NatsUrl, Status, Tls};
pub use opening::{Encoding, ReplyError, Target};
pub use rights::{Needs, Right, ServerAnswer};
pub use stream::NatsStream;
pub use subject::{InvalidServiceName, ServiceName};
pub use targets::{InvalidRule, Rule, Targets};
pub use tunnels::{Config, Tunnels};
