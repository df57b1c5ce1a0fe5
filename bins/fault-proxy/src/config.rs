//! From arguments and a configuration file to [`Settings`].
//!
//! | module | what it is |
//! |---|---|
//! | `file` | reads a file, in one of three formats, and lays flags and variables over it |
//! | `faults` | which faults each proxy has |
//! | `hints` | hints for unknown keys and variables |
//! | `phases` | phases as faults of their own, on in their time only |
//! | `settings` | everything resolved |
//! | `unused` | refuses TLS settings without effect |

mod faults;
mod file;
mod hints;
mod phases;
mod settings;
mod unused;

pub(crate) use faults::GivenFault;
pub(crate) use file::{Config, FileProxy, Phase};
pub(crate) use hints::variable_for;
pub(crate) use settings::{Control, ListenerTls, ProxySettings, Settings};
pub(crate) use unused::refuse_unused_tls;
