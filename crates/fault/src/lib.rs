//! Network faults on any byte stream.
#![allow(dead_code, reason = "being built")]

mod delay;
mod draws;
mod effect;
mod loss;
mod schedule;
mod timer;

pub use delay::Delay;
pub use effect::{Direction, Effect, Fault, Flows, Scope, Sides};
pub use loss::LossModel;
pub use schedule::Windows;
