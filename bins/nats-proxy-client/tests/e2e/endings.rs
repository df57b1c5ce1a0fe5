//! Ends of file, resets and refusals come out as they went in.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use crate::support::bytes::{ending, round_trip};
use crate::support::{PATIENCE, Pair, count, eventually, free_addr};
use testkit::{TcpServer, abort};

#[test]
fn a_clients_half_close_gets_the_reply_that_waits_for_it() {
    let far_end = TcpServer::reply_after_eof();
    let pair = Pair::to(far_end.addr());
    for _ in 0..20 {
        let mut client = pair.connect();
        client.write_all(b"question").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut reply = Vec::new();
        client.read_to_end(&mut reply).unwrap();
        assert_eq!(reply, b"after EOF: question");
    }
    for log in [&*pair.client, &*pair.server] {
        eventually("all sessions end", || count(log, "client=finished upstream=finished") == 20);
    }
}

#[test]
fn an_upstreams_half_close_leaves_the_other_direction_open() {
    let (heard, hears) = channel();
    let far_end = TcpServer::start(move |mut stream| {
        stream.write_all(b"that is all").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        heard.send(rest).unwrap();
    });
    let pair = Pair::to(far_end.addr());
    let mut client = pair.connect();
    let mut reply = Vec::new();
    client.read_to_end(&mut reply).unwrap();
    assert_eq!(reply, b"that is all");
    for part in [&b"but "[..], b"not ", b"mine"] {
        client.write_all(part).unwrap();
    }
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(hears.recv_timeout(PATIENCE).unwrap(), b"but not mine");
}

/// The reset, with the reason in both logs.
fn assert_refused(pair: &Pair, reason: &str) {
    assert_eq!(ending(&pair.connect()), Err(ErrorKind::ConnectionReset));
    let line = pair.server.wait_for_line("client reset, no upstream");
    assert!(line.contains(reason), "{line}");
    let line = pair.client.wait_for_line("client reset, no upstream");
    assert!(line.contains("refused: ") && line.contains(reason), "{line}");
}

#[test]
fn a_target_that_refuses_is_a_reset_with_the_reason() {
    let nobody = free_addr();
    assert_refused(&Pair::to(nobody), &format!("cannot connect to {nobody}"));
}

#[test]
fn a_name_that_does_not_resolve_is_a_reset_with_the_reason() {
    let wait = ["--connect-timeout", "40s"];
    assert_refused(&Pair::with("nowhere.invalid:80", &wait, &wait), "cannot resolve `nowhere.invalid`");
}

#[test]
fn a_clients_reset_reaches_its_upstream() {
    let (ended, ends) = channel();
    let far_end = TcpServer::start(move |mut stream| {
        stream.write_all(b"!").unwrap();
        ended.send(ending(&stream)).unwrap();
    });
    let pair = Pair::to(far_end.addr());
    for _ in 0..20 {
        let mut client = pair.connect();
        client.read_exact(&mut [0]).unwrap();
        abort(client);
        assert_eq!(ends.recv_timeout(PATIENCE).unwrap(), Err(ErrorKind::ConnectionReset));
    }
}

#[test]
fn an_upstreams_reset_reaches_its_client() {
    let far_end = TcpServer::start(|mut stream| {
        stream.read_exact(&mut [0]).unwrap();
        abort(stream);
    });
    let pair = Pair::to(far_end.addr());
    for _ in 0..20 {
        let mut client = pair.connect();
        client.write_all(b"!").unwrap();
        assert_eq!(ending(&client), Err(ErrorKind::ConnectionReset));
    }
    for log in [&*pair.client, &*pair.server] {
        eventually("all sessions end", || count(log, "upstream=aborted") == 20);
    }
}

#[test]
fn a_target_that_resets_at_once_is_a_reset_and_no_end_of_file() {
    let far_end = TcpServer::reset_on_connect();
    let pair = Pair::to(far_end.addr());
    for _ in 0..50 {
        assert_eq!(ending(&pair.connect()), Err(ErrorKind::ConnectionReset));
    }
}

#[test]
fn an_upstream_may_speak_first() {
    let far_end = TcpServer::banner(b"220 ready\r\n");
    let pair = Pair::to(far_end.addr());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let mut client = pair.connect();
                    let mut greeting = [0; 11];
                    client.read_exact(&mut greeting).expect("a greeting");
                    assert_eq!(&greeting, b"220 ready\r\n");
                    client.shutdown(Shutdown::Write).expect("open");
                    assert_eq!(ending(&client), Ok(()));
                }
            });
        }
    });
}

#[test]
fn a_session_may_be_silent_for_long() {
    let far_end = TcpServer::echo();
    let pair = Pair::with(far_end.addr(), &["--max-outage", "3s"], &["--max-outage", "3s"]);
    let client = pair.connect();
    round_trip(&client, b"before").unwrap();
    // The silence itself, not a wait for something.
    thread::sleep(Duration::from_secs(20));
    round_trip(&client, b"afterwards").unwrap();
}
