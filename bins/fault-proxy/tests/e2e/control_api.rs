//! The control API, row by row.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::api::{Api, connect, create, is_refused, listen_of};
use crate::support::{PATIENCE, eventually, patient, round_trip, run, utf8};
use serde_json::{Value, json};
use testkit::{TcpServer, free_port};

fn refused(status: u16, error: &str) -> (u16, Value) {
    (status, json!({"error": error, "status": status}))
}

#[test]
fn a_proxy_is_made_changed_and_deleted() {
    let (api, echo) = (Api::alone(), TcpServer::echo());
    assert_eq!(api.get("/proxies"), json!({}));
    let upstream = echo.addr().to_string();
    let (status, made) = api.ask(
        "POST",
        "/proxies",
        &json!({"NAME": "db", "Listen": "127.0.0.1:0", "upstream": upstream, "x": 1}),
    );
    let addr = listen_of(&made);
    assert!(addr.port() != 0);
    let expected = json!({
        "name": "db", "listen": addr.to_string(), "upstream": upstream, "enabled": true, "toxics": []
    });
    assert_eq!((status, &made), (201, &expected));
    assert_eq!(api.get("/proxies"), json!({"db": expected}));
    assert_eq!(api.get("/proxies/db"), expected);
    let mut client = connect(addr);
    round_trip(&client, b"hello").unwrap();

    // the same again changes nothing
    api.post("/proxies/db", &json!({"listen": addr.to_string(), "upstream": upstream, "name": "other"}));
    round_trip(&client, b"hello").unwrap();

    // elsewhere: connections are dropped
    let elsewhere = TcpServer::echo();
    let changed = api.ask("PATCH", "/proxies/db", &json!({"upstream": elsewhere.addr().to_string()}));
    assert_eq!(changed.0, 200);
    assert_eq!(client.read(&mut [0; 1]).expect("no abort"), 0);
    assert_eq!(listen_of(&changed.1), addr);
    round_trip(&connect(addr), b"hello").unwrap();

    let mut client = connect(addr);
    round_trip(&client, b"hello").unwrap();
    assert_eq!(api.post("/proxies/db", &json!({"enabled": false}))["enabled"], false);
    assert_eq!(client.read(&mut [0; 1]).expect("no abort"), 0);
    assert!(is_refused(addr));
    assert_eq!(api.get("/proxies/db")["listen"], addr.to_string());
    api.post("/proxies/db", &json!({"enabled": true}));
    round_trip(&connect(addr), b"hello").unwrap();

    api.delete("/proxies/db");
    assert!(is_refused(addr));
    for (method, path) in [("GET", "/proxies/db"), ("POST", "/proxies/db"), ("DELETE", "/proxies/db")] {
        assert_eq!(api.ask(method, path, &Value::Null), refused(404, "proxy not found"), "{method}");
    }
}

#[test]
fn what_makes_no_proxy_is_refused_in_the_words_that_clients_know() {
    let (api, echo) = (Api::alone(), TcpServer::echo());
    let addr = create(&api, "db", echo.addr());
    let post = |body: Value| api.ask("POST", "/proxies", &body);
    assert_eq!(api.ask("POST", "/proxies", &Value::Null), refused(400, "bad request body: EOF"));
    assert_eq!(post(json!({"upstream": "a:1"})), refused(400, "missing required field: name"));
    assert_eq!(post(json!({"name": "a"})), refused(400, "missing required field: upstream"));
    assert_eq!(post(json!({"name": "db", "upstream": "a:1"})), refused(409, "proxy already exists"));
    let taken = json!({"name": "a", "upstream": "a:1", "listen": addr.to_string()});
    let in_use = format!("listen tcp {addr}: bind: address already in use");
    assert_eq!(post(taken), refused(500, &in_use));
    for (body, part) in [
        (json!({"name": 5, "upstream": "a:1"}), "name is 5: a text is expected"),
        (json!({"name": "a", "upstream": "a"}), "upstream `a`"),
        (json!({"name": "a", "upstream": "ftp://a"}), "write HOST:PORT, SCHEME://HOST"),
        (json!({"name": "a", "upstream": "a:1", "listen": "8080"}), "listen `8080`: no port"),
    ] {
        let (status, answer) = post(body);
        let error = answer["error"].as_str().unwrap_or_default();
        assert!(status == 400 && error.starts_with("bad request body: ") && error.contains(part), "{answer}");
    }
    // A port that is taken changes nothing.
    let before = api.get("/proxies/db");
    let blocker = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let blocked = blocker.local_addr().unwrap().to_string();
    let (status, _) = api.ask("POST", "/proxies/db", &json!({"listen": blocked}));
    assert_eq!((status, &api.get("/proxies/db")), (500, &before));
    round_trip(&connect(listen_of(&before)), b"hello").unwrap();
    // And what was never made is not there.
    assert_eq!(api.get("/proxies").as_object().map(|all| all.len()), Some(1));
}

#[test]
fn a_missing_listen_is_any_address_and_a_free_port() {
    let (api, echo) = (Api::alone(), TcpServer::echo());
    let made = api.post("/proxies", &json!({"name": "db", "upstream": echo.addr().to_string()}));
    let port = listen_of(&made).port();
    round_trip(&connect((Ipv4Addr::LOCALHOST, port).into()), b"hello").unwrap();
}

#[test]
fn toxics_are_added_changed_and_removed_on_open_sessions() {
    let (api, echo) = (Api::alone(), TcpServer::echo());
    let client = connect(create(&api, "db", echo.addr()));
    let took = || {
        let started = Instant::now();
        round_trip(&client, b"hello").unwrap();
        started.elapsed()
    };
    took();
    let expected = json!({
        "name": "latency_downstream", "type": "latency", "stream": "downstream", "toxicity": 1.0,
        "attributes": {"latency": 300, "jitter": 0}
    });
    let made =
        api.ask("POST", "/proxies/db/toxics", &json!({"type": "latency", "attributes": {"latency": 300}}));
    assert_eq!(made, (200, expected.clone()));
    assert!(took() >= Duration::from_millis(300));
    assert_eq!(api.get("/proxies/db/toxics/latency_downstream"), expected);

    let up = api.post("/proxies/db/toxics", &json!({"type": "noop", "stream": "Upstream"}));
    assert_eq!(up["name"], "noop_Upstream");
    assert_eq!(api.get("/proxies/db/toxics"), json!([up, expected]), "upstream ones come first");
    assert_eq!(api.get("/proxies/db")["toxics"], json!([up, expected]));

    let path = "/proxies/db/toxics/latency_downstream";
    let changed =
        api.ask("PATCH", path, &json!({"attributes": {"jitter": 1, "latency": 600}, "stream": "upstream"}));
    assert_eq!(changed.0, 200);
    assert_eq!(changed.1["attributes"], json!({"latency": 600, "jitter": 1}));
    assert_eq!(changed.1["stream"], "downstream");
    assert!(took() >= Duration::from_millis(599));
    api.post(path, &json!({"toxicity": 0}));
    api.post("/proxies/db/toxics/latency_downstream", &json!({"attributes": {"latency": 60_000}}));
    assert!(took() < Duration::from_secs(60));
    api.delete(path);
    api.delete("/proxies/db/toxics/noop_Upstream");
    assert_eq!(api.get("/proxies/db/toxics"), json!([]));
}

#[test]
fn what_makes_no_toxic_is_refused() {
    let (api, echo) = (Api::alone(), TcpServer::echo());
    create(&api, "db", echo.addr());
    let post = |body: Value| api.ask("POST", "/proxies/db/toxics", &body);
    api.post("/proxies/db/toxics", &json!({"type": "noop", "name": "a"}));
    assert_eq!(
        post(json!({"type": "latency", "name": "a", "stream": "upstream"})),
        refused(409, "toxic already exists")
    );
    assert_eq!(post(json!({"type": "earthquake"})), refused(400, "invalid toxic type"));
    let stream = "stream was invalid, can be either upstream or downstream";
    assert_eq!(post(json!({"type": "latency", "stream": ""})), refused(400, stream));
    let (status, text) =
        api.send("POST", "/proxies/db/toxics", r#"{"type":"latency","attributes":{"latency":1e3}}"#, &[]);
    assert!(status == 400 && text.contains("bad request body: latency is 1000.0: a whole number"), "{text}");
    let (status, answer) = post(json!({"type": "packet_loss", "attributes": {"rate": 2}}));
    assert!(
        status == 400 && answer["error"].as_str().is_some_and(|error| error.contains("rate")),
        "{answer}"
    );
    for (method, path, body) in [
        ("POST", "/proxies/x/toxics", json!({"type": "noop"})),
        ("GET", "/proxies/x/toxics", Value::Null),
        ("GET", "/proxies/x/toxics/a", Value::Null),
        ("DELETE", "/proxies/x/toxics/a", Value::Null),
    ] {
        assert_eq!(api.ask(method, path, &body), refused(404, "proxy not found"), "{method} {path}");
    }
    for method in ["GET", "POST", "PATCH", "DELETE"] {
        assert_eq!(
            api.ask(method, "/proxies/db/toxics/x", &json!({})),
            refused(404, "toxic not found"),
            "{method}"
        );
    }
}

#[test]
fn populate_keeps_what_is_the_same_and_replaces_what_is_not() {
    let (api, echo, other) = (Api::alone(), TcpServer::echo(), TcpServer::echo());
    let kept = create(&api, "kept", echo.addr());
    let moved = create(&api, "moved", echo.addr());
    for name in ["kept", "moved"] {
        api.post(&format!("/proxies/{name}/toxics"), &json!({"type": "noop"}));
    }
    let client = connect(kept);
    round_trip(&client, b"hello").unwrap();
    let entry = |name: &str, listen: SocketAddr, upstream: &TcpServer| json!({"name": name, "listen": listen.to_string(), "upstream": upstream.addr().to_string(), "enabled": false});
    let entries = json!([entry("kept", kept, &echo), entry("moved", moved, &other)]);
    let (status, answer) = api.ask("POST", "/populate", &entries);
    assert_eq!(status, 201);
    assert_eq!(answer["proxies"][0], api.get("/proxies/kept"));
    assert_eq!(answer["proxies"][0]["enabled"], true, "of one that is kept, enabled is ignored");
    assert_eq!(answer["proxies"][0]["toxics"].as_array().map(Vec::len), Some(1));
    assert_eq!(answer["proxies"][1]["enabled"], false);
    assert_eq!(answer["proxies"][1]["toxics"], json!([]));
    round_trip(&client, b"hello").unwrap();

    assert_eq!(api.ask("POST", "/populate", &json!([])), (201, json!({"proxies": []})));
    let wrong = json!([{"name": "new", "upstream": "a:1"}, {"name": "x"}]);
    let expected =
        json!({"error": "missing required field: upstream at proxy 2", "status": 400, "proxies": []});
    assert_eq!(api.ask("POST", "/populate", &wrong), (400, expected));
    assert_eq!(api.ask("GET", "/proxies/new", &Value::Null).0, 404, "nothing is made if one is wrong");
    // It stops at the first that fails, and tells what is done.
    let taken = json!([{"name": "first", "upstream": "a:1"}, {"name": "second", "upstream": "a:1", "listen": kept.to_string()}]);
    let (status, answer) = api.ask("POST", "/populate", &taken);
    assert_eq!((status, &answer["proxies"][0]["name"]), (500, &json!("first")));

    api.post("/proxies/kept", &json!({"enabled": false}));
    assert_eq!(api.ask("POST", "/reset", &Value::Null), (204, Value::Null));
    for name in ["kept", "moved"] {
        let proxy = api.get(&format!("/proxies/{name}"));
        assert_eq!((&proxy["enabled"], &proxy["toxics"]), (&json!(true), &json!([])), "{name}");
    }
}

#[test]
fn a_proxy_has_its_faults_before_its_first_session() {
    let (api, echo) = (Api::alone(), TcpServer::echo());
    let port = free_port();
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    // A client that is there as soon as anybody listens.
    let eager = thread::spawn(move || {
        let mut stream = None;
        eventually("somebody listens", || {
            stream = TcpStream::connect(addr).ok();
            stream.is_some()
        });
        let mut stream = patient(stream.expect("connected"));
        stream.write_all(b"hello").and_then(|()| stream.read(&mut [0; 5]))
    });
    let toxics = json!([{"type": "limit_data", "stream": "upstream", "attributes": {"bytes": 0}}]);
    let spec = json!({"name": "db", "listen": addr.to_string(), "upstream": echo.addr().to_string(), "toxics": toxics});
    api.post("/proxies", &spec);
    assert!(!matches!(eager.join().unwrap(), Ok(5)), "nothing may pass");
    let wrong = json!({"name": "x", "upstream": "a:1", "toxics": [{"type": "latency"}, {"type": "?"}]});
    assert_eq!(api.ask("POST", "/proxies", &wrong), refused(400, "invalid toxic type"));
    assert_eq!(api.ask("GET", "/proxies/x", &Value::Null).0, 404);
}

#[test]
fn our_faults_and_mappings_go_the_same_ways() {
    let echo = TcpServer::echo();
    let mapping = format!("{}={}", free_port(), echo.addr());
    let api = Api::with(&[
        "--proxy",
        &mapping,
        "--with-latency",
        "--latency-mean",
        "1ms",
        "--latency-sched",
        "start:1h",
    ]);
    let proxy = api.get("/proxies/proxy-1");
    assert_eq!(proxy["upstream"], echo.addr().to_string());
    let latency = json!({
        "name": "latency", "type": "latency", "stream": "downstream", "toxicity": 1.0,
        "attributes": {"mean": 1, "schedule": "start:1h"}
    });
    assert_eq!(proxy["toxics"], json!([latency]));
    let client = connect(listen_of(&proxy));
    let hole = json!({"type": "blackhole", "name": "hole", "attributes": {"direction": "both"}});
    api.post("/proxies/proxy-1/toxics", &hole);
    (&client).write_all(b"x").unwrap();
    client.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert_eq!((&client).read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
    api.delete("/proxies/proxy-1/toxics/hole");
    patient(client.try_clone().unwrap());
    (&client).read_exact(&mut [0; 1]).unwrap();
    let psqls =
        api.post("/proxies", &json!({"name": "tls", "upstream": "psqls://db", "listen": "127.0.0.1:0"}));
    assert_eq!(psqls["upstream"], "psqls://db");
    let unix =
        json!({"name": "unix", "upstream": "unix:/run/x.sock", "listen": "127.0.0.1:0", "enabled": false});
    assert_eq!(api.post("/proxies", &unix)["listen"], "127.0.0.1:0");
}

#[test]
fn browsers_and_pages_from_elsewhere_are_turned_away() {
    let api = Api::alone();
    let get = |path: &str, headers: &[(&str, &str)]| api.send("GET", path, "", headers);
    let browser = ("user-agent", "Mozilla/5.0");
    let (status, text) = get("/proxies", &[browser]);
    assert!(status == 403 && text.contains("User agent not allowed"), "{text}");
    assert_eq!(get("/proxies", &[browser, ("x-fault-proxy-page", "1")]).0, 200);
    assert_eq!(get("/livez", &[browser]).0, 200);

    let reset = |headers: &[(&str, &str)]| api.send("POST", "/reset", "", headers).0;
    assert_eq!(reset(&[("origin", "http://evil.example")]), 403);
    assert_eq!(reset(&[("origin", "null")]), 403);
    assert_eq!(reset(&[("origin", &format!("http://{}", api.addr))]), 204);
    assert_eq!(reset(&[]), 204);
    // A name that its owner has pointed at this machine.
    let (status, text) = get("/proxies", &[("host", "evil.example:8474")]);
    assert!(status == 403 && text.contains("`evil.example:8474` is not this machine"), "{text}");
    assert_eq!(get("/proxies", &[("host", "localhost:8474")]).0, 200);
}

#[test]
fn other_machines_need_a_token_or_leave() {
    let ended = run(&["run", "--control", ":0"]);
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.stderr.contains("--control-token") && ended.stderr.contains("--control-insecure"),
        "{}",
        ended.stderr
    );
    let everywhere = Api::on("0.0.0.0:0", &["--control-insecure"]);
    assert_eq!(everywhere.send("GET", "/proxies", "", &[("host", "fault-proxy:8474")]).0, 200);

    let api = Api::on("0.0.0.0:0", &["--control-token", "s3cr3t"]);
    for (path, headers, expected) in [
        ("/proxies", &[][..], 401),
        ("/metrics", &[], 401),
        ("/proxies", &[("authorization", "Bearer s3cr3"), ("host", "a")], 401),
        ("/proxies", &[("authorization", "Bearer s3cr3t"), ("host", "fault-proxy")], 200),
        ("/livez", &[], 200),
        ("/readyz", &[], 200),
    ] {
        assert_eq!(api.send("GET", path, "", headers).0, expected, "{path} {headers:?}");
    }
    assert!(!api.stderr().contains("s3cr3t"));
}

#[test]
fn other_paths_and_methods_are_none() {
    let api = Api::alone();
    assert_eq!(api.send("GET", "/proxy", "", &[]).0, 404);
    assert_eq!(api.send("PUT", "/proxies", "{}", &[]).0, 405);
    assert_eq!(api.send("GET", "/reset", "", &[]).0, 405);
    let answer = api.answer("GET", "/version", "", &[]);
    assert!(answer.headers().contains_key("x-toxiproxy-request-id"));
    assert_eq!(api.get("/version"), json!({"version": env!("CARGO_PKG_VERSION")}));
}

#[test]
fn a_file_of_the_compatible_api_makes_proxies_at_the_start() {
    let echo = TcpServer::echo();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("toxiproxy.json");
    let entry = json!([{"name": "db", "listen": "127.0.0.1:0", "upstream": echo.addr().to_string()}]);
    std::fs::write(&file, entry.to_string()).unwrap();
    let api = Api::with(&["--toxiproxy-config", utf8(&file)]);
    round_trip(&connect(listen_of(&api.get("/proxies/db"))), b"hello").unwrap();

    std::fs::write(&file, r#"[{"name": "db"}]"#).unwrap();
    let ended = run(&["run", "--toxiproxy-config", utf8(&file)]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("missing required field: upstream at proxy 1"), "{}", ended.stderr);
}

#[test]
fn metrics_are_of_open_sessions_too() {
    let (api, echo) = (Api::alone(), TcpServer::echo());
    let addr = create(&api, "db", echo.addr());
    api.post("/proxies/db/toxics", &json!({"type": "latency", "attributes": {"latency": 20}}));
    let client = connect(addr);
    round_trip(&client, b"12345").unwrap();
    let labels =
        format!("direction=\"upstream\",listener=\"{addr}\",proxy=\"db\",upstream=\"{}\"", echo.addr());
    let expected = [
        "fault_proxy_sessions_active{proxy=\"db\"} 1.0".to_owned(),
        "fault_proxy_sessions_opened_total{proxy=\"db\"} 1".to_owned(),
        "fault_proxy_bytes_total{proxy=\"db\",direction=\"to_downstream\"} 5".to_owned(),
        "fault_proxy_faults_applied_total{proxy=\"db\",fault=\"latency_downstream\",type=\"latency\"} 1".to_owned(),
        "fault_proxy_injected_delay_seconds_bucket{le=\"0.01\",proxy=\"db\",fault=\"latency_downstream\",type=\"latency\"} 0".to_owned(),
        "fault_proxy_injected_delay_seconds_count{proxy=\"db\",fault=\"latency_downstream\",type=\"latency\"} 1".to_owned(),
        "fault_proxy_connect_duration_seconds_count{proxy=\"db\"} 1".to_owned(),
        format!("toxiproxy_proxy_received_bytes_total{{{labels}}} 5"),
        format!("toxiproxy_proxy_sent_bytes_total{{{labels}}} 5"),
    ];
    let missing = || {
        let (_, text) = api.send("GET", "/metrics", "", &[]);
        expected.iter().find(|line| !text.lines().any(|other| other == **line)).cloned()
    };
    let deadline = Instant::now() + PATIENCE;
    while let Some(line) = missing() {
        assert!(Instant::now() < deadline, "{line}");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_change_goes_on_when_its_client_goes_away() {
    let (api, echo) = (Api::alone(), TcpServer::echo());
    let addr = create(&api, "db", echo.addr());
    for _ in 0..50 {
        let mut stream = TcpStream::connect(&api.addr).unwrap();
        let body = r#"{"enabled":false}"#;
        write!(
            stream,
            "POST /proxies/db HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n\r\n{body}",
            api.addr,
            body.len()
        )
        .unwrap();
        drop(stream);
        api.post("/proxies/db", &json!({"enabled": true}));
    }
    // Some calls may complete late, but none may remain half applied.
    eventually("it does as it says", || is_refused(addr) != (api.get("/proxies/db")["enabled"] == true));
    eventually("it is enabled and works", || {
        api.post("/proxies/db", &json!({"enabled": true}));
        TcpStream::connect(addr).is_ok_and(|client| round_trip(&patient(client), b"hello").is_ok())
    });
}
