//! Code that the two NATS programs share. Each group of flags is also a section of their files.

mod check;
mod connection;
mod credential;
mod main;
mod memory;
mod program;
mod tunnel;
mod url;

pub use check::Checked;
pub use connection::NatsArgs;
pub use main::main;
pub use memory::MemoryLimit;
pub use program::{Program, Sessions, take_port};
pub use tunnel::{Encoding, TunnelArgs};
