//! toxiproxy_rust, which knows all toxics but `reset_peer`, populates instead of creating, and updates nothing.

use std::thread::sleep;
use std::time::{Duration, Instant};

use toxiproxy_rust::client::Client;
use toxiproxy_rust::proxy::{Proxy, ProxyPack};

use crate::redis::{big, is_refused, Redis, LONG};
use crate::step;

const DOWN: &str = "downstream";

pub fn run(api: &str, upstream: &str, port: u16) {
    let client = Client::new(api);
    assert!(client.is_running());
    assert!(client.version().expect("a version").contains("version"));
    step("populate");
    let pack = |name: &str, listen: String| ProxyPack::new(name.to_owned(), listen, upstream.to_owned());
    let redis_pack = || pack("redis", format!("127.0.0.1:{port}"));
    let made =
        client.populate(vec![redis_pack(), pack("other", "127.0.0.1:0".to_owned())]).expect("populated");
    assert_eq!(made.len(), 2);
    let proxy = client.find_proxy("redis").expect("there");
    assert!(proxy.proxy_pack.enabled);
    let mut redis = Redis::on(port);
    redis.send(&["SET", "big", &big()]);
    redis.expect("+OK\r\n");

    step("latency, on an open session, and removed");
    let millis = u32::try_from(LONG.as_millis()).expect("a second");
    proxy.with_latency(DOWN.into(), millis, 0, 1.0);
    assert!(redis.ping() >= LONG);
    assert_eq!(proxy.toxics().expect("listed")[0].attributes["latency"], millis);
    proxy.delete_all_toxics().expect("removed");
    assert!(redis.ping() < LONG);

    step("latency upstream, and for no session at all");
    proxy
        .with_latency("upstream".into(), millis, 0, 1.0)
        .apply(|| assert!(redis.ping() >= LONG))
        .expect("applied");
    proxy.with_latency(DOWN.into(), 20_000, 0, 0.0);
    assert!(redis.ping() < Duration::from_secs(20));
    proxy.delete_all_toxics().expect("removed");

    step("bandwidth");
    let bandwidth = proxy.with_bandwidth(DOWN.into(), 100, 1.0);
    bandwidth.apply(|| assert!(redis.get_big() >= Duration::from_millis(800))).expect("applied");

    step("slicer");
    let slicer = proxy.with_slicer(DOWN.into(), 1000, 500, 10, 1.0);
    slicer.apply(|| assert!(redis.get_big() > Duration::ZERO)).expect("applied");

    step("slow_close");
    proxy.with_slow_close(DOWN.into(), 700, 1.0);
    redis.send(&["QUIT"]);
    redis.expect("+OK\r\n");
    let started = Instant::now();
    assert_eq!(redis.rest().expect("an end of file"), "");
    assert!(started.elapsed() >= Duration::from_millis(600));
    proxy.delete_all_toxics().expect("removed");

    step("timeout");
    let mut redis = Redis::on(port);
    redis.ping();
    let started = Instant::now();
    proxy.with_timeout(DOWN.into(), 500, 1.0);
    redis.send(&["PING"]);
    assert_eq!(redis.rest().expect("an end of file"), "");
    assert!(started.elapsed() >= Duration::from_millis(500));
    proxy.delete_all_toxics().expect("removed");

    step("timeout without an end, removed");
    let mut redis = Redis::on(port);
    redis.ping();
    proxy.with_timeout(DOWN.into(), 0, 1.0);
    redis.send(&["PING"]);
    sleep(Duration::from_millis(200));
    proxy.delete_all_toxics().expect("removed");
    assert_eq!(redis.rest().expect("an end of file"), "");

    step("limit_data");
    let mut redis = Redis::on(port);
    proxy.with_limit_data(DOWN.into(), 10, 1.0);
    redis.send(&["PING"]);
    redis.send(&["PING"]);
    assert_eq!(redis.rest().expect("an end of file"), "+PONG\r\n+PO");
    proxy.delete_all_toxics().expect("removed");

    step("disable and enable");
    let mut redis = Redis::on(port);
    redis.ping();
    proxy
        .with_down(|| {
            assert_eq!(redis.rest().expect("an end of file"), "");
            assert!(is_refused(port));
        })
        .expect("down");
    Redis::on(port).ping();

    step("populate again, and reset");
    proxy.with_latency(DOWN.into(), 1, 0, 1.0);
    client.populate(vec![redis_pack()]).expect("populated");
    assert_eq!(proxy.toxics().expect("listed").len(), 1);
    client.find_proxy("other").expect("there").disable().expect("disabled");
    client.reset().expect("reset");
    let all = client.all().expect("listed");
    assert!(all.values().all(|proxy: &Proxy| proxy.proxy_pack.enabled && proxy.proxy_pack.toxics.is_empty()));

    step("delete");
    for proxy in all.values() {
        proxy.delete().expect("deleted");
    }
    assert!(is_refused(port) && client.find_proxy("redis").is_err());
}
