//! Redis, over a raw socket.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
};
use testkit::{Redis, RedisCluster, free_port};

#[test]
fn it_answers_and_ends_with_its_guard() {
    let server = Redis::start();
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    stream.write_all(b"PING\r\n").unwrap();
    let mut reply = [0; 7];
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(&reply, b"+PONG\r\n");

    let pids = server.pids();
    let name = fs::read_to_string(format!("/proc/{}/comm", pids[0])).unwrap();
    assert_eq!(name, "redis-server\n");
    drop(server);
    assert!(!fs::exists(format!("/proc/{}", pids[0])).unwrap());
    assert!(TcpStream::connect(stream.peer_addr().unwrap()).is_err());
}

#[test]
fn servers_started_at_once_do_not_meet() {
    let servers: Vec<Redis> = (0..4).map(|_| Redis::start()).collect();
    let mut ports: Vec<u16> = servers.iter().map(Redis::port).collect();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), 4);
}

#[test]
fn a_cluster_redirects_to_the_announced_port() {
    let cluster = RedisCluster::start([free_port(), free_port()], [1001, 1002]);
    let mut stream = TcpStream::connect(("127.0.0.1", cluster.nodes()[0].port())).unwrap();
    stream.write_all(b"GET foo\r\n").unwrap();
    let mut reply = [0; 29];
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(&reply, b"-MOVED 12182 127.0.0.1:1002\r\n");
}
