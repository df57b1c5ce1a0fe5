//! `cargo xtask demo`: what the programs do, shown with real ones.

pub(crate) mod nats;
