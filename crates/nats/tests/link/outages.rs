use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use fault_proxy_nats::{Credential, NatsConnection, Status};
use testkit::{NatsCluster, NatsServer};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::{LONG, connect, options};

async fn wait_for(status: &mut watch::Receiver<Status>, wanted: impl FnMut(&Status) -> bool) -> Status {
    *timeout(LONG, status.wait_for(wanted))
        .await
        .expect("the status changes in time")
        .expect("the link lives")
}

/// The client side of the test must go on while the server is waited for.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("it does not panic")
}

#[tokio::test]
async fn a_killed_server_comes_back() {
    let server = Arc::new(NatsServer::start());
    let link = connect(&server, Credential::None).await.unwrap();
    let mut status = link.status();
    for round in 1..=3 {
        assert_eq!(wait_for(&mut status, |status| status.is_up).await.connects, round);
        assert!(link.flush_confirmed("a.b".into(), "c.d".into(), LONG).await);
        server.kill();
        wait_for(&mut status, |status| !status.is_up).await;
        assert!(!link.is_up());
        assert!(!link.flush_confirmed("a.b".into(), "c.d".into(), Duration::from_millis(50)).await);
        let server = server.clone();
        blocking(move || server.restart()).await;
    }
    assert_eq!(wait_for(&mut status, |status| status.is_up).await.connects, 4);
    timeout(LONG, async {
        while !link.is_up() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_hung_server_is_noticed() {
    let server = NatsServer::start();
    let link = connect(&server, Credential::None).await.unwrap();
    let mut status = link.status();
    server.pause();
    wait_for(&mut status, |status| !status.is_up).await;
    server.resume();
    assert_eq!(wait_for(&mut status, |status| status.is_up).await.connects, 2);
}

#[tokio::test]
async fn a_service_may_start_before_its_nats() {
    let server = NatsServer::start();
    server.kill();
    let mut options = options(&server.url(), Credential::None);
    options.first_connect_timeout = LONG;
    let mut connecting = pin!(NatsConnection::connect(&options));
    assert!(timeout(Duration::from_millis(700), &mut connecting).await.is_err(), "it waits");
    let (_server, link) = tokio::join!(
        blocking(move || {
            server.restart();
            server
        }),
        connecting
    );
    assert!(link.unwrap().is_up());
}

#[tokio::test]
async fn another_node_of_the_cluster_takes_over() {
    let cluster = blocking(|| NatsCluster::start(2)).await;
    let link = connect(&cluster.nodes[0], Credential::None).await.unwrap();
    let mut status = link.status();
    cluster.nodes[0].kill();
    wait_for(&mut status, |status| status.is_up && status.connects == 2).await;
    assert!(link.flush_confirmed("a.b".into(), "c.d".into(), LONG).await);
}

#[tokio::test]
async fn a_closed_link_is_down_and_stays_so() {
    let server = NatsServer::start();
    let link = connect(&server, Credential::None).await.unwrap();
    link.close().await;
    assert!(!link.is_up());
    assert!(!link.flush_confirmed("a.b".into(), "c.d".into(), LONG).await);
    link.close().await;
    assert_eq!(link.status().borrow().connects, 1);
}

#[tokio::test]
async fn a_dropped_link_leaves_the_server() {
    let server = NatsServer::start();
    let link = connect(&server, Credential::None).await.unwrap();
    let mut status = link.status();
    drop(link.clone());
    assert!(link.is_up());
    drop(link);
    let ended = async { while status.changed().await.is_ok() {} };
    timeout(LONG, ended).await.expect("the connection ends");
}

/// Accepts connections in the kernel and sends nothing, as a firewall or another service may.
fn silent() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("a socket");
    listener
}

/// The INFO of a server.
fn greeting(addr: SocketAddr) -> String {
    let stream = TcpStream::connect(addr).expect("it accepts");
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).expect("it greets");
    line
}

#[tokio::test]
async fn addresses_that_say_nothing_do_not_delay_the_one_that_answers() {
    let server = Arc::new(NatsServer::start());
    let silent: Vec<_> = (0..8).map(|_| silent()).collect();
    let mut options = options(&server.url(), Credential::None);
    options
        .urls
        .extend(silent.iter().map(|silent| silent.local_addr().unwrap().to_string().parse().unwrap()));
    let link = NatsConnection::connect(&options).await.unwrap();
    let mut status = link.status();
    for round in 1..=3 {
        server.kill();
        wait_for(&mut status, |status| !status.is_up).await;
        let restarted = server.clone();
        blocking(move || restarted.restart()).await;
        // One silent address alone would take five seconds, in half of the rounds at least.
        let back = wait_for(&mut status, |status| status.is_up && status.connects > round);
        timeout(Duration::from_secs(4), back).await.expect("no silent address is waited for");
    }
}

#[tokio::test]
async fn announced_addresses_are_tried_unless_they_are_ignored() {
    for ignore in [false, true] {
        let announced = silent();
        let address = announced.local_addr().unwrap().to_string();
        let port = testkit::free_port();
        let server = Arc::new(NatsServer::with_config(&format!(
            "server_name: a\ncluster {{ name: c, listen: \"127.0.0.1:{port}\" }}"
        )));
        let _node = NatsServer::with_config(&format!(
            "server_name: b\nclient_advertise: \"{address}\"\n\
             cluster {{ name: c, listen: \"127.0.0.1:-1\", routes: [\"nats://127.0.0.1:{port}\"] }}"
        ));
        let announces = || greeting(server.addr()).contains(&address);
        timeout(LONG, async {
            while !announces() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
        .expect("the nodes find each other");
        let mut options = options(&server.url(), Credential::None);
        options.ignore_discovered_servers = ignore;
        let link = NatsConnection::connect(&options).await.unwrap();
        let mut status = link.status();
        server.kill();
        wait_for(&mut status, |status| !status.is_up).await;
        // Several attempts while nothing else is there.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let restarted = server.clone();
        blocking(move || restarted.restart()).await;
        wait_for(&mut status, |status| status.is_up).await;
        assert_eq!(announced.accept().is_ok(), !ignore);
    }
}

#[tokio::test]
async fn advice_fits_the_failure() {
    let full = NatsServer::with_config("max_connections: 1");
    let _link = connect(&full, Credential::None).await.unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let ssh = other.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = other.accept() {
            stream.write_all(b"SSH-2.0-OpenSSH_9.6\r\n").ok();
        }
    });
    for (url, advice) in [(full.url(), "raise max_connections"), (ssh, "the address of a NATS server")] {
        let mut options = options(&url, Credential::None);
        options.first_connect_timeout = Duration::ZERO;
        let error = crate::refused(&options, &[]).await.to_string();
        assert!(error.contains(advice) && !error.contains("start nats-server"), "{error}");
        assert!(error.starts_with("cannot connect to NATS at ") && !error.contains("attempt"), "{error}");
    }
}
