//! What a server lets its clients reach.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};

use crate::support::bytes::{ending, round_trip};
use crate::support::{Client, PATIENCE, Server, eventually, free_addr, patient};
use testkit::{NatsServer, Signal, TcpServer};

/// Each target with what refuses it, or nothing.
fn assert_reaches(rules: &[&str], targets: &[(&str, Option<&str>)]) {
    let nats = NatsServer::start();
    let server = Server::with(&nats.url(), rules);
    for (target, refusal) in targets {
        let client = Client::to(&nats.url(), target);
        let connection = client.connect();
        match refusal {
            None => round_trip(&connection, b"allowed").unwrap_or_else(|error| panic!("{target}: {error}")),
            Some(reason) => {
                assert_eq!(ending(&connection), Err(ErrorKind::ConnectionReset), "{target}");
                let line = client.wait_for_line("client reset, no upstream");
                assert!(line.contains("refused: ") && line.contains(reason), "{line}");
                let line = server.wait_for_line("client reset, no upstream");
                assert!(line.contains(reason), "{line}");
            }
        }
    }
}

#[test]
fn what_is_denied_is_a_reset_with_the_rule_however_it_is_written() {
    let (open, closed) = (TcpServer::echo(), TcpServer::echo());
    let (open, port) = (open.addr().to_string(), closed.addr().port());
    let rule = format!("127.0.0.0/8:{port}");
    let by_rule = format!("by the rule {rule}");
    let [address, name, mapped] =
        ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"].map(|host| format!("{host}:{port}"));
    let targets =
        [(&*open, None), (&address, Some(&*by_rule)), (&name, Some(&by_rule)), (&mapped, Some(&by_rule))];
    // On Debian, localhost is also ::1, where no server listens.
    assert_reaches(&["--deny", &rule, "--deny", "[::1]:*"], &targets[..2]);
    assert_reaches(&["--deny", &format!("{rule},[::1]:{port}")], &targets[1..2]);
    assert_reaches(&["--deny", &rule], &targets[3..]);
    assert_reaches(
        &["--deny", &format!("localhost:{port}")],
        &[(&name, Some(&format!("rule localhost:{port}")))],
    );
}

#[test]
fn what_is_not_allowed_is_a_reset() {
    let far_end = TcpServer::echo();
    let (allowed, other) = (far_end.addr().to_string(), free_addr().to_string());
    let targets = [(&*allowed, None), (&other, Some("is not allowed here"))];
    assert_reaches(&["--allow", &allowed], &targets);
    assert_reaches(
        &["--allow", "example.com:*", "--allow", &format!("*:{}", far_end.addr().port())],
        &targets,
    );
}

#[test]
fn a_denial_counts_more_than_an_allowance() {
    let far_end = TcpServer::echo();
    let target = far_end.addr().to_string();
    let rules = ["--allow", "*", "--deny", "127.0.0.1"];
    assert_reaches(&rules, &[(&target, Some("by the rule 127.0.0.1"))]);
}

#[test]
fn a_name_that_is_denied_is_not_looked_up() {
    assert_reaches(
        &["--deny", "nowhere.invalid"],
        &[("nowhere.invalid:80", Some("by the rule nowhere.invalid"))],
    );
    assert_reaches(&["--allow", "db"], &[("nowhere.invalid:80", Some("not allowed here"))]);
}

#[test]
fn many_denied_requests_are_a_few_lines_that_count_them() {
    const REQUESTS: usize = 300;
    let target = free_addr().to_string();
    let nats = NatsServer::start();
    let server = Server::with(&nats.url(), &["--deny", &target]);
    let client = Client::to(&nats.url(), &target);
    let ask = || assert_eq!(ending(&client.connect()), Err(ErrorKind::ConnectionReset));
    (0..REQUESTS).for_each(|_| ask());
    let lines = || server.stderr().matches("reset, no upstream").count();
    assert!(lines() < REQUESTS / 2, "{} lines", lines());
    eventually("a line counts those without one", || {
        server.stderr().contains(" clients reset, no upstream, the last because refused: ")
    });
}

#[test]
fn the_clients_of_each_forward_are_counted_in_its_own_lines() {
    const CLIENTS: usize = 20;
    let nats = NatsServer::start();
    let _server = Server::at(&nats.url());
    let other = format!("{}={}", free_addr(), free_addr());
    let client = Client::with(&nats.url(), free_addr(), &["--forward", &other]);
    let (other_addr, _) = other.split_once('=').unwrap();
    let other_addr: SocketAddr = other_addr.parse().unwrap();
    for _ in 0..CLIENTS {
        assert_eq!(ending(&client.connect()), Err(ErrorKind::ConnectionReset));
        assert_eq!(
            ending(&patient(TcpStream::connect(other_addr).unwrap())),
            Err(ErrorKind::ConnectionReset)
        );
    }
    client.signal(Signal::TERM);
    assert_eq!(client.wait(PATIENCE).code(), Some(0));
    let stderr = client.stderr();
    let counted = |addr: SocketAddr| -> usize {
        let is_of =
            |line: &&str| line.contains("reset, no upstream") && line.contains(&format!("proxy=\"{addr}="));
        let count = |line: &str| {
            let (before, _) = line.split_once(" clients reset").unwrap_or_default();
            before.rsplit(' ').next().and_then(|count| count.parse().ok()).unwrap_or(1)
        };
        stderr.lines().filter(is_of).map(count).sum()
    };
    assert_eq!([client.addr, other_addr].map(counted), [CLIENTS; 2], "{stderr}");
}

#[test]
fn messages_that_are_no_requests_are_all_counted_in_the_end() {
    const MESSAGES: usize = 50;
    let nats = NatsServer::start();
    let server = Server::with(&nats.url(), &[]);
    let mut publisher = TcpStream::connect(nats.addr()).unwrap();
    let messages = "PUB proxy.request 4\r\nnope\r\n".repeat(MESSAGES);
    write!(publisher, "CONNECT {{\"verbose\":false}}\r\n{messages}PING\r\n").unwrap();
    let mut lines = BufReader::new(&publisher).lines().map(Result::unwrap);
    assert!(lines.any(|line| line == "PONG"), "NATS has all");
    // A request that comes after them is served.
    let far_end = TcpServer::echo();
    let client = Client::to(&nats.url(), far_end.addr());
    round_trip(&client.connect(), b"served").unwrap();
    server.signal(Signal::TERM);
    assert_eq!(server.wait(PATIENCE).code(), Some(0));
    let stderr = server.stderr();
    let counted = |line: &str| {
        if line.contains("dropped a message on") {
            return Some(1);
        }
        let count = line.split_once("dropped ").map(|(_, rest)| rest.split(' ').next());
        let rest = line.split_once("since the last warning about them count=").map(|(_, count)| Some(count));
        rest.or(count)??.parse::<usize>().ok()
    };
    let counts: Vec<_> = stderr.lines().filter_map(counted).collect();
    assert_eq!(counts.iter().sum::<usize>(), MESSAGES, "{stderr}");
    assert!(counts.len() < MESSAGES, "{stderr}");
}
