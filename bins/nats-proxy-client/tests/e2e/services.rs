//! Targets that the server knows by a name, and several forwards of one client.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::support::bytes::{ending, round_trip};
use crate::support::{Client, Server, free_addr, patient};
use testkit::{NatsServer, Redis, TcpServer};

fn connect(addr: SocketAddr) -> TcpStream {
    patient(TcpStream::connect(addr).expect("the client listens"))
}

#[test]
fn services_and_targets_stand_side_by_side() {
    let (nats, redis, echo) = (NatsServer::start(), Redis::start(), TcpServer::echo());
    let redis_service = format!("redis=127.0.0.1:{}", redis.port());
    let echo_service = format!("my-echo_1=localhost:{}", echo.addr().port());
    let server = Server::with(&nats.url(), &["--service", &redis_service, "--service", &echo_service]);
    server.wait_for_line("listening on proxy.request, proxy.service.redis, proxy.service.my-echo_1");

    let [first, by_port, of_host, unknown] = std::array::from_fn(|_| free_addr());
    let forwards = [
        ["--listen-addr", &first.to_string()],
        ["--remote-addr", "nats-service:my-echo_1"],
        ["--forward", &format!("{}=nats-service:redis,{of_host}={}", by_port.port(), echo.addr())],
        ["--forward", &format!("{unknown}=nats-service:nope")],
    ];
    let client = Client::run(first, &[&["--nats-url", &*nats.url()], forwards.as_flattened()].concat(), &[]);
    client.wait_for_line(&format!("listening on {by_port} for nats-service:redis"));
    client.wait_for_line(&format!("listening on {of_host} for {}", echo.addr()));
    client.wait_for_line(&format!("listening on {unknown} for nats-service:nope"));

    let mut to_redis = connect(by_port);
    to_redis.write_all(b"PING\r\n").unwrap();
    let mut reply = [0; 7];
    to_redis.read_exact(&mut reply).unwrap();
    assert_eq!(&reply, b"+PONG\r\n");
    round_trip(&connect(first), b"by its name").unwrap();
    round_trip(&connect(of_host), b"by its address").unwrap();
    assert_eq!(ending(&connect(unknown)), Err(ErrorKind::ConnectionReset));
    client.wait_for_line("no proxy server listens on proxy.service.nope");
}

#[test]
fn a_service_is_reached_where_targets_are_not_allowed() {
    let (nats, echo) = (NatsServer::start(), TcpServer::echo());
    let service = format!("echo={}", echo.addr());
    let _server = Server::with(&nats.url(), &["--service", &service, "--deny", "127.0.0.0/8:*"]);
    let by_name = Client::to(&nats.url(), "nats-service:echo");
    round_trip(&by_name.connect(), b"its operator offers it").unwrap();
    let by_address = Client::to(&nats.url(), echo.addr());
    assert_eq!(ending(&by_address.connect()), Err(ErrorKind::ConnectionReset));
}
