//! Resolution of flags, variables and the file into [`Settings`].

mod service;
mod settings;

pub(crate) use service::Service;
pub(crate) use settings::{Config, Settings};
