//! Attributes of faults with their units.

use anyhow::{Error, Result, anyhow, bail};
use fault_proxy_control::{attribute_names, changed_attributes, with_rate_unit};
use fault_proxy_engine::{
    ByteCount, COMMON_PARAMETERS, FaultParams, FaultType, Millis, Rate, ScheduleContext, ValueType, faults,
};
use proxy_cli::config::{did_you_mean, nearest};
use proxy_cli::terminal::escape_control;
use serde_json::{Map, Value};

/// Attributes of Toxiproxy's toxics, which are whole numbers in these units.
const TOXIC_UNITS: [(&str, &str, &str); 10] = [
    ("latency", "latency", "ms"),
    ("latency", "jitter", "ms"),
    ("bandwidth", "rate", "KBps"),
    ("slow_close", "delay", "ms"),
    ("timeout", "timeout", "ms"),
    ("reset_peer", "timeout", "ms"),
    ("slicer", "average_size", "B"),
    ("slicer", "size_variation", "B"),
    ("slicer", "delay", "us"),
    ("limit_data", "bytes", "B"),
];

fn toxic_unit(kind: &str, name: &str) -> Option<&'static str> {
    let found = TOXIC_UNITS.iter().find(|(of, attribute, _)| (*of, *attribute) == (kind, name));
    found.map(|(_, _, unit)| *unit)
}

/// Returns the attribute that a toxic and the native fault of the same type share, and the unit of its plain
/// numbers, which are the toxic's if it is the only attribute.
pub(crate) fn shared_with_toxic(native: &FaultType) -> Option<(&'static str, &'static str)> {
    let kind = native.name.replace('-', "_");
    // A slicer has a size too, whose name decides between the toxic and the native fault.
    if kind == "slicer" {
        return None;
    }
    let mut shared =
        TOXIC_UNITS.iter().filter(|(of, name, _)| *of == kind && native.parameter(name).is_some());
    shared.next().map(|(_, name, unit)| (*name, *unit))
}

/// Returns true if a toxic has this attribute, but the native fault of the same type does not.
fn is_of_toxic_only(kind: &str, name: &str) -> bool {
    let native = faults::find(kind).ok().and_then(|native| native.parameter(&name.replace('_', "-")));
    native.is_none() && toxic_unit(kind, name).is_some()
}

/// Parses the values of attributes. Numbers, true and false keep their type, unless the parameter is a text,
/// such as an SQLSTATE.
pub(crate) fn read(kind: &str, given: &[(String, String)]) -> Map<String, Value> {
    let native = faults::find(kind).ok();
    let is_text = |name: &str| {
        let parameter = native.and_then(|native| native.parameter(&name.replace('_', "-")));
        matches!(parameter.map(|parameter| parameter.value), Some(ValueType::Text(_)))
    };
    let value = |(name, text): &(String, String)| match serde_json::from_str(text) {
        Ok(value @ (Value::Number(_) | Value::Bool(_))) if !is_text(name) => (name.clone(), value),
        _ => (name.clone(), text.as_str().into()),
    };
    given.iter().map(value).collect()
}

/// Converts attributes for a request. `kind` is the type as the API writes it.
///
/// Attributes of toxics may have a unit and are converted to the unit of the API. Values of native faults
/// that the flags of `run` do not accept are an error here too, although the API accepts what Toxiproxy does,
/// such as a limit of 0 bytes.
pub(super) fn for_request(kind: &str, given: &Map<String, Value>) -> Result<Map<String, Value>> {
    check_names(kind, given)?;
    let Some(toxic) = given.keys().find(|name| is_of_toxic_only(kind, name)) else {
        check_native(kind, given)?;
        return Ok(given.clone());
    };
    let convert = |(name, value): (&String, &Value)| match (value.as_str(), toxic_unit(kind, name)) {
        (Some(text), Some(unit)) => match in_unit(text, unit) {
            Some(number) => Ok((name.clone(), number.into())),
            None => Err(not_whole(name, text, unit)),
        },
        (None, Some(unit)) if value.as_f64().is_some_and(|number| number < 0.0) => {
            Err(anyhow!("`{name}={value}` is negative: use 0 or more, such as 500{unit}"))
        }
        (_, None) if faults::find(kind).is_ok_and(|native| native.parameter(name).is_some()) => {
            Err(anyhow!("`{name}` does not go with `{toxic}`, which is an attribute of Toxiproxy's {kind}"))
        }
        _ => Ok((name.clone(), value.clone())),
    };
    given.iter().map(convert).collect()
}

/// Converts changed attributes of an existing fault for a request. `kind` is the type as the API writes it.
pub(super) fn for_update(
    kind: &str,
    existing: &Map<String, Value>,
    given: Map<String, Value>,
) -> Result<Map<String, Value>> {
    let names: Vec<_> = given.keys().map(|name| name.replace('-', "_")).collect();
    let mut sent = for_request(kind, &changed_attributes(existing, given))?;
    sent.retain(|name, _| names.contains(name));
    if is_toxic(kind, existing) {
        for (name, value) in &mut sent {
            let (Some(text), Some(unit)) = (value.as_str(), toxic_unit(kind, name)) else { continue };
            match in_unit(text, unit) {
                Some(number) => *value = number.into(),
                None if unit == "KBps" => return Err(not_whole(name, text, unit)),
                // Native faults also take parts of these units.
                None => {}
            }
        }
    }
    Ok(sent)
}

/// Returns true if the attributes of an existing fault can be those of a toxic: whole numbers in its units. Native faults of types whose
/// numbers have the same units as those of the toxic can have them too.
fn is_toxic(kind: &str, existing: &Map<String, Value>) -> bool {
    !existing.is_empty()
        && existing.iter().all(|(name, value)| value.is_number() && toxic_unit(kind, name).is_some())
}

fn not_whole(name: &str, text: &str, unit: &str) -> Error {
    anyhow!(
        "`{name}={text}` is not a whole number, or a whole number of {unit} with a unit, such as 500{unit}"
    )
}

/// Returns an error for attributes that the API would ignore.
fn check_names(kind: &str, given: &Map<String, Value>) -> Result<()> {
    let Some(known) = attribute_names(kind) else { return Ok(()) };
    // The API also accepts hyphens. Its errors name the place of common parameters, or the type that has the
    // parameter.
    let is_common = |name: &str| COMMON_PARAMETERS.iter().any(|parameter| parameter.name == name);
    let is_known = |name: &String| {
        known.contains(&name.replace('-', "_"))
            || ["name", "ttl", "type"].contains(&name.as_str())
            || is_common(name)
    };
    match given.keys().find(|name| !is_known(name)) {
        Some(unknown) => {
            let meant = did_you_mean(nearest(unknown, known.iter().map(String::as_str)));
            let kind = faults::find(kind).map_or(kind, |native| native.name);
            bail!("unknown attribute `{unknown}` of {kind}{meant}");
        }
        None => Ok(()),
    }
}

/// Returns an error for values that the flags of the native fault do not accept.
fn check_native(kind: &str, given: &Map<String, Value>) -> Result<()> {
    let Ok(native) = faults::find(kind) else { return Ok(()) };
    if kind == "bandwidth" && given.is_empty() {
        bail!("bandwidth requires parameters, as in rate=1mbit/s");
    }
    let is_checked = |name: &str| native.parameter(&name.replace('_', "-")).is_some();
    let given = with_rate_unit(native, given.clone());
    let mut params: Map<_, _> = given.into_iter().filter(|(name, _)| is_checked(name)).collect();
    params.insert("type".to_owned(), native.name.into());
    let fault = FaultParams::read(params).map_err(anyhow::Error::from);
    fault.and_then(|fault| Ok(fault.resolve(&ScheduleContext::default())?)).map(drop)
}

/// Converts a value, which may have a unit, to a whole number of this unit of time or size.
fn in_unit(text: &str, unit: &str) -> Option<u64> {
    let whole = |count: u128, size: u128| count.is_multiple_of(size).then_some(count / size);
    let is_plain = text.parse::<f64>().is_ok();
    let number = match unit {
        _ if is_plain => text.parse().ok(),
        "B" => text.parse::<ByteCount>().ok().map(|bytes| bytes.count().into()),
        "KBps" => {
            let rate = text.parse::<Rate>().ok()?.bytes_per_second(None).ok()?;
            whole(ByteCount::try_from(rate.round()).ok()?.count().into(), 1_000)
        }
        _ => {
            let nanos = text.parse::<Millis>().ok()?.duration().as_nanos();
            whole(nanos, if unit == "us" { 1_000 } else { 1_000_000 })
        }
    };
    number.and_then(|number| u64::try_from(number).ok())
}

/// Returns the attributes and the time to live of a fault of the API with their units, as in `mean=300ms`.
pub(super) fn shown(fault: &Value) -> String {
    let kind = fault["type"].as_str().unwrap_or_default();
    let attributes = fault["attributes"].as_object();
    let is_toxic = attributes.is_some_and(|all| all.keys().all(|name| toxic_unit(kind, name).is_some()));
    let with_unit = |(name, value): (&String, &Value)| {
        let value = match (value.as_str(), toxic_unit(kind, name).filter(|_| is_toxic)) {
            (Some(text), _) => text.to_owned(),
            (None, Some(unit)) => format!("{value}{unit}"),
            (None, None) => in_largest_unit(kind, name, value).unwrap_or_else(|| number(value)),
        };
        format!("{}={}", escape_control(name), escape_control(&value))
    };
    let ttl = match &fault["ttl"] {
        Value::String(text) => Some(text.clone()),
        millis => millis.as_f64().and_then(|millis| Millis::try_from(millis).ok()).map(|ttl| ttl.to_string()),
    };
    let ttl = ttl.map(|ttl| format!("ttl={ttl}"));
    attributes.into_iter().flatten().map(with_unit).chain(ttl).collect::<Vec<_>>().join(" ")
}

/// Returns a value without the `.0` of whole numbers.
fn number(value: &Value) -> String {
    match value.as_f64().filter(|_| value.is_f64()) {
        Some(number) => number.to_string(),
        None => value.to_string(),
    }
}

fn in_largest_unit(kind: &str, name: &str, value: &Value) -> Option<String> {
    let parameter = faults::find(kind).ok()?.parameter(&name.replace('_', "-"))?;
    match parameter.value {
        ValueType::Time => Millis::try_from(value.as_f64()?).ok().map(|time| time.to_string()),
        ValueType::Bytes => ByteCount::try_from(value.as_f64()?).ok().map(|bytes| bytes.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use fault_proxy_engine::faults::FAULT_TYPES;
    use serde_json::json;

    use super::*;

    fn request(kind: &str, given: &Value) -> Result<Value, String> {
        let given = given.as_object().expect("an object");
        for_request(kind, given).map(Value::Object).map_err(|error| error.to_string())
    }

    #[test]
    fn values_are_numbers_switches_or_text() {
        for (kind, name, text, expected) in [
            ("latency", "latency", "200", json!(200)),
            ("packet_loss", "rate", "0.01", json!(0.01)),
            ("latency", "once", "true", json!(true)),
            ("latency", "mean", "300ms", json!("300ms")),
            ("latency", "schedule", "start:1s,duration:2s", json!("start:1s,duration:2s")),
            ("latency", "x", "[1]", json!("[1]")),
            ("latency", "x", "", json!("")),
            ("respond", "sqlstate", "40001", json!("40001")),
            ("respond", "body", "true", json!("true")),
            ("respond", "status", "503", json!(503)),
        ] {
            let read = read(kind, &[(name.to_owned(), text.to_owned())]);
            assert_eq!(read[name], expected, "{kind} {name}={text}");
        }
    }

    #[test]
    fn attributes_of_toxics_take_units() {
        for (kind, given, expected) in [
            ("latency", json!({"latency": "500ms", "jitter": "1s"}), json!({"latency": 500, "jitter": 1000})),
            ("latency", json!({"latency": 500}), json!({"latency": 500})),
            ("reset_peer", json!({"timeout": "2s"}), json!({"timeout": 2000})),
            (
                "slicer",
                json!({"average_size": "1KiB", "delay": "1ms"}),
                json!({"average_size": 1024, "delay": 1000}),
            ),
            ("latency", json!({"mean": "500ms"}), json!({"mean": "500ms"})),
            ("bandwidth", json!({"rate": 100}), json!({"rate": 100})),
        ] {
            assert_eq!(request(kind, &given), Ok(expected), "{kind} {given}");
        }
        for (kind, given, expected) in [
            ("latency", json!({"latency": "0.5ms"}), "a whole number of ms"),
            ("latency", json!({"latency": "abc"}), "such as 500ms"),
            ("slicer", json!({"average_size": "5s"}), "such as 500B"),
            ("latency", json!({"latency": 5, "mean": "1s"}), "`mean` does not go with `latency`"),
            ("latency", json!({"latency": 5, "jitter": -1}), "`jitter=-1` is negative: use 0 or more"),
            ("reset_peer", json!({"timeout": -5}), "`timeout=-5` is negative"),
            ("latency", json!({"laten": 5}), "did you mean `latency`?"),
        ] {
            let refused = request(kind, &given).expect_err("refused");
            assert!(refused.contains(expected), "{kind} {given}: {refused}");
        }
    }

    #[test]
    fn rates_are_whole_kilobytes_per_second() {
        for (text, expected) in [
            ("1mbit/s", Some(125)),
            ("8.008mbit/s", Some(1001)),
            ("0.3GBps", Some(300_000)),
            ("1kbit/s", None),
            ("1.5KBps", None),
            ("9999999999GBps", None),
        ] {
            assert_eq!(in_unit(text, "KBps"), expected, "{text}");
        }
    }

    #[test]
    fn what_the_flags_refuse_is_refused() {
        for (kind, given, expected) in [
            ("limit_data", json!({"bytes": 0}), "bytes: "),
            ("bandwidth", json!({"rate": 0}), "rate: is 0: use a blackhole"),
            ("bandwidth", json!({}), "rate=1mbit/s"),
            ("packet_loss", json!({"model": "bernoulli"}), "rate: is required"),
            ("slow_close", json!({}), "delay: is required"),
        ] {
            let refused = request(kind, &given).expect_err("refused");
            assert!(refused.contains(expected), "{kind} {given}: {refused}");
        }
        for fault_type in FAULT_TYPES.iter().filter(|fault_type| fault_type.name != "bandwidth") {
            let bare = Map::from_iter([("type".to_owned(), fault_type.name.into())]);
            let params = FaultParams::read(bare).expect("types may have no parameters");
            let is_complete = params.resolve(&ScheduleContext::default()).is_ok();
            let kind = fault_type.name.replace('-', "_");
            assert_eq!(request(&kind, &json!({})).is_ok(), is_complete, "{kind}");
        }
        // Percentages of a schedule depend on the run, which ctl does not know.
        assert!(request("jitter", &json!({"schedule": "start:10%,duration:10%"})).is_ok());
    }

    #[test]
    fn an_attribute_of_a_toxic_and_a_native_fault_is_shared() {
        let shared = FAULT_TYPES.iter().filter_map(|native| Some((native.name, shared_with_toxic(native)?)));
        let expected = [
            ("bandwidth", ("rate", "KBps")),
            ("slow-close", ("delay", "ms")),
            ("limit-data", ("bytes", "B")),
        ];
        assert_eq!(shared.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn values_are_shown_with_their_units() {
        for (kind, attributes, expected) in [
            ("latency", json!({"mean": 300, "stddev": 2000}), "mean=300ms stddev=2s"),
            ("latency", json!({"jitter": 0, "latency": 200}), "jitter=0ms latency=200ms"),
            ("bandwidth", json!({"rate": 100}), "rate=100KBps"),
            ("bandwidth", json!({"rate": 100, "unit": "Bps"}), "rate=100 unit=Bps"),
            ("bandwidth", json!({"rate": "1mbit/s"}), "rate=1mbit/s"),
            ("bandwidth", json!({"rate": 1.0, "unit": "mbit/s"}), "rate=1 unit=mbit/s"),
            (
                "slicer",
                json!({"average_size": 64, "delay": 10, "size_variation": 0}),
                "average_size=64B delay=10us size_variation=0B",
            ),
            ("slicer", json!({"delay": 10, "size": 2048}), "delay=10ms size=2KiB"),
        ] {
            assert_eq!(shown(&json!({"type": kind, "attributes": attributes})), expected);
        }
    }
}
