//! Server-sent events.

use proptest::prelude::*;

use super::{GET, answered};

/// Returns the ends of events in a body, as offsets in it.
fn parts(fields: &str, body: &str) -> Vec<usize> {
    let head = format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n");
    let all = answered(GET, &format!("{head}{body}"));
    assert!(!all.iter().any(|event| event.contains("opaque")), "{all:?}");
    let ends = all
        .iter()
        .filter_map(|event| Some(event.split_once(": part")?.0.parse::<usize>().expect("a number")));
    ends.map(|end| end - head.len()).collect()
}

#[test]
fn a_part_is_a_server_sent_event() {
    let stream = "Content-Type: Text/Event-Stream; charset=utf-8";
    for (body, ends) in [
        ("data: a\n\ndata: b\n\n", &[9, 18][..]),
        ("data: a\r\n\r\ndata: b\r\n\r\ndata", &[11, 22]),
        ("data: a\r\rdata: b\r\rx", &[9, 18]),
        ("data: a\n\r\ndata: b\r\n\ndata: c\r\r\n\r\n", &[10, 20, 30]),
        ("id: 1\ndata\nevent: x\n\n", &[21]),
        ("\u{feff}data: a\n\n", &[12]),
        (": ping\n\nid: 1\n\n\n\ndatas: a\n\nDATA: a\n\ndat\n\n data: a\n\n", &[]),
        ("data: a\n", &[]),
    ] {
        assert_eq!(parts(stream, body), ends, "{body:?}");
    }
    for fields in [
        "Content-Type: text/plain".to_owned(),
        format!("{stream}\r\nContent-Encoding: gzip"),
        format!("{stream}\r\nTransfer-Encoding: gzip"),
    ] {
        assert_eq!(parts(&fields, "data: a\n\n"), [0_usize; 0], "{fields}");
    }
}

#[test]
fn events_are_found_across_chunks() {
    let fields = "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked";
    let body = "5\r\ndata:\r\n4;x\r\n a\r\n\r\n1\r\n\r\r\n1\r\n\n\r\n9\r\ndata: b\r\r\r\n8\r\ndata: c\n\r\n1\r\n\r\r\n0\r\n\r\n";
    let end = |text: &str| body.find(text).expect("it is in the body") + text.len();
    assert_eq!(parts(fields, body), [end("1\r\n\n"), end("b\r\r"), end("data: c\n\r\n1\r\n\r")]);
}

/// Returns the number of events that the HTML standard dispatches for this body.
fn dispatched(body: &str) -> usize {
    let body = body.strip_prefix('\u{feff}').unwrap_or(body).replace("\r\n", "\n").replace('\r', "\n");
    let (mut count, mut has_data) = (0, false);
    for line in body.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
        match line.split(':').next() {
            Some("") if line.is_empty() => count += usize::from(std::mem::take(&mut has_data)),
            Some("data") => has_data = true,
            _ => {}
        }
    }
    count
}

proptest! {
    #[test]
    fn parts_are_the_events_that_are_dispatched(body in "\u{feff}?(data|dat|:|id: 1| |a|\r|\n|\r\n|\n\n){0,40}") {
        let fields = format!("Content-Type: text/event-stream\r\nContent-Length: {}", body.len());
        let ends = parts(&fields, &body);
        prop_assert_eq!(ends.len(), dispatched(&body));
        for (end, count) in ends.into_iter().zip(1..) {
            prop_assert_eq!(dispatched(&body[..end]), count, "{}", end);
        }
    }
}
