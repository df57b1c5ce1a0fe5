//! Faults that act on requests, with real servers and clients.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::fault_support::RedisSession;
use crate::fault_support::script::end;
use crate::support::api::{Api, connect, listen_of};
use crate::support::{BINARY, PATIENCE, Proxy, eventually, printed, run, utf8};
use serde_json::json;
use testkit::{Daemon, FarEnd, Postgres, Redis, clients, free_port, require};

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
fn a_replay_hits_the_same_requests() {
    let (server, directory) = (Postgres::start(), tempfile::tempdir().expect("a directory"));
    let journal = directory.path().join("journal");
    let draws = ["--seed", "5", "--journal", utf8(&journal), "--lose-response-probability", "0.6"];
    let options = ["--with-lose-response", "--lose-response-on", "commit"];
    let proxy = Proxy::with(format!("psql://127.0.0.1:{}", server.port()), &[&options[..], &draws].concat());
    let seen = commits(proxy.port(), server.port());
    assert!(seen.contains("lost") && seen.contains("ok"), "the seed draws both: {seen}");
    assert_eq!(end(&proxy), Some(0), "{}", proxy.stderr());

    let replay = Daemon::spawn(Path::new(BINARY), &["replay", utf8(&journal)], &[]);
    replay.wait_for_line("listening on");
    assert_eq!(commits(proxy.port(), server.port()), seen);
    assert_eq!(end(&replay), Some(0), "{}", replay.stderr());
    let all = "0 were not made again, 0 were not in the journal";
    assert!(replay.stdout().contains(all), "{}", replay.stdout());
}

#[test]
fn commits_of_clients_without_tls_are_lost_behind_psqls() {
    let certificates = testkit::Certificates::generate();
    let server = Postgres::start_tls(&certificates);
    let options = [&LOSE[..], &["--upstream-ca", utf8(certificates.ca_file())]].concat();
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

/// Reads messages of PostgreSQL up to ReadyForQuery. Returns the tags, and the payload of ReadyForQuery.
fn read_group(mut client: &std::net::TcpStream) -> (String, Vec<u8>) {
    let mut tags = String::new();
    loop {
        let mut head = [0; 5];
        client.read_exact(&mut head).expect("a message");
        let [tag, len @ ..] = head;
        let mut payload = vec![0; usize::try_from(u32::from_be_bytes(len)).expect("short") - 4];
        client.read_exact(&mut payload).expect("it is whole");
        tags.push(char::from(tag));
        if tag == b'Z' {
            return (tags, payload);
        }
    }
}

#[test]
fn a_commit_that_is_sent_together_with_its_begin_fails_with_its_transaction() {
    let server = Postgres::start();
    let fault = ["--with-respond", "--respond-on", "commit", "--respond-sqlstate", "40001"];
    let proxy = Proxy::with(format!("psql://127.0.0.1:{}", server.port()), &fault);
    let mut client = connect(([127, 0, 0, 1], proxy.port()).into());
    client.set_read_timeout(Some(PATIENCE)).expect("not zero");
    client.write_all(b"\0\0\0\x17\0\x03\0\0user\0postgres\0\0").expect("it is open");
    assert!(read_group(&client).0.ends_with('Z'));
    let message = |tag: u8, payload: &[u8]| -> Vec<u8> {
        let len = u32::try_from(payload.len() + 4).expect("short");
        [&[tag], &len.to_be_bytes()[..], payload].concat()
    };
    let query = |text: &str| message(b'Q', format!("{text}\0").as_bytes());
    let execute = |text: &str| {
        let parse = message(b'P', format!("\0{text}\0\0\0").as_bytes());
        [parse, message(b'B', &[0; 8]), message(b'E', &[0; 5]), message(b'S', b"")].concat()
    };
    for send in [&query as &dyn Fn(&str) -> Vec<u8>, &execute] {
        let pipeline = ["begin", "create table orders ()", "commit", "select 1"].map(send).concat();
        client.write_all(&pipeline).expect("it is open");
        let groups = [(); 4].map(|()| read_group(&client));
        assert!(groups[2].0.ends_with("EZ"), "{groups:?}");
        let statuses = groups.map(|(_, status)| status);
        assert_eq!(statuses, [b"T", b"T", b"I", b"I"], "the transaction is over");
    }
    let tables =
        testkit::psql(server.port(), "disable", "select count(*) from pg_class where relname = 'orders'");
    assert!(printed(&tables).contains('0'), "{tables:?}");
}

/// A server that responds to each request with its number.
fn counting() -> FarEnd {
    FarEnd::start(|stream| {
        let mut reader = BufReader::new(&stream);
        for number in 1.. {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if reader.read_line(&mut head).map_or(true, |len| len == 0) {
                    return;
                }
            }
            let length = head
                .lines()
                .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            let mut body = vec![0; length.unwrap_or(0)];
            let body_of_response = if head.starts_with("HEAD") { String::new() } else { number.to_string() };
            let response = format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{body_of_response}");
            if reader.read_exact(&mut body).and_then(|()| (&stream).write_all(response.as_bytes())).is_err() {
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
    let uncounted = "no requests of api were counted: start fault-proxy with --count-requests, or add a fault on requests\n";
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

const RESPONSES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/python/responses.py");

/// PostgreSQL fails the transaction of a failed statement, and ends that of a failed commit. Redis fails a transaction with a failed command.
const SEEN: &str = "insert ok INTRANS\nupdate 40P01 INERROR\nafter the error 25P02 INERROR\n\
    prepared update 40P01 INERROR\ninsert ok INTRANS\ncommit 40001 IDLE\ninsert ok INTRANS\ncommit ok IDLE\n\
    rows [(2,)]\ndelete 57P01 UNKNOWN\nclosed True\n\
    GET 200 None 1\nPOST 503 2 busy\nHEAD 200 None \nPOST 503 2 busy\nGET 200 None 3\n\
    True ReadOnlyError b'1'\nReadOnlyError\nb'1' None\n";

#[test]
fn clients_see_the_responses_of_the_proxy_as_those_of_the_server() {
    let (postgres, http, redis) = (Postgres::start(), counting(), Redis::start());
    let ports = [(); 3].map(|()| free_port());
    let upstreams = [
        format!("psql://127.0.0.1:{}", postgres.port()),
        format!("http://{}", http.addr()),
        format!("redis://127.0.0.1:{}", redis.port()),
    ];
    let proxies = ports
        .iter()
        .zip(&upstreams)
        .map(|(port, upstream)| format!("[[proxies]]\nproxy = \"{port}={upstream}\"\n"));
    let faults = [
        &[
            r#"on = "update", sqlstate = "40P01""#,
            r#"on = "commit", sqlstate = "40001", times = 1, skip = 1, name = "b""#,
            r#"on = "delete", sqlstate = "57P01", name = "c""#,
        ][..],
        &[r#"on = "POST", status = 503, retry-after = "1.5s", body = "busy""#],
        &[r#"on = "SET session:*", error = "READONLY""#],
    ];
    let faults = faults.map(|faults| {
        faults.iter().map(|fault| format!("{{ type = \"respond\", {fault} }},")).collect::<String>()
    });
    let file: String =
        proxies.zip(&faults).map(|(proxy, faults)| format!("{proxy}faults = [{faults}]\n")).collect();
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("fault-proxy.toml");
    std::fs::write(&path, file).expect("the directory is writable");
    let args = ["run", "--config", utf8(&path), "--control", "off"];
    let daemon = Daemon::spawn(Path::new(BINARY), &args, &[]);
    ports.iter().for_each(|port| drop(daemon.wait_for_line(&format!("listening on 127.0.0.1:{port}"))));
    let mut python = Command::new(require("python3", "python3"));
    python
        .env("PYTHONPATH", clients::python_modules("redis"))
        .arg(RESPONSES)
        .args(ports.map(|port| port.to_string()));
    let seen = printed(&python.output().expect("python is executable"));
    assert_eq!(seen, SEEN);
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
