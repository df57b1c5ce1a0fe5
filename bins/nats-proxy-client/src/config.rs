//! From arguments and a file to [`Settings`].

mod forward;
mod settings;

pub(crate) use forward::Forward;
pub(crate) use settings::{Config, Settings};
