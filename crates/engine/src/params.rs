//! The parameters of a fault as users write them.
//!
//! [`FaultParams`] is the common form of faults on the command line, in the environment, in the configuration
//! file and in the HTTP API. [`FaultParams::resolve`] converts it to a [`Fault`]. A [`FaultType`] lists the
//! parameters of its faults.

use std::fmt::Debug;
use std::io;
use std::num::NonZeroU64;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::direction::{Directions, Side};
use crate::effect::Fault;
use crate::fault_type::{
    COMMON_PARAMETERS, FaultType, ParamError, Parameters, ReadError, ReadFile, SocketDirection, Target,
    quoted, read,
};
use crate::faults::{self, FAULT_TYPES};
use crate::requests::rule::{Moment, RequestFault};
use crate::schedule::{ParseMode, Schedule, Windows};
use crate::selection::Selection;
use crate::units::{Count, Ratio};

/// Parameters of a fault, as given. Each has a value of its type and belongs to the type of the fault. Their
/// combination is not checked before they are resolved.
///
/// Names of parameters and words among values may be written with `_` instead of `-`.
#[derive(Debug, Clone, Serialize)]
pub struct FaultParams {
    #[serde(rename = "type", serialize_with = "name_of_type")]
    fault_type: &'static FaultType,
    /// Parameters that all types of faults have.
    #[serde(flatten)]
    pub common: CommonParams,
    /// Parameters of this type of fault, with names in kebab-case.
    #[serde(flatten)]
    own: Map<String, Value>,
    #[serde(skip)]
    read: Arc<dyn Parameters>,
}

/// Parameters of all types of faults. `side` and `direction` belong to faults that act on a flow.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CommonParams {
    /// Name, unique within the proxy. Defaults to the type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Connection that [`direction`](Self::direction) refers to. Defaults to the connection to the server.
    /// For a reset, the connections to reset, which defaults to both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub side: Option<Side>,
    /// Direction relative to the socket of the side. Defaults to the direction of the [`FaultType`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<SocketDirection>,
    /// Share of sessions. Defaults to all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probability: Option<Ratio>,
    /// Number of sessions to skip first. Defaults to 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip: Option<Count>,
    /// Distance between the sessions that the fault acts on. Defaults to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<Count>,
    /// Maximum number of sessions. Defaults to unlimited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<Count>,
    /// Times at which the fault is on, such as `start:30s,duration:10%`. Defaults to always.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
}

/// The run that parameters are resolved against. Defaults to an unlimited run that does not read files.
#[derive(Debug, Clone, Copy)]
pub struct ScheduleContext {
    /// Length of the run, which percentages refer to. `None` if it is unlimited.
    pub duration: Option<Duration>,
    /// How schedules are read.
    pub parse_mode: ParseMode,
    /// How files that parameters name are read, such as a table of delays.
    pub read_file: ReadFile,
}

impl Default for ScheduleContext {
    fn default() -> Self {
        let read_file = |_: &Path| Err(io::Error::other("files are not read here"));
        Self { duration: None, parse_mode: ParseMode::default(), read_file }
    }
}

impl FaultParams {
    /// Reads the parameters of a fault. One of them is `type`.
    ///
    /// # Errors
    ///
    /// Returns an error for the first parameter that is unknown, has a value of another type, or does not
    /// belong to the type of the fault.
    pub fn read(given: Map<String, Value>) -> Result<Self, ReadError> {
        let (mut common, mut own) = (Map::new(), Map::new());
        let name = match given.get("type") {
            None | Some(Value::Null) => {
                return Err(ParamError::new("type", "is required, for example latency").into());
            }
            Some(Value::String(name)) => name.clone(),
            Some(other) => other.to_string(),
        };
        let fault_type = faults::find(&name).map_err(|error| ParamError::quoting("type", error))?;
        for (written, value) in given.into_iter().filter(|(name, value)| name != "type" && !value.is_null()) {
            let name = written.replace('_', "-");
            let is_common = COMMON_PARAMETERS.iter().any(|parameter| parameter.name == name);
            if !is_common && fault_type.parameter(&name).is_none() {
                return Err(not_a_parameter(fault_type, &name, written));
            }
            let params = if is_common { &mut common } else { &mut own };
            if params.insert(name.clone(), value).is_some() {
                return Err(ParamError::new(name, "is given twice: leave one out")
                    .of(fault_type.name)
                    .into());
            }
        }
        let of_type = |error: ParamError| error.of(fault_type.name);
        let (_, common) = read::<CommonParams>(common).map_err(of_type)?;
        let (own, read) = (fault_type.read)(own).map_err(of_type)?;
        Ok(Self { fault_type, common, own, read })
    }

    /// Returns the type of the fault.
    pub fn fault_type(&self) -> &'static FaultType {
        self.fault_type
    }

    /// Returns the fault that the parameters describe, with defaults for missing parameters.
    ///
    /// # Errors
    ///
    /// Returns an error for the first parameter that is missing or invalid.
    pub fn resolve(&self, run: &ScheduleContext) -> Result<Fault, ParamError> {
        let fault = || {
            self.check_choice()?;
            let effect = self.read.resolve(self.common.side, run.read_file)?;
            Ok(Fault {
                name: self.name()?,
                directions: match effect.behavior().requests() {
                    Some(requests) => self.flows_of_requests(requests)?,
                    None => self.flows()?,
                },
                probability: self.common.probability.map_or(1.0, Ratio::fraction),
                selection: self.selection()?,
                windows: self.windows(run)?,
                effect,
            })
        };
        fault().map_err(|error: ParamError| error.of(self.fault_type.name))
    }

    fn name(&self) -> Result<String, ParamError> {
        match &self.common.name {
            None => Ok(self.fault_type.name.to_owned()),
            Some(name) if name.trim().is_empty() || name.contains(char::is_control) => {
                Err(ParamError::quoting(
                    "name",
                    format!("{name:?} is not a valid name: use a short text without line breaks"),
                ))
            }
            Some(name) => Ok(name.clone()),
        }
    }

    fn selection(&self) -> Result<Selection, ParamError> {
        let CommonParams { skip, every, times, .. } = self.common;
        let positive = |param, count: Option<Count>, problem| match count.map(Count::value) {
            Some(0) => Err(ParamError::new(param, problem)),
            count => Ok(count.and_then(NonZeroU64::new)),
        };
        let every = positive("every", every, "is 0: use 1 for each, 2 for every other one")?;
        let times = positive("times", times, "is 0: use at least 1, or leave it out for no limit")?;
        Ok(Selection { skip: skip.map_or(0, Count::value), every: every.unwrap_or(NonZeroU64::MIN), times })
    }

    fn windows(&self, run: &ScheduleContext) -> Result<Windows, ParamError> {
        let Some(schedule) = &self.common.schedule else { return Ok(Windows::always()) };
        Schedule::parse(schedule, run.parse_mode)
            .and_then(|schedule| schedule.resolve(run.duration))
            .map_err(|error| ParamError::quoting("schedule", error))
    }

    /// Returns the flows that side and direction refer to.
    fn flows(&self) -> Result<Directions, ParamError> {
        let CommonParams { side, direction, .. } = self.common;
        let default = match self.fault_type.target {
            Target::Opening | Target::Requests => {
                let given = [("side", side.is_some()), ("direction", direction.is_some())];
                return match given.into_iter().find(|(_, given)| *given) {
                    Some((param, _)) => Err(ParamError::new(
                        param,
                        format!("does not apply to {}, which has no direction", self.fault_type.name),
                    )),
                    None => Ok(Directions::BOTH),
                };
            }
            Target::Flow(_) if side == Some(Side::Both) => {
                return Err(ParamError::new(
                    "side",
                    "must be client or server; set `direction` to both for both directions",
                ));
            }
            Target::Flow(default) => default,
            Target::Connections => SocketDirection::Both,
        };
        if let (None, Some(directions)) = (direction, self.read.default_directions()) {
            return Ok(directions);
        }
        // A reset may name both connections. Its direction then refers to the server's connection.
        let client = side == Some(Side::Client);
        Ok(match (client, direction.unwrap_or(default)) {
            (_, SocketDirection::Both) => Directions::BOTH,
            (true, SocketDirection::Ingress) | (false, SocketDirection::Egress) => {
                Directions { to_upstream: true, to_downstream: false }
            }
            (true, SocketDirection::Egress) | (false, SocketDirection::Ingress) => {
                Directions { to_upstream: false, to_downstream: true }
            }
        })
    }

    /// Returns the flow in which a fault on requests acts.
    fn flows_of_requests(&self, requests: &RequestFault) -> Result<Directions, ParamError> {
        let CommonParams { side, direction, .. } = self.common;
        // The side of a reset is not about the direction but selects the connections to reset.
        let has_side = side.is_some() && self.fault_type.target != Target::Connections;
        let refused = [("side", has_side), ("direction", direction.is_some())];
        if let Some((param, _)) = refused.into_iter().find(|(_, is_given)| *is_given) {
            let problem = "does not apply to faults on requests, which act at the moment `at`";
            return Err(ParamError::new(param, problem));
        }
        let to_upstream = matches!(requests.at, Moment::BeforeForward | Moment::AfterForward);
        Ok(Directions { to_upstream, to_downstream: !to_upstream })
    }

    /// Returns an error for the first parameter that belongs to another choice than the one made.
    fn check_choice(&self) -> Result<(), ParamError> {
        let Some((by, chosen)) = self.read.choice() else { return Ok(()) };
        let parameters = self.fault_type.parameters;
        let is_out_of_place = |with: &[&str]| !with.is_empty() && !with.contains(&chosen);
        let mut given = parameters.iter().filter(|parameter| self.own.contains_key(parameter.name));
        let Some(refused) = given.find(|parameter| is_out_of_place(parameter.with)) else { return Ok(()) };
        let takes = parameters.iter().filter(|parameter| parameter.with.contains(&chosen));
        let takes: Vec<_> = takes.map(|parameter| parameter.name).collect();
        let takes = if takes.is_empty() { "no parameters".to_owned() } else { quoted(takes) };
        let other = refused.with[0];
        Err(ParamError::new(
            refused.name,
            format!("does not apply to `{by}` {chosen}, which takes {takes}; use `{by}` {other}"),
        ))
    }
}

impl PartialEq for FaultParams {
    fn eq(&self, other: &Self) -> bool {
        (self.fault_type.name, &self.common, &self.own) == (other.fault_type.name, &other.common, &other.own)
    }
}

fn name_of_type<S: Serializer>(fault_type: &FaultType, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(fault_type.name)
}

impl<'de> Deserialize<'de> for FaultParams {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(Map::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// Returns the error about a parameter `name`, written as `written`, that `fault_type` does not have.
fn not_a_parameter(fault_type: &'static FaultType, name: &str, written: String) -> ReadError {
    let takes: Vec<_> = fault_type.parameters.iter().map(|parameter| parameter.name).collect();
    if !FAULT_TYPES.iter().any(|other| other.parameter(name).is_some()) {
        let common = COMMON_PARAMETERS.iter().map(|parameter| parameter.name);
        let known = ["type"].into_iter().chain(common).chain(takes).collect();
        return ReadError::Unknown { name: written, known };
    }
    let problem = if takes.is_empty() {
        format!("does not apply to {}, which takes no parameters of its own", fault_type.name)
    } else {
        format!("does not apply to {}; it takes {}", fault_type.name, quoted(takes))
    };
    ParamError::new(name.to_owned(), problem).of(fault_type.name).into()
}

#[cfg(test)]
mod tests;
