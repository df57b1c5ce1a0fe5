//! Network faults on any byte stream.

#[doc(hidden)]
pub mod bench;
mod delay;
mod describe;
mod draws;
mod effect;
mod engine;
mod faults;
mod half;
mod journal;
mod line;
mod loss;
mod params;
mod piece;
mod plan;
mod schedule;
mod segment;
mod session;
mod stage;
mod stats;
mod store;
mod stream;
mod timer;
mod unit;
mod units;

pub use delay::Delay;
pub use effect::{Direction, Effect, Fault, Flows, Scope, Sides};
pub use engine::{Engine, Settings};
pub use faults::Faults;
pub use journal::{Decision, Journal, Verdict};
pub use loss::LossModel;
pub use params::{
    COMMON_PARAMETERS, Distribution, FaultParams, FlowDirection, Kind, Mode, Model, ParamError, Run,
    parameters,
};
pub use schedule::{Reading, Schedule, ScheduleError, Windows, chart};
pub use session::{OneSide, Session};
pub use stats::{Figures, Quantiles};
pub use stream::FaultStream;
#[cfg(target_os = "linux")]
pub use timer::TimerDriver;
pub use timer::Timers;
pub use units::{Bytes, Millis, Number, Rate, Share, Unit, ValueError};
