//! `/events`.

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};

use super::Api;

#[tokio::test]
async fn it_tells_the_state_at_once_and_again() {
    let api = Api::with_proxy().await;
    let stream = api.send("GET", "/events", &["Host: localhost", "X-Fault-Proxy-Page: 1"], "").await;
    let mut lines = BufReader::new(stream).lines();
    assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("HTTP/1.1 200 OK"));
    let mut states = Vec::new();
    while states.len() < 2 {
        let line = lines.next_line().await.unwrap().expect("it goes on");
        if let Some(state) = line.strip_prefix("data: ") {
            states.push(serde_json::from_str::<Value>(state).unwrap());
            api.post("/proxies", r#"{"name":"q","upstream":"up:1"}"#).await;
        }
    }
    let names = |state: &Value| {
        let proxies = state["proxies"].as_array().unwrap();
        proxies.iter().map(|proxy| proxy["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&states[0]), ["p"]);
    assert_eq!(names(&states[1]), ["p", "q"]);
    let uptime = |state: &Value| state["uptime_ms"].as_u64().unwrap();
    assert!(uptime(&states[1]) >= uptime(&states[0]) + 900, "{states:?}");
}
