//! Bytes a second through the framers.
#![allow(missing_docs, reason = "made by criterion")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fault_proxy_protocol::{Framer, Protocol};

/// Requests and their responses, in pieces as a relay reads them.
struct Traffic {
    protocol: Protocol,
    start: (Vec<u8>, Vec<u8>),
    requests: Vec<u8>,
    responses: Vec<u8>,
}

fn message(tag: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len() + 4).expect("a short message");
    [&[tag][..], &length.to_be_bytes(), payload].concat()
}

/// A transaction of `pgbench -S`, in simple or prepared mode.
fn pgbench(prepared: bool) -> Traffic {
    let start = b"\0\0\0\x0f\0\x03\0\0user\0a\0".to_vec();
    let started = [message(b'R', &[0; 4]), message(b'Z', b"I")].concat();
    let text = "SELECT abalance FROM pgbench_accounts WHERE aid = ";
    let row = [message(b'D', b"\0\x01\0\0\0\x0512345"), message(b'C', b"SELECT 1\0"), message(b'Z', b"I")];
    let column = b"\0\x01abalance\0\0\0\x40\0\0\x03\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0";
    if prepared {
        let parse = message(b'P', format!("P0_1\0{text}$1\0\0\0").as_bytes());
        let requests = [
            message(b'B', b"\0P0_1\0\0\0\0\x01\0\0\0\x0598765\0\0"),
            message(b'D', b"P\0"),
            message(b'E', b"\0\0\0\0\0"),
            message(b'S', b""),
        ];
        let responses = [&[message(b'2', b""), message(b'T', column)][..], &row].concat();
        let start = [start, parse, message(b'S', b"")].concat();
        let started = [started, message(b'1', b""), message(b'Z', b"I")].concat();
        Traffic {
            protocol: Protocol::Psql,
            start: (start, started),
            requests: requests.concat(),
            responses: responses.concat(),
        }
    } else {
        let requests = message(b'Q', format!("{text}98765;\0").as_bytes());
        let responses = [&[message(b'T', column)][..], &row].concat();
        Traffic { protocol: Protocol::Psql, start: (start, started), requests, responses: responses.concat() }
    }
}

/// Pipelines of 16 commands, as of `redis-benchmark -P 16 -d 100`.
fn redis_benchmark() -> Traffic {
    let value = "x".repeat(100);
    let requests = format!("*3\r\n$3\r\nSET\r\n$16\r\nkey:000000012345\r\n$100\r\n{value}\r\n").repeat(16);
    Traffic {
        protocol: Protocol::Redis,
        start: (Vec::new(), Vec::new()),
        requests: requests.into_bytes(),
        responses: "+OK\r\n".repeat(16).into_bytes(),
    }
}

/// A GET of 1 KiB by curl from nginx, over a connection that is kept alive.
fn http() -> Traffic {
    let requests =
        "GET /items/98765 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n";
    let head = "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sun, 29 Nov 2026 11:30:00 GMT\r\n\
                Content-Type: application/octet-stream\r\nContent-Length: 1024\r\n\
                Last-Modified: Sun, 29 Nov 2026 11:00:00 GMT\r\nConnection: keep-alive\r\n\
                ETag: \"692ad0f0-400\"\r\nAccept-Ranges: bytes\r\n\r\n";
    Traffic {
        protocol: Protocol::Http,
        start: (Vec::new(), Vec::new()),
        requests: requests.into(),
        responses: format!("{head}{}", "x".repeat(1024)).into_bytes(),
    }
}

fn framers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("framers");
    let all = [
        ("pgbench -S", pgbench(false)),
        ("pgbench -S -M prepared", pgbench(true)),
        ("redis-benchmark -P 16", redis_benchmark()),
        ("HTTP, 1 KiB", http()),
    ];
    for (name, traffic) in all {
        group.throughput(Throughput::Bytes((traffic.requests.len() + traffic.responses.len()) as u64));
        let mut framer = Framer::new(traffic.protocol);
        framer.on_requests(&traffic.start.0, |_| {});
        framer.on_responses(&traffic.start.1, |_| {});
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                framer.on_requests(black_box(&traffic.requests), |event| {
                    black_box(&event);
                });
                framer.on_responses(black_box(&traffic.responses), |event| {
                    black_box(&event);
                });
            });
        });
        assert!(!framer.is_opaque(), "{name}");
    }
    group.finish();
}

criterion_group!(benches, framers);
criterion_main!(benches);
