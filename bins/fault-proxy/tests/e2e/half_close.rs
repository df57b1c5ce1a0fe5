//! Each direction ends on its own: a half-close is passed on, and the other direction goes on.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    sync::mpsc::{self, Receiver},
    thread,
};

use crate::support::{PATIENCE, Proxy, receive, send, tls_before, utf8};
use testkit::{Certificates, Pattern, TcpServer};

const GREETING: &[u8] = b"all I have to say";
const UPLOAD: u64 = 8 << 20;

/// Sends a distinct request to [`TcpServer::reply_after_eof`], half-closes, and expects it back.
fn ask(mut stream: &TcpStream, pattern: &Pattern, number: usize) {
    let mut request = vec![0; 8_000 + number];
    pattern.fill(number as u64, &mut request);
    stream.write_all(&request).expect("the proxy reads");
    stream.shutdown(Shutdown::Write).expect("it is connected");
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).expect("a clean end");
    assert!(reply == [TcpServer::REPLY_PREFIX, &request].concat(), "client {number}: {} bytes", reply.len());
}

fn assert_replies(proxy: &Proxy, clients: usize) {
    const AT_ONCE: usize = 100;
    let pattern = &Pattern::new(5);
    for batch in 0..clients / AT_ONCE {
        thread::scope(|scope| {
            for number in batch * AT_ONCE..(batch + 1) * AT_ONCE {
                scope.spawn(move || ask(&proxy.connect(), pattern, number));
            }
        });
    }
}

/// Returns an upstream that sends a greeting and half-closes, then reads to the end and reports the result.
fn greeter() -> (TcpServer, Receiver<io::Result<u64>>) {
    let (outcome, outcomes) = mpsc::channel();
    let far_end = TcpServer::start(move |mut stream| {
        let greeted = stream.write_all(GREETING).and_then(|()| stream.shutdown(Shutdown::Write));
        outcome.send(greeted.and_then(|()| receive(&stream, &Pattern::new(9), 0))).ok();
    });
    (far_end, outcomes)
}

fn assert_upload_after_greeting(proxy: &Proxy, upstream: &Receiver<io::Result<u64>>) {
    let mut stream = proxy.connect();
    let mut greeting = Vec::new();
    stream.read_to_end(&mut greeting).expect("the upstream's half-close");
    assert_eq!(greeting, GREETING);
    send(&stream, &Pattern::new(9), 0, UPLOAD).expect("the other direction is open");
    let received = upstream.recv_timeout(PATIENCE).expect("the client's half-close");
    assert_eq!(received.expect("nothing is changed"), UPLOAD);
    let line = proxy.wait_for_line("session ended");
    assert!(line.ends_with("client=finished upstream=finished"), "{line}");
}

#[test]
fn a_thousand_clients_that_half_close_all_get_their_whole_reply() {
    let far_end = TcpServer::reply_after_eof();
    for data_path in ["copy", "splice"] {
        assert_replies(&Proxy::with(far_end.addr(), &["--data-path", data_path]), 1_000);
    }
}

#[test]
fn an_upstream_that_half_closes_first_gets_the_rest() {
    for data_path in ["copy", "splice"] {
        let (far_end, outcome) = greeter();
        let proxy = Proxy::with(far_end.addr(), &["--data-path", data_path]);
        assert_upload_after_greeting(&proxy, &outcome);
    }
}

#[test]
fn half_closes_go_both_ways_over_tls_to_the_upstream() {
    let certificates = Certificates::generate();
    let trusting = ["--upstream-ca", utf8(certificates.ca_file())];

    let far_end = TcpServer::reply_after_eof();
    let (_tls, port) = tls_before(far_end.addr(), &certificates);
    assert_replies(&Proxy::with(format!("tls://localhost:{port}"), &trusting), 200);

    let (far_end, outcome) = greeter();
    let (_tls, port) = tls_before(far_end.addr(), &certificates);
    let proxy = Proxy::with(format!("tls://localhost:{port}"), &trusting);
    assert_upload_after_greeting(&proxy, &outcome);
}
