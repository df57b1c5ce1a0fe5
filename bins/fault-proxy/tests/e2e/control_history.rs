//! History of proxies in the control API, and faults that are switched off.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use crate::support::api::{Api, connect, create};
use crate::support::{eventually, patient, round_trip};
use serde_json::{Value, json};
use testkit::{TcpServer, free_addr};

/// The first state that `/events` sends.
fn state(api: &Api) -> Value {
    let mut stream = patient(TcpStream::connect(&api.addr).expect("it listens"));
    write!(stream, "GET /events HTTP/1.1\r\nHost: {}\r\n\r\n", api.addr).expect("it reads");
    let lines = BufReader::new(stream).lines().map(|line| line.expect("it goes on"));
    let data = lines.into_iter().find_map(|line| line.strip_prefix("data: ").map(str::to_owned));
    serde_json::from_str(&data.expect("an event")).expect("it is JSON")
}

#[test]
fn a_fault_that_is_switched_off_lets_open_sessions_go_on_and_keeps_its_counts() {
    let echo = TcpServer::echo();
    let api = Api::alone();
    let client = connect(create(&api, "p", echo.addr()));
    let fault = json!({"name": "slow", "type": "latency", "attributes": {"mean": "50ms"}});
    api.post("/proxies/p/toxics", &fault);
    round_trip(&client, b"with").expect("it comes later");
    api.post("/proxies/p/toxics/slow", &json!({"attributes": {"mean": "1h"}, "enabled": false}));
    round_trip(&client, b"without").expect("an hour is not waited for");

    let fault = &state(&api)["proxies"][0]["faults"][0];
    assert_eq!(
        (&fault["enabled"], &fault["on"], &fault["acted"]),
        (&json!(false), &json!(false), &json!(true))
    );
    assert_eq!(fault["applied"], 1, "{fault}");
    let changes = api.get("/changes");
    let last = changes.as_array().and_then(|changes| changes.last()).expect("a change");
    assert_eq!((&last["before"][0]["enabled"], &last["after"][0]["enabled"]), (&Value::Null, &json!(false)));

    api.post("/proxies/p/toxics/slow", &json!({"attributes": {"mean": "50ms"}, "enabled": true}));
    round_trip(&client, b"again").expect("it comes later");
    assert_eq!(state(&api)["proxies"][0]["faults"][0]["applied"], 2);
}

#[test]
fn a_fault_is_used_up_after_its_times_until_they_change() {
    let echo = TcpServer::echo();
    let api = Api::alone();
    let port = create(&api, "p", echo.addr());
    let fault = json!({"name": "slow", "type": "latency", "attributes": {"mean": "50ms", "times": 1}});
    api.post("/proxies/p/toxics", &fault);
    let used_up = || {
        let fault = &state(&api)["proxies"][0]["faults"][0];
        assert_eq!((&fault["enabled"], &fault["on"]), (&json!(true), &json!(true)));
        fault["used_up"].as_bool().expect("a bool")
    };
    assert!(!used_up(), "it has not acted");
    let client = connect(port);
    round_trip(&client, b"late").expect("it comes later");
    assert!(used_up(), "no further session is selected");
    api.post("/proxies/p/toxics/slow", &json!({"attributes": {"times": 2}}));
    assert!(!used_up(), "the count has restarted");
}

#[test]
fn only_samples_that_are_newer_are_returned() {
    let api = Api::alone();
    create(&api, "p", free_addr());
    let times = |query: &str| -> Vec<u64> {
        let history = api.get(&format!("/proxies/p/history{query}"));
        let samples = history["samples"].as_array().expect("an array").iter();
        samples.filter_map(|sample| sample["at_ms"].as_u64()).collect()
    };
    eventually("there are samples", || times("").len() >= 3);
    let all = times("");
    let newer = times(&format!("?since={}", all[0]));
    assert!(newer.starts_with(&all[1..]), "{all:?} {newer:?}");
    assert_eq!(times("?since=3600000"), [0; 0]);
    let (status, problem) = api.send("GET", "/proxies/p/history?since=noon", "", &[]);
    assert_eq!(status, 400);
    assert!(problem.contains("invalid since"), "{problem}");
}

#[test]
fn the_last_ten_minutes_of_a_proxy_are_kept() {
    let echo = TcpServer::echo();
    let api = Api::alone();
    let client = connect(create(&api, "p", echo.addr()));
    let fault = json!({"type": "latency", "attributes": {"mean": "50ms", "direction": "both"}});
    api.post("/proxies/p/toxics", &fault);
    round_trip(&client, &[1; 100]).expect("it comes later");
    let dead = connect(create(&api, "dead", free_addr()));
    drop(dead);

    let samples = || api.get("/proxies/p/history")["samples"].as_array().expect("an array").clone();
    eventually("the bytes are in samples", || {
        let sum = |field: &str| samples().iter().filter_map(|sample| sample[field].as_u64()).sum::<u64>();
        ["bytes_to_upstream", "bytes_to_client", "sessions"].map(sum) == [100, 100, 1]
    });
    let delay = samples().iter().find_map(|sample| sample["latency_p50_ms"].as_f64()).expect("data was held");
    assert!((50.0..5000.0).contains(&delay), "{delay}");
    let times: Vec<_> = samples().iter().filter_map(|sample| sample["at_ms"].as_u64()).collect();
    assert!(times.is_sorted() && !times.is_empty(), "{times:?}");

    eventually("the failure is counted", || {
        let proxy = &state(&api)["proxies"][0];
        assert_eq!(proxy["name"], "dead");
        proxy["sessions_failed"] == 1
            && proxy["last_failure"]["reason"] == "refused"
            && proxy["last_failure"]["message"].as_str().is_some_and(|message| message.contains("refused"))
    });
    let all = api.get("/history");
    let names: Vec<_> = all["proxies"].as_array().into_iter().flatten().map(|proxy| &proxy["name"]).collect();
    assert_eq!(names, ["dead", "p"]);
}
