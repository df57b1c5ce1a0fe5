//! When what the control API has answered for is in effect.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::support::api::{Api, connect, create, is_refused, listen_of};
use crate::support::{PATIENCE, eventually, round_trip};
use serde_json::{Value, json};
use testkit::TcpServer;

#[test]
fn a_session_that_nobody_reads_is_ended_by_a_fault_that_comes() {
    let ended = Arc::new(AtomicUsize::new(0));
    let told = Arc::clone(&ended);
    let flood = TcpServer::start(move |mut stream| {
        while stream.write_all(&[7; 65_536]).is_ok() {}
        told.fetch_add(1, Ordering::Relaxed);
    });
    let api = Api::alone();
    for (number, toxic) in [
        json!({"name": "t", "type": "timeout", "attributes": {"timeout": 100}}),
        json!({"name": "t", "type": "reset", "attributes": {"direction": "ingress"}}),
        json!({"name": "t", "type": "timeout"}),
    ]
    .iter()
    .enumerate()
    {
        let name = format!("p{number}");
        let _client = connect(create(&api, &name, flood.addr()));
        let counter = "toxiproxy_proxy_sent_bytes_total{direction=\"downstream\"";
        let sent = || {
            let metrics = api.send("GET", "/metrics", "", &[]).1;
            let line = metrics.lines().find(|line| line.starts_with(counter) && line.contains(&name));
            line.map(str::to_owned)
        };
        // until nothing moves any more
        let mut before = None;
        eventually("the session stalls", || {
            thread::sleep(Duration::from_millis(300));
            let now = sent();
            let is_stalled = now.is_some() && now == before;
            before = now;
            is_stalled
        });
        api.post(&format!("/proxies/{name}/toxics"), toxic);
        if toxic["attributes"].is_null() {
            eventually("the session has it", || {
                let metrics = api.send("GET", "/metrics", "", &[]).1;
                let sessions = "fault_proxy_fault_sessions_total{";
                metrics
                    .lines()
                    .any(|line| line.starts_with(sessions) && line.contains(&name) && line.ends_with(" 1"))
            });
            api.delete(&format!("/proxies/{name}/toxics/t"));
        }
        eventually("it ends", || ended.load(Ordering::Relaxed) > number);
    }
}

#[test]
fn who_connects_after_an_answer_meets_what_was_answered() {
    let (api, echo) = (Api::alone(), TcpServer::echo());
    let addr = create(&api, "db", echo.addr());
    let refuse = json!({"name": "down", "type": "refuse"});
    for _ in 0..50 {
        api.post("/proxies/db/toxics", &refuse);
        assert!(is_refused(addr));
        api.delete("/proxies/db/toxics/down");
        round_trip(&connect(addr), b"hello").unwrap();
        api.post("/proxies/db/toxics", &refuse);
        assert_eq!(api.ask("POST", "/reset", &Value::Null).0, 204);
        round_trip(&connect(addr), b"hello").unwrap();
    }
    let down = json!({"name": "down", "listen": "127.0.0.1:0", "upstream": "up:1", "toxics": [refuse]});
    assert!(is_refused(listen_of(&api.post("/proxies", &down))));
}

#[test]
fn a_bandwidth_toxic_of_0_cuts_a_stream_until_it_changes_or_goes() {
    let echo = TcpServer::echo();
    let api = Api::alone();
    let listen = create(&api, "cut", echo.addr());
    let mut open = connect(listen);
    round_trip(&open, b"ping").expect("nothing is cut");
    for (stream, attributes) in [("downstream", json!({"rate": 0})), ("upstream", json!({}))] {
        let body = json!({"name": stream, "type": "bandwidth", "stream": stream, "attributes": attributes});
        let made = api.post("/proxies/cut/toxics", &body);
        assert_eq!(made["attributes"], json!({"rate": 0}), "{made}");
    }
    let mut new = connect(listen);
    for client in [&mut open, &mut new] {
        client.write_all(b"ping").expect("the proxy takes it");
        assert_nothing_comes(client);
    }
    // The requests pass, the responses do not.
    api.delete("/proxies/cut/toxics/upstream");
    for client in [&mut open, &mut new] {
        assert_nothing_comes(client);
    }
    api.post("/proxies/cut/toxics/downstream", &json!({"attributes": {"rate": 1000}}));
    for client in [&mut open, &mut new] {
        assert_comes(client);
    }
    let cut = api.post("/proxies/cut/toxics/downstream", &json!({"attributes": {"rate": 0}}));
    assert_eq!(cut["attributes"], json!({"rate": 0}), "{cut}");
    for client in [&mut open, &mut new] {
        client.write_all(b"ping").expect("the proxy takes it");
        assert_nothing_comes(client);
    }
    api.delete("/proxies/cut/toxics/downstream");
    for client in [&mut open, &mut new] {
        assert_comes(client);
    }
}

fn assert_nothing_comes(client: &mut TcpStream) {
    client.set_read_timeout(Some(Duration::from_millis(300))).expect("a timeout");
    let read = client.read(&mut [0; 4]).map_err(|error| error.kind());
    assert!(matches!(read, Err(ErrorKind::WouldBlock | ErrorKind::TimedOut)), "{read:?}");
}

fn assert_comes(client: &mut TcpStream) {
    client.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut reply = [0; 4];
    client.read_exact(&mut reply).expect("what was held comes");
    assert_eq!(&reply, b"ping");
}
