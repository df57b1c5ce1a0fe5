//! Callers that change faults all the time, and sessions that this must not break.

use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::support::api::Api;
use crate::support::{eventually, patient, round_trip};
use serde_json::{Value, json};
use testkit::TcpServer;

const CALLERS: usize = 4;
const SESSIONS: usize = 8;
/// Rounds per caller. Each round creates, changes and removes a fault.
const ROUNDS: usize = 300;

#[test]
fn no_call_is_stuck_and_no_session_breaks_while_faults_come_and_go() {
    let (api, echo) = (Api::alone(), TcpServer::echo());
    let spec = json!({"name": "db", "listen": "127.0.0.1:0", "upstream": echo.addr().to_string()});
    let listen: SocketAddr = api.post("/proxies", &spec)["listen"].as_str().unwrap().parse().unwrap();
    let is_over = AtomicBool::new(false);
    let round_trips: Vec<u64> = thread::scope(|scope| {
        let sessions: Vec<_> = (0..SESSIONS)
            .map(|_| patient(TcpStream::connect(listen).expect("it listens")))
            .map(|client| scope.spawn(|| carry(client, &is_over)))
            .collect();
        let callers: Vec<_> = (0..CALLERS)
            .map(|number| {
                scope.spawn({
                    let api = &api;
                    move || change_faults(api, number)
                })
            })
            .collect();
        for caller in callers {
            caller.join().expect("every call is answered");
        }
        is_over.store(true, Ordering::Relaxed);
        sessions.into_iter().map(|session| session.join().expect("no session breaks")).collect()
    });
    assert!(round_trips.iter().all(|count| *count > 0), "{round_trips:?}");
    assert_eq!(api.get("/proxies/db/toxics"), json!([]));
    let bytes = round_trips.iter().sum::<u64>() * 8;
    for direction in ["to_upstream", "to_downstream"] {
        let sample = format!("fault_proxy_bytes_total{{proxy=\"db\",direction=\"{direction}\"}} {bytes}");
        eventually(&sample, || api.send("GET", "/metrics", "", &[]).1.lines().any(|line| line == sample));
    }
}

/// Makes round trips of 8 distinct bytes until the end. Returns their number.
fn carry(client: TcpStream, is_over: &AtomicBool) -> u64 {
    let mut count = 0_u64;
    while !is_over.load(Ordering::Relaxed) {
        round_trip(&client, &count.to_be_bytes()).expect("it goes on");
        count += 1;
    }
    count
}

/// Creates, changes and removes faults that delay data without losing it.
fn change_faults(api: &Api, number: usize) {
    let faults = [
        ("latency", json!({"latency": 1}), json!({"jitter": 1})),
        ("packet_loss", json!({"rate": 0.01, "rtt": "1ms"}), json!({"rate": 0.02})),
        ("slicer", json!({"average_size": 3, "delay": 10}), json!({"average_size": 2})),
        ("bandwidth", json!({"rate": 100_000}), json!({"rate": 50_000})),
        ("limit_data", json!({"bytes": u32::MAX}), json!({"bytes": u32::MAX / 2})),
        ("blackhole", json!({}), json!({"schedule": "start:0s"})),
    ];
    for round in 0..ROUNDS {
        let (kind, made, changed) = &faults[round % faults.len()];
        let name = format!("fault-{number}");
        let stream = if round % 2 == 0 { "upstream" } else { "downstream" };
        api.post(
            "/proxies/db/toxics",
            &json!({"type": kind, "name": name, "stream": stream, "attributes": made}),
        );
        api.post(&format!("/proxies/db/toxics/{name}"), &json!({"attributes": changed}));
        api.get("/proxies");
        assert_eq!(api.ask("DELETE", &format!("/proxies/db/toxics/{name}"), &Value::Null).0, 204);
    }
}
