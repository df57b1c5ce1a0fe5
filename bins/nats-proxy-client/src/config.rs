//! Resolution of flags, variables and the file into [`Settings`].

mod forward;
mod settings;

pub(crate) use forward::Forward;
pub(crate) use settings::{Config, Settings};
