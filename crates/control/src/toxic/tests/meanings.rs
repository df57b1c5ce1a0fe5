//! Meanings of members and numbers in requests.

use super::*;

#[test]
fn a_direction_beside_the_attributes_has_a_way_out() {
    let expected =
        "bad request body: direction both is an attribute: set direction in attributes (ctl: direction=both)";
    for stream in [Value::Null, json!("downstream")] {
        let fault =
            json!({"type": "latency", "stream": stream, "direction": "both", "attributes": {"mean": 5}});
        assert_eq!(refused(fault), expected);
    }
    let fault =
        parsed(json!({"type": "latency", "direction": "upstream", "attributes": {"mean": 5}})).unwrap();
    assert_eq!(fault.stream, "upstream");
    assert_eq!(merged(&fault, json!({"direction": "both"})).unwrap_err().to_string(), expected);
    merged(&fault, json!({"direction": "downstream"})).unwrap();
}

#[test]
fn a_bare_rate_counts_as_that_of_a_toxic() {
    let rate = |record: &FaultRecord| {
        let fault = record.fault.as_ref().unwrap();
        fault.effect.downcast_ref::<Bandwidth>().unwrap().rate
    };
    let added = |attributes: Value| parsed(json!({"type": "bandwidth", "attributes": attributes})).unwrap();
    for attributes in [json!({"rate": 5}), json!({"rate": 5, "scope": "all"}), json!({"rate": 5, "times": 1})]
    {
        assert_eq!(rate(&added(attributes.clone())), 5e3, "{attributes}");
    }
    assert_eq!(rate(&added(json!({"rate": "5", "scope": "all"}))), 5e3);
    assert_eq!(rate(&added(json!({"scope": "all"}))), 1e3, "the default is that of flags");
    let mut fault = added(json!({"rate": "1MBps"}));
    for (attributes, expected) in [
        (json!({"rate": 5}), 5e3),
        (json!({"rate": "2MBps"}), 2e6),
        (json!({"rate": 7, "unit": "Bps"}), 7.0),
        (json!({"rate": 8}), 8.0),
        (json!({"unit": null}), 8e3),
    ] {
        fault = merged(&fault, json!({"attributes": attributes})).unwrap();
        assert_eq!(rate(&fault), expected, "{attributes}");
    }
}
