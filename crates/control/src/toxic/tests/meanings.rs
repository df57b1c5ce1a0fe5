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
