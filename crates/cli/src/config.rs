//! Reading of configuration files, and errors in them.

mod error;
mod file;
mod find;
mod nearest;
mod same;
mod table;
mod toml;

pub use error::{FileErrors, KeyHint, ip_address};
pub use file::{as_file, read, read_settings};
pub use find::find;
pub use nearest::{did_you_mean, nearest};
pub use same::is_same_file;
pub use toml::Toml;
