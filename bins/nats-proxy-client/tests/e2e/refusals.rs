//! Servers that reach different targets.

use std::io::ErrorKind;

use crate::support::bytes::{ending, round_trip};
use crate::support::{Client, Server, count, eventually, free_addr};
use testkit::{NatsServer, TcpServer};

/// With servers of which one may reach each target.
fn assert_others_are_asked(servers: usize) {
    const VISITS: usize = 30;
    let (nats, far_ends) = (NatsServer::start(), [TcpServer::echo(), TcpServer::echo()]);
    let [one, other] = far_ends.each_ref().map(|far_end| far_end.addr().to_string());
    let closed = free_addr().to_string();
    let rules: Vec<Vec<&str>> = (0..servers)
        .map(|server| match server {
            0 => vec!["--allow", &one],
            1 => vec!["--allow", &other, "--allow", &closed],
            _ => vec!["--allow", "192.0.2.1"],
        })
        .collect();
    let servers: Vec<_> = rules.iter().map(|rules| Server::with(&nats.url(), rules)).collect();
    for target in [&one, &other] {
        let client = Client::to(&nats.url(), target);
        for visit in 0..VISITS {
            round_trip(&client.connect(), b"allowed")
                .unwrap_or_else(|error| panic!("visit {visit}: {error}"));
        }
    }
    // A target that refuses the connection has answered.
    let client = Client::to(&nats.url(), &closed);
    let dials = || servers.iter().map(|server| count(server, "Connection refused")).sum::<usize>();
    assert_eq!(ending(&client.connect()), Err(ErrorKind::ConnectionReset));
    client.wait_for_line("Connection refused");
    eventually("one server has dialed", || dials() == 1);
    // A target that no server lets its clients reach.
    let target = free_addr().to_string();
    let client = Client::to(&nats.url(), &target);
    assert_eq!(ending(&client.connect()), Err(ErrorKind::ConnectionReset));
    let line = client.wait_for_line("client reset, no upstream");
    assert_eq!(line.matches("is not allowed here").count(), 1, "{line}");
    assert!(!line.contains("refused: refused"), "{line}");
    assert_eq!(dials(), 1);
}

#[test]
fn a_server_that_may_not_reach_a_target_sends_its_clients_to_the_others() {
    assert_others_are_asked(2);
}

#[test]
fn the_one_server_of_ten_that_may_reach_a_target_is_found() {
    assert_others_are_asked(10);
}

#[test]
fn a_server_that_is_full_is_asked_again_when_the_others_refuse() {
    let (nats, far_end) = (NatsServer::start(), TcpServer::echo());
    let target = far_end.addr().to_string();
    let full = Server::with(&nats.url(), &["--max-sessions", "1"]);
    let client = Client::to(&nats.url(), &target);
    let held = client.connect();
    round_trip(&held, b"the only place").unwrap();
    let refusing = Server::with(&nats.url(), &["--allow", "192.0.2.1"]);
    let waiting = client.connect();
    refusing.wait_for_line("is not allowed here");
    drop(held);
    round_trip(&waiting, b"afterwards").unwrap();
    full.wait_for_line("session ended");
}
