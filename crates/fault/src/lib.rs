//! Network faults on any byte stream.
#![allow(dead_code, reason = "being built")]

#[doc(hidden)]
pub mod bench;
mod delay;
mod draws;
mod effect;
mod engine;
mod faults;
mod half;
mod journal;
mod line;
mod loss;
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

pub use delay::Delay;
pub use effect::{Direction, Effect, Fault, Flows, Scope, Sides};
pub use engine::{Engine, Settings};
pub use faults::Faults;
pub use journal::{Decision, Journal, Verdict};
pub use loss::LossModel;
pub use schedule::{Reading, Schedule, ScheduleError, Windows, chart};
pub use session::{OneSide, Session};
pub use stats::{Figures, Quantiles};
pub use stream::FaultStream;
#[cfg(target_os = "linux")]
pub use timer::TimerDriver;
pub use timer::Timers;
