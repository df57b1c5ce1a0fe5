#![doc = include_str!("../README.md")]
//!
//! - [`Engine`] is made once a process: seed, limits, zero of the clock. [`Engine::proxy`] gives the [`Faults`] of a proxy;
//!   [`Faults::replace`] changes them while sessions are open.
//! - [`Faults::session`] begins a [`Session`], which puts a [`FaultStream`] around a client's connection
//!   ([`Session::client`]) or around both of a proxy's ([`Session::split`]).
//! - With the feature `relay`, [`Faults`] is a layer of `fault-proxy-relay`: `Route::to(connector).through(faults)` puts the faults on
//!   each session of a relay.
//! - [`Fault`] and [`faults`] define what is injected, [`Delay`] and [`LossModel`] how it is drawn, [`Windows`] when it is on.
//!   [`FaultParams`] are the same as written by users, and [`Schedule`] is their schedule; both resolve once, with errors that
//!   name the parameter.
//! - [`Timers`] wake the streams: tokio's own, which follow a paused clock, or precise ones on Linux.
//! - [`Journal`] is told every [`Decision`]; [`Faults::figures`] are what each fault has achieved, [`Faults::passage`] what they
//!   have held up together.
//!
//! # Inside
//!
//! The core knows no socket and no clock: a `Line` is one direction of a session, from lengths and times that come
//! to lengths and times that go; its `Unit`s are the faults, each a `Stage` while it is on. A `Half` is a line with its
//! bytes and its timer, and a [`FaultStream`] has one or two of them.

#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench;
mod bucket;
mod common;
mod delay;
mod describe;
mod direction;
mod effect;
mod engine;
mod fault_type;
pub mod faults;
mod fifo;
mod half;
mod journal;
mod line;
mod loss;
mod params;
mod proxy;
#[cfg(feature = "relay")]
mod relay;
mod schedule;
mod session;
mod stage;
mod stats;
mod store;
mod stream;
mod timer;
mod units;

pub use delay::Delay;
pub use describe::BitRate;
pub use direction::{Direction, Flows, Scope, Sides};
pub use effect::{Effect, Fault, Measured};
pub use engine::{Engine, Settings};
pub use fault_type::{
    COMMON_PARAMETERS, FaultType, FlowDirection, ParamError, Parameter, ReadError, ReadFile, Target,
    ValueType, spelled,
};
pub use journal::{Decision, Journal, Verdict};
pub use loss::LossModel;
pub use params::{CommonParams, FaultParams, Run};
pub use proxy::{Faults, Listening};
pub use schedule::{Reading, Schedule, ScheduleError, Windows};
pub use session::{OneSide, Session};
pub use stats::{Delays, Figures, Passage, Quantiles};
pub use stream::FaultStream;
pub use timer::{TimerDriver, Timers};
pub use units::{Bytes, Millis, Number, Rate, Share, Unit, ValueError};
