//! Counts of requests.

use std::io::{ErrorKind, Write};

use super::{ask, counting};
use crate::support::api::{Api, connect, listen_of};
use crate::support::{PATIENCE, Proxy, eventually, run};
use serde_json::json;

#[test]
fn ctl_has_the_counts_of_requests() {
    let (server, api) = (counting(), Api::with(&["--count-requests"]));
    let ctl = |args: &[&str]| {
        let ended = run(&[&["ctl", "--addr", &api.addr, "requests"], args].concat());
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{args:?}");
        ended.stdout
    };
    assert_eq!(ctl(&[]), "there are no proxies\n");
    let create = |name: &str, upstream: &str| {
        let body = json!({"name": name, "listen": "127.0.0.1:0", "upstream": upstream});
        listen_of(&api.post("/proxies", &body))
    };
    let addr = create("api", &format!("http://{}", server.addr()));
    let uncounted = "no requests of api were counted: the proxy has not received any yet\n";
    assert_eq!(ctl(&["api"]), uncounted);
    create("raw", "127.0.0.1:1");
    let without_scheme =
        "no requests of raw were counted: its upstream needs a scheme such as psql, http or redis\n";
    assert_eq!(ctl(&[]), [uncounted, without_scheme].concat());

    let fault = |kind: &str, attributes: serde_json::Value| {
        api.post("/proxies/api/toxics", &json!({"type": kind, "attributes": attributes}));
    };
    fault("respond", json!({"on": "GET /stock", "status": 503}));
    fault("lose-response", json!({"on": "POST"}));
    let client = connect(addr);
    client.set_read_timeout(Some(PATIENCE)).expect("not zero");
    for (path, status) in [("/", "200"), ("/stock", "503"), ("/", "200")] {
        assert!(ask(&client, "GET", path).is_ok_and(|response| response.contains(status)));
    }
    assert_eq!(ask(&client, "POST", "/"), Err(ErrorKind::ConnectionReset));

    // The counts follow the bytes.
    let counts = "proxy\tkind\trequests\tforwarded\tanswered\tdelivered\tunconfirmed\tinjected\n\
        api\tGET\t3\t2\t2\t2\t0\t1\napi\tPOST\t1\t1\t1\t0\t1\t0\n";
    eventually("all requests are counted", || ctl(&[]) == counts && ctl(&["api"]) == counts);
    let json: serde_json::Value = serde_json::from_str(&ctl(&["api", "--json"])).expect("JSON");
    assert_eq!(json, api.get("/proxies/api/requests"));
    assert_eq!(
        (&json["protocol"], &json["requests"][0]["duration_ms"]["count"]),
        (&json!("http"), &json!(2))
    );
    let all: serde_json::Value = serde_json::from_str(&ctl(&["--json"])).expect("JSON");
    assert_eq!((&all[0], &all[1]["requests"]), (&json, &json!([])));
}

/// Returns the responses of one connection to a request before a fault on requests is added, and to one after it.
fn around_a_fault(options: &[&str]) -> [Result<String, ErrorKind>; 2] {
    let (server, api) = (counting(), Api::with(options));
    let upstream = format!("http://{}", server.addr());
    let proxy = api.post("/proxies", &json!({"name": "api", "listen": "127.0.0.1:0", "upstream": upstream}));
    let client = connect(listen_of(&proxy));
    client.set_read_timeout(Some(PATIENCE)).expect("not zero");
    let before = ask(&client, "POST", "/orders");
    let attributes = json!({"on": "POST", "then": "close"});
    api.post("/proxies/api/toxics", &json!({"type": "lose-response", "attributes": attributes}));
    [before, ask(&client, "POST", "/orders")]
}

#[test]
fn requests_are_counted_by_kind() {
    let (server, api) = (counting(), Api::with(&["--count-requests"]));
    let upstream = format!("http://{}", server.addr());
    let proxy = api.post("/proxies", &json!({"name": "api", "listen": "127.0.0.1:0", "upstream": upstream}));
    let lost = json!({"on": "POST", "skip": 1, "times": 1, "then": "close"});
    api.post("/proxies/api/toxics", &json!({"type": "lose-response", "attributes": lost}));
    let client = connect(listen_of(&proxy));
    client.set_read_timeout(Some(PATIENCE)).expect("not zero");
    for method in ["GET", "POST"] {
        assert!(ask(&client, method, "/").is_ok_and(|response| !response.is_empty()), "{method}");
    }
    assert_eq!(ask(&client, "POST", "/").as_deref(), Ok(""), "the second is lost");
    let opaque = connect(listen_of(&proxy));
    (&opaque).write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").expect("it is open");

    let lines = [
        "requests_total{proxy=\"api\",kind=\"GET\"} 1",
        "requests_total{proxy=\"api\",kind=\"POST\"} 2",
        "requests_forwarded_total{proxy=\"api\",kind=\"POST\"} 2",
        "requests_answered_total{proxy=\"api\",kind=\"POST\"} 2",
        "requests_delivered_total{proxy=\"api\",kind=\"GET\"} 1",
        "requests_delivered_total{proxy=\"api\",kind=\"POST\"} 1",
        "requests_unconfirmed_total{proxy=\"api\",kind=\"GET\"} 0",
        "requests_unconfirmed_total{proxy=\"api\",kind=\"POST\"} 1",
        "request_duration_seconds_count{proxy=\"api\",kind=\"GET\"} 1",
        "request_duration_seconds_bucket{le=\"+Inf\",proxy=\"api\",kind=\"POST\"} 1",
        "sessions_opaque_total{proxy=\"api\"} 1",
    ];
    for line in lines {
        let line = format!("fault_proxy_{line}");
        let metrics = || api.send("GET", "/metrics", "", &[]).1;
        eventually(&line, || metrics().lines().any(|other| other == line));
    }
}

#[test]
fn a_fault_acts_on_sessions_that_were_open_before_if_requests_are_counted() {
    let [before, after] = around_a_fault(&[]);
    assert!(before.is_ok_and(|response| response.ends_with('1')));
    assert!(after.is_ok_and(|response| response.ends_with('2')), "the session is not read");
    let [before, after] = around_a_fault(&["--count-requests"]);
    assert!(before.is_ok_and(|response| response.ends_with('1')));
    assert_eq!(after.as_deref(), Ok(""), "the response is lost");
}

#[test]
fn the_log_has_the_reason_why_sessions_are_not_read_as_a_field() {
    let server = counting();
    let proxy =
        Proxy::with(format!("http://{}", server.addr()), &["--count-requests", "--log-format", "json"]);
    let client = connect(([127, 0, 0, 1], proxy.port()).into());
    (&client).write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").expect("it is open");
    let line = proxy.wait_for_line("are not read");
    let record: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(record["reason"], "the data is not of the protocol", "{line}");
    assert!(record["proxy"].is_string(), "{line}");
    // The span has the number of the session.
    assert!(record["message"].as_str().is_some_and(|text| text.starts_with("requests of")), "{line}");
}
