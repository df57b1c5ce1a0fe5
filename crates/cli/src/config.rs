//! Reading a file, and what is said of one that is wrong.

mod error;
mod file;
mod find;

pub use error::{FileErrors, did_you_mean, nearest};
pub use file::{given, read, settings_of};
pub use find::find;
