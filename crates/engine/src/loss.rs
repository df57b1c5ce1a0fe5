//! Packet loss on a byte stream: lost segments are sent again by a simulated TCP sender, so they cost time, not bytes.
//!
//! - `model`: which segments are lost: what is asked for.
//! - `process`: the same, one segment after another.
//! - `sender`: the stage of a flow: segments wait for the window, are lost, found missing and sent again.
//! - `queue`: chunks that wait for their segment, and segments that wait for those before them.
//! - `window`: the congestion window (RFC 5681, RFC 6928).
//! - `flight`: transmissions on the path, and which of them the sender knows to be lost (RFC 2018, RFC 8985).
//! - `timeout`: the sender's timer: probe or retransmission timeout (RFC 8985, RFC 6298).
//!
//! docs/packet-loss.md describes the whole and what was left out.

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
