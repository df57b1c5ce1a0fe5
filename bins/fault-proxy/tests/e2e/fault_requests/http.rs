//! Requests of HTTP.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::Command;

use super::{ask, counting};
use crate::support::api::{Api, connect, listen_of};
use crate::support::{PATIENCE, Proxy, eventually, printed, utf8};
use serde_json::json;
use testkit::{TcpServer, require};

#[test]
fn a_fault_of_the_api_acts_on_requests_of_http() {
    let (server, api) = (counting(), Api::alone());
    let upstream = format!("http://{}", server.addr());
    let proxy = api.post("/proxies", &json!({"name": "api", "listen": "127.0.0.1:0", "upstream": upstream}));
    let path = "/proxies/api/toxics";
    let attributes = json!({"on": "POST /orders/*", "times": 1, "then": "close"});
    let fault = api.post(path, &json!({"type": "lose-response", "name": "lost", "attributes": attributes}));
    assert_eq!(fault["attributes"], attributes);
    let client = connect(listen_of(&proxy));
    client.set_read_timeout(Some(PATIENCE)).expect("not zero");
    assert!(ask(&client, "GET", "/orders/1").is_ok_and(|response| response.ends_with('1')));
    assert!(ask(&client, "POST", "/other").is_ok_and(|response| response.ends_with('2')));
    assert_eq!(
        ask(&client, "POST", "/orders/1").as_deref(),
        Ok(""),
        "closed, after the upstream executed it"
    );
    let client = connect(listen_of(&proxy));
    assert!(ask(&client, "POST", "/orders/1").is_ok_and(|response| response.ends_with('1')));

    let (status, refused) = api.ask("POST", "/proxies/api", &json!({"upstream": "127.0.0.1:1"}));
    assert_eq!(status, 400, "the fault could not act any more: {refused}");
    assert!(refused.to_string().contains("`lost`"), "{refused}");
    let (status, refused) = api.ask(
        "POST",
        path,
        &json!({"type": "lose-response", "name": "other", "attributes": {"on": "POST a b"}}),
    );
    assert_eq!(status, 400, "{refused}");
    assert!(refused.to_string().contains("METHOD"), "{refused}");
}

#[test]
fn clients_of_http_that_read_to_the_end_or_wait_with_their_body_get_the_response_of_the_proxy() {
    let server = counting();
    let options =
        ["--with-respond", "--respond-on", "PUT", "--respond-status", "503", "--respond-body", "busy"];
    let proxy = Proxy::with(format!("http://{}", server.addr()), &options);
    for head in ["PUT / HTTP/1.0\r\n\r\n", "PUT / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"] {
        let mut client = connect(([127, 0, 0, 1], proxy.port()).into());
        client.set_read_timeout(Some(PATIENCE)).expect("not zero");
        client.write_all(head.as_bytes()).expect("it is open");
        let mut response = String::new();
        client.read_to_string(&mut response).expect("the connection ends");
        assert!(
            response.contains("\r\nConnection: close\r\n") && response.ends_with("\r\n\r\nbusy"),
            "{response}"
        );
    }
    let directory = tempfile::tempdir().expect("a directory");
    let body = directory.path().join("body");
    std::fs::write(&body, vec![b'x'; 4 << 20]).expect("the directory is writable");
    let url = format!("http://127.0.0.1:{}/", proxy.port());
    for expect in ["Expect: 100-continue", "Expect:"] {
        let mut curl = Command::new(require("curl", "curl"));
        curl.args([
            "--silent",
            "--show-error",
            "--write-out",
            " %{http_code} %{size_upload}",
            "--expect100-timeout",
            "60",
        ]);
        curl.args(["--max-time", "50", "--header", expect, "--upload-file", utf8(&body), &url]);
        let seen = printed(&curl.output().expect("curl is executable"));
        let sent = if expect == "Expect:" { 4 << 20 } else { 0 };
        assert_eq!(seen, format!("busy 503 {sent}"), "{expect}");
    }
}

#[test]
fn a_session_that_switches_to_websocket_passes_and_is_logged_once() {
    const SWITCHED: &[u8] =
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let server = TcpServer::start(|mut stream| {
        let lines = BufReader::new(stream.try_clone().expect("a second handle")).lines();
        lines.map_while(Result::ok).take_while(|line| !line.is_empty()).for_each(drop);
        let _ = stream.write_all(SWITCHED);
        let _ = io::copy(&mut stream.try_clone().expect("a second handle"), &mut stream);
    });
    let lose = ["--with-lose-response", "--lose-response-on", "POST"];
    let proxy = Proxy::with(format!("http://{}", server.addr()), &lose);
    for _ in 0..3 {
        let mut client = proxy.connect();
        let upgrade = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
        client.write_all(upgrade.as_bytes()).expect("it is open");
        let mut switched = [0; SWITCHED.len()];
        client.read_exact(&mut switched).expect("it has switched");
        assert_eq!(switched, SWITCHED);
        // Frames may look like a selected request.
        let frame = b"POST / HTTP/1.1\r\nHost: x\r\n\r\n";
        client.write_all(frame).expect("it is open");
        let mut echo = vec![0; frame.len()];
        client.read_exact(&mut echo).expect("it is open");
        assert_eq!(echo, frame);
    }
    assert_eq!(
        proxy.count_to_the_end("the session has switched to another protocol"),
        1,
        "{}",
        proxy.stderr()
    );
}

#[test]
fn clients_that_keep_their_side_open_are_closed() {
    let (server, api) = (counting(), Api::alone());
    let upstream = format!("http://{}", server.addr());
    let proxy = api.post("/proxies", &json!({"name": "api", "listen": "127.0.0.1:0", "upstream": upstream}));
    for (kind, attributes) in [
        ("respond", json!({"on": "PUT", "status": 503, "body": "busy"})),
        ("lose-response", json!({"on": "POST", "then": "close"})),
        ("truncate", json!({"on": "DELETE", "bytes": 8})),
    ] {
        api.post("/proxies/api/toxics", &json!({"type": kind, "attributes": attributes}));
    }
    let clients = [
        ("PUT / HTTP/1.0\r\n\r\n", "busy"),
        ("PUT / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "busy"),
        ("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n", "busy"),
        ("POST / HTTP/1.1\r\nHost: x\r\n\r\n", ""),
        ("DELETE / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1"),
    ]
    .map(|(request, end)| {
        let mut client = connect(listen_of(&proxy));
        client.set_read_timeout(Some(PATIENCE)).expect("not zero");
        client.write_all(request.as_bytes()).expect("it is open");
        let mut response = String::new();
        client.read_to_string(&mut response).expect("the connection ends without a reset");
        assert!(response.ends_with(end) && response.is_empty() == end.is_empty(), "{request}: {response}");
        client
    });
    eventually("all sessions have begun and ended", || {
        let history = api.get("/proxies/api/history");
        let samples = history["samples"].as_array().map(Vec::as_slice).unwrap_or_default();
        let begun: u64 = samples.iter().filter_map(|sample| sample["sessions"].as_u64()).sum();
        begun == clients.len() as u64 && samples.last().is_some_and(|last| last["sessions_active"] == 0)
    });
}
