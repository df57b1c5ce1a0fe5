//! The faults: one file each, with its parameters, its place in a flow, its stage, and how it is printed.

mod bandwidth;
mod blackhole;
mod corrupt;
mod jitter;
mod latency;
mod limit_data;
mod packet_loss;
mod refuse;
mod reset;
mod slicer;
mod slow_close;
mod slow_open;
mod timeout;

pub use self::bandwidth::Bandwidth;
pub(crate) use self::bandwidth::Bucket;
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
