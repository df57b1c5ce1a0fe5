//! Faults that close sessions with TLS on both sides.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Command;

use crate::support::{Proxy, tls_before, utf8};
use testkit::{Certificates, Pattern, TcpServer, require};

const SCRIPT: &str = "tests/clients/python/tls_ends.py";

const BODY: usize = 2 << 20;

const CONNECTIONS: usize = 5;

fn response() -> Vec<u8> {
    let mut body = vec![0; BODY];
    Pattern::new(12).fill(0, &mut body);
    [format!("HTTP/1.1 200 OK\r\nContent-Length: {BODY}\r\n\r\n").as_bytes(), &body].concat()
}

/// A server that has the same response to each request, and reads no body.
fn server() -> TcpServer {
    TcpServer::start(|mut stream| {
        let mut lines = BufReader::new(stream.try_clone().expect("a second handle")).lines();
        while let Some(Ok(line)) = lines.next() {
            if line.is_empty() && stream.write_all(&response()).is_err() {
                return;
            }
        }
    })
}

#[test]
fn clients_read_every_byte_before_a_fault_closes_and_then_close_notify() {
    let certificates = Certificates::generate();
    let server = server();
    let (_tls, port) = tls_before(server.addr(), &certificates);
    let whole = response();
    let get = "GET / HTTP/1.1\\nHost: x\\n\\n";
    // The client sends a body behind the requests.
    let with_body = |method| format!("{get}{method} / HTTP/1.1\\nHost: x\\nContent-Length: 262144\\n");
    let post = with_body("POST") + "\\n";
    let put = with_body("PUT") + "Connection: close\\n\\n";
    let busy = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n\
        Content-Length: 4\r\nConnection: close\r\n\r\nbusy";
    let busy = [&whole[..], busy].concat();
    for (scheme, fault, requests, expected) in [
        (
            "tls",
            "limit-data --limit-data-direction ingress --limit-data-bytes 1MiB",
            &post,
            &whole[..1 << 20],
        ),
        ("tls", "timeout --timeout-after 1ms --timeout-after-bytes 1MiB", &post, &whole[..1 << 20]),
        ("https", "truncate --truncate-on GET --truncate-bytes 1MiB", &post, &whole[..1 << 20]),
        ("https", "lose-response --lose-response-on POST --lose-response-then close", &post, &whole[..]),
        ("https", "respond --respond-on PUT --respond-status 503 --respond-body busy", &put, &busy),
    ] {
        let options = ["--tls-self-signed", "--upstream-ca", utf8(certificates.ca_file())];
        let fault = format!("--with-{fault}");
        let options = options.into_iter().chain(fault.split(' ')).collect::<Vec<_>>();
        let proxy = Proxy::with(format!("{scheme}://localhost:{port}"), &options);
        let mut python = Command::new(require("python3", "python3"));
        python.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(SCRIPT));
        python.args([&proxy.port().to_string(), &CONNECTIONS.to_string(), requests]);
        let output = python.output().expect("python is executable");
        let ends = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(ends, "close_notify\n".repeat(CONNECTIONS), "{fault}: {}", output.stdout.len());
        assert!(output.stdout == expected.repeat(CONNECTIONS), "{fault}: {}", output.stdout.len());
    }
}
