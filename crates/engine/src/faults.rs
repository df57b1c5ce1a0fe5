//! The faults, one file per type: parameters, position in a flow, stage and description.
//!
//! Flags, files, the API and the page are built from [`FAULT_TYPES`]. A new type therefore needs one file,
//! and its lines in this file.

use crate::fault_type::{FaultType, not_one_of, same_word};
use crate::units::ValueError;

mod bandwidth;
mod blackhole;
mod corrupt;
mod jitter;
mod latency;
mod limit_data;
mod lose_response;
mod moment;
mod packet_loss;
mod prelude;
mod refuse;
mod reset;
mod respond;
mod slicer;
mod slow_close;
mod slow_open;
mod timeout;
mod truncate;

pub use self::bandwidth::Bandwidth;
pub use self::blackhole::Blackhole;
pub use self::corrupt::Corrupt;
pub use self::jitter::Jitter;
pub use self::latency::Latency;
pub use self::limit_data::LimitData;
pub use self::packet_loss::PacketLoss;
pub use self::refuse::Refuse;
pub use self::reset::{Reset, ResetOnData};
pub use self::slicer::Slicer;
pub use self::slow_close::SlowClose;
pub use self::slow_open::SlowOpen;
pub use self::timeout::Timeout;
pub use crate::requests::response::Response;
pub use crate::requests::rule::{Ending, Moment, Part, RequestAction, RequestFault};

/// All types of faults, in the order in which help lists them.
pub static FAULT_TYPES: &[&FaultType] = &[
    &latency::TYPE,
    &jitter::TYPE,
    &bandwidth::TYPE,
    &packet_loss::TYPE,
    &blackhole::TYPE,
    &reset::TYPE,
    &timeout::TYPE,
    &lose_response::TYPE,
    &respond::TYPE,
    &truncate::TYPE,
    &slow_close::TYPE,
    &slicer::TYPE,
    &limit_data::TYPE,
    &refuse::TYPE,
    &slow_open::TYPE,
    &corrupt::TYPE,
];

/// Finds a type of fault by its name. The parts of the name may be separated by `-`, `_` or nothing.
///
/// # Errors
///
/// Returns an error if no type has this name.
pub fn find(name: &str) -> Result<&'static FaultType, ValueError> {
    let found = FAULT_TYPES.iter().find(|fault_type| same_word(name, fault_type.name));
    found.copied().ok_or_else(|| {
        let names: Vec<_> = FAULT_TYPES.iter().map(|fault_type| fault_type.name).collect();
        not_one_of(name, "a type of fault", &names)
    })
}
