//! Code that the two NATS programs share, in addition to `proxy-cli`. Each group of flags is also a section of their
//! files.
//!
//! | module | content |
//! |---|---|
//! | [`target`] | targets of nats-proxy-server |

mod check;
mod common;
mod connection;
mod credential;
mod entry;
mod memory;
mod program;
pub mod target;
mod tunnel;
mod url;

pub use check::Checked;
pub use common::{CommonArgs, CommonConfig};
pub use connection::NatsArgs;
pub use entry::main;
pub use memory::MemoryLimit;
pub use program::{Program, Sessions, take_port};
pub use tunnel::{Encoding, TunnelArgs};
