//! `/proxies`, `/reset` and `/version`.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use super::Api;

const PATIENCE: Duration = Duration::from_secs(30);

const NO_UPSTREAM: &str = "bad request body: upstream `up`: missing port; write HOST:PORT, SCHEME://HOST, SCHEME://HOST:PORT or \
                           unix:/PATH";
const NO_LISTEN: &str =
    "bad request body: listen `up`: no port; write HOST:PORT, or :PORT for all interfaces";

fn listen(proxy: &Value) -> SocketAddr {
    proxy["listen"].as_str().and_then(|listen| listen.parse().ok()).expect("an address")
}

async fn until_closed(mut client: TcpStream) -> std::io::Result<usize> {
    timeout(PATIENCE, client.read(&mut [0])).await.expect("it is closed")
}

#[tokio::test]
async fn a_proxy_is_made_shown_and_deleted() {
    let api = Api::new().await;
    assert_eq!(api.get("/proxies").await.json(), json!({}));

    let made = api.post("/proxies", r#"{"name":"a b","listen":"127.0.0.1:0","upstream":"up:1"}"#).await;
    assert_eq!(made.status, 201);
    let proxy = made.json();
    let listen = listen(&proxy);
    assert_ne!(listen.port(), 0);
    let expected = json!({
        "name": "a b", "listen": listen.to_string(), "upstream": "up:1", "enabled": true, "toxics": []
    });
    assert_eq!(proxy, expected);
    assert_eq!(api.get("/proxies/a%20b").await.json(), expected);
    assert_eq!(api.get("/proxies").await.json(), json!({ "a b": expected }));
    let client = TcpStream::connect(listen).await.unwrap();

    let deleted = api.delete("/proxies/a%20b").await;
    assert_eq!((deleted.status, &*deleted.body), (204, ""));
    assert_eq!(until_closed(client).await.unwrap(), 0, "a FIN");
    TcpStream::connect(listen).await.unwrap_err();
    for method in ["GET", "POST", "PATCH", "DELETE"] {
        api.ask(method, "/proxies/a%20b", "{}").await.assert_refused(404, "proxy not found");
    }
}

#[tokio::test]
async fn requests_are_counted_for_a_proxy_with_a_protocol() {
    let api = Api::with_proxy().await;
    let made = api.post("/proxies", r#"{"name":"db","listen":"127.0.0.1:0","upstream":"psql://db"}"#).await;
    assert_eq!(made.status, 201, "{made:?}");
    for (name, protocol) in [("p", Value::Null), ("db", json!("psql"))] {
        let counted = api.get(&format!("/proxies/{name}/requests")).await;
        let expected = json!({"name": name, "protocol": protocol, "counted": false, "requests": [], "sessions_opaque": 0});
        assert_eq!((counted.status, counted.json()), (200, expected));
    }
    assert_eq!(api.get("/proxies/nobody/requests").await.status, 404);
}

#[tokio::test]
async fn what_is_not_given_has_a_default() {
    let api = Api::new().await;
    for (body, enabled, there) in [
        (r#"{"name":"a","upstream":"up:1"}"#, true, "127.0.0.1:"),
        (r#"{"name":"b","upstream":"up:1","listen":"","enabled":null}"#, true, "127.0.0.1:"),
        (r#"{"NAME":"c","Upstream":"up:1","eNabled":false,"other":[1]}"#, false, ":0"),
    ] {
        let made = api.post("/proxies", body).await;
        assert_eq!(made.status, 201, "{made:?}");
        let proxy = made.json();
        assert_eq!(proxy["enabled"], enabled);
        assert!(proxy["listen"].as_str().unwrap().starts_with(there), "{proxy}");
    }
}

#[tokio::test]
async fn a_proxy_that_cannot_be_made_is_refused() {
    let api = Api::with_proxy().await;
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let listener = TcpListener::bind(taken).await.unwrap();
    for (body, status, text) in [
        ("", 400, "bad request body: EOF"),
        ("null", 400, "missing required field: name"),
        (r#"{"name":"","upstream":"up:1"}"#, 400, "missing required field: name"),
        (r#"{"name":"q"}"#, 400, "missing required field: upstream"),
        (r#"{"name":5,"upstream":"up:1"}"#, 400, "bad request body: name is 5: a text is expected"),
        (
            r#"{"name":"q","upstream":"up:1","enabled":"yes"}"#,
            400,
            "bad request body: enabled is \"yes\": true or false is expected",
        ),
        ("[]", 400, "bad request body: an object is expected, not an array"),
        (r#"{"name":"q","upstream":"up"}"#, 400, NO_UPSTREAM),
        (r#"{"name":"q","upstream":"tls://up"}"#, 400, "bad request body: tls://up:443: no certificates"),
        (r#"{"name":"q","upstream":"up:1","listen":"up"}"#, 400, NO_LISTEN),
        (r#"{"name":"p","upstream":"up:1"}"#, 409, "proxy already exists"),
    ] {
        api.post("/proxies", body).await.assert_refused(status, text);
    }
    api.post("/proxies", "{").await.assert_refused_with(400, &["bad request body: EOF"]);
    let body = format!(r#"{{"name":"q","upstream":"up:1","listen":"{taken}"}}"#);
    let text = format!("listen tcp {taken}: bind: address already in use");
    api.post("/proxies", &body).await.assert_refused(500, &text);
    assert_eq!(api.get("/proxies").await.json().as_object().unwrap().len(), 1);
    drop(listener);
    assert_eq!(api.post("/proxies", &body).await.status, 201);
}

#[tokio::test]
async fn a_proxy_is_made_with_its_faults_or_not_at_all() {
    let api = Api::new().await;
    let body = |toxics: &str| format!(r#"{{"name":"p","upstream":"up:1","toxics":[{toxics}]}}"#);
    let latency = r#"{"type":"latency","attributes":{"latency":5}}"#;

    let made = api.post("/proxies", &body(&format!("{latency},{}", r#"{"type":"warp"}"#))).await;
    made.assert_refused(400, "invalid toxic type");
    let made = api.post("/proxies", &body(&format!("{latency},{latency}"))).await;
    made.assert_refused(409, "toxic already exists");
    assert_eq!(api.get("/proxies").await.json(), json!({}));

    let made = api.post("/proxies", &body(latency)).await.json();
    assert_eq!(made["toxics"][0]["name"], "latency_downstream");
    assert_eq!(api.host.starts(), [("p".to_owned(), 1)], "it was there before the first session");
}

#[tokio::test]
async fn a_proxy_is_changed() {
    for method in ["POST", "PATCH"] {
        let api = Api::with_proxy().await;
        let first = listen(&api.get("/proxies/p").await.json());
        let client = TcpStream::connect(first).await.unwrap();

        let same = api.ask(method, "/proxies/p", r#"{"name":"other","enabled":true}"#).await;
        assert_eq!((same.status, &same.json()["name"]), (200, &json!("p")));
        assert_eq!(api.host.starts().len(), 1);

        let off = api.ask(method, "/proxies/p", r#"{"enabled":false}"#).await.json();
        assert_eq!((&off["enabled"], listen(&off)), (&json!(false), first));
        assert_eq!(until_closed(client).await.unwrap(), 0, "a FIN");
        TcpStream::connect(first).await.unwrap_err();

        let on = api.ask(method, "/proxies/p", r#"{"ENABLED":true}"#).await.json();
        assert_eq!((&on["enabled"], listen(&on)), (&json!(true), first));
        let client = TcpStream::connect(first).await.unwrap();

        let moved = api.ask(method, "/proxies/p", r#"{"upstream":"up:2","listen":""}"#).await.json();
        assert_eq!(until_closed(client).await.unwrap(), 0);
        assert_eq!((&moved["upstream"], &moved["enabled"]), (&json!("up:2"), &json!(true)));
        TcpStream::connect(listen(&moved)).await.unwrap();
    }
}

#[tokio::test]
async fn port_0_in_a_change_is_a_new_port_each_time() {
    let api = Api::new().await;
    let made = api.post("/proxies", r#"{"name":"p","listen":"localhost:0","upstream":"up:1"}"#).await.json();
    let mut ports = vec![listen(&made).port()];
    for given in ["localhost:0", "127.0.0.1:0", "localhost:0"] {
        let changed = api.post("/proxies/p", &format!(r#"{{"listen":"{given}"}}"#)).await.json();
        ports.push(listen(&changed).port());
    }
    assert!(ports.windows(2).all(|ports| ports[0] != ports[1]), "{ports:?}");
    assert_eq!(api.host.starts().len(), 4);
    // The address that the proxy already has does not change anything.
    let same = format!(r#"{{"listen":"localhost:{}"}}"#, ports[3]);
    assert_eq!(listen(&api.post("/proxies/p", &same).await.json()).port(), ports[3]);
    assert_eq!(api.host.starts().len(), 4);
}

#[tokio::test]
async fn a_change_that_makes_no_sense_changes_nothing() {
    let api = Api::with_proxy().await;
    let before = api.get("/proxies/p").await.json();
    for (body, text) in [
        ("", "bad request body: EOF"),
        (r#"{"upstream":"up"}"#, NO_UPSTREAM),
        (r#"{"listen":"up"}"#, NO_LISTEN),
        (r#"{"listen":5}"#, "bad request body: listen is 5: a text is expected"),
        (r#"{"name":5,"enabled":false}"#, "bad request body: name is 5: a text is expected"),
        (r#"{"upstream":["up:1"]}"#, "bad request body: upstream is [\"up:1\"]: a text is expected"),
    ] {
        api.post("/proxies/p", body).await.assert_refused(400, text);
        assert_eq!(api.get("/proxies/p").await.json(), before, "{body}");
    }
    assert_eq!(api.host.starts().len(), 1);
}

#[tokio::test]
async fn a_change_to_a_port_that_is_taken_changes_nothing() {
    let api = Api::with_proxy().await;
    let before = api.get("/proxies/p").await.json();
    let mut session = TcpStream::connect(listen(&before)).await.unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = taken.local_addr().unwrap();
    let changed = api.post("/proxies/p", &format!(r#"{{"listen":"{addr}","upstream":"up:2"}}"#)).await;
    changed.assert_refused(500, &format!("listen tcp {addr}: bind: address already in use"));
    assert_eq!(api.get("/proxies/p").await.json(), before);
    TcpStream::connect(listen(&before)).await.unwrap();
    let closed = timeout(Duration::from_millis(100), session.read(&mut [0])).await;
    assert!(closed.is_err(), "the session goes on: {closed:?}");

    drop(taken);
    let body = format!(r#"{{"listen":"{addr}","upstream":"up:2"}}"#);
    let now = api.post("/proxies/p", &body).await.json();
    assert_eq!((listen(&now), &now["upstream"]), (addr, &json!("up:2")));
    TcpStream::connect(addr).await.unwrap();
    assert_eq!(session.read(&mut [0]).await.unwrap(), 0, "its connections are closed");
    assert!(TcpStream::connect(listen(&before)).await.is_err(), "the old port is free");
}

#[tokio::test]
async fn a_change_that_fails_after_the_old_listener_had_to_close_is_undone() {
    let api = Api::with_proxy().await;
    let before = api.get("/proxies/p").await.json();
    // The same port on another address: the new listener may need the port of the old one.
    let addr = SocketAddr::from(([127, 0, 0, 2], listen(&before).port()));
    let taken = TcpListener::bind(addr).await.unwrap();
    for body in [format!(r#"{{"listen":"{addr}"}}"#), format!(r#"{{"listen":"{addr}","upstream":"up:2"}}"#)] {
        api.post("/proxies/p", &body).await.assert_refused_with(500, &["address already in use"]);
        assert_eq!(api.get("/proxies/p").await.json(), before);
        TcpStream::connect(listen(&before)).await.unwrap();
    }
    let populated = json!([{"name": "p", "listen": addr.to_string(), "upstream": "up:1"}]).to_string();
    api.post("/populate", &populated).await.assert_refused_with(500, &["address already in use"]);
    assert_eq!(api.get("/proxies/p").await.json(), before);
    drop(taken);
    assert_eq!(listen(&api.post("/proxies/p", &format!(r#"{{"listen":"{addr}"}}"#)).await.json()), addr);
}

#[tokio::test]
async fn a_listen_name_that_nobody_resolves_keeps_no_other_change_waiting() {
    let api = Api::with_proxy().await;
    let asked = [
        ("/proxies", r#"{"name":"q","listen":"silent:1","upstream":"up:1"}"#),
        ("/proxies/p", r#"{"listen":"silent:1"}"#),
        ("/populate", r#"[{"name":"q","listen":"silent:1","upstream":"up:1"}]"#),
    ];
    let mut waiting = Vec::new();
    for (path, body) in asked {
        waiting.push(api.send("POST", path, &["Host: localhost"], body).await);
    }
    sleep(Duration::from_millis(100)).await;
    let other = api.post("/proxies", r#"{"name":"r","listen":"localhost:0","upstream":"up:1"}"#);
    assert_eq!(timeout(Duration::from_secs(10), other).await.expect("it has its turn").status, 201);
}

#[tokio::test]
async fn a_reset_says_which_port_is_taken() {
    let api = Api::with_proxy().await;
    let addr = listen(&api.post("/proxies/p", r#"{"enabled":false}"#).await.json());
    let taken = TcpListener::bind(addr).await.unwrap();
    api.post("/reset", "").await.assert_refused_with(500, &["address already in use"]);
    drop(taken);
    assert_eq!(api.post("/reset", "").await.status, 204);
    assert_eq!(api.get("/proxies/p").await.json()["enabled"], true);
}

#[tokio::test]
async fn a_reset_enables_all_proxies_and_removes_all_faults() {
    let api = Api::with_proxy().await;
    api.post("/proxies", r#"{"name":"q","upstream":"up:1","enabled":false}"#).await;
    for proxy in ["p", "q"] {
        let made = api.post(&format!("/proxies/{proxy}/toxics"), r#"{"type":"timeout"}"#).await;
        assert_eq!(made.status, 200);
    }
    let reset = api.post("/reset", "").await;
    assert_eq!((reset.status, &*reset.body), (204, ""));
    for proxy in ["p", "q"] {
        let proxy = api.get(&format!("/proxies/{proxy}")).await.json();
        assert_eq!((&proxy["enabled"], &proxy["toxics"]), (&json!(true), &json!([])));
        TcpStream::connect(listen(&proxy)).await.unwrap();
    }
}

#[tokio::test]
async fn the_version_is_the_programs() {
    let answer = Api::new().await.get("/version").await;
    assert_eq!((answer.status, answer.json()), (200, json!({ "version": "1.2.3" })));
}

#[tokio::test]
async fn every_type_of_fault_is_told_with_its_attributes() {
    let types = Api::new().await.get("/fault-types").await.json();
    let found = |name: &str| types.as_array().unwrap().iter().find(|kind| kind["type"] == name);
    for name in fault_proxy_engine::faults::FAULT_TYPES.iter().map(|kind| kind.name.replace('-', "_")) {
        let kind = found(&name).unwrap_or_else(|| panic!("no {name} in {types}"));
        let taken = fault_proxy_control::attribute_names(&name).unwrap();
        for attribute in kind["attributes"].as_array().unwrap() {
            let name = attribute["name"].as_str().unwrap();
            assert!(taken.iter().any(|taken| taken == name), "{kind}: {name}");
            assert_ne!(name, "table", "a file, which the API cannot name");
        }
    }
    let targets = [
        ("refuse", "new_sessions"),
        ("slow_open", "new_sessions"),
        ("latency", "data"),
        ("reset", "connections"),
        ("respond", "requests"),
    ];
    for (kind, target) in targets {
        assert_eq!(found(kind).unwrap()["target"], target, "{kind}");
    }
    let bandwidth = found("bandwidth").unwrap();
    let unit = &bandwidth["attributes"][1];
    assert_eq!(unit["default"], "Bps");
    assert_eq!(unit["choices"][4], "kbit/s");
    assert!(bandwidth["attributes"][0]["help"].as_str().unwrap().ends_with("a bare number is in unit"));
    let distributions = &found("latency").unwrap()["attributes"][0]["choices"];
    assert!(!distributions.to_string().contains("table"), "{distributions}");
    let shape = found("latency").unwrap()["attributes"][3].clone();
    assert_eq!((&shape["name"], &shape["with"]), (&json!("shape"), &json!(["pareto", "pareto-normal"])));
    let named = |kind: &str, name: &str| {
        let attributes = found(kind).unwrap()["attributes"].as_array().unwrap();
        attributes.iter().find(|attribute| attribute["name"] == name).unwrap().clone()
    };
    assert_eq!((&named("latency", "mean")["main"], &shape["main"]), (&json!(true), &json!(false)));
    assert_eq!(named("latency", "mean")["protocols"], json!([]));
    assert_eq!(named("latency", "on")["protocols"], json!(["http", "psql", "redis"]));
    assert_eq!(named("latency", "rows")["protocols"], json!(["psql"]));
    assert_eq!(named("refuse", "times")["main"], true);
    assert_eq!(named("respond", "times")["help"], "Maximum number of requests to act on");
    assert_eq!(named("latency", "mean")["one_of"], json!(["mean"]));
    assert_eq!(named("latency", "stddev")["one_of"], json!([]));
    assert_eq!(named("packet_loss", "good_to_bad")["one_of"], json!(["good_to_bad"]));
    assert_eq!(named("truncate", "rows")["one_of"], json!(["bytes", "rows", "events"]));
}

#[tokio::test]
async fn an_upstream_is_shown_as_it_was_written() {
    let api = Api::with_proxy().await;
    for text in [":6379", "psqls://db", "tcp://[0:0::1]:080", "up:1"] {
        let changed = api.post("/proxies/p", &json!({ "upstream": text }).to_string()).await.json();
        assert_eq!(changed["upstream"], text);
        assert_eq!(api.get("/proxies/p").await.json(), changed);
    }
}

/// Toxiproxy accepts them too.
#[tokio::test]
async fn names_of_services_are_ports_of_both_addresses() {
    let api = Api::new().await;
    let body = r#"{"name":"p","listen":"localhost:https","upstream":"up:https","enabled":false}"#;
    let made = api.post("/proxies", body).await;
    if !std::fs::exists("/etc/services").unwrap() {
        made.assert_refused_with(400, &["upstream `up:https`: the port is not a number"]);
        return;
    }
    let proxy = made.json();
    assert_eq!((&proxy["listen"], &proxy["upstream"]), (&json!("localhost:443"), &json!("up:https")));
    let unknown = api.post("/proxies/p", r#"{"listen":"localhost:nonsense"}"#).await;
    unknown.assert_refused_with(400, &["listen `localhost:nonsense`: the port is not a number"]);
}
