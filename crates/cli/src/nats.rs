//! What the two NATS programs are told alike, and do alike. Each group of flags is also a section of their files.

mod connection;
mod credential;
mod log;
mod program;
mod tunnel;
mod url;

pub use connection::{NatsArgs, NatsSettings};
pub use credential::Credential;
pub use log::LogArgs;
pub use program::{Program, Sessions, take_port};
pub use tunnel::{Encoding, TunnelArgs, TunnelSettings};
pub use url::NatsUrl;
