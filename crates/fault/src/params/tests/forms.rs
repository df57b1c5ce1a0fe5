//! What is read and written, in which spelling.

use std::collections::BTreeSet;

use super::*;

#[test]
fn what_does_not_deserialize() {
    for (value, message) in [
        (
            json!({"type": "lag"}),
            "\"lag\" is not a type of fault: say latency, jitter, bandwidth, packet-loss, blackhole, reset, timeout, \
             slow-close, slicer, limit-data, refuse, slow-open or corrupt",
        ),
        (json!({"direction": "up"}), "\"up\" is not a direction: say ingress, egress or both"),
        (json!({"side": "Client"}), "\"Client\" is not a side: say client, server or both"),
        (json!({"probability": 1.5}), "1.5 is more than 1: a share is 0 to 1, or say 1.5%"),
        (json!({"stddev": -1}), "-1 is negative, not a time: say 300 or 300ms, 500us, 2s, 1m or 1h"),
        (json!({"unit": "kbps"}), "\"kbps\" is no unit of bandwidth: say KBps (bytes) or kbit/s (bits)"),
    ] {
        let error = serde_json::from_value::<FaultParams>(value).expect_err(message);
        assert_eq!(error.to_string(), message);
    }
    let unknown = serde_json::from_value::<FaultParams>(json!({"latency": 1})).expect_err("unknown");
    assert!(unknown.to_string().starts_with("unknown field `latency`, expected one of"), "{unknown}");
    let twice =
        serde_json::from_str::<FaultParams>(r#"{"good-loss": 0, "good_loss": 0}"#).expect_err("twice");
    assert!(twice.to_string().starts_with("duplicate field"), "{twice}");
}

/// Every parameter there is, which no fault takes together.
fn full() -> FaultParams {
    params(json!({
        "type": "latency", "name": "x", "side": "client", "direction": "egress", "probability": 0.5,
        "schedule": "start:1s", "distribution": "normal", "mean": 300, "stddev": 0.5, "shape": 1.5, "scale": 20,
        "min": 1, "max": 2, "table": "delays.csv", "once": true, "amplitude": 30, "frequency": 5,
        "rate": "500kbit/s", "unit": "kbit/s", "burst": 1500, "scope": "proxy", "model": "gilbert-elliott",
        "correlation": 0.25, "good-to-bad": 0.1, "bad-to-good": 0.2, "good-loss": 0.3, "bad-loss": 0.4, "rtt": 80,
        "mss": 1460, "mode": "stall", "delay": 10, "bytes": 65536, "after": 5, "size": 64, "variation": 32
    }))
}

#[test]
fn every_parameter_belongs_to_a_type_and_is_noticed() {
    let Value::Object(full) = serde_json::to_value(full()).expect("JSON") else { panic!("no object") };
    let all: BTreeSet<&str> = full.keys().map(String::as_str).collect();
    let of_types: BTreeSet<&str> = Kind::ALL.into_iter().flat_map(|kind| parameters(kind)).copied().collect();
    let mut known: BTreeSet<&str> = COMMON_PARAMETERS.into_iter().chain(["type"]).collect();
    known.extend(&of_types);
    assert_eq!(all, known);
    for name in of_types {
        let one = params(json!({ name: full[name] }));
        assert_eq!(one.given().collect::<Vec<_>>(), [name]);
        for kind in Kind::ALL {
            let belongs = FaultParams { kind: Some(kind), ..one.clone() }.check_belong(kind).is_ok();
            assert_eq!(belongs, parameters(kind).contains(&name), "{kind} {name}");
        }
    }
}

#[test]
fn serialized_and_read_again_it_is_the_same() {
    let json = serde_json::to_string(&full()).expect("JSON");
    assert_eq!(serde_json::from_str::<FaultParams>(&json).expect("params"), full());
    assert_eq!(serde_json::to_string(&FaultParams::default()).expect("JSON"), "{}");
    let snake_case: serde_json::Map<String, Value> = serde_json::from_str::<serde_json::Map<_, _>>(&json)
        .expect("an object")
        .into_iter()
        .map(|(name, value)| (name.replace('-', "_"), value))
        .collect();
    assert_eq!(params(snake_case.into()), full());
}
