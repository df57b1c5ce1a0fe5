//! Bytes sent before a reset arrive before it.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use crate::support::{PATIENCE, Pair};
use testkit::{Pattern, TcpServer, require};

const ANSWER: &[u8] = b"-ERR Protocol error\r\n";

/// Answers the first bytes and closes. Bytes that it has not read make its close a reset.
fn answering() -> TcpServer {
    TcpServer::start(|mut stream| {
        stream.read_exact(&mut [0; 20]).ok();
        stream.write_all(ANSWER).ok();
    })
}

/// Sends in two parts, and reads only afterwards.
fn ask(mut stream: TcpStream) -> Vec<u8> {
    for _ in 0..2 {
        if stream.write_all(&[b'x'; 2000]).is_err() {
            break;
        }
        thread::sleep(Duration::from_millis(3));
    }
    read_to_reset(stream)
}

fn read_to_reset(mut stream: TcpStream) -> Vec<u8> {
    let mut read = Vec::new();
    let end = stream.read_to_end(&mut read);
    assert!(end.is_ok() || end.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
    read
}

fn assert_answered(pair: &Pair, connections: usize) {
    let answered = (0..connections).filter(|_| ask(pair.connect()) == ANSWER).count();
    assert_eq!(answered, connections, "connections with an answer");
}

#[test]
fn an_answer_arrives_before_the_reset_that_follows_it() {
    let upstream = answering();
    for options in [&[][..], &["--encoding", "json"]] {
        assert_answered(&Pair::with(upstream.addr(), &[], options), 200);
    }
}

#[test]
fn an_answer_that_a_fault_holds_arrives_before_the_reset() {
    let upstream = answering();
    let latency = ["--with-latency", "--latency-mean", "100ms", "--latency-direction", "both"];
    assert_answered(&Pair::with(upstream.addr(), &latency, &[]), 5);
    assert_answered(&Pair::with(upstream.addr(), &[], &latency), 5);
}

/// Takes what clients send until their connections end.
fn taking() -> (TcpServer, Receiver<(Vec<u8>, bool)>) {
    let (sender, takes) = channel();
    let upstream = TcpServer::start(move |mut stream| {
        stream.write_all(b"unread").ok();
        let mut taken = Vec::new();
        let is_reset = stream.read_to_end(&mut taken).is_err();
        sender.send((taken, is_reset)).ok();
    });
    (upstream, takes)
}

#[test]
fn what_a_client_sends_before_it_resets_arrives_before_the_reset() {
    let (upstream, takes) = taking();
    for options in [&[][..], &["--encoding", "json"]] {
        let pair = Pair::with(upstream.addr(), &[], options);
        for _ in 0..200 {
            let mut client = pair.connect();
            assert!(client.peek(&mut [0]).expect("a greeting") > 0);
            client.write_all(&[b'x'; 50_000]).expect("open");
            drop(client);
            let (taken, is_reset) = takes.recv_timeout(PATIENCE).expect("the session ends");
            assert_eq!((taken.len(), is_reset), (50_000, true));
        }
    }
}

#[test]
fn a_half_close_before_a_reset_arrives_with_everything_before_it() {
    let upstream = TcpServer::start(|mut stream| {
        stream.read_exact(&mut [0; 20]).ok();
        stream.write_all(ANSWER).ok();
        stream.shutdown(Shutdown::Write).ok();
    });
    assert_answered(&Pair::to(upstream.addr()), 100);
}

/// Less than a window of the session, so that all of it is sent without waiting.
const HELD: usize = 60_000;

#[test]
fn an_answer_survives_an_outage_of_nats_at_the_reset() {
    let (answered, answers) = channel();
    let closing = Arc::new(Barrier::new(2));
    let close = Arc::clone(&closing);
    let mut answer = vec![0; HELD];
    Pattern::new(5).fill(0, &mut answer);
    let sent = answer.clone();
    let upstream = TcpServer::start(move |mut stream| {
        stream.read_exact(&mut [0; 20]).ok();
        stream.write_all(&sent).ok();
        answered.send(()).ok();
        close.wait();
    });
    let pair = Pair::to(upstream.addr());
    for closes_first in [false, true, false, true] {
        let mut client = pair.connect();
        client.write_all(&[b'x'; 2000]).expect("open");
        answers.recv_timeout(PATIENCE).expect("an answer");
        if closes_first {
            closing.wait();
            pair.nats.kill();
        } else {
            pair.nats.kill();
            closing.wait();
        }
        thread::sleep(Duration::from_millis(300));
        pair.nats.restart();
        assert!(read_to_reset(client) == answer, "{closes_first}");
    }
}

/// curl reads nothing more once sending has failed, so an early reset would cost it the answer.
#[test]
fn an_upload_reads_its_refusal() {
    let upstream = TcpServer::start(|mut stream| {
        stream.read_exact(&mut [0; 100]).ok();
        let refusal = b"HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbig\n";
        stream.write_all(refusal).ok();
        thread::sleep(Duration::from_millis(20));
    });
    let pair = Pair::to(upstream.addr());
    let mut body = tempfile::NamedTempFile::new().expect("the temporary directory is writable");
    body.write_all(&vec![0; 3_000_000]).expect("the file is ours");
    let url = format!("http://{}/", pair.client.addr);
    let refused = (0..20).filter(|_| {
        let upload = Command::new(require("curl", "curl"))
            .args(["-s", "-m", "60", "-w", "%{http_code}", "-H", "Expect:", "-T"])
            .arg(body.path())
            .arg(&url)
            .output()
            .expect("curl runs");
        upload.status.success() && upload.stdout.ends_with(b"413")
    });
    let refused = refused.count();
    assert!(refused >= 18, "{refused} of 20 uploads read the answer");
}
