//! noxious-client, which knows all toxics but `reset_peer`.

use std::thread::sleep;
use std::time::{Duration, Instant};

use noxious_client::{Client, ProxyConfig, StreamDirection, Toxic, ToxicKind};

use crate::redis::{big, is_refused, Redis, LONG};
use crate::step;

fn toxic(name: &str, kind: ToxicKind) -> Toxic {
    Toxic { kind, name: name.to_owned(), toxicity: 1.0, direction: StreamDirection::Downstream }
}

pub fn run(api: &str, upstream: &str, port: u16) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(scenario(api, upstream, port));
}

async fn scenario(api: &str, upstream: &str, port: u16) {
    let listen = format!("127.0.0.1:{port}");
    let client = Client::new(&format!("http://{api}"));
    step("create");
    let mut proxy = client.create_proxy("redis", &listen, upstream).await.expect("created");
    assert!(proxy.is_enabled());
    let again = client.create_proxy("redis", &listen, upstream).await.expect_err("it is there");
    assert!(format!("{again:?}").contains("proxy already exists"), "{again:?}");
    let mut redis = Redis::on(port);
    redis.send(&["SET", "big", &big()]);
    redis.expect("+OK\r\n");

    step("latency, updated and removed on an open session");
    let millis = u64::try_from(LONG.as_millis()).expect("a second");
    let latency = |latency| ToxicKind::Latency { latency, jitter: 0 };
    let added = proxy.add_toxic(&toxic("slow", latency(millis))).await.expect("added");
    assert_eq!((added.name.as_str(), added.kind), ("slow", latency(millis)));
    assert!(redis.ping() >= LONG);
    let direction = StreamDirection::Downstream;
    let updated = proxy.update_toxic("slow", 1.0, latency(2 * millis), direction).await.expect("updated");
    assert_eq!(updated.kind, latency(2 * millis));
    assert!(redis.ping() >= 2 * LONG);
    proxy.remove_toxic("slow").await.expect("removed");
    assert!(redis.ping() < LONG);

    step("latency upstream, and for no session at all");
    let up = Toxic { direction: StreamDirection::Upstream, ..toxic("up", latency(millis)) };
    let added = proxy.add_toxic(&up).await.expect("added");
    assert_eq!(added.direction, StreamDirection::Upstream);
    assert!(redis.ping() >= LONG);
    proxy.remove_toxic("up").await.expect("removed");
    proxy.add_toxic(&Toxic { toxicity: 0.0, ..toxic("never", latency(20_000)) }).await.expect("added");
    assert!(redis.ping() < Duration::from_secs(20));
    proxy.remove_toxic("never").await.expect("removed");

    step("bandwidth");
    proxy.add_toxic(&toxic("narrow", ToxicKind::Bandwidth { rate: 100 })).await.expect("added");
    assert!(redis.get_big() >= Duration::from_millis(800));
    proxy.remove_toxic("narrow").await.expect("removed");

    step("slicer");
    let slicer = ToxicKind::Slicer { average_size: 1000, size_variation: 500, delay: 10 };
    proxy.add_toxic(&toxic("slices", slicer)).await.expect("added");
    redis.get_big();
    assert_eq!(proxy.toxics().await.expect("listed").len(), 1);
    proxy.remove_toxic("slices").await.expect("removed");

    step("slow_close");
    proxy.add_toxic(&toxic("late", ToxicKind::SlowClose { delay: 700 })).await.expect("added");
    redis.send(&["QUIT"]);
    redis.expect("+OK\r\n");
    let started = Instant::now();
    assert_eq!(redis.rest().expect("an end of file"), "");
    assert!(started.elapsed() >= Duration::from_millis(600));
    proxy.remove_toxic("late").await.expect("removed");

    step("timeout");
    let mut redis = Redis::on(port);
    redis.ping();
    let started = Instant::now();
    proxy.add_toxic(&toxic("stuck", ToxicKind::Timeout { timeout: 500 })).await.expect("added");
    redis.send(&["PING"]);
    assert_eq!(redis.rest().expect("an end of file"), "");
    assert!(started.elapsed() >= Duration::from_millis(500));
    proxy.remove_toxic("stuck").await.expect("removed");

    step("timeout without an end, removed");
    let mut redis = Redis::on(port);
    redis.ping();
    proxy.add_toxic(&toxic("stuck", ToxicKind::Timeout { timeout: 0 })).await.expect("added");
    redis.send(&["PING"]);
    sleep(Duration::from_millis(200));
    proxy.remove_toxic("stuck").await.expect("removed");
    assert_eq!(redis.rest().expect("an end of file"), "");

    step("limit_data");
    let mut redis = Redis::on(port);
    proxy.add_toxic(&toxic("limit", ToxicKind::LimitData { bytes: 10 })).await.expect("added");
    redis.send(&["PING"]);
    redis.send(&["PING"]);
    assert_eq!(redis.rest().expect("an end of file"), "+PONG\r\n+PO");
    proxy.remove_toxic("limit").await.expect("removed");

    step("disable and enable");
    let mut redis = Redis::on(port);
    redis.ping();
    proxy.disable().await.expect("disabled");
    assert_eq!(redis.rest().expect("an end of file"), "");
    assert!(is_refused(port));
    proxy.enable().await.expect("enabled");
    Redis::on(port).ping();

    step("populate");
    proxy.add_toxic(&toxic("kept", latency(1))).await.expect("added");
    let mut other = ProxyConfig { name: "other".to_owned(), ..proxy.config.clone() };
    other.listen = "127.0.0.1:0".to_owned();
    // It expects an array for an answer, as its own server gives, and not the object of the API's version 2: what counts is done.
    let answered = client.populate(&[proxy.config.clone(), other]).await.map(|_| ());
    assert!(
        answered.as_ref().is_err_and(|error| error.to_string().contains("expected a sequence")),
        "{answered:?}"
    );
    assert!(client.proxy("other").await.expect("there").is_enabled());
    assert_eq!(proxy.toxics().await.expect("listed").len(), 1);

    step("reset");
    client.proxy("other").await.expect("there").disable().await.expect("disabled");
    client.reset_state().await.expect("reset");
    assert!(proxy.toxics().await.expect("listed").is_empty());
    assert!(client.proxies().await.expect("listed").values().all(|proxy| proxy.is_enabled()));

    step("delete");
    for proxy in client.proxies().await.expect("listed").into_values() {
        proxy.delete().await.expect("deleted");
    }
    assert!(is_refused(port));
    let gone = client.proxy("redis").await.expect_err("it is gone");
    assert!(format!("{gone:?}").contains("proxy not found"), "{gone:?}");
}
