//! What the three programs share.
//!
//! | module | what it is |
//! |---|---|
//! | [`args`] | parsing the command line; times and switches as they are written |
//! | [`config`] | reading a file, and what is said of one that is wrong |
//! | [`docs`] | completion scripts and manual pages |
//! | [`faults`] | the flags of faults, and the [`Fault`](proxy_fault::Fault)s that they mean |
//! | [`faulty`] | faults around listeners and connectors |
//! | [`addr`], [`bind`] | where to listen, and taking a port |
//! | [`limits`] | how many sessions the system allows |
//! | [`log`] | the log |
//! | [`signals`] | what ends a run |
//! | [`secret`] | what must not be shown |
//! | [`tally`] | what a run did, as a table |
//!
//! And with the feature `nats`:
//!
//! | module | what it is |
//! |---|---|
//! | `nats` | what the two NATS programs are told alike, and do alike |
//! | `target` | what a nats-proxy-server is to reach |

pub mod addr;
pub mod args;
pub mod bind;
pub mod config;
pub mod docs;
pub mod faults;
pub mod faulty;
pub mod limits;
pub mod log;
#[cfg(feature = "nats")]
pub mod nats;
pub mod secret;
pub mod signals;
pub mod tally;
#[cfg(feature = "nats")]
pub mod target;
