//! TCP connections over NATS that lose no byte when NATS blinks.

mod link;

pub use link::{Credential, Link, LinkError, NatsOptions, Status, Tls};
