//! `cargo xtask demo`: demonstrations of the programs with real servers.

pub(crate) mod nats;
