//! An upstream that answers an upload and closes before it has read all: the answer arrives, and the end comes after it.

use std::{
    io::{Read, Write},
    net::TcpStream,
    process::Command,
    thread,
    time::Duration,
};

use crate::fault_support::{ms, timed};
use crate::support::{Proxy, utf8};
use testkit::{TcpServer, require};

const ANSWER: &[u8] = b"-ERR too large\r\n";

/// Answers the first bytes and closes. The bytes that it has not read make its close a reset.
fn refusing(answer: &'static [u8]) -> TcpServer {
    TcpServer::start(move |mut stream| {
        stream.read_exact(&mut [0; 100]).ok();
        stream.write_all(answer).ok();
        thread::sleep(ms(20));
    })
}

/// Sends in pieces, and reads only afterwards, as a blocking client does.
fn upload(mut stream: TcpStream) -> Vec<u8> {
    for _ in 0..6 {
        if stream.write_all(&[b'x'; 5_000]).is_err() {
            break;
        }
        thread::sleep(ms(20));
    }
    let mut got = Vec::new();
    let mut chunk = [0; 99];
    while let Ok(length @ 1..) = stream.read(&mut chunk) {
        got.extend_from_slice(&chunk[..length]);
    }
    got
}

/// Asserts that every client gets the answer, after `least` or later.
fn assert_answers(options: &[&str], least: Duration) {
    let far_end = refusing(ANSWER);
    let proxy = Proxy::with(far_end.addr(), options);
    thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| {
                let (answer, took) = timed(|| upload(proxy.connect()));
                assert_eq!(
                    answer.escape_ascii().to_string(),
                    ANSWER.escape_ascii().to_string(),
                    "{options:?}"
                );
                assert!(took >= least, "{options:?}: {took:?}");
            });
        }
    });
}

#[test]
fn an_answer_that_a_fault_holds_arrives_after_the_upstream_has_closed() {
    let second = Duration::from_secs(1);
    let latency = ["--with-latency", "--latency-mean", "1s"];
    assert_answers(&latency, second);
    assert_answers(&[&latency[..], &["--latency-direction", "both"]].concat(), second);
    assert_answers(&[&latency[..], &["--data-path", "splice"]].concat(), second);
    let slicer = ["--with-slicer", "--slicer-size", "4B", "--slicer-delay", "200ms"];
    assert_answers(&slicer, ms(600));
    assert_answers(&[&latency[..], &slicer].concat(), second + ms(600));
    let jitter = ["--with-jitter", "--jitter-amplitude", "300ms", "--jitter-frequency", "1000"];
    assert_answers(&jitter, Duration::ZERO);
    // With any seed, one answer in 1,500 would be lost eight times in a row and take longer than the client waits.
    let loss = ["--with-packet-loss", "--packet-loss-rate", "40%", "--seed", "1"];
    assert_answers(&loss, Duration::ZERO);
}

/// curl reads nothing more once sending has failed, so an early reset would cost it the answer.
#[test]
fn an_upload_reads_its_refusal() {
    let far_end = refusing(b"HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbig\n");
    let mut body = tempfile::NamedTempFile::new().expect("the temporary directory is writable");
    body.write_all(&vec![0; 3_000_000]).expect("the file is ours");
    for (scheme, options) in [("http", &[][..]), ("https", &["--tls-self-signed"])] {
        let proxy = Proxy::with(far_end.addr(), options);
        let refused = (0..20).filter(|_| {
            let url = format!("{scheme}://{}/", proxy.addr);
            let output = Command::new(require("curl", "curl"))
                .args([
                    "-sk",
                    "-m",
                    "60",
                    "-w",
                    "%{http_code}",
                    "-H",
                    "Expect:",
                    "-T",
                    utf8(body.path()),
                    &url,
                ])
                .output()
                .expect("curl runs");
            output.status.success() && output.stdout.ends_with(b"413")
        });
        let refused = refused.count();
        assert!(refused >= 18, "{scheme}: {refused} of 20 uploads read the answer");
    }
}
