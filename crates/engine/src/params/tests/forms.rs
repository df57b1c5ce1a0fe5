//! Accepted and serialized forms of parameters.

use std::collections::BTreeSet;

use fault_proxy_protocol::Protocol;

use super::*;
use crate::ValueType;
use crate::fault_type::Parameter;

#[test]
fn what_does_not_deserialize() {
    for (value, message) in [
        (
            json!({"type": "reset", "direction": "up"}),
            "reset: direction: \"up\" is not a direction: use ingress, egress or both",
        ),
        (
            json!({"type": "reset", "side": "Client"}),
            "reset: side: \"Client\" is not a side: use client, server or both",
        ),
        (
            json!({"type": "reset", "probability": 1.5}),
            "reset: probability: 1.5 is more than 1: a share is 0 to 1, or use 1.5%",
        ),
        (
            json!({"type": "latency", "stddev": -1}),
            "latency: stddev: -1 is negative, not a time: use 300 or 300ms, 500us, 2s, 1m or 1h",
        ),
        (
            json!({"type": "bandwidth", "unit": "kbps"}),
            "bandwidth: unit: \"kbps\" is not a unit of bandwidth: use KBps (bytes) or kbit/s (bits)",
        ),
        (json!({"type": "latency", "once": "yes"}), "latency: once: string \"yes\" is not true or false"),
        (json!({"type": "reset", "name": 5}), "reset: name: integer '5' is not text: put it in quotes"),
        (
            json!({"type": "reset", "schedule": 5}),
            "reset: schedule: integer '5' is not text: put it in quotes",
        ),
        (json!({"type": "reset", "side": 4}), "reset: side: \"4\" is not a side: use client, server or both"),
        (json!({"type": "reset", "latency": 1}), "unknown parameter `latency`"),
        (
            json!({"type": "packet-loss", "good-loss": 0, "good_loss": 0}),
            "packet-loss: good-loss: is given twice: leave one out",
        ),
    ] {
        let error = serde_json::from_value::<FaultParams>(value).expect_err(message);
        assert_eq!(error.to_string(), message);
    }
    let names: Vec<_> = FAULT_TYPES.iter().map(|fault_type| fault_type.name).collect();
    let (last, others) = names.split_last().expect("there are some");
    for (given, shown) in [(json!("lag"), "lag"), (json!(7), "7")] {
        let unknown = serde_json::from_value::<FaultParams>(json!({"type": given})).expect_err("unknown");
        let message =
            format!("type: \"{shown}\" is not a type of fault: use {} or {last}", others.join(", "));
        assert_eq!(unknown.to_string(), message);
    }
}

/// Returns a value for each parameter of any fault.
fn values() -> Map<String, Value> {
    let Value::Object(values) = json!({
        "distribution": "normal", "mean": 300, "stddev": 0.5, "shape": 1.5, "scale": 20, "min": 1, "max": 2,
        "table": "delays.csv", "once": true, "amplitude": 30, "frequency": 5, "rate": 1, "unit": "kbit/s",
        "burst": 1500, "scope": "proxy", "model": "gilbert-elliott", "correlation": 0.25, "good-to-bad": 0.1,
        "bad-to-good": 0.2, "good-loss": 0.3, "bad-loss": 0.4, "rtt": 80, "mss": 1460, "mode": "stall",
        "delay": 10, "bytes": 65536, "after": 5, "after-bytes": 1, "at": "first-byte", "on": "commit", "rows": 2, "events": 3, "then": "close", "sqlstate": "40001", "status": 503, "retry-after": 2,
        "body": "busy", "error": "LOADING",
        "size": 64, "variation": 32
    }) else {
        panic!("an object")
    };
    values
}

/// Returns all parameters of a type, with values that are valid together.
fn full(fault_type: &FaultType) -> Map<String, Value> {
    let Value::Object(mut full) = json!({"type": fault_type.name, "name": "x", "probability": 0.5, "skip": 2, "every": 3,
            "times": 4, "schedule": "start:1s"})
    else {
        panic!("an object")
    };
    let values = values();
    full.extend(fault_type.parameters.iter().map(|parameter| {
        let name = parameter.name;
        (name.to_owned(), values.get(name).unwrap_or_else(|| panic!("no value for {name}")).clone())
    }));
    full
}

#[test]
fn a_type_takes_the_parameters_that_it_names_and_no_other() {
    for fault_type in FAULT_TYPES {
        for (name, value) in values() {
            let one = Map::from_iter([("type".to_owned(), fault_type.name.into()), (name.clone(), value)]);
            let is_read = FaultParams::read(one);
            assert_eq!(is_read.is_ok(), fault_type.parameter(&name).is_some(), "{} {name}", fault_type.name);
        }
    }
}

#[test]
fn choices_are_values_of_a_parameter() {
    for fault_type in FAULT_TYPES {
        for parameter in fault_type.parameters {
            for choice in parameter.with {
                let is_value = |other: &Parameter| matches!(other.value, ValueType::Words(_, words) if words.contains(choice));
                assert!(fault_type.parameters.iter().any(is_value), "{} {}", parameter.name, choice);
            }
        }
    }
}

#[test]
fn a_form_begins_with_few_parameters_of_a_type() {
    for fault_type in FAULT_TYPES.iter().filter(|fault_type| !fault_type.parameters.is_empty()) {
        for protocol in [Protocol::Http, Protocol::Psql, Protocol::Redis] {
            let is_counted = |parameter: &&Parameter| {
                let is_of_protocol =
                    parameter.protocols.is_empty() || parameter.protocols.contains(&protocol);
                parameter.main && is_of_protocol && !["on", "at"].contains(&parameter.name)
            };
            let count = fault_type.parameters.iter().filter(is_counted).count();
            assert!((1..=3).contains(&count), "{} {protocol:?}: {count}", fault_type.name);
        }
    }
}

#[test]
fn parameters_of_requests_name_their_protocols() {
    for fault_type in FAULT_TYPES {
        let needs_protocol = fault_type.parameters.iter().filter(|parameter| !parameter.protocols.is_empty());
        let names: Vec<_> = needs_protocol.map(|parameter| parameter.name).collect();
        assert_eq!(fault_type.parameter("on").is_some(), names.contains(&"on"), "{}", fault_type.name);
        assert!(names.is_empty() || names.contains(&"on"), "{}: {names:?}", fault_type.name);
    }
}

#[test]
fn serialized_and_read_again_it_is_the_same() {
    for fault_type in FAULT_TYPES {
        let given = full(fault_type);
        let read = FaultParams::read(given.clone()).expect("params");
        let Value::Object(written) = serde_json::to_value(&read).expect("JSON") else { panic!("no object") };
        assert_eq!(written.keys().collect::<BTreeSet<_>>(), given.keys().collect::<BTreeSet<_>>());
        assert_eq!(FaultParams::read(written.clone()).expect("params"), read);
        let snake_case = written.into_iter().map(|(name, value)| (name.replace('-', "_"), value)).collect();
        assert_eq!(FaultParams::read(snake_case).expect("params"), read);
    }
}

#[test]
fn the_table_of_the_documentation_has_every_type_with_its_parameters() {
    let page = include_str!("../../../../../docs/faults.md");
    for fault_type in FAULT_TYPES {
        let parameters = fault_type.parameters.iter().map(|parameter| match parameter.default {
            Some(default) => format!("{} ({default})", parameter.name),
            None => parameter.name.to_owned(),
        });
        let parameters = parameters.collect::<Vec<_>>().join(", ");
        let row = format!(
            "\n| {} |{} |",
            fault_type.name,
            if parameters.is_empty() { "".to_owned() } else { format!(" {parameters}") }
        );
        assert!(page.contains(&row), "{row}");
    }
}
