#![doc = include_str!("../README.md")]
//!
//! - [`Engine`] is created once per process and has the seed, the limits and the start of the run.
//!   [`Engine::proxy`] returns the [`Faults`] of a proxy; [`Faults::replace`] changes them while sessions are
//!   open.
//! - [`Faults::session`] begins a [`Session`], which wraps the connection of a client ([`Session::client`])
//!   or both connections of a proxy ([`Session::wrap`]) in a [`FaultStream`].
//! - With the feature `relay`, [`Faults`] is a layer of `fault-proxy-relay`:
//!   `Route::to(connector).through(faults)` applies the faults to each session of a relay.
//! - [`Fault`] and [`faults`] define what is injected, [`Delay`] and [`LossModel`] how it is drawn, and
//!   [`Windows`] when it is on. [`FaultParams`] are the parameters as users write them, and [`Schedule`] is a
//!   schedule as users write it. Both are resolved once, with errors that name the parameter.
//! - [`Timers`] wake the streams. They are the timers of tokio, which follow a paused clock, or precise
//!   timers on Linux.
//! - [`Journal`] receives each [`JournalEntry`]. [`Faults::stats`] returns what each fault has done, and
//!   [`Faults::flow_stats`] how long all of them have delayed data.
//!
//! # Design
//!
//! The core uses neither sockets nor a clock. A `Pipeline` handles one direction of a session: it receives
//! lengths and arrival times, and returns lengths and departure times. It has a `FaultInstance` for each
//! fault, which has a `Stage` while the fault is on. A `FaultFlow` adds the bytes and a timer to a pipeline.
//! A [`FaultStream`] has one or two flows.

#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench;
mod block_buffer;
mod delay;
mod describe;
mod direction;
mod effect;
mod engine;
mod fault_type;
pub mod faults;
mod fifo;
mod flow;
mod journal;
mod loss;
mod params;
mod pipeline;
mod proxy;
#[cfg(feature = "relay")]
mod relay;
#[cfg_attr(not(feature = "relay"), expect(dead_code, reason = "only a relay reads requests"))]
mod requests;
mod schedule;
mod selection;
mod session;
mod shared;
mod stage;
mod stats;
mod stream;
mod timer;
mod token_bucket;
mod units;

pub use delay::Delay;
pub use describe::BitRate;
pub use direction::{Direction, Directions, Scope, Side};
pub use effect::{Effect, Fault, Measured};
pub use engine::{Engine, Settings};
pub use fault_proxy_protocol::Protocol;
pub use fault_type::{
    COMMON_PARAMETERS, FaultType, ParamError, Parameter, ReadError, ReadFile, SocketDirection, Target,
    ValueType, display_with,
};
pub use journal::{Decision, Journal, JournalEntry, JournalRequest};
pub use loss::LossModel;
pub use params::{CommonParams, FaultParams, ScheduleContext};
pub use proxy::{Faults, ListenerHandle};
pub use requests::count::RequestStats;
pub use schedule::{ParseMode, Schedule, ScheduleError, Windows};
pub use selection::Selection;
pub use session::Session;
pub use stats::{DurationHistogram, FaultStats, FlowStats, Quantiles};
pub use stream::FaultStream;
pub use timer::{TimerDriver, Timers};
pub use units::{ByteCount, Count, Millis, Number, Rate, Ratio, Unit, ValueError};
