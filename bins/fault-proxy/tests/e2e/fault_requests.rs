//! Faults that act on requests, with real servers and clients.

use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::fault_support::RedisSession;
use crate::support::api::{Api, connect, listen_of};
use crate::support::{PATIENCE, Proxy, eventually, printed, run};
use serde_json::json;
use testkit::{FarEnd, Postgres, Redis, clients, free_port, require};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/python/lost_commit.py");

const LOSE: [&str; 5] =
    ["--with-lose-response", "--lose-response-every", "2", "--lose-response-on", "commit"];

fn commits(proxy: u16, server: u16) -> String {
    let mut python = Command::new(require("python3", "python3"));
    python.env("PYTHONPATH", clients::python_modules("psycopg"));
    python.arg(Path::new(SCRIPT)).args([proxy, server].map(|port| port.to_string()));
    printed(&python.output().expect("python is executable"))
}

/// The server commits twice, and the client learns of the second commit only.
const EVERY_OTHER: &str = "in_transaction lost 1\nin_transaction ok 2\nin_one_query lost 1\nin_one_query ok 2\n\
    prepared lost 1\nprepared ok 2\n";

#[test]
fn a_lost_commit_is_committed() {
    let server = Postgres::start();
    let proxy = Proxy::with(format!("psql://127.0.0.1:{}", server.port()), &LOSE);
    assert_eq!(commits(proxy.port(), server.port()), EVERY_OTHER);
}

#[test]
fn commits_of_clients_without_tls_are_lost_behind_psqls() {
    let certificates = testkit::Certificates::generate();
    let server = Postgres::start_tls(&certificates);
    let options = [&LOSE[..], &["--upstream-ca", crate::support::utf8(certificates.ca_file())]].concat();
    let proxy = Proxy::with(format!("psqls://localhost:{}", server.port()), &options);
    assert_eq!(commits(proxy.port(), server.port()), EVERY_OTHER);
}

#[test]
fn a_session_that_is_encrypted_is_left_alone_and_logged_once() {
    let certificates = testkit::Certificates::generate();
    let server = Postgres::start_tls(&certificates);
    let proxy = Proxy::with(format!("psql://localhost:{}", server.port()), &LOSE);
    for _ in 0..3 {
        let rows = testkit::psql(proxy.port(), "require", "begin; commit; select 42");
        assert!(printed(&rows).contains("42"));
    }
    let line = proxy.wait_for_line("the session is encrypted");
    assert!(line.contains("WARN") && line.contains("without TLS"), "it names the way out: {line}");
    assert_eq!(proxy.count("the session is encrypted"), 1, "{}", proxy.stderr());
}

/// A server that responds to each request with its number.
fn counting() -> FarEnd {
    FarEnd::start(|mut stream| {
        let mut buffer = [0; 4096];
        for number in 1.. {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                match stream.read(&mut buffer) {
                    Ok(0) | Err(_) => return,
                    Ok(len) => request.extend_from_slice(&buffer[..len]),
                }
            }
            let response = format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{number}");
            if stream.write_all(response.as_bytes()).is_err() {
                return;
            }
        }
    })
}

fn ask(mut client: &std::net::TcpStream, method: &str, path: &str) -> Result<String, ErrorKind> {
    let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    client.write_all(request.as_bytes()).map_err(|error| error.kind())?;
    let mut buffer = [0; 4096];
    let len = client.read(&mut buffer).map_err(|error| error.kind())?;
    Ok(String::from_utf8_lossy(&buffer[..len]).into_owned())
}

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
fn requests_of_redis_are_delayed_by_command_and_key() {
    let server = Redis::start();
    let delay = ["--with-latency", "--latency-mean", "300ms", "--latency-on", "SET session:*"];
    let proxy = Proxy::with(format!("redis://127.0.0.1:{}", server.port()), &delay);
    let mut client = RedisSession::open(&proxy);
    let mut time = |command: &str| {
        let started = Instant::now();
        let reply = client.ask(command);
        (reply, started.elapsed())
    };
    let (reply, slow) = time("SET session:1 a");
    assert!(reply.contains("OK") && slow >= Duration::from_millis(300), "{reply} {slow:?}");
    let fast: Duration = (0..20).map(|_| time("SET other a").1).sum();
    assert!(fast < 10 * slow, "20 commands that are not meant took {fast:?}");
}

#[test]
fn faults_that_cannot_act_are_refused() {
    for (upstream, args, expected) in [
        ("127.0.0.1:1", "--with-lose-response --lose-response-on commit", "use the scheme psql, psqls, http"),
        (
            "psql://127.0.0.1:1",
            "--with-lose-response --lose-response-on comit",
            "'comit' is not a kind of statement",
        ),
        ("psql://127.0.0.1:1", "--with-lose-response", "--lose-response-on: is required"),
        ("psql://127.0.0.1:1", "--with-reset --reset-at end", "--reset-at: end needs --reset-on"),
        (
            "http://127.0.0.1:1",
            "--with-reset --reset-on GET --reset-rows 1",
            "--reset-rows: counts rows of PostgreSQL",
        ),
        (
            "psql://127.0.0.1:1",
            "--with-reset --reset-on select --reset-direction egress",
            "--reset-direction: does not apply",
        ),
    ] {
        let mapping = format!("{}={upstream}", free_port());
        let args: Vec<_> = ["run", "--proxy", &mapping].into_iter().chain(args.split(' ')).collect();
        let ended = run(&args);
        assert_eq!(ended.code, Some(2), "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(expected), "{args:?}: {}", ended.stderr);
    }
}
