//! Resolution of flags, variables and the file into [`Settings`].
//!
//! | module | what it is |
//! |---|---|
//! | `file` | reads a file and overwrites it with flags and variables |
//! | `control` | settings of the control API |
//! | `faults` | faults of each proxy |
//! | `files` | refuses files that are written and also read or written twice |
//! | `hints` | hints for unknown keys and variables |
//! | `margin` | the fault that `margin` varies |
//! | `phases` | phases as faults that are on during their phase |
//! | `ports` | refuses listeners that need the same port |
//! | `proxies` | proxies with their names and faults |
//! | `settings` | resolved settings |
//! | `unused` | refuses TLS settings without effect |

mod control;
mod faults;
mod file;
mod files;
mod hints;
mod margin;
mod phases;
mod ports;
mod proxies;
mod settings;
mod unused;

pub(crate) use control::Control;
pub(crate) use faults::ConfiguredFault;
pub(crate) use file::Config;
pub(crate) use hints::variable_for;
pub(crate) use margin::VariedFault;
pub(crate) use proxies::ProxySettings;
pub(crate) use settings::{ListenerTls, Settings};
pub(crate) use unused::refuse_unused_tls;
