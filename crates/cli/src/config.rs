//! Reading a file, and what is said of one that is wrong.

mod error;
mod file;

pub use error::{FileErrors, did_you_mean, nearest};
pub use file::{given, read};
