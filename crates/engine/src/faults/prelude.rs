//! Imports that the files of faults share, except the modules of their stages: `use super::prelude::*`.

pub(super) use std::fmt::{self, Display, Formatter};
pub(super) use std::time::Duration;

pub(super) use fault_proxy_protocol::Protocol;
pub(super) use serde::{Deserialize, Serialize};

pub(super) use crate::describe::{BitRate, Percent, Scaled, Size, Time, rounded};
pub(super) use crate::direction::{Scope, Side};
pub(super) use crate::effect::{Behavior, Effect, Measured, Opening, Place, Start};
pub(super) use crate::fault_type::{
    FaultType, ParamError, Parameter, Parameters, ReadFile, SocketDirection, Target, ValueType, needed,
    ratio_from, read_own, words,
};
pub(super) use crate::fifo::Fifo;
pub(super) use crate::journal::Decision;
pub(super) use crate::stage::chunk::Chunk;
pub(super) use crate::stage::rng::DrawKey;
pub(super) use crate::stage::{Stage, StageContext};
pub(super) use crate::units::{ByteCount, Millis, Number, Rate, Ratio, Unit};
