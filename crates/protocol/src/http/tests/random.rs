//! Random sessions in random pieces.

use proptest::prelude::*;

use super::{client, server};
use crate::Protocol;
use crate::testing::{Turn, events, pieces};

#[derive(Debug, Clone)]
struct Exchange {
    request: String,
    interim: &'static str,
    response: String,
}

fn content() -> impl Strategy<Value = String> {
    let text = prop_oneof!["[a-z\r\n:]{0,40}", Just("data: a\r\n\r\n".to_owned()), Just("x".repeat(9000))];
    prop_oneof![
        text.clone().prop_map(|text| format!("Content-Length: {}\r\n\r\n{text}", text.len())),
        (proptest::collection::vec(text, 0..4), any::<bool>()).prop_map(|(chunks, has_trailers)| {
            let chunks = chunks.iter().filter(|chunk| !chunk.is_empty());
            let chunks: String =
                chunks.map(|chunk| format!("{:X};a=b\r\n{chunk}\r\n", chunk.len())).collect();
            let trailers = if has_trailers { "A: b\r\n" } else { "" };
            format!("transfer-encoding: chunked\r\n\r\n{chunks}0\r\n{trailers}\r\n")
        }),
    ]
}

fn exchange() -> impl Strategy<Value = Exchange> {
    let target = prop_oneof![
        "/[a-z?=]{0,9}",
        (4000..5000_usize).prop_map(|length| format!("/{}", "x".repeat(length)))
    ];
    let types = prop_oneof![Just(""), Just("Content-Type: text/event-stream\r\n")];
    let interim = prop_oneof![3 => Just(""), 1 => Just("HTTP/1.1 100 Continue\r\n\r\n")];
    (target, content(), content(), types, interim, 0..5_u8).prop_map(
        |(target, sent, received, types, interim, shape)| {
            let without_content = received.split_inclusive("\r\n\r\n").next().expect("a head").to_owned();
            let (method, sent, status, received) = match shape {
                0 => ("HEAD", "\r\n".to_owned(), "200 OK", without_content),
                1 => ("GET", "\r\n".to_owned(), "304 Not Modified", without_content),
                2 => ("DELETE", "\r\n".to_owned(), "204 No Content", "\r\n".to_owned()),
                3 => ("GET", "\r\n".to_owned(), "404 Not Found", received),
                _ => ("POST", sent, "200 OK", received),
            };
            Exchange {
                request: format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{sent}"),
                interim,
                response: format!("HTTP/1.1 {status}\r\n{types}{received}"),
            }
        },
    )
}

proptest! {
    #[test]
    fn pieces_change_no_event(
        groups in proptest::collection::vec(proptest::collection::vec(exchange(), 1..4), 1..4),
        pieces in pieces(),
    ) {
        let session: Vec<_> = groups.iter().flat_map(|group| {
            let requests: String = group.iter().map(|exchange| exchange.request.clone()).collect();
            let responses: String = group.iter().map(|exchange| format!("{}{}", exchange.interim, exchange.response)).collect();
            [client(&requests), server(&responses)]
        }).collect();
        let whole = events(Protocol::Http, &session, &[usize::MAX]);
        prop_assert_eq!(&events(Protocol::Http, &session, &pieces), &whole);
        prop_assert!(!whole.iter().any(|event| event.contains("opaque")), "{:?}", whole);
        // Each message ends where the next one begins.
        let (mut sent, mut received) = (0, 0);
        for (exchange, number) in groups.iter().flatten().zip(1..) {
            received += exchange.interim.len();
            let begins = [format!("{sent}: request {number} "), format!("{received}: response {number}")];
            sent += exchange.request.len();
            received += exchange.response.len();
            let ends = [format!("{sent}: sent {number}"), format!("{received}: done {number} ")];
            for expected in begins.iter().chain(&ends) {
                let count = whole.iter().filter(|event| event.starts_with(expected)).count();
                prop_assert_eq!(count, 1, "{} in {:?}", expected, whole);
            }
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(
        turns in proptest::collection::vec((any::<bool>(), noise()), 0..8),
        pieces in pieces(),
    ) {
        let session: Vec<_> = turns.into_iter().map(|(of_client, bytes)| if of_client { Turn::Client(bytes) } else { Turn::Server(bytes) }).collect();
        prop_assert_eq!(events(Protocol::Http, &session, &pieces), events(Protocol::Http, &session, &[usize::MAX]));
    }
}

/// Random bytes, and fragments of messages in a random order.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let fragments = [
        "GET / HTTP/1.1\r\n",
        "POST / HTTP/1.1\r\n",
        "HEAD / HTTP/1.0\r\n",
        "CONNECT a:1 HTTP/1.1\r\n",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 100 Continue\r\n",
        "HTTP/1.1 101 A\r\n",
        "HTTP/1.0 404 A\r\n",
        "Content-Length: 3\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Content-Type: text/event-stream\r\n",
        "Upgrade: a\r\n",
        "Expect: 100-continue\r\n",
        "\r\n",
        "\n",
        "\r",
        "3\r\n",
        "0\r\n",
        "abc",
        "data: a\n\n",
        "data: a\r\n\r\n",
        "data:\r\r",
        " ",
        ":",
    ];
    let fragment = prop_oneof![
        20 => proptest::sample::select(Vec::from(fragments)).prop_map(|text: &str| text.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..16),
    ];
    proptest::collection::vec(fragment, 0..12).prop_map(|fragments| fragments.concat())
}
