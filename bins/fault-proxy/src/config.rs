//! From arguments and a configuration file to [`Settings`].
//!
//! | module | what it is |
//! |---|---|
//! | `file` | reads a file, in one of three formats, and lays flags and variables over it |
//! | `faults` | which faults each proxy has |
//! | `phases` | phases as faults of their own, on in their time only |
//! | `settings` | everything resolved |

mod faults;
mod file;
mod phases;
mod settings;

pub(crate) use faults::GivenFault;
pub(crate) use file::{Config, FileProxy, Phase};
pub(crate) use settings::{Control, ListenerTls, ProxySettings, Settings};
