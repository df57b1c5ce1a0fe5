use std::time::Duration;

use fault_proxy_engine::faults::{
    Bandwidth, Latency, LimitData, PacketLoss, ResetOnData, Slicer, SlowClose, Timeout,
};
use fault_proxy_engine::{Delay, Directions, Effect, LossModel};

use super::*;
use crate::proxies::shown;

mod meanings;

fn parsed(body: Value) -> Result<FaultRecord, ToxicError> {
    parse(
        &json::parse_object(body.to_string().as_bytes()).unwrap(),
        &ScheduleContext::default(),
        Instant::now(),
    )
}

fn effect(body: Value) -> Option<Effect> {
    parsed(body).unwrap().fault.map(|fault| fault.effect)
}

fn refused(body: Value) -> String {
    parsed(body).unwrap_err().to_string()
}

const MS: Duration = Duration::from_millis(1);

/// Returns a bandwidth that stops all data.
fn shut() -> Bandwidth {
    Bandwidth::new(0.0).with_burst(0)
}

#[test]
fn toxics_do_what_they_do_elsewhere() {
    let around = |center, spread| Effect::from(Latency::new(Delay::Around { center, spread }));
    for (body, expected) in [
        (
            json!({"type": "latency", "attributes": {"latency": 100, "jitter": -20}}),
            Some(around(100 * MS, 20 * MS)),
        ),
        (
            json!({"type": "latency", "attributes": {"latency": -5}}),
            Some(around(Duration::ZERO, Duration::ZERO)),
        ),
        (json!({"type": "bandwidth", "attributes": {"rate": 0}}), Some(Effect::from(shut()))),
        (json!({"type": "bandwidth", "attributes": {"rate": -1}}), Some(Effect::from(shut()))),
        (json!({"type": "bandwidth"}), Some(Effect::from(shut()))),
        (
            json!({"type": "bandwidth", "attributes": {"rate": 100}}),
            Some(Effect::from(Bandwidth::new(100_000.0).with_burst(1500))),
        ),
        (
            json!({"type": "slow_close", "attributes": {"delay": 3}}),
            Some(Effect::from(SlowClose::new(3 * MS))),
        ),
        (json!({"type": "timeout"}), Some(Effect::from(Timeout::new(None, true)))),
        (
            json!({"type": "timeout", "attributes": {"timeout": 9}}),
            Some(Effect::from(Timeout::new(Some(9 * MS), true))),
        ),
        (
            json!({"type": "reset_peer", "attributes": {"timeout": 9}}),
            Some(Effect::from(ResetOnData::new(9 * MS))),
        ),
        (
            json!({"type": "slicer", "attributes": {"average_size": 8, "size_variation": 9, "delay": 2000}}),
            Some(Effect::from(Slicer::new(8, 7, 2 * MS))),
        ),
        (json!({"type": "slicer", "attributes": {"delay": 2000}}), None),
        (json!({"type": "limit_data", "attributes": {"bytes": 5}}), Some(Effect::from(LimitData::new(5)))),
        (json!({"type": "noop"}), None),
    ] {
        assert_eq!(effect(body.clone()), expected, "{body}");
    }
}

#[test]
fn the_name_of_a_fault_does_not_depend_on_the_spelling_of_its_type() {
    for kind in ["lose-response", "lose_response"] {
        let record = parsed(json!({"type": kind, "attributes": {"on": "commit"}})).unwrap();
        assert_eq!(shown(&record)["name"], "lose_response_downstream", "{kind}");
    }
    let record = parsed(json!({"type": "limit_data", "attributes": {"bytes": 5}})).unwrap();
    assert_eq!(shown(&record)["name"], "limit_data_downstream", "as Toxiproxy names it");
}

#[test]
fn bodies_are_read_leniently_but_numbers_are_whole() {
    let record = parsed(json!({
        "TYPE": "latency", "Stream": "UPstream", "toxicity": 1.5, "more": 1,
        "Attributes": {"LATENCY": 5, "jitter": null, "more": 1}
    }))
    .unwrap();
    let expected = json!({
        "name": "latency_UPstream", "type": "latency", "stream": "UPstream", "toxicity": 1.5,
        "attributes": {"latency": 5, "jitter": 0}
    });
    assert_eq!(shown(&record), expected);
    let fault = record.fault.unwrap();
    assert_eq!((fault.name.as_str(), fault.probability), ("latency_UPstream", 1.0));
    assert_eq!(fault.directions, Directions { to_upstream: true, to_downstream: false });
    for attribute in ["1.5", "1e3", "[]", "true"] {
        let body = format!(r#"{{"type": "latency", "attributes": {{"latency": {attribute}}}}}"#);
        let refused =
            parse(&json::parse_object(body.as_bytes()).unwrap(), &ScheduleContext::default(), Instant::now())
                .unwrap_err()
                .to_string();
        assert!(refused.starts_with("bad request body: latency is "), "{refused}");
    }
}

#[test]
fn attributes_of_the_wrong_type_are_refused_alike_when_toxics_are_made_and_changed() {
    for (kind, fields) in super::toxiproxy::TOXICS {
        let made = parsed(json!({"type": kind})).unwrap();
        for field in fields {
            for wrong in
                [json!("abc"), json!("1000"), json!("1.5"), json!(""), json!(true), json!([1]), json!(1.5)]
            {
                let attributes = json!({ *field: wrong });
                let expected = format!("bad request body: {field} is {wrong}: a whole number is expected");
                assert_eq!(refused(json!({"type": kind, "attributes": attributes})), expected);
                let changed = merged(&made, json!({"attributes": attributes})).unwrap_err();
                assert_eq!(changed.to_string(), expected);
            }
        }
    }
    for (kind, attributes) in [
        ("bandwidth", json!({"rate": "1mbit/s"})),
        ("slow_close", json!({"delay": "5ms"})),
        ("slicer", json!({"size": 5, "delay": "1ms"})),
        ("limit_data", json!({"bytes": "1KiB"})),
    ] {
        let ours = parsed(json!({"type": kind, "attributes": attributes})).unwrap();
        assert_eq!(ours.vocabulary, crate::proxies::Dialect::Native, "{kind}");
    }
}

#[test]
fn what_is_no_toxic_is_refused_in_the_words_that_clients_know() {
    assert_eq!(refused(json!({})), "invalid toxic type");
    assert_eq!(refused(json!({"type": "earthquake"})), "invalid toxic type");
    let stream = "stream was invalid, can be either upstream or downstream";
    for bad in ["", "both"] {
        assert_eq!(refused(json!({"type": "latency", "stream": bad})), stream);
    }
    assert_eq!(json::parse_object(b" ").unwrap_err(), "EOF");
    assert!(json::parse_object(b"[]").is_err() && json::parse_objects(b"{}").is_err());
}

#[test]
fn our_faults_have_their_own_parameters() {
    let record = parsed(json!({"type": "packet_loss", "attributes": {"rate": 0.01}})).unwrap();
    let loss = record.fault.as_ref().and_then(|fault| fault.effect.downcast_ref::<PacketLoss>());
    assert_eq!(loss.unwrap().model, LossModel::Bernoulli { rate: 0.01, correlation: 0.0 });
    assert_eq!((record.name.as_str(), record.stream.as_str()), ("packet_loss_downstream", "downstream"));

    let normal =
        json!({"type": "latency", "stream": "upstream", "attributes": {"mean": "300ms", "stddev": 40}});
    let fault = parsed(normal).unwrap().fault.unwrap();
    let delay = Delay::Normal { mean: 300 * MS, stddev: 40 * MS };
    assert_eq!(fault.effect, Effect::from(Latency::new(delay)));
    assert_eq!(fault.directions, Directions { to_upstream: true, to_downstream: false });

    for ours in [json!({"rate": "1mbit/s"}), json!({"rate": 125_000, "unit": "Bps"})] {
        let effect = effect(json!({"type": "bandwidth", "attributes": ours})).unwrap();
        assert!(
            effect.downcast_ref::<Bandwidth>().is_some_and(|bandwidth| bandwidth.rate == 125_000.0),
            "{effect:?}"
        );
    }
    let both = parsed(json!({"type": "blackhole", "attributes": {"direction": "both"}})).unwrap();
    assert_eq!((both.name.as_str(), both.stream.as_str()), ("blackhole_both", "downstream"));
    assert_eq!(both.fault.unwrap().directions, Directions::BOTH);
    for attributes in [json!({}), json!({"side": "client"}), json!({"side": "both"})] {
        let reset = parsed(json!({"type": "reset", "attributes": attributes})).unwrap();
        assert_eq!((reset.name.as_str(), reset.stream.as_str()), ("reset_both", "downstream"));
        assert_eq!(reset.attributes["direction"], "both", "{attributes}");
        assert_eq!(reset.fault.unwrap().directions, Directions::BOTH);
    }
}

#[test]
fn parameters_that_are_wrong_are_named() {
    for (attributes, expected) in [
        (json!({"rat": 0.1}), "rat is not an attribute of packet-loss; its attributes are rate, model"),
        (json!({"probability": 0.1}), "set toxicity at the top level"),
        (json!({"rate": 7}), "rate"),
        (json!({"good_to_bad": 0.1}), "good-to-bad"),
    ] {
        let refused = refused(json!({"type": "packet_loss", "attributes": attributes}));
        assert!(refused.starts_with("bad request body: ") && refused.contains(expected), "{refused}");
    }
    let file =
        refused(json!({"type": "latency", "attributes": {"distribution": "table", "table": "/etc/passwd"}}));
    assert!(file.contains("table names a file"), "{file}");
}

#[test]
fn a_stream_is_where_the_fault_acts() {
    let of = |stream: &str, attributes: Value| {
        parsed(json!({"type": "blackhole", "stream": stream, "attributes": attributes}))
    };
    let refused = of("upstream", json!({"direction": "ingress"})).unwrap_err().to_string();
    assert!(refused.contains("the stream upstream"), "{refused}");
    of("upstream", json!({"direction": "egress"})).unwrap();
    let replies = of("downstream", json!({"direction": "both"})).unwrap();
    let requests = merged(&replies, json!({"attributes": {"direction": "egress"}})).unwrap();
    assert_eq!((replies.stream.as_str(), requests.stream.as_str()), ("downstream", "upstream"));
    assert_eq!(requests.fault.unwrap().directions, Directions { to_upstream: true, to_downstream: false });
}

fn merged(record: &FaultRecord, body: Value) -> Result<FaultRecord, ToxicError> {
    merge(
        record,
        &json::parse_object(body.to_string().as_bytes()).unwrap(),
        &ScheduleContext::default(),
        Instant::now(),
    )
}

#[test]
fn updates_change_what_they_name() {
    let toxic = parsed(json!({"type": "latency", "attributes": {"latency": 5, "jitter": 1}})).unwrap();
    let changed =
        merged(&toxic, json!({"name": "x", "stream": "upstream", "attributes": {"latency": 7}})).unwrap();
    let attributes = json!({"latency": 7, "jitter": 1});
    assert_eq!(
        shown(&changed),
        json!({
            "name": "latency_downstream", "type": "latency", "stream": "downstream", "toxicity": 1.0,
            "attributes": attributes
        })
    );
    let rare = merged(&changed, json!({"toxicity": 0.5})).unwrap();
    assert_eq!(rare.fault.unwrap().probability, 0.5);

    let scheduled = json!({"type": "latency", "attributes": {"mean": "1s", "schedule": "start:30s", "direction": "both"}});
    let ours = parsed(scheduled).unwrap();
    let changed = merged(&ours, json!({"attributes": {"mean": "2s"}, "toxicity": 0.25})).unwrap();
    let (before, after) = (ours.fault.unwrap(), changed.fault.unwrap());
    assert_eq!(
        (after.windows, after.directions, after.probability),
        (before.windows, before.directions, 0.25)
    );
    assert_eq!(
        after.effect,
        Effect::from(Latency::new(Delay::Normal { mean: 2000 * MS, stddev: Duration::ZERO }))
    );
    assert!(merged(&toxic, json!({"attributes": {"latency": "x"}})).is_err());
}

#[test]
fn a_fault_of_a_file_is_shown_as_the_api_takes_it() {
    for (params, kind) in [
        (
            json!({
                "type": "packet-loss", "name": "loss", "model": "gilbert-elliott", "good-to-bad": "1%",
                "bad-to-good": 0.25, "probability": 0.5, "side": "client"
            }),
            "packet_loss",
        ),
        (json!({"type": "bandwidth", "rate": 1000}), "bandwidth"),
        (json!({"type": "bandwidth", "rate": 1000, "unit": "kbit/s"}), "bandwidth"),
        (json!({"type": "latency", "mean": 5}), "latency"),
        (json!({"type": "slow-close", "delay": 5}), "slow_close"),
        (json!({"type": "timeout", "after": "5s"}), "timeout"),
        (json!({"type": "slicer", "size": 5, "delay": 1}), "slicer"),
        (json!({"type": "limit-data", "bytes": 5}), "limit_data"),
    ] {
        let params: fault_proxy_engine::FaultParams = serde_json::from_value(params).unwrap();
        let record = record(&params, params.resolve(&ScheduleContext::default()).unwrap());
        let again = parsed(shown(&record)).unwrap();
        assert_eq!(again.fault, record.fault, "{}", shown(&record));
        assert_eq!((again.kind.as_str(), again.stream), (kind, record.stream));
    }
}

#[test]
fn each_attribute_has_the_schema_of_its_parameter() {
    let types = attributes_by_type();
    let latency =
        &types.iter().rev().find(|(kind, _)| kind.contains("latency")).expect("a fault").1["properties"];
    assert_eq!(latency["once"]["type"], "boolean");
    assert_eq!(latency["mean"]["type"], json!(["number", "string"]));
    let distributions = latency["distribution"]["enum"].as_array().expect("words");
    assert!(
        distributions.contains(&json!("pareto")) && !distributions.contains(&json!("table")),
        "{distributions:?}"
    );
    assert!(latency["mean"]["description"].as_str().is_some_and(|text| text.contains("delay")));
}

#[tokio::test(start_paused = true)]
async fn a_time_to_live_stands_beside_the_attributes() {
    let start = Instant::now();
    for (kind, ttl, millis) in [("latency", json!("30s"), 30_000), ("blackhole", json!(1500), 1500)] {
        let added = parsed(json!({"type": kind, "ttl": ttl})).unwrap();
        let ends = |record: &FaultRecord| record.ttl.unwrap().ends - start;
        assert_eq!(ends(&added), millis * MS);
        assert_eq!(shown(&added)["ttl"], millis);
        // A change keeps the time to live, unless it has a new one, which starts with the change.
        let after = merged(&added, json!({"toxicity": 0.5})).unwrap();
        assert_eq!(ends(&after), millis * MS);
        let after = merged(&added, json!({"TTL": "1m"})).unwrap();
        assert_eq!(ends(&after), Duration::from_secs(60));
    }
    let forever = parsed(json!({"type": "latency", "ttl": null})).unwrap();
    assert!(forever.ttl.is_none() && shown(&forever).get("ttl").is_none());
}

#[test]
fn a_time_to_live_that_makes_no_sense_is_refused() {
    for (ttl, problem) in [
        (json!(0), "bad request body: ttl: is 0: use a time such as 30s, or leave it out to keep the fault"),
        (json!("169h"), "bad request body: ttl: 169h is too long: use 168h (a week) at most"),
        (
            json!(-5),
            "bad request body: ttl: -5 is negative, not a time: use 300 or 300ms, 500us, 2s, 1m or 1h",
        ),
        (
            json!("soon"),
            "bad request body: ttl: \"soon\" is not a time: use 300 or 300ms, 500us, 2s, 1m or 1h",
        ),
    ] {
        assert_eq!(refused(json!({"type": "latency", "ttl": ttl})), problem);
        let latency = parsed(json!({"type": "latency"})).unwrap();
        assert_eq!(merged(&latency, json!({"ttl": ttl})).unwrap_err().to_string(), problem);
    }
    // The error must also appear for types where Toxiproxy ignores unknown attributes.
    for kind in ["latency", "refuse"] {
        let refused = refused(json!({"type": kind, "attributes": {"ttl": "30s"}}));
        assert!(refused.contains("set ttl at the top level of the request (ctl: --ttl)"), "{refused}");
    }
}

#[test]
fn a_moment_and_a_number_of_bytes_take_the_place_of_each_other() {
    let stall = |attributes: Value| json!({"type": "blackhole", "attributes": attributes});
    let before = parsed(stall(json!({"at": "first-byte", "mode": "discard"}))).unwrap();
    let after = merged(&before, json!({"attributes": {"after_bytes": "1KiB"}})).unwrap();
    assert_eq!(Value::from(after.attributes.clone()), json!({"after_bytes": 1024, "mode": "discard"}));
    let again = merged(&after, json!({"attributes": {"at": "first-byte"}})).unwrap();
    assert_eq!(again.attributes, before.attributes);
    let both = merged(&before, json!({"attributes": {"at": "first-byte", "after_bytes": 5}}));
    assert!(both.unwrap_err().to_string().contains("use one of them"));
}

#[test]
fn parameters_that_a_toxic_would_ignore_are_refused() {
    for (kind, attributes, expected) in [
        (
            "latency",
            json!({"latency": 1, "times": 2}),
            "`times` does not go with `latency`, an attribute of Toxiproxy's latency: set mean,",
        ),
        ("timeout", json!({"timeout": 5, "times": 1}), "`times` does not go with `timeout`,"),
        (
            "slicer",
            json!({"delay": 10, "skip": 1}),
            "`delay` needs a unit with `skip`: Toxiproxy counts in us,",
        ),
        (
            "slicer",
            json!({"average_size": 5, "schedule": "start:1s"}),
            "`schedule` does not go with `average_size`,",
        ),
        (
            "reset_peer",
            json!({"timeout": 5, "every": 2}),
            "`every` does not go with `timeout`, an attribute of Toxiproxy's reset_peer: use the type reset instead",
        ),
        (
            "reset_peer",
            json!({"skip": 2}),
            "`skip` does not go with Toxiproxy's reset_peer: use the type reset",
        ),
        (
            "reset_peer",
            json!({"timeout": 0, "on": "commit"}),
            "`on` does not go with `timeout`, an attribute of Toxiproxy's reset_peer: use the type reset instead",
        ),
        ("noop", json!({"times": 1}), "`times` does not go with noop"),
    ] {
        let refused = refused(json!({"type": kind, "attributes": attributes}));
        assert!(refused.starts_with(&format!("bad request body: {expected}")), "{refused}");
    }
    for (kind, expected) in [
        ("latency", "`times` does not go with `"),
        (
            "limit_data",
            "`times` does not go with Toxiproxy's limit_data: delete it and add it again with `times`",
        ),
    ] {
        let toxic = parsed(json!({"type": kind})).unwrap();
        let refused = merged(&toxic, json!({"attributes": {"times": 1}})).unwrap_err().to_string();
        assert!(refused.starts_with(&format!("bad request body: {expected}")), "{refused}");
    }
    // Unknown names are ignored, as in Toxiproxy, and null has no effect.
    parsed(json!({"type": "reset_peer", "attributes": {"timeout": 5, "more": 1, "times": null}})).unwrap();
    parsed(json!({"type": "limit_data", "attributes": {"bytes": 5, "times": 1}})).unwrap();
}

#[test]
fn null_removes_a_parameter_of_a_native_fault() {
    let attributes = json!({"times": 2, "after_bytes": 5, "schedule": "start:1s"});
    let fault = parsed(json!({"type": "reset", "attributes": attributes})).unwrap();
    let changed = merged(&fault, json!({"attributes": {"times": null, "after-bytes": null}})).unwrap();
    assert_eq!(shown(&changed)["attributes"], json!({"schedule": "start:1s"}));
    let applied = |record: &FaultRecord| record.fault.clone().unwrap();
    assert!(applied(&changed).selection.is_all());
    assert_eq!(applied(&changed).windows, applied(&fault).windows);
    let changed = merged(&changed, json!({"attributes": {"schedule": null}})).unwrap();
    assert_eq!(applied(&changed).windows, fault_proxy_engine::Windows::always());
    let latency = parsed(json!({"type": "latency", "attributes": {"mean": 5}})).unwrap();
    assert!(merged(&latency, json!({"attributes": {"mean": null}})).is_err());
}

#[test]
fn a_time_to_live_that_is_too_long_names_one_limit() {
    for ttl in [json!(1e30), json!("9000h"), json!("200h")] {
        let refused = refused(json!({"type": "latency", "ttl": ttl}));
        assert!(refused.ends_with("is too long: use 168h (a week) at most"), "{refused}");
    }
}
