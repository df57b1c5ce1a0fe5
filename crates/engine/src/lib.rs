#![doc = include_str!("../README.md")]
//!
//! - [`Engine`] is made once a process: seed, limits, zero of the clock. [`Engine::proxy`] gives the [`Faults`] of a proxy;
//!   [`Faults::replace`] changes them while sessions are open.
//! - [`Faults::session`] begins a [`Session`], which puts a [`FaultStream`] around a client's connection
//!   ([`Session::client`]) or around both of a proxy's ([`Session::wrap`]).
//! - With the feature `relay`, [`Faults`] is a layer of `fault-proxy-relay`: `Route::to(connector).through(faults)` puts the faults on
//!   each session of a relay.
//! - [`Fault`] and [`faults`] define what is injected, [`Delay`] and [`LossModel`] how it is drawn, [`Windows`] when it is on.
//!   [`FaultParams`] are the same as written by users, and [`Schedule`] is their schedule; both resolve once, with errors that
//!   name the parameter.
//! - [`Timers`] wake the streams: tokio's own, which follow a paused clock, or precise ones on Linux.
//! - [`Journal`] receives each [`JournalEntry`]. [`Faults::stats`] returns what each fault has done, and [`Faults::flow_stats`] what they
//!   have delayed together.
//!
//! # Inside
//!
//! The core uses no socket and no clock. A `Pipeline` handles one direction of a session: it receives lengths and arrival times,
//! and returns lengths and departure times. Its `FaultInstance`s are the faults, each with a `Stage` while it is on. A `FaultFlow` is a
//! pipeline with its bytes and its timer. A [`FaultStream`] has one or two flows.

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
#[cfg_attr(not(feature = "relay"), expect(dead_code, reason = "a relay reads requests"))]
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
