//! NATS goes away, hangs, or moves, and no byte is lost.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use crate::support::bytes::{ending, round_trip};
use crate::support::flood::Flood;
use crate::support::{Client, PATIENCE, Pair, Server, count, eventually, free_addr};
use testkit::{NatsCluster, Signal, TcpServer};

const LOST: &str = "the connection to NATS is lost";
const AGAIN: &str = "connected to NATS again";

#[test]
fn a_hung_server_is_noticed_and_its_sessions_go_on_afterwards() {
    let far_end = TcpServer::echo();
    let pair = Pair::to(far_end.addr());
    let flood = Flood::through(pair.connect());
    flood.wait_for_mib(8);
    pair.nats.pause();
    pair.both_log(LOST);
    // A connection during the outage gets no answer either.
    thread::sleep(Duration::from_secs(5));
    pair.nats.resume();
    pair.both_log(AGAIN);
    flood.wait_for_mib(8);
    flood.finish();
    round_trip(&pair.connect(), b"a new session").unwrap();
}

#[test]
fn a_client_that_connects_while_nats_is_away_is_served_when_it_is_back() {
    let far_end = TcpServer::echo();
    let pair = Pair::with(far_end.addr(), &[], &["--connect-timeout", "40s"]);
    pair.nats.kill();
    pair.both_log(LOST);
    let client = pair.connect();
    thread::scope(|scope| {
        let answer = scope.spawn(|| round_trip(&client, b"patience"));
        thread::sleep(Duration::from_secs(2));
        pair.nats.restart();
        answer.join().unwrap().unwrap();
    });
}

#[test]
fn sessions_that_begin_and_end_while_nats_blinks_are_all_served() {
    let far_end = TcpServer::reply_after_eof();
    let pair = Pair::to(far_end.addr());
    let (is_enough, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while !is_enough.load(Ordering::Relaxed) {
                    let mut client = pair.connect();
                    client.write_all(b"question").expect("open");
                    client.shutdown(Shutdown::Write).expect("open");
                    let mut reply = Vec::new();
                    client.read_to_end(&mut reply).expect("a reply and a clean end");
                    assert_eq!(reply, b"after EOF: question");
                    served.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for _ in 0..20 {
            let next = served.load(Ordering::Relaxed) + 40;
            eventually("sessions are served", || served.load(Ordering::Relaxed) >= next);
            pair.nats.kill();
            pair.nats.restart();
        }
        is_enough.store(true, Ordering::Relaxed);
    });
}

#[test]
fn an_outage_beyond_its_limit_resets_both_ends_with_the_reason() {
    let (ended, ends) = channel();
    let far_end = TcpServer::start(move |stream| {
        if round_trip_of_upstream(&stream) {
            ended.send(ending(&stream)).unwrap();
        }
    });
    let limit = ["--max-outage", "3s"];
    let pair = Pair::with(far_end.addr(), &limit, &limit);
    let client = pair.connect();
    round_trip(&client, b"!").unwrap();
    pair.nats.kill();
    assert_eq!(ending(&client), Err(ErrorKind::ConnectionReset));
    assert_eq!(ends.recv_timeout(PATIENCE).unwrap(), Err(ErrorKind::ConnectionReset));
    pair.both_log("failed: NATS was away for 3 s");

    pair.nats.restart();
    pair.both_log(AGAIN);
    eventually("new sessions work", || round_trip(&pair.connect(), b"!").is_ok());
}

/// Answers one byte. Returns `false` if no byte arrives.
fn round_trip_of_upstream(mut stream: &TcpStream) -> bool {
    let mut byte = [0];
    stream.read_exact(&mut byte).is_ok() && stream.write_all(&byte).is_ok()
}

#[test]
fn sessions_survive_the_death_of_either_ends_node() {
    let far_end = TcpServer::echo();
    let cluster = NatsCluster::start(3);
    // Each program knows one node, and learns of the others from it.
    let server = Server::at(&cluster.nodes[1].url());
    let client = Client::to(&cluster.nodes[0].url(), far_end.addr());
    let flood = Flood::through(client.connect());
    for (node, daemon, other) in [(0, &*client, &*server), (1, &*server, &*client)] {
        flood.wait_for_mib(8);
        let of_others = count(other, LOST);
        cluster.nodes[node].kill();
        eventually("it moves to another node", || count(daemon, AGAIN) == 1);
        flood.wait_for_mib(8);
        if node == 0 {
            assert_eq!(count(other, LOST), of_others, "its own node lives");
        }
        cluster.nodes[node].restart();
        cluster.wait_until_routed();
    }
    flood.finish();
    round_trip(&client.connect(), b"a new session").unwrap();
}

#[test]
fn a_node_that_shuts_down_in_lame_duck_mode_takes_no_session_along() {
    let far_end = TcpServer::echo();
    let cluster = NatsCluster::start(2);
    let server = Server::at(&cluster.nodes[0].url());
    let client = Client::to(&cluster.nodes[0].url(), far_end.addr());
    let flood = Flood::through(client.connect());
    flood.wait_for_mib(8);
    cluster.nodes[0].lame_duck();
    client.wait_for_line(AGAIN);
    server.wait_for_line(AGAIN);
    flood.wait_for_mib(8);
    flood.finish();
    round_trip(&client.connect(), b"a new session").unwrap();
}

#[test]
fn of_several_urls_one_that_answers_is_enough() {
    let far_end = TcpServer::echo();
    let cluster = NatsCluster::start(2);
    let urls = format!("{},nats://{}", cluster.urls(), free_addr());
    let _server = Server::at(&urls);
    for _ in 0..4 {
        round_trip(&Client::to(&urls, far_end.addr()).connect(), b"!").unwrap();
    }
}

#[test]
fn a_dead_server_program_is_a_reset_after_the_limit() {
    let far_end = TcpServer::echo();
    let pair = Pair::with(far_end.addr(), &[], &["--max-outage", "3s"]);
    let client = pair.connect();
    round_trip(&client, b"!").unwrap();
    pair.server.signal(Signal::KILL);
    assert_eq!(ending(&client), Err(ErrorKind::ConnectionReset));
    pair.client.wait_for_line("upstream=failed: the other end has ended");
}

#[test]
fn a_dead_client_program_is_a_reset_after_the_limit() {
    let (ended, ends) = channel();
    let far_end = TcpServer::start(move |stream| {
        assert!(round_trip_of_upstream(&stream));
        ended.send(ending(&stream)).unwrap();
    });
    let pair = Pair::with(far_end.addr(), &["--max-outage", "3s"], &[]);
    let client = pair.connect();
    round_trip(&client, b"!").unwrap();
    pair.client.signal(Signal::KILL);
    assert_eq!(ends.recv_timeout(PATIENCE).unwrap(), Err(ErrorKind::ConnectionReset));
    pair.server.wait_for_line("client=failed: the other end has ended");
}
