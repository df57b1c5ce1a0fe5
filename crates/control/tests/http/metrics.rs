//! Metrics of a scrape.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use fault_proxy_control::{Metrics, SessionMetrics};
use fault_proxy_relay::{Config, Relay, Route, Shutdown, TcpAcceptor, TcpConnector};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;

use super::{get, no_metrics, parts, ready, request_with, while_serving};

/// Returns every sample by its name and labels.
fn samples(answer: &str) -> BTreeMap<String, f64> {
    let (status, body) = parts(answer);
    assert_eq!(status, "200");
    assert!(body.ends_with("# EOF\n"), "{body}");
    let samples = body.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let (name, value) = line.rsplit_once(' ').expect("a name and a value");
        (name.to_owned(), value.parse().expect("a number"))
    });
    samples.collect()
}

#[tokio::test]
async fn it_says_what_runs_and_what_the_caller_added() {
    let mut metrics = Metrics::new("nats-proxy-server", "1.2.3");
    metrics.gauge("nats_up", "Whether NATS is connected", || 1.0);
    metrics.counter("nats_reconnects", "Times that NATS came back", || 7);
    while_serving(ready(), metrics, &Shutdown::new(), async |server| {
        let answer = get(server, "/metrics").await;
        let content_type = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n";
        assert!(answer.contains(content_type), "{answer}");
        assert!(answer.contains("# TYPE nats_proxy_server_nats_up gauge\n"), "{answer}");
        assert!(answer.contains("# TYPE nats_proxy_server_nats_reconnects counter\n"), "{answer}");
        let samples = samples(&answer);
        assert_eq!(samples["nats_proxy_server_build_info{version=\"1.2.3\"}"], 1.0);
        assert_eq!(samples["nats_proxy_server_nats_up"], 1.0);
        assert_eq!(samples["nats_proxy_server_nats_reconnects_total"], 7.0);
    })
    .await;
}

#[tokio::test]
async fn labels_are_there_before_the_first_session() {
    let mut metrics = Metrics::new("p", "1");
    metrics.watch(&SessionMetrics::default());
    while_serving(ready(), metrics, &Shutdown::new(), async |server| {
        let samples = samples(&get(server, "/metrics").await);
        assert_eq!(samples["p_sessions_active"], 0.0);
        assert_eq!(samples["p_errors_total{reason=\"refused\"}"], 0.0);
        for end in ["clean", "aborted", "failed", "not_opened", "cut", "closed"] {
            assert_eq!(samples[&format!("p_sessions_total{{end=\"{end}\"}}")], 0.0);
        }
        for direction in ["to_upstream", "to_downstream"] {
            assert_eq!(samples[&format!("p_bytes_total{{direction=\"{direction}\"}}")], 0.0);
        }
        assert_eq!(samples["p_session_duration_seconds_count"], 0.0);
    })
    .await;
}

/// Responds to the first three bytes of each client with four bytes, and stays connected as long as the
/// client.
async fn upstream(listener: TcpListener) {
    loop {
        let (mut stream, _) = listener.accept().await.expect("it listens");
        let mut request = [0; 3];
        if stream.read_exact(&mut request).await.is_ok() {
            stream.write_all(b"four").await.expect("the relay reads");
        }
        stream.read_to_end(&mut Vec::new()).await.ok();
    }
}

#[tokio::test]
async fn sessions_are_counted_by_how_they_end() {
    let upstream_listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream_addr = upstream_listener.local_addr().unwrap();
    let acceptor = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let relay_addr = acceptor.local_addr().unwrap();
    let refusing = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let refusing_addr = refusing.local_addr().unwrap();

    let mut metrics = Metrics::new("p", "1");
    let watch = SessionMetrics::default();
    metrics.watch(&watch);
    let relay = watch.on(&Relay::new(Config::default()));
    let (told, mut ended) = mpsc::channel(10);
    let relay = relay.on_session_end(move |summary| {
        watch.ended(summary);
        told.try_send(()).expect("room");
    });
    let shutdown = Shutdown::new();

    let test = async |server: SocketAddr| {
        let mut client = client(relay_addr).await;
        // Open sessions count as well.
        let open = samples(&get(server, "/metrics").await);
        assert_eq!(open["p_sessions_active"], 1.0);
        assert_eq!(open["p_sessions_opened_total"], 1.0);
        assert_eq!(open["p_bytes_total{direction=\"to_upstream\"}"], 3.0);
        assert_eq!(open["p_connect_duration_seconds_count"], 1.0);
        client.shutdown().await.unwrap();
        ended.recv().await.unwrap();

        let mut refused = TcpStream::connect(refusing_addr).await.unwrap();
        refused.read_to_end(&mut Vec::new()).await.unwrap_err();
        ended.recv().await.unwrap();

        let client = self::client(relay_addr).await;
        client.set_zero_linger().unwrap();
        drop(client);
        ended.recv().await.unwrap();

        let samples = samples(&get(server, "/metrics").await);
        for (end, count) in
            [("clean", 1.0), ("aborted", 1.0), ("failed", 0.0), ("not_opened", 1.0), ("cut", 0.0)]
        {
            assert_eq!(samples[&format!("p_sessions_total{{end=\"{end}\"}}")], count, "{end}");
        }
        assert_eq!(samples["p_bytes_total{direction=\"to_upstream\"}"], 6.0);
        assert_eq!(samples["p_bytes_total{direction=\"to_downstream\"}"], 8.0);
        assert_eq!(samples["p_session_duration_seconds_count"], 3.0);
        assert_eq!(samples["p_session_duration_seconds_bucket{le=\"+Inf\"}"], 3.0);
        assert_eq!(samples["p_sessions_active"], 0.0);
        assert_eq!(samples["p_errors_total{reason=\"refused\"}"], 1.0);
    };

    // The socket is bound, so that no other program listens on its port.
    let nobody = TcpSocket::new_v4().unwrap();
    nobody.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let nobody_addr = nobody.local_addr().unwrap();
    tokio::select! {
        () = while_serving(ready(), metrics, &shutdown, test) => {}
        () = upstream(upstream_listener) => {}
        () = relay.run(acceptor_of(acceptor), Route::to(to(upstream_addr)), &shutdown) => {}
        () = relay.run(acceptor_of(refusing), Route::to(to(nobody_addr)), &shutdown) => {}
    }
}

fn acceptor_of(listener: TcpListener) -> TcpAcceptor {
    TcpAcceptor::new(listener).expect("a TCP listener")
}

fn to(addr: SocketAddr) -> TcpConnector {
    TcpConnector::new(addr.ip().to_string(), addr.port())
}

/// Returns a client that has received a response.
async fn client(relay: SocketAddr) -> TcpStream {
    let mut client = TcpStream::connect(relay).await.expect("the relay accepts");
    client.write_all(b"ask").await.expect("the relay reads");
    let mut reply = [0; 4];
    client.read_exact(&mut reply).await.expect("the upstream answers");
    client
}

#[tokio::test]
async fn a_client_that_asks_for_the_older_text_format_gets_it() {
    let mut metrics = no_metrics();
    metrics.counter("jobs", "Jobs done", || 3);
    metrics.gauge("load", "How much there is to do", || 0.5);
    metrics.watch(&SessionMetrics::default());
    while_serving(ready(), metrics, &Shutdown::new(), async |server| {
        let answer = request_with(server, "GET", "/metrics", "Accept: text/plain;version=0.0.4").await;
        assert!(answer.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{answer}");
        let (status, body) = parts(&answer);
        assert_eq!(status, "200");
        for lines in [
            "# HELP test_jobs_total Jobs done.\n# TYPE test_jobs_total counter\ntest_jobs_total 3\n",
            "# TYPE test_load gauge\ntest_load 0.5\n",
            "# TYPE test_build_info gauge\ntest_build_info{version=\"1.2.3\"} 1\n",
            "# TYPE test_session_duration_seconds histogram\n",
        ] {
            assert!(body.contains(lines), "no {lines:?} in {body}");
        }
        assert!(!body.contains("# EOF") && !body.contains("# UNIT"), "{body}");
        for line in body.lines().filter(|line| line.ends_with(" counter")) {
            let name = line.strip_prefix("# TYPE ").and_then(|rest| rest.strip_suffix(" counter")).unwrap();
            assert!(body.lines().all(|line| !line.starts_with(&format!("{name}_total"))), "{name}");
        }
    })
    .await;
}
