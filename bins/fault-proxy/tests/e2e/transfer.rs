//! All data is forwarded unchanged.

use std::{
    fs, io,
    net::TcpStream,
    sync::mpsc::{self, Receiver},
    thread,
};

use crate::support::{PATIENCE, Proxy, eventually, receive, send, tls_before, utf8};
use testkit::{Certificates, Pattern, TcpServer};

const MIB: u64 = 1 << 20;
const UP: u64 = 1;
const DOWN: u64 = 2;

/// Sends `length` bytes of the pattern `ours` while it receives those of the pattern `theirs`.
fn exchange(stream: &TcpStream, ours: u64, theirs: u64, length: u64) -> io::Result<u64> {
    thread::scope(|scope| {
        let sending = scope.spawn(|| send(stream, &Pattern::new(ours), 0, length));
        let received = receive(stream, &Pattern::new(theirs), 0);
        sending.join().expect("sending does not panic")?;
        received
    })
}

/// Returns an upstream that exchanges `length` bytes with its only client and reports the result.
fn exchanging(length: u64) -> (TcpServer, Receiver<io::Result<u64>>) {
    let (outcome, outcomes) = mpsc::channel();
    let far_end = TcpServer::start(move |stream| {
        outcome.send(exchange(&stream, DOWN, UP, length)).ok();
    });
    (far_end, outcomes)
}

fn assert_both_ways(proxy: &Proxy, upstream: &Receiver<io::Result<u64>>, length: u64) {
    assert_eq!(exchange(&proxy.connect(), UP, DOWN, length).expect("to the client"), length);
    let received = upstream.recv_timeout(PATIENCE).expect("the upstream ends when its client does");
    assert_eq!(received.expect("to the upstream"), length);
    let line = proxy.wait_for_line("session ended");
    let counts = format!("bytes_to_upstream={length} bytes_to_downstream={length} ");
    assert!(line.contains(&counts) && line.ends_with("client=finished upstream=finished"), "{line}");
}

/// How many ends of pipes the process has open.
fn pipes(pid: u32) -> usize {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs");
    let is_pipe = |target: &std::path::PathBuf| target.to_string_lossy().starts_with("pipe:");
    descriptors.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok()).filter(is_pipe).count()
}

#[test]
fn a_gibibyte_each_way_at_once_by_copying() {
    let (far_end, outcome) = exchanging(1024 * MIB);
    let proxy = Proxy::with(far_end.addr(), &["--data-path", "copy"]);
    let before = pipes(proxy.pid());
    assert_both_ways(&proxy, &outcome, 1024 * MIB);
    assert_eq!(pipes(proxy.pid()), before);
}

#[test]
fn a_gibibyte_each_way_at_once_by_splicing() {
    let (far_end, outcome) = exchanging(1024 * MIB);
    let proxy = Proxy::with(far_end.addr(), &["--data-path", "splice"]);
    let before = pipes(proxy.pid());
    thread::scope(|scope| {
        // A relay that quietly fell back to copying would pass everything else.
        scope.spawn(|| eventually("pipes are in use", || pipes(proxy.pid()) > before));
        assert_both_ways(&proxy, &outcome, 1024 * MIB);
    });
}

#[test]
fn a_quarter_of_a_gibibyte_each_way_at_once_over_tls() {
    let certificates = Certificates::generate();
    let (far_end, outcome) = exchanging(256 * MIB);
    let (_tls, port) = tls_before(far_end.addr(), &certificates);
    let proxy =
        Proxy::with(format!("tls://localhost:{port}"), &["--upstream-ca", utf8(certificates.ca_file())]);
    assert_both_ways(&proxy, &outcome, 256 * MIB);
}

#[test]
fn two_hundred_sessions_at_once_do_not_mix() {
    const SESSIONS: u64 = 200;
    let far_end = TcpServer::echo();
    for data_path in ["copy", "splice"] {
        let proxy = Proxy::with(far_end.addr(), &["--data-path", data_path]);
        let pattern = Pattern::new(3);
        thread::scope(|scope| {
            for session in 0..SESSIONS {
                let (proxy, pattern) = (&proxy, &pattern);
                scope.spawn(move || {
                    // Each its own stretch of the pattern and its own length.
                    let (offset, length) = (session * 4_321, 2 * MIB + session * 1_234);
                    let stream = proxy.connect();
                    thread::scope(|scope| {
                        scope.spawn(|| send(&stream, pattern, offset, length).expect("the proxy reads"));
                        let received = receive(&stream, pattern, offset);
                        assert_eq!(received.expect("an unchanged echo"), length, "session {session}");
                    });
                });
            }
        });
        eventually("every session ends cleanly", || {
            proxy.count("client=finished upstream=finished") == usize::try_from(SESSIONS).unwrap()
        });
    }
}
