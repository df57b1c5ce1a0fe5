//! `/proxies/{proxy}/toxics`.

use serde_json::{Value, json};

use super::Api;

const TOXICS: &str = "/proxies/p/toxics";

fn names(toxics: &Value) -> Vec<&str> {
    toxics.as_array().expect("an array").iter().map(|toxic| toxic["name"].as_str().expect("a name")).collect()
}

#[tokio::test]
async fn a_toxic_is_made_shown_changed_and_deleted() {
    let api = Api::with_proxy().await;
    assert_eq!(api.get(TOXICS).await.json(), json!([]));
    let made = api.post(TOXICS, r#"{"Type":"latency","attributes":{"Latency":5},"x":1}"#).await;
    let expected = json!({
        "attributes": { "latency": 5, "jitter": 0 }, "name": "latency_downstream", "type": "latency",
        "stream": "downstream", "toxicity": 1.0
    });
    assert_eq!((made.status, made.json()), (200, expected.clone()));
    assert_eq!(api.get(TOXICS).await.json(), json!([expected]));
    assert_eq!(api.get("/proxies/p").await.json()["toxics"], json!([expected]));
    let path = format!("{TOXICS}/latency_downstream");
    let shown = api.get(&path).await;
    assert_eq!((shown.status, shown.json()), (200, expected));

    for (method, body, latency, toxicity) in [
        ("POST", r#"{"attributes":{"jitter":1}}"#, 5, 1.0),
        ("PATCH", r#"{"toxicity":0.5,"attributes":{"LATENCY":6}}"#, 6, 0.5),
        ("POST", r#"{"name":"y","stream":"upstream","type":"noop"}"#, 6, 0.5),
    ] {
        let changed = api.ask(method, &path, body).await;
        let expected = json!({
            "attributes": { "latency": latency, "jitter": 1 }, "name": "latency_downstream", "type": "latency",
            "stream": "downstream", "toxicity": toxicity
        });
        assert_eq!((changed.status, changed.json()), (200, expected.clone()));
        assert_eq!(api.get(&path).await.json(), expected);
    }
    let applied = api.proxies.get("p").unwrap().engine.current();
    assert_eq!((applied.len(), applied[0].probability), (1, 0.5));

    let deleted = api.delete(&path).await;
    assert_eq!((deleted.status, &*deleted.body), (204, ""));
    assert_eq!(api.get(TOXICS).await.json(), json!([]));
    assert_eq!(api.proxies.get("p").unwrap().engine.current(), []);
}

#[tokio::test]
async fn a_fault_is_switched_off_and_on_without_being_lost() {
    let api = Api::with_proxy().await;
    let path = format!("{TOXICS}/slow");
    let made = api.post(TOXICS, r#"{"name":"slow","type":"latency","attributes":{"mean":"5ms"}}"#).await;
    assert_eq!(made.json()["enabled"], Value::Null, "clients of Toxiproxy see what they know");
    let is_on = || api.proxies.get("p").unwrap().engine.current()[0].windows.is_always();
    for (body, shown, on) in [
        (r#"{"enabled":false}"#, json!(false), false),
        (r#"{"attributes":{"mean":"9ms"}}"#, json!(false), false),
        (r#"{"Enabled":true}"#, json!(null), true),
    ] {
        let changed = api.post(&path, body).await;
        assert_eq!((changed.status, &changed.json()["enabled"]), (200, &shown), "{body}");
        assert_eq!(is_on(), on, "{body}");
    }
    assert_eq!(api.get(&path).await.json()["attributes"], json!({"mean": 9}));
    let wrong = api.post(&path, r#"{"enabled":"no"}"#).await;
    wrong.assert_refused(400, "bad request body: enabled is \"no\": true or false is expected");
    assert!(is_on());

    let off = r#"{"name":"off","type":"blackhole","enabled":false}"#;
    assert_eq!(api.post(TOXICS, off).await.json()["enabled"], json!(false));
    assert!(!api.proxies.get("p").unwrap().engine.current()[1].windows.is_on(std::time::Duration::MAX));
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let api = Api::with_proxy().await;
    for (method, path, text) in [
        ("GET", "/proxies/q/history", "proxy not found"),
        ("GET", "/proxies/q/toxics", "proxy not found"),
        ("POST", "/proxies/q/toxics", "proxy not found"),
        ("GET", "/proxies/q/toxics/x", "proxy not found"),
        ("POST", "/proxies/q/toxics/x", "proxy not found"),
        ("PATCH", "/proxies/q/toxics/x", "proxy not found"),
        ("DELETE", "/proxies/q/toxics/x", "proxy not found"),
        ("GET", "/proxies/p/toxics/x", "toxic not found"),
        ("POST", "/proxies/p/toxics/x", "toxic not found"),
        ("PATCH", "/proxies/p/toxics/x", "toxic not found"),
        ("DELETE", "/proxies/p/toxics/x", "toxic not found"),
    ] {
        api.ask(method, path, r#"{"type":"noop"}"#).await.assert_refused(404, text);
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let api = Api::with_proxy().await;
    api.post(TOXICS, r#"{"type":"latency","name":"x","stream":"upstream"}"#).await;
    let before = api.get(TOXICS).await.json();
    for (body, status, text) in [
        ("", 400, "bad request body: EOF"),
        (r#"{"name":"y"}"#, 400, "invalid toxic type"),
        (r#"{"type":"warp"}"#, 400, "invalid toxic type"),
        (
            r#"{"type":"latency","stream":""}"#,
            400,
            "stream was invalid, can be either upstream or downstream",
        ),
        (r#"{"type":"timeout","name":"x"}"#, 409, "toxic already exists"),
        (
            r#"{"type":"latency","attributes":{"latency":1.5}}"#,
            400,
            "bad request body: latency is 1.5: a whole number is expected",
        ),
        (
            r#"{"type":"jitter","attributes":{"frequency":0}}"#,
            400,
            "bad request body: jitter: frequency: must be greater than 0, like 5",
        ),
    ] {
        api.post(TOXICS, body).await.assert_refused(status, text);
    }
    let path = format!("{TOXICS}/x");
    api.post(&path, "").await.assert_refused(400, "bad request body: EOF");
    let text = r#"bad request body: jitter is "5": a whole number is expected"#;
    let body = r#"{"toxicity":0.5,"attributes":{"latency":7,"jitter":"5"}}"#;
    api.post(&path, body).await.assert_refused(400, text);
    assert_eq!(api.get(TOXICS).await.json(), before);
}

#[tokio::test]
async fn those_upstream_come_first() {
    let api = Api::with_proxy().await;
    for (name, stream) in [("a", "downstream"), ("b", "UPSTREAM"), ("c", "downstream"), ("d", "upstream")] {
        let body = json!({ "type": "noop", "name": name, "stream": stream }).to_string();
        assert_eq!(api.post(TOXICS, &body).await.status, 200);
    }
    assert_eq!(names(&api.get(TOXICS).await.json()), ["b", "d", "a", "c"]);
    assert_eq!(names(&api.get("/proxies/p").await.json()["toxics"]), ["b", "d", "a", "c"]);
}

#[tokio::test]
async fn our_own_faults_are_given_and_shown_in_our_own_words() {
    let api = Api::with_proxy().await;
    let body = r#"{"type":"packet_loss","attributes":{"rate":"1%","side":"client"},"toxicity":0.5}"#;
    let expected = json!({
        "attributes": { "rate": "1%", "side": "client" }, "name": "packet_loss_upstream",
        "type": "packet_loss", "stream": "upstream", "toxicity": 0.5
    });
    assert_eq!(api.post(TOXICS, body).await.json(), expected);
    let changed = api.post(&format!("{TOXICS}/packet_loss_upstream"), r#"{"attributes":{"mss":500}}"#).await;
    assert_eq!(changed.json()["attributes"], json!({ "rate": "1%", "side": "client", "mss": 500 }));
}

#[tokio::test]
async fn the_faults_of_a_disabled_proxy_are_changed_too() {
    let api = Api::with_proxy().await;
    api.post("/proxies/p", r#"{"enabled":false}"#).await;
    assert_eq!(api.post(TOXICS, r#"{"type":"latency"}"#).await.status, 200);
    api.post("/proxies/p", r#"{"enabled":true}"#).await;
    assert_eq!(api.host.starts().last(), Some(&("p".to_owned(), 1)));
}

#[tokio::test]
async fn a_thousand_changes_leave_what_the_last_one_says() {
    let api = Api::with_proxy().await;
    api.post(TOXICS, r#"{"type":"latency","name":"x"}"#).await;
    for count in 0..500 {
        let body = format!(r#"{{"attributes":{{"latency":{count}}}}}"#);
        let changed = api.post(&format!("{TOXICS}/x"), &body).await;
        assert_eq!(changed.json()["attributes"]["latency"], count);
    }
    for _ in 0..250 {
        assert_eq!(api.post(TOXICS, r#"{"type":"timeout","name":"y"}"#).await.status, 200);
        assert_eq!(api.delete(&format!("{TOXICS}/y")).await.status, 204);
    }
    assert_eq!(names(&api.get(TOXICS).await.json()), ["x"]);
    assert_eq!(api.get(TOXICS).await.json()[0]["attributes"]["latency"], 499);
}

#[tokio::test]
async fn a_fault_that_could_never_act_is_neither_added_nor_kept() {
    let api = Api::with_proxy().await;
    let scheduled = |schedule: &str, ttl: &str| {
        let attributes = json!({"mode": "stall", "schedule": schedule});
        json!({"type": "blackhole", "attributes": attributes, "ttl": ttl}).to_string()
    };
    let words = ["bad request body: ttl: 30s is over before the fault can act, in ", "use a longer ttl"];
    api.post(TOXICS, &scheduled("start:1h", "30s")).await.assert_refused_with(400, &words);
    assert_eq!(api.get(TOXICS).await.json(), json!([]));
    assert_eq!(api.post(TOXICS, &scheduled("start:1h", "2h")).await.status, 200);
    let path = format!("{TOXICS}/blackhole_downstream");
    let before = api.get(&path).await.json();
    api.ask("PATCH", &path, r#"{"ttl":"30s"}"#).await.assert_refused_with(400, &words);
    assert_eq!(api.get(&path).await.json(), before);
    let late = scheduled("start:1h", "30s");
    let proxies = format!(r#"[{{"name":"q","upstream":"up:1","toxics":[{late}]}}]"#);
    api.post("/populate", &proxies).await.assert_refused_with(400, &["ttl: 30s", " at proxy 1"]);
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let ended = scheduled("duration:1ms", "30s");
    api.post(TOXICS, &ended)
        .await
        .assert_refused_with(400, &["schedule: its last window ended 1ms after", "ago"]);
}
