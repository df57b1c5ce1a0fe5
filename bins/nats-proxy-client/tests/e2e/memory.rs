//! `--memory-limit` bounds the memory that peers make the programs hold.

use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use crate::support::bytes::round_trip;
use crate::support::member::{Member, REQUEST};
use crate::support::{self, Client, MIB, Server, patient};
use testkit::{Daemon, NatsServer, TcpServer, resident_bytes};

const LIMIT: [&str; 2] = ["--memory-limit", "16MiB"];
/// Memory that the limit does not count: messages on their way through the program.
const ON_THE_WAY: u64 = 32 * MIB;
/// Sent to each session that has no credit, in bytes.
const SENT: u64 = 24 * MIB;
const SESSIONS: u64 = 8;
const WARNING: &str = "memory limit reached";
const OF_RELIABLE: &str = "proxy-version: 1\r\nproxy-encodings: binary\r\n";

/// Accepts and never reads, until it has had a byte for too long.
fn deaf() -> TcpServer {
    TcpServer::start(|stream| {
        while stream.peek(&mut [0]).is_ok_and(|length| length > 0) {
            thread::sleep(Duration::from_millis(100));
        }
    })
}

/// Sends as much as it may.
fn talking() -> TcpServer {
    TcpServer::start(|mut stream| while stream.write_all(&[7; 64 << 10]).is_ok() {})
}

/// A program that is attacked, and an honest session through it.
struct Attacked<'a> {
    program: &'a Daemon,
    before: u64,
    honest: TcpStream,
}

impl<'a> Attacked<'a> {
    fn new(program: &'a Daemon, honest: TcpStream) -> Self {
        round_trip(&honest, b"before").expect("an echo");
        Self { program, before: resident_bytes(program.pid()), honest }
    }

    /// The program has taken what came before the echo.
    fn check(&self) {
        round_trip(&self.honest, b"meanwhile").expect("an echo");
        let growth = resident_bytes(self.program.pid()).saturating_sub(self.before);
        assert!(growth < 16 * MIB + ON_THE_WAY, "{} MiB", growth / MIB);
    }
}

/// A message of a session of the plain protocol.
fn plain_message(id: &str) -> Vec<u8> {
    let data = base64_simd::STANDARD.encode_to_string(vec![7; 32 << 10]);
    format!(r#"{{"ID":"{id}","Reply":"","Data":"{data}","Metadata":null}}"#).into_bytes()
}

/// Sends more than the session may hold.
fn flood(member: &mut Member, subject: &str, id: &str, attacked: &Attacked<'_>) {
    let message = plain_message(id);
    for sent in 0..SENT >> 15 {
        member.publish(subject, &message);
        if sent % 64 == 63 {
            attacked.check();
        }
    }
}

#[test]
fn plain_sessions_to_a_target_that_does_not_read_are_ended() {
    let (nats, deaf, echo) = (NatsServer::start(), deaf(), TcpServer::echo());
    let server = Server::with(&nats.url(), &LIMIT);
    let client = Client::to(&nats.url(), echo.addr());
    let attacked = Attacked::new(&server, client.connect());
    let mut member = Member::at(nats.addr());
    for _ in 0..SESSIONS {
        let id = member.open(deaf.addr().port(), "").expect("a session");
        flood(&mut member, &format!("p.data.to_server.{id}"), &id, &attacked);
    }
    server.wait_for_line(WARNING);
    server.wait_for_line("client=failed: this end's memory limit is reached");
    round_trip(&client.connect(), b"a new session").expect("an echo");
}

#[test]
fn peers_that_never_acknowledge_are_stopped_and_ended() {
    let (nats, talking, echo) = (NatsServer::start(), talking(), TcpServer::echo());
    let server = Server::with(&nats.url(), &LIMIT);
    let client = Client::to(&nats.url(), echo.addr());
    let attacked = Attacked::new(&server, client.connect());
    let mut member = Member::at(nats.addr());
    // `seq`, `ack` and `got` of 0, and all the credit there is.
    let frame = [&[0xb1][..], &[0; 21], &[0xff; 4]].concat();
    for opened in 0.. {
        let id = match member.open(talking.addr().port(), OF_RELIABLE) {
            Ok(id) => id,
            Err(refusal) => {
                assert!(refusal.contains(r#""retry":"true""#) && opened > 2, "{opened}: {refusal}");
                break;
            }
        };
        member.subscribe(&format!("p.data.to_client.{id}"));
        member.publish(&format!("p.data.to_server.{id}"), &frame);
        attacked.check();
    }
    server.wait_for_line(WARNING);
    attacked.check();
    // Sessions that hold much and do not move are ended after a while, and there is room for others.
    server.wait_for_line("client=failed: this end's memory limit is reached");
    round_trip(&client.connect(), b"a new session").expect("an echo");
    attacked.check();
}

#[test]
fn a_server_that_sends_too_much_is_ended_by_the_client() {
    let (nats, honest_nats, echo) = (NatsServer::start(), NatsServer::start(), TcpServer::echo());
    let _server = Server::at(&honest_nats.url());
    let honest = Client::to(&honest_nats.url(), echo.addr());
    let mut member = Member::at(nats.addr());
    member.subscribe("proxy.request");
    let client = Client::with(&nats.url(), "far:1", &LIMIT);
    let mut attacked = Attacked::new(&honest, honest.connect());
    (attacked.program, attacked.before) = (&client, resident_bytes(client.pid()));
    let mut applications = Vec::new();
    for number in 0..SESSIONS {
        // It never reads.
        let application = patient(client.connect());
        let reply = member.next().reply.expect("clients wait for a reply");
        let id = format!("{number:032x}");
        let data = base64_simd::STANDARD.encode_to_string(&id);
        let body = format!(r#"{{"ID":"","Reply":"","Data":"{data}","Metadata":{{}}}}"#);
        member.publish(&reply, body.as_bytes());
        thread::sleep(Duration::from_millis(200));
        flood(&mut member, &format!("p.data.to_client.{id}"), &id, &attacked);
        applications.push(application);
    }
    client.wait_for_line(WARNING);
    client.wait_for_line("upstream=failed: this end's memory limit is reached");
}

#[test]
fn large_requests_are_refused() {
    let (nats, echo) = (NatsServer::start(), TcpServer::echo());
    let server = Server::at(&nats.url());
    let mut member = Member::at(nats.addr());
    let data = base64_simd::STANDARD.encode_to_string(vec![7; 64 << 10]);
    let large = format!(r#"{{"ID":"","Reply":"","Data":"{data}","Metadata":null}}"#);
    let refusal = member.ask(echo.addr().port(), "", large.as_bytes());
    assert!(refusal.contains(r#""error":"true""#), "{refusal}");
    let headers = format!("padding: {}\r\n", "x".repeat(64 << 10));
    let refusal = member.ask(echo.addr().port(), &headers, REQUEST);
    assert!(refusal.contains(r#""error":"true""#), "{refusal}");
    assert!(server.wait_for_line("dropped a message on proxy.request").contains("at most 65536"));
    member.open(echo.addr().port(), "").expect("a session");
}

#[test]
fn a_limit_that_is_too_small_is_refused() {
    let server = support::spawn(&support::server_binary(), &["--memory-limit", "1MiB"], &[]);
    assert_eq!(server.wait(support::PATIENCE).code(), Some(2));
    assert!(server.stderr().contains("1MiB is less than 16MiB"), "{}", server.stderr());
}
