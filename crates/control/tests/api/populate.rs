//! `/populate`.

use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

use super::Api;

fn names(answer: &Value) -> Vec<&str> {
    let proxies = answer["proxies"].as_array().expect("an array");
    proxies.iter().map(|proxy| proxy["name"].as_str().expect("a name")).collect()
}

#[tokio::test]
async fn it_makes_proxies_in_their_order() {
    let api = Api::new().await;
    let body = r#"[
        {"name":"b","listen":"127.0.0.1:0","upstream":"up:1"},
        {"name":"a","upstream":"up:1","enabled":false,"toxics":[{"type":"latency","attributes":{"latency":5}}]}
    ]"#;
    let answer = api.post("/populate", body).await;
    assert_eq!(answer.status, 201);
    let answer = answer.json();
    assert_eq!(names(&answer), ["b", "a"]);
    assert_eq!(answer.get("error"), None);
    let a = &answer["proxies"][1];
    assert_eq!((&a["enabled"], &a["toxics"][0]["attributes"]["latency"]), (&json!(false), &json!(5)));
    for proxy in answer["proxies"].as_array().unwrap() {
        let name = proxy["name"].as_str().unwrap();
        assert_eq!(&api.get(&format!("/proxies/{name}")).await.json(), proxy);
    }
}

#[tokio::test]
async fn nothing_is_something_too() {
    for nothing in ["[]", "null"] {
        let answer = Api::new().await.post("/populate", nothing).await;
        assert_eq!((answer.status, answer.json()), (201, json!({ "proxies": [] })));
    }
}

#[tokio::test]
async fn a_proxy_that_is_there_is_kept_or_replaced() {
    let api = Api::with_proxy().await;
    api.post("/proxies/p/toxics", r#"{"type":"latency"}"#).await;
    let before = api.get("/proxies/p").await.json();
    let listen = before["listen"].as_str().unwrap();

    let same = listen.replace("127.0.0.1", "localhost");
    let body = json!([{ "name": "p", "listen": same, "upstream": "up:1", "enabled": false }]).to_string();
    assert_eq!(api.post("/populate", &body).await.json(), json!({ "proxies": [before] }));
    assert_eq!(api.host.starts().len(), 1);

    let body = json!([{ "name": "p", "listen": listen, "upstream": "up:2" }]).to_string();
    let replaced = &api.post("/populate", &body).await.json()["proxies"][0];
    assert_eq!((&replaced["upstream"], &replaced["toxics"]), (&json!("up:2"), &json!([])));
    assert_eq!((replaced["listen"].as_str(), &replaced["enabled"]), (Some(listen), &json!(true)));
}

#[tokio::test]
async fn a_proxy_whose_successor_cannot_start_stays_as_it_was() {
    let api = Api::with_proxy().await;
    api.post("/proxies/p/toxics", r#"{"type":"latency"}"#).await;
    let before = api.get("/proxies/p").await.json();
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let body = json!([{ "name": "p", "upstream": "up:2", "listen": addr }]).to_string();
    assert_eq!(api.post("/populate", &body).await.status, 500);
    assert_eq!(api.get("/proxies/p").await.json(), before);
    TcpStream::connect(before["listen"].as_str().unwrap()).await.unwrap();
}

#[tokio::test]
async fn of_two_with_one_name_the_last_one_is_there() {
    let api = Api::new().await;
    let body =
        r#"[{"name":"a","upstream":"up:1"},{"name":"b","upstream":"up:1"},{"name":"a","upstream":"up:2"}]"#;
    let answer = api.post("/populate", body).await.json();
    assert_eq!(names(&answer), ["b", "a"]);
    assert_eq!(answer["proxies"][1], api.get("/proxies/a").await.json());
    let refused = fault_proxy_control::specs(body.as_bytes(), None).unwrap_err();
    assert_eq!(refused, "duplicate proxy name `a`");
}

#[tokio::test]
async fn all_entries_make_sense_or_nothing_is_made() {
    let api = Api::new().await;
    let good = r#"{"name":"a","upstream":"up:1"}"#;
    for (bad, text) in [
        ("{}", "missing required field: name at proxy 2"),
        (r#"{"name":"b"}"#, "missing required field: upstream at proxy 2"),
        (r#"{"name":"b","upstream":5}"#, "bad request body: upstream is 5: a text is expected at proxy 2"),
        (
            r#"{"name":"b","upstream":"up"}"#,
            "bad request body: upstream `up`: missing port; write HOST:PORT, SCHEME://HOST, SCHEME://HOST:PORT or \
             unix:/PATH at proxy 2",
        ),
        (
            r#"{"name":"b","upstream":"tls://up"}"#,
            "bad request body: tls://up:443: no certificates at proxy 2",
        ),
        ("5", "bad request body: an object is expected in the array, not a number"),
        (r#"{"name":"b","upstream":"up:1","toxics":[{"type":"warp"}]}"#, "invalid toxic type at proxy 2"),
    ] {
        let answer = api.post("/populate", &format!("[{good},{bad}]")).await;
        answer.assert_refused(400, text);
        assert_eq!(answer.json()["proxies"], json!([]));
    }
    api.post("/populate", "").await.assert_refused(400, "bad request body: EOF");
    api.post("/populate", "{}")
        .await
        .assert_refused(400, "bad request body: an array is expected, not an object");
    assert_eq!(api.get("/proxies").await.json(), json!({}));
}

#[tokio::test]
async fn a_listen_address_that_makes_no_sense_ends_it_at_its_turn() {
    let api = Api::new().await;
    let body = r#"[
        {"name":"one","listen":"127.0.0.1:0","upstream":"up:1"},
        {"name":"two","listen":"local373","upstream":"up:1"},
        {"name":"three","listen":"127.0.0.1:0","upstream":"up:1"}
    ]"#;
    let answer = api.post("/populate", body).await;
    answer.assert_refused(
        500,
        "listen tcp: listen `local373`: no port; write HOST:PORT, or :PORT for all interfaces",
    );
    assert_eq!(names(&answer.json()), ["one"]);
    assert_eq!(api.get("/proxies").await.json().as_object().unwrap().len(), 1);
}

#[tokio::test]
async fn it_stops_at_the_first_that_cannot_be_started() {
    let api = Api::new().await;
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let body = json!([
        { "name": "a", "upstream": "up:1" },
        { "name": "b", "upstream": "up:1", "listen": addr },
        { "name": "c", "upstream": "up:1" },
    ]);
    let answer = api.post("/populate", &body.to_string()).await;
    answer.assert_refused(500, &format!("listen tcp {addr}: bind: address already in use"));
    assert_eq!(names(&answer.json()), ["a"]);
    assert_eq!(api.get("/proxies").await.json().as_object().unwrap().len(), 1);
}

#[tokio::test]
async fn a_proxy_whose_second_entry_cannot_be_started_is_listed_as_it_is() {
    let api = Api::new().await;
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let body = json!([
        { "name": "a", "upstream": "up:1" },
        { "name": "b", "upstream": "up:1" },
        { "name": "a", "upstream": "up:1", "listen": addr },
    ]);
    let answer = api.post("/populate", &body.to_string()).await;
    answer.assert_refused(500, &format!("listen tcp {addr}: bind: address already in use"));
    let listed = answer.json()["proxies"].clone();
    assert_eq!(listed[0]["enabled"], json!(true));
    let now = api.get("/proxies").await.json();
    assert_eq!(listed, json!([now["a"], now["b"]]));
}
