//! The flags of faults, and their resolution.

mod args;
mod options;
mod resolve;
mod table;

pub use args::{FaultArgs, in_flags};
pub use options::{FaultOptions, FaultSettings};
pub use resolve::{any_seed, from_flags, idle_reason, warn_about_merged_periods};
