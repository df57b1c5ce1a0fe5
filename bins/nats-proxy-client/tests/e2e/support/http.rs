//! A client of the health endpoint.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::patient;

/// The status and the body.
pub(crate) fn get(server: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = patient(TcpStream::connect(server).expect("the endpoint listens"));
    let request = format!("GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).expect("it answers in text");
    let (head, body) = reply.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("no status: {head}")), body.to_owned())
}

/// The value of a sample, written as in a scrape: `name` or `name{label="value"}`.
pub(crate) fn metric(server: SocketAddr, sample: &str) -> f64 {
    let (status, scrape) = get(server, "/metrics");
    assert_eq!(status, 200, "{scrape}");
    let value = scrape.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' ')?.parse().ok());
    value.unwrap_or_else(|| panic!("no {sample} in:\n{scrape}"))
}
