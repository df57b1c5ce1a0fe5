#![doc = include_str!("../README.md")]

mod event;
mod framer;
mod http;
mod key;
mod psql;
mod redact;
mod redis;
mod selector;
#[cfg(test)]
mod testing;

pub use event::{Event, EventKind, OpaqueReason, Outcome, Persistence, Request, TransactionStatus};
pub use framer::{Framer, Protocol};
pub use key::MAX_KEY;
pub use selector::{Selector, SelectorError};
