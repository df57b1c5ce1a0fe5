//! Native faults, with the parameters of flags and configuration files.

use fault_proxy_engine::faults::{self, FAULT_TYPES};
use fault_proxy_engine::{
    COMMON_PARAMETERS, Directions, Fault, FaultParams, FaultType, Parameter, ScheduleContext, ValueType,
    display_with,
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::common::{Common, ToxicError, default_name, flows, renamed};
use crate::proxies::{Dialect, FaultRecord, name_of};

/// Common parameters that are not attributes, and their names at the top level of a request.
const ELSEWHERE: [(&str, &str); 3] = [("type", "type"), ("name", "name"), ("probability", "toxicity")];

/// Parameter that names a file, which the API does not accept.
const TABLE: &str = "table";

/// Attributes of bandwidth: its limit, and the unit of a limit without one.
const RATE: &str = "rate";
const UNIT: &str = "unit";

/// Attributes that exclude each other.
const ALTERNATIVES: [[&str; 2]; 1] = [["at", "after_bytes"]];

/// Returns true if a fault has a parameter of this name.
pub(super) fn is_parameter(name: &str) -> bool {
    let name = as_parameter(name);
    is_common(&name) || FAULT_TYPES.iter().any(|kind| kind.parameter(&name).is_some())
}

/// Returns the name of a type in the API.
pub(super) fn name_for(kind: &FaultType) -> String {
    as_attribute(kind.name)
}

/// Returns the attributes of a type.
pub(super) fn attribute_names(kind: &FaultType) -> Vec<String> {
    attributes(kind).map(|parameter| as_attribute(parameter.name)).collect()
}

/// Returns the JSON schema of each attribute of a type.
pub(super) fn attribute_schemas(kind: &FaultType) -> Map<String, Value> {
    let schema = |parameter: Parameter| {
        let mut schema = match parameter.value {
            ValueType::Switch(_) => json!({"type": "boolean"}),
            ValueType::Text(_) => json!({"type": "string"}),
            ValueType::Words(..) => json!({"type": "string", "enum": choices(&parameter)}),
            _ => json!({"type": ["number", "string"]}),
        };
        schema["description"] = in_attributes(parameter.help).into();
        (as_attribute(parameter.name), schema)
    };
    attributes(kind).map(schema).collect()
}

fn attributes(kind: &FaultType) -> impl Iterator<Item = Parameter> {
    let common = kind.common_parameters().filter(|parameter| !is_elsewhere(parameter.name));
    kind.parameters.iter().copied().filter(|parameter| parameter.name != TABLE).chain(common)
}

fn is_elsewhere(name: &str) -> bool {
    ELSEWHERE.iter().any(|(elsewhere, _)| *elsewhere == name)
}

/// Returns true if all faults have a parameter of this name.
pub(super) fn is_common(name: &str) -> bool {
    COMMON_PARAMETERS.iter().any(|parameter| parameter.name == name)
}

/// A type of fault, with its parameters as attributes.
#[derive(Debug, Serialize)]
struct ShownType {
    r#type: String,
    help: String,
    /// Target of its faults without `on`.
    target: &'static str,
    attributes: Vec<ShownAttribute>,
}

#[derive(Debug, Serialize)]
struct ShownAttribute {
    name: String,
    r#type: &'static str,
    help: String,
    default: Option<&'static str>,
    /// Allowed values, if there are few.
    choices: Vec<&'static str>,
    /// Values of another attribute, such as `distribution`, that this attribute requires. Empty if it is always allowed.
    with: &'static [&'static str],
    /// Protocols of requests that it applies to. Empty if it does not need a protocol.
    protocols: Vec<&'static str>,
    /// True if most faults of the type set it.
    main: bool,
    /// Attributes of which one is required, including this one, wherever this one is allowed. Empty if it is optional.
    one_of: Vec<String>,
}

/// Returns the types of faults in the form of the API.
pub(crate) fn types() -> Value {
    let attribute = |parameter: Parameter| ShownAttribute {
        name: as_attribute(parameter.name),
        r#type: parameter.value.name(),
        help: in_attributes(parameter.help),
        default: parameter.default,
        choices: choices(&parameter),
        with: parameter.with,
        protocols: parameter.protocols.iter().filter_map(|protocol| name_of(*protocol)).collect(),
        main: parameter.main,
        one_of: parameter.one_of.iter().map(|name| as_attribute(name)).collect(),
    };
    let types = FAULT_TYPES.iter().map(|kind| ShownType {
        r#type: name_for(kind),
        help: in_attributes(kind.help),
        target: kind.target.name(),
        attributes: attributes(kind).map(attribute).collect(),
    });
    json!(types.collect::<Vec<_>>())
}

/// Returns the allowed values. The distribution `table` is left out, because it requires a file.
fn choices(parameter: &Parameter) -> Vec<&'static str> {
    parameter.value.choices().iter().copied().filter(|choice| *choice != TABLE).collect()
}

fn in_attributes(text: &str) -> String {
    display_with(text, as_attribute)
}

/// Converts a fault of flags or a file into the form of the API.
pub fn record(params: &FaultParams, fault: Fault) -> FaultRecord {
    FaultRecord {
        name: fault.name.clone(),
        kind: name_for(params.fault_type()),
        stream: stream_for(fault.directions).to_owned(),
        toxicity: fault.probability,
        enabled: true,
        attributes: attributes_for(params, fault.directions),
        fault: Some(fault),
        ttl: None,
        vocabulary: Dialect::Native,
    }
}

pub(super) fn parse(
    written: &str,
    kind: &FaultType,
    common: Common<'_>,
    run: &ScheduleContext,
) -> Result<FaultRecord, ToxicError> {
    let given = with_rate_unit(kind, checked(kind, common.attributes)?);
    let (params, mut fault) = resolve(kind, given, run)?;
    let has_direction = params.common.side.is_some() || params.common.direction.is_some();
    if let Some(flows) = common.stream.as_deref().and_then(flows)
        && kind.has_direction()
        && !has_direction
    {
        fault.directions = flows;
    }
    if let Some(stream) = common.stream.as_deref().filter(|_| has_direction && kind.has_direction())
        && !matches_stream(fault.directions, stream)
    {
        let problem = format!("side and direction contradict the stream {stream}: set only one of both");
        return Err(problem.into());
    }
    // The API has a single stream per fault, so the name shows that the fault acts in both directions.
    let is_both = common.stream.is_none() && fault.directions == Directions::BOTH && kind.has_direction();
    let stream = common.stream.unwrap_or_else(|| stream_for(fault.directions).to_owned());
    let name = common.name.unwrap_or_else(|| default_name(written, if is_both { "both" } else { &stream }));
    let fault = renamed(fault, &name, common.toxicity);
    Ok(FaultRecord {
        name,
        kind: written.to_owned(),
        stream,
        toxicity: common.toxicity,
        enabled: true,
        attributes: attributes_for(&params, fault.directions),
        fault: Some(fault),
        ttl: common.ttl,
        vocabulary: Dialect::Native,
    })
}

/// Overwrites the given parameters, and removes parameters that are null. The schedule continues unless a new
/// one is given.
pub(super) fn merge(
    record: &mut FaultRecord,
    given: &Map<String, Value>,
    run: &ScheduleContext,
) -> Result<(), ToxicError> {
    let kind = faults::find(&record.kind).map_err(|_| ToxicError::Type)?;
    let has = |names: &[&str]| names.iter().any(|name| given.contains_key(*name));
    let (has_schedule, has_direction) = (has(&["schedule"]), has(&["side", "direction"]));
    let mut kept = record.attributes.clone();
    kept.retain(|name, _| {
        !given.iter().any(|(given, value)| value.is_null() && as_attribute(given) == *name)
    });
    let changed = changed_attributes(&kept, checked(kind, given)?);
    let (params, mut fault) = resolve(kind, with_rate_unit(kind, changed), run)?;
    if let Some(before) = &record.fault {
        if !has_schedule {
            fault.windows = before.windows.clone();
        }
        if !has_direction {
            fault.directions = before.directions;
        }
    }
    record.attributes = attributes_for(&params, fault.directions);
    if !matches_stream(fault.directions, &record.stream) {
        record.stream = stream_for(fault.directions).to_owned();
    }
    record.fault = Some(renamed(fault, &record.name, record.toxicity));
    Ok(())
}

/// Returns the attributes of a native fault after a change. A new attribute replaces one that it excludes.
pub fn changed_attributes(existing: &Map<String, Value>, given: Map<String, Value>) -> Map<String, Value> {
    let in_attributes = |all: Map<String, Value>| {
        all.into_iter().map(|(name, value)| (as_attribute(&name), value)).collect::<Map<_, _>>()
    };
    let (mut all, given) = (in_attributes(existing.clone()), in_attributes(given));
    for names in ALTERNATIVES.iter().filter(|names| names.iter().any(|name| given.contains_key(*name))) {
        all.retain(|name, _| !names.contains(&name.as_str()));
    }
    // The unit is that of a bare rate.
    if given.get(RATE).is_some_and(|rate| !is_bare(rate)) {
        all.remove(UNIT);
    }
    all.extend(given);
    all
}

/// Adds the unit of a bare rate of bandwidth. It is that of Toxiproxy's toxic, so that other attributes do not change what the rate means.
pub fn with_rate_unit(kind: &FaultType, mut attributes: Map<String, Value>) -> Map<String, Value> {
    if kind.name == "bandwidth" && attributes.get(RATE).is_some_and(is_bare) {
        attributes.entry(UNIT).or_insert_with(|| "KBps".into());
    }
    attributes
}

fn is_bare(rate: &Value) -> bool {
    rate.is_number() || rate.as_str().is_some_and(|text| text.trim().parse::<f64>().is_ok())
}

/// Returns the attributes of a request with the names of parameters, or an error for unknown ones.
fn checked(kind: &FaultType, attributes: &Map<String, Value>) -> Result<Map<String, Value>, ToxicError> {
    let mut checked = Map::new();
    for (name, value) in attributes.iter().filter(|(_, value)| !value.is_null()) {
        let parameter = as_parameter(name);
        if let Some((_, elsewhere)) = ELSEWHERE.iter().find(|(name, _)| *name == parameter) {
            return Err(format!(
                "{name} is not an attribute: set {elsewhere} at the top level of the request (ctl: --{elsewhere})"
            )
            .into());
        }
        if parameter == TABLE {
            return Err("table names a file, which the API cannot: use a configuration file"
                .to_owned()
                .into());
        }
        if !is_common(&parameter) && kind.parameter(&parameter).is_none() {
            let taken: Vec<_> =
                kind.parameters.iter().map(|parameter| as_attribute(parameter.name)).collect();
            return Err(format!(
                "{name} is not an attribute of {}; its attributes are {}",
                kind.name,
                taken.join(", ")
            )
            .into());
        }
        checked.insert(parameter, value.clone());
    }
    Ok(checked)
}

fn resolve(
    kind: &FaultType,
    mut given: Map<String, Value>,
    run: &ScheduleContext,
) -> Result<(FaultParams, Fault), ToxicError> {
    given.insert("type".to_owned(), kind.name.into());
    let params = FaultParams::read(given).map_err(|error| error.to_string())?;
    let fault = params.resolve(run).map_err(|error| error.to_string())?;
    Ok((params, fault))
}

/// Returns the attributes: the parameters that are not at the top level of a request.
fn attributes_for(params: &FaultParams, flows: Directions) -> Map<String, Value> {
    let Ok(Value::Object(written)) = serde_json::to_value(params) else { return Map::new() };
    let given = written.into_iter().filter(|(name, _)| !is_elsewhere(name));
    let mut attributes: Map<_, _> = given.map(|(name, value)| (as_attribute(&name), value)).collect();
    // The API has one stream per toxic and another unit for the rates of flags, so attributes show the differences.
    if flows == Directions::BOTH && params.fault_type().has_direction() {
        attributes.insert("direction".to_owned(), "both".into());
    }
    if params.fault_type().name == "bandwidth" && attributes.get(RATE).is_some_and(Value::is_number) {
        attributes.entry(UNIT).or_insert_with(|| "Bps".into());
    }
    attributes
}

/// Returns true if the fault acts on this stream.
fn matches_stream(of_fault: Directions, stream: &str) -> bool {
    flows(stream).is_none_or(|flows| {
        flows.to_upstream && of_fault.to_upstream || flows.to_downstream && of_fault.to_downstream
    })
}

fn stream_for(flows: Directions) -> &'static str {
    if flows.to_upstream && !flows.to_downstream { "upstream" } else { "downstream" }
}

/// Converts `_` in a name to `-`. The API accepts both.
fn as_parameter(name: &str) -> String {
    name.replace('_', "-")
}

fn as_attribute(name: &str) -> String {
    name.replace('-', "_")
}
