//! Upstreams whose names have several addresses, or whose name server is silent.

mod support;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream as StdStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use fault_proxy_relay::{Config, ConnectError, Resolver, Route, TcpConnector, error_chain};
use socket2::{Domain, Socket, Type};
use support::{Running, in_time};
use testkit::TcpServer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An address whose system drops what is sent to it: its backlog is full.
struct Dead {
    addr: SocketAddr,
    _listener: Socket,
    _clients: Vec<Socket>,
}

impl Dead {
    fn new(host: Ipv4Addr, port: u16) -> Self {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        listener.bind(&SocketAddr::from((host, port)).into()).expect("a free port");
        listener.listen(0).expect("bound");
        let addr = listener.local_addr().ok().and_then(|addr| addr.as_socket()).expect("bound");
        let fill = || {
            let client = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
            client.set_nonblocking(true).expect("open");
            client.connect(&addr.into()).ok();
            client
        };
        let clients = (0..4).map(|_| fill()).collect();
        let probe = StdStream::connect_timeout(&addr, Duration::from_millis(100));
        assert_eq!(probe.expect_err("nobody answers").kind(), io::ErrorKind::TimedOut);
        Self { addr, _listener: listener, _clients: clients }
    }
}

/// To a name that has these addresses, on `port`.
fn connector(addresses: Vec<SocketAddr>, port: u16) -> TcpConnector {
    TcpConnector::with_resolver(Resolver::with_lookup(move |_| Ok(addresses.clone())), "name", port)
}

#[tokio::test]
async fn an_address_that_does_not_answer_delays_a_session_by_a_quarter_of_a_second() {
    let far_end = TcpServer::echo();
    let port = far_end.addr().port();
    let (one, other) = (Dead::new([127, 0, 0, 8].into(), port), Dead::new([127, 0, 0, 9].into(), port));
    for (addresses, at_least) in [
        (vec![one.addr, far_end.addr()], 250),
        (vec![one.addr, other.addr, far_end.addr()], 500),
        (vec![far_end.addr(), one.addr], 0),
    ] {
        // An equal share of this for each address would be longer than the test waits.
        let connector = connector(addresses, port).with_timeout(Duration::from_secs(3600));
        let mut running = Running::start(Config::default(), Route::to(connector)).await;
        for _ in 0..2 {
            let began = Instant::now();
            let mut client = TcpStream::connect(running.addr).await.expect("listening");
            client.write_all(b"x").await.expect("open");
            in_time("the echo", client.read_exact(&mut [0; 1])).await.expect("delivered");
            assert!(began.elapsed() >= Duration::from_millis(at_least), "{:?}", began.elapsed());
            drop(client);
            running.summary().await;
        }
    }
}

#[tokio::test]
async fn addresses_that_do_not_answer_share_one_timeout() {
    let one = Dead::new([127, 0, 0, 8].into(), 0);
    let other = Dead::new([127, 0, 0, 9].into(), one.addr.port());
    let limit = Duration::from_millis(600);
    let dead = connector(vec![one.addr, other.addr], one.addr.port()).with_timeout(limit);
    let began = Instant::now();
    let error = in_time("the end", dead.connect_tcp()).await.expect_err("nobody answers");
    assert!(matches!(error, ConnectError::TimedOut { after, .. } if after == limit), "{error}");
    assert!(began.elapsed() >= limit);
    let each =
        format!("name:{} within 0.6s: {}: no answer; {}: no answer", one.addr.port(), one.addr, other.addr);
    assert!(error.to_string().ends_with(&each), "{error}");
}

#[tokio::test]
async fn a_failed_connect_names_each_address_with_its_error() {
    let dead = Dead::new([127, 0, 0, 8].into(), 0);
    let port = dead.addr.port();
    let refused = SocketAddr::from(([127, 0, 0, 7], port));
    let refused_v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
    let both_families = [format!("{refused_v6}: "), format!("{}: no answer", dead.addr)];
    for (addresses, expected) in [
        (
            vec![refused, dead.addr],
            [format!("{refused}: Connection refused"), format!("; {}: no answer", dead.addr)],
        ),
        (
            vec![dead.addr, refused],
            [format!("{refused}: Connection refused"), format!("; {}: no answer", dead.addr)],
        ),
        (vec![refused_v6, dead.addr], both_families.clone()),
        (vec![dead.addr, refused_v6], both_families),
        (vec![dead.addr], [format!("name:{port} within 1s: "), format!("{}: no answer", dead.addr)]),
        (
            vec![refused],
            [format!("cannot connect to name:{port}: "), format!("{refused}: Connection refused")],
        ),
    ] {
        let connector = connector(addresses.clone(), port).with_timeout(Duration::from_secs(1));
        let error =
            in_time("the end", connector.connect_tcp()).await.expect_err("nobody accepts").to_string();
        assert!(expected.iter().all(|part| error.contains(part)), "{addresses:?}: {error}");
    }
    // The target is the address.
    let connector = TcpConnector::new("127.0.0.7", port);
    let error = connector.connect_tcp().await.expect_err("nobody listens there").to_string();
    assert!(error.starts_with(&format!("cannot connect to {refused}: Connection refused")), "{error}");
}

#[tokio::test]
async fn a_look_up_without_an_answer_names_the_host_and_the_timeout() {
    let (end, ended) = mpsc::channel::<()>();
    let ended = Mutex::new(ended);
    let resolver = Resolver::with_lookup(move |_| {
        ended.lock().expect("the only lookup").recv().ok();
        Ok(Vec::new())
    });
    let connector = TcpConnector::with_resolver(resolver, "name", 5432);
    let connector = connector.with_timeout(Duration::from_millis(300));
    let error = in_time("the end", connector.connect_tcp()).await.expect_err("no name server answers");
    // The runtime waits for the thread of the lookup.
    drop(end);
    assert_eq!(error.reason(), "resolve");
    let expected =
        "cannot resolve `name`: no answer within 0.3s, the time limit to connect; check the name servers";
    let text = error_chain(&error);
    assert!(text.starts_with(expected), "{text}");
}

#[tokio::test]
async fn each_session_meets_the_address_that_the_name_has_then() {
    let far_end = TcpServer::echo();
    let port = far_end.addr().port();
    let nobody = SocketAddr::from(([127, 0, 0, 7], port));
    let lookups = AtomicUsize::new(0);
    let resolver = Resolver::with_lookup(move |_| {
        let is_first = lookups.fetch_add(1, Ordering::Relaxed) == 0;
        Ok(vec![if is_first { nobody } else { far_end.addr() }])
    });
    let connector = TcpConnector::with_resolver(resolver, "name", port);
    connector.connect_tcp().await.expect_err("nobody listens there");
    connector.connect_tcp().await.expect("the name has another address by now");
}
