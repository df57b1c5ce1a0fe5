//! HAProxy as a TCP proxy, and in front of PostgreSQL to add direct TLS.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream},
    process::{Command, Stdio},
};
use testkit::{Certificates, Haproxy, TcpServer, free_port, require};

#[test]
fn a_tcp_proxy() {
    let echo = TcpServer::echo();
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let config = format!(
        "defaults\n mode tcp\n timeout connect 10s\n timeout client 1m\n timeout server 1m\n\
         listen echo\n bind {listen}\n server echo {}\n",
        echo.addr()
    );
    let server = Haproxy::start(&config, listen);
    let mut stream = TcpStream::connect(listen).unwrap();
    stream.write_all(b"through haproxy").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    assert_eq!(reply, "through haproxy");
    assert_eq!(server.pids().len(), 1);
}

/// Returns what a TLS client that requests these protocols reads from a server that sends first.
fn greeting_over_tls(port: u16, alpn: &[&str]) -> String {
    let mut client = Command::new(require("openssl", "openssl"))
        .args(["s_client", "-quiet", "-connect", &format!("127.0.0.1:{port}")])
        .args(alpn)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl is executable");
    let mut greeting = vec![0; 8];
    let read =
        client.stdout.take().expect("stdout is piped").read(&mut greeting).expect("a pipe is readable");
    client.kill().expect("the child is ours");
    client.wait().expect("the child is ours");
    greeting.truncate(read);
    String::from_utf8_lossy(&greeting).into_owned()
}

#[test]
fn direct_tls_takes_only_clients_that_ask_for_postgresql() {
    let backend = TcpServer::banner(b"database");
    let (certificates, port) = (Certificates::generate(), free_port());
    let _server = Haproxy::pg_direct_tls(&certificates, port, backend.addr().port());
    assert_eq!(greeting_over_tls(port, &["-alpn", "postgresql"]), "database");
    assert_eq!(greeting_over_tls(port, &["-alpn", "h2,postgresql"]), "database");
    assert_eq!(greeting_over_tls(port, &["-alpn", "http/1.1"]), "");
    assert_eq!(greeting_over_tls(port, &[]), "");
}
