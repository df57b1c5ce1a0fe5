//! Clients that disconnect, and concurrent clients.

use fault_proxy_control::proxies::{ChangeError, Update};
use tokio::net::TcpStream;

use super::Api;

#[tokio::test]
async fn a_change_is_done_whether_its_client_stays_or_not() {
    let api = Api::with_proxy().await;
    let listen = api.get("/proxies/p").await.json()["listen"].as_str().unwrap().to_owned();
    api.host.hold();
    let client = api.send("POST", "/proxies/p", &["Host: localhost"], r#"{"upstream":"up:2"}"#).await;
    while TcpStream::connect(&*listen).await.is_ok() {}
    drop(client);
    for _ in 0..20 {
        // so that the server detects it and serves others in the meantime
        assert_eq!(api.get("/proxies/p").await.json()["enabled"], false);
    }
    api.host.release();
    // This request waits for its turn.
    let proxy = api.post("/proxies/p", "{}").await.json();
    assert_eq!((proxy["upstream"].as_str(), proxy["enabled"].as_bool()), (Some("up:2"), Some(true)));
    TcpStream::connect(&*listen).await.unwrap();
}

#[tokio::test]
async fn an_update_that_waited_for_a_change_by_a_client_does_not_undo_it() {
    let api = Api::with_proxy().await;
    let required = Some(api.proxies.get("p").unwrap().client_generation);
    let update = |enabled| Update { enabled: Some(enabled), required: required.clone(), ..Update::default() };
    for enabled in [false, true] {
        let own = api.proxies.update("p", update(enabled)).await.unwrap();
        assert_eq!(Some(own.client_generation), required);
    }
    api.post("/proxies/p", r#"{"enabled":true}"#).await;
    assert_eq!(Some(api.proxies.get("p").unwrap().client_generation), required, "nothing was changed");

    api.host.hold();
    let client = api.post("/proxies/p", r#"{"upstream":"up:2"}"#);
    let updating = async {
        while api.proxies.get("p").unwrap().enabled {
            tokio::task::yield_now().await;
        }
        let waiting = api.proxies.update("p", update(false));
        api.host.release();
        waiting.await
    };
    let (changed, refused) = tokio::join!(client, updating);
    assert_eq!(changed.status, 200);
    assert!(matches!(refused, Err(ChangeError::ChangedByClient)), "{refused:?}");
    let proxy = api.proxies.get("p").unwrap();
    assert_eq!((proxy.enabled, &*proxy.upstream.text), (true, "up:2"));
}

#[tokio::test]
async fn faults_are_changed_while_a_proxy_starts() {
    let api = Api::with_proxy().await;
    api.host.hold();
    let starting = api.post("/proxies", r#"{"name":"q","upstream":"up:1"}"#);
    let changing = async {
        let made = api.post("/proxies/p/toxics", r#"{"type":"latency"}"#).await;
        assert_eq!(made.status, 200);
        api.host.release();
    };
    let (started, ()) = tokio::join!(starting, changing);
    assert_eq!(started.status, 201);
}

#[tokio::test]
async fn a_reset_removes_faults_while_a_proxy_starts() {
    let api = Api::with_proxy().await;
    api.post("/proxies/p/toxics", r#"{"type":"latency"}"#).await;
    api.host.hold();
    let starting = api.post("/proxies", r#"{"name":"q","upstream":"up:1","toxics":[{"type":"latency"}]}"#);
    let resetting = api.post("/reset", "");
    let looking = async {
        while api.get("/proxies/p/toxics").await.body.trim() != "[]" {}
        api.host.release();
    };
    let (started, reset, ()) = tokio::join!(starting, resetting, looking);
    assert_eq!((started.status, reset.status), (201, 204));
    assert_eq!(api.get("/proxies/p/toxics").await.body.trim(), "[]");
}

#[tokio::test]
async fn of_two_that_make_the_same_one_is_told_that_it_exists() {
    let api = Api::new().await;
    let make = || api.post("/proxies", r#"{"name":"p","upstream":"up:1"}"#);
    let (one, other) = tokio::join!(make(), make());
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
}
