//! What the three programs share.
//!
//! | module | what it is |
//! |---|---|
//! | [`args`] | parsing the command line; times and switches as they are written |
//! | [`config`] | reading a file, and what is said of one that is wrong |
//! | [`commands`] | commands that every program has: health, completion scripts, manual pages |
//! | [`faults`] | the flags of faults, and the [`Fault`](fault_proxy_engine::Fault)s that they mean |
//! | [`listener`] | the TCP listener of a proxy that may have faults |
//! | [`addr`], [`bind`] | where to listen, and taking a port |
//! | [`limits`] | how many sessions the system allows |
//! | [`log`] | the log |
//! | [`open`] | opening files that may block |
//! | [`health`] | asking a program how it is |
//! | [`signals`], [`service`] | the end of a run; messages to the service manager |
//! | [`secret`] | what must not be shown |
//! | [`tally`] | what a run did, as a table |
//! | [`terminal`] | names and texts for people |
//!
//! And with the feature `nats`:
//!
//! | module | what it is |
//! |---|---|
//! | `nats` | what the two NATS programs have in common |
//! | `target` | what a nats-proxy-server is to reach |

pub mod addr;
pub mod args;
pub mod bind;
pub mod commands;
pub mod config;
pub mod faults;
pub mod health;
pub mod limits;
pub mod listener;
pub mod log;
#[cfg(feature = "nats")]
pub mod nats;
pub mod open;
pub mod secret;
pub mod service;
pub mod signals;
pub mod sys;
pub mod tally;
#[cfg(feature = "nats")]
pub mod target;
pub mod terminal;
