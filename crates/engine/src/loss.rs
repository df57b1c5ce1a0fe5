//! Packet loss on a byte stream. A simulated TCP sender sends lost segments again, so a loss delays bytes but
//! does not drop them.
//!
//! - `model`: which segments are lost, as configured.
//! - `process`: draws which segments are lost, one after the other.
//! - `sender`: the stage of a flow. Its segments wait for the window, are lost, detected as lost and sent
//!   again.
//! - `queue`: chunks that wait for their segment, and segments that wait for earlier segments.
//! - `window`: the congestion window (RFC 5681, RFC 6928).
//! - `flight`: transmissions on the path, and which of them the sender has detected as lost (RFC 2018, RFC
//!   8985).
//! - `timeout`: the timer of the sender for the probe and the retransmission timeout (RFC 8985, RFC 6298).
//!
//! docs/packet-loss.md describes the model and its limits.

mod flight;
mod model;
mod process;
mod queue;
mod sender;
mod timeout;
mod window;

pub use model::LossModel;
pub(crate) use sender::{LossCounts, LossEvent, LossySender};

#[cfg(test)]
mod tests;
