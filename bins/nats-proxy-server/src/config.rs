//! From arguments and a file to [`Settings`].

mod service;
mod settings;

pub(crate) use service::Service;
pub(crate) use settings::{Config, Settings};
