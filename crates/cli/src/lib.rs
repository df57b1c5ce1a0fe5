//! Code that the three programs share.
//!
//! | module | what it is |
//! |---|---|
//! | [`args`] | parsing the command line; values of flags |
//! | [`config`] | reading of files, and errors in them |
//! | [`commands`] | commands that every program has: health, completion scripts, manual pages |
//! | [`completion`] | completion of the command line by shells |
//! | [`faults`] | the flags of faults, and the [`Fault`](fault_proxy_engine::Fault)s that they set |
//! | [`listener`] | the TCP listener of a proxy that may have faults |
//! | [`addr`], [`bind`] | resolving and binding of listen addresses |
//! | [`limits`] | limit of sessions that the system allows |
//! | [`log`] | the log |
//! | [`open`] | opening files that may block |
//! | [`health`] | health check of a running program |
//! | [`signals`], [`service`] | shutdown; messages to the service manager |
//! | [`secret`] | values that are not shown |
//! | [`tally`] | table of sessions and bytes |
//! | [`terminal`] | text output |
//! | [`workers`] | worker threads that relay sessions |

pub mod addr;
pub mod args;
pub mod bind;
pub mod commands;
pub mod completion;
pub mod config;
pub mod faults;
pub mod health;
pub mod limits;
pub mod listener;
pub mod log;
pub mod open;
pub mod secret;
pub mod service;
pub mod signals;
pub mod sys;
pub mod table;
pub mod tally;
pub mod terminal;
pub mod workers;
