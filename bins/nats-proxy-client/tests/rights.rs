//! What NATS refuses ends a session, with the reason in the log.

mod support;

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use support::bytes::round_trip;
use support::{Client, Server, eventually};
use testkit::{FarEnd, NatsServer};

/// A session without this handling is silent for `--max-outage`.
const MAX_OUTAGE: Duration = Duration::from_secs(60);
const RIGHTS: [(&str, &[&str]); 4] = [
    ("server publish", &["p.data.to_client.*", "_INBOX.>"]),
    ("server subscribe", &["proxy.>", "p.data.to_server.*", "_INBOX.>"]),
    ("client publish", &["proxy.>", "p.data.to_server.*", "_INBOX.>"]),
    ("client subscribe", &["p.data.to_client.*", "_INBOX.>"]),
];

/// Users `server` and `client` with all rights but `missing`, written like `client publish proxy.>`.
fn users(missing: &str) -> String {
    let list = |rights: &str| {
        let (_, subjects) = RIGHTS.iter().find(|(name, _)| *name == rights).expect("it is one of them");
        let left = subjects.iter().filter(|subject| format!("{rights} {subject}") != missing);
        left.map(|subject| format!("\"{subject}\"")).collect::<Vec<_>>().join(", ")
    };
    let user = |name: &str| {
        let (publish, subscribe) = (list(&format!("{name} publish")), list(&format!("{name} subscribe")));
        format!(
            "{{ user: {name}, password: {name}, \
             permissions: {{ publish: [{publish}], subscribe: [{subscribe}] }} }}"
        )
    };
    format!("authorization {{ users: [ {}, {} ] }}", user("server"), user("client"))
}

fn url(nats: &NatsServer, user: &str) -> String {
    nats.url().replace("nats://", &format!("nats://{user}:{user}@"))
}

fn pair(nats: &NatsServer, far_end: &FarEnd) -> (Server, Client) {
    (Server::at(&url(nats, "server")), Client::to(&url(nats, "client"), far_end.addr()))
}

/// The connection is reset long before `--max-outage`.
fn assert_reset(stream: &std::net::TcpStream) {
    let start = Instant::now();
    let kind = round_trip(stream, b"x").expect_err("it is reset").kind();
    assert!(matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{kind}");
    assert!(start.elapsed() < MAX_OUTAGE / 2, "{:?}", start.elapsed());
}

#[test]
fn a_session_whose_subjects_are_refused_is_reset_with_the_right_in_the_log() {
    for (missing, right, is_told) in [
        ("client subscribe p.data.to_client.*", "the client may not subscribe to p.data.to_client.*", true),
        ("server subscribe p.data.to_server.*", "the server may not subscribe to p.data.to_server.*", true),
        ("client publish p.data.to_server.*", "the client may not publish to p.data.to_server.*", false),
    ] {
        let (nats, far_end) = (NatsServer::with_config(&users(missing)), FarEnd::echo());
        let (server, client) = pair(&nats, &far_end);
        assert_reset(&client.connect());
        client.wait_for_line(right);
        if is_told {
            server.wait_for_line(right);
        }
    }
    let missing = "server publish p.data.to_client.*";
    let (nats, far_end) = (NatsServer::with_config(&users(missing)), FarEnd::banner(b"hello"));
    let (server, client) = pair(&nats, &far_end);
    let _open = client.connect();
    server.wait_for_line("the server may not publish to p.data.to_client.*");
}

#[test]
fn rights_that_are_taken_away_end_open_sessions() {
    let (nats, far_end) = (NatsServer::with_config(&users("")), FarEnd::echo());
    let (_server, client) = pair(&nats, &far_end);
    let open = client.connect();
    round_trip(&open, b"all rights").unwrap();
    nats.reload(&users("client publish p.data.to_server.*"));
    assert_reset(&open);
    client.wait_for_line("the client may not publish to p.data.to_server.*");
}

#[test]
fn sessions_beyond_the_limit_of_subscriptions_are_reset_and_the_others_go_on() {
    let (nats, far_end) = (NatsServer::with_config("max_subscriptions: 6"), FarEnd::echo());
    let (server, client) = (Server::at(&nats.url()), Client::to(&nats.url(), far_end.addr()));
    let mut open = Vec::new();
    let start = Instant::now();
    let refused = loop {
        let stream = client.connect();
        match round_trip(&stream, b"room") {
            Ok(()) => open.push(stream),
            Err(error) => break error,
        }
    };
    assert!((1..6).contains(&open.len()), "{}", open.len());
    assert_eq!(refused.kind(), ErrorKind::ConnectionReset);
    assert!(start.elapsed() < MAX_OUTAGE / 2, "{:?}", start.elapsed());
    let reason = "NATS refused a subscription: maximum subscriptions exceeded";
    server.wait_for_line(reason);
    client.wait_for_line(reason);
    for stream in &open {
        round_trip(stream, b"still open").unwrap();
    }
    open.pop();
    eventually("the next one works", || round_trip(&client.connect(), b"next").is_ok());
}
