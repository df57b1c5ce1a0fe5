//! Properties that must hold for any input bytes. Each function panics if its property does not hold.
//!
//! | function | what reads the bytes |
//! |---|---|
//! | [`mapping`] | the right and left side of `--proxy` |
//! | [`schedule`], [`fault`] | the parameters of faults, in flags and files |
//! | [`control`] | the bodies of the control API |
//! | [`target`] | what nats-proxy-client is to reach, rules and URLs |
//! | [`message`], [`session`] | what comes over NATS |
//! | [`http`], [`psql`], [`redis`] | both streams of a session of the protocol |

#[path = "../../crates/mapping/tests/check/mod.rs"]
mod check;

use std::str;
use std::time::Duration;

use fault_proxy_engine::{FaultParams, ParseMode, Schedule, ScheduleContext};
use fault_proxy_nats::{NatsUrl, Rule, ServiceName};
use fault_proxy_protocol::{Event, EventKind, Framer, Protocol};

/// A check, by its name.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 10] = [
    ("mapping", mapping),
    ("schedule", schedule),
    ("fault", fault),
    ("control", control),
    ("target", target),
    ("message", message),
    ("session", session),
    ("http", http),
    ("psql", psql),
    ("redis", redis),
];

/// A mapping is written as it is read, and an error shows its place and the way out.
pub fn mapping(bytes: &[u8]) {
    if let Ok(text) = str::from_utf8(bytes) {
        check::check(text);
    }
}

/// A schedule resolves to windows of some length, and an error shows the text.
pub fn schedule(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    for reading in [ParseMode::Lenient, ParseMode::Strict] {
        match Schedule::parse(text, reading) {
            Ok(schedule) => {
                schedule.resolve(None).ok();
                let windows = schedule.resolve(Some(Duration::from_secs(600))).expect("there is a duration");
                assert!(windows.iter().all(|(start, end)| end.is_none_or(|end| start < end)), "{windows:?}");
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

/// A fault from a file resolves or returns an error. A fault that resolves is written as it was read.
pub fn fault(bytes: &[u8]) {
    let Ok(params) = serde_json::from_slice::<FaultParams>(bytes) else { return };
    for reading in [ParseMode::Lenient, ParseMode::Strict] {
        let run = ScheduleContext {
            duration: Some(Duration::from_secs(600)),
            parse_mode: reading,
            ..ScheduleContext::default()
        };
        let Ok(fault) = params.resolve(&run) else { continue };
        let written = serde_json::to_value(&params).expect("parameters are JSON");
        let again: FaultParams = serde_json::from_value(written.clone()).expect("what is written is read");
        assert_eq!(again.resolve(&run).as_ref(), Ok(&fault), "{written}");
    }
}

/// A body makes proxies with faults, or an error that is no more than a line.
pub fn control(bytes: &[u8]) {
    match fault_proxy_control::specs(bytes, None) {
        Ok(specs) => {
            assert!(specs.iter().all(|spec| !spec.name.is_empty() && !spec.upstream.text.is_empty()))
        }
        Err(error) => assert!(!error.is_empty()),
    }
}

/// What is to be reached: read, or an error.
pub fn target(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    if let Ok(rule) = text.parse::<Rule>() {
        let written = rule.to_string();
        assert_eq!(written.parse::<Rule>().map(|rule| rule.to_string()).as_ref(), Ok(&written), "{text}");
    }
    if let Ok(url) = text.parse::<NatsUrl>() {
        assert!(url.to_string().parse::<NatsUrl>().is_ok(), "{url}");
    }
    text.parse::<ServiceName>().ok();
}

/// A message of a stranger is read, and what is written of it is read as the same.
pub fn message(bytes: &[u8]) {
    fault_proxy_nats::fuzz::message(bytes);
}

/// A session stays consistent for any bytes from the peer, at any time.
pub fn session(bytes: &[u8]) {
    fault_proxy_nats::fuzz::session(bytes);
}

/// The framer for HTTP gives the same events for any pieces.
pub fn http(bytes: &[u8]) {
    framer(Protocol::Http, bytes);
}

/// The framer for PostgreSQL gives the same events for any pieces.
pub fn psql(bytes: &[u8]) {
    framer(Protocol::Psql, bytes);
}

/// The framer for Redis gives the same events for any pieces.
pub fn redis(bytes: &[u8]) {
    framer(Protocol::Redis, bytes);
}

/// The input has turns, each after a byte: the highest bit is set for the server, and the others are the length.
fn framer(protocol: Protocol, bytes: &[u8]) {
    let read = |piece: usize| {
        let (mut framer, mut rest, mut events) = (Framer::new(protocol), bytes, Vec::new());
        while let Some((head, after)) = rest.split_first() {
            let (turn, after) = after.split_at(usize::from(head & 0x7f).min(after.len()));
            rest = after;
            for part in turn.chunks(piece) {
                let sink = |event: Event<'_>| events.push(format!("{event:?}"));
                if head & 0x80 == 0 {
                    framer.on_requests(part, sink)
                } else {
                    framer.on_responses(part, sink)
                }
            }
        }
        events
    };
    let whole = read(usize::MAX);
    assert_eq!(read(1), whole);
    let opaque = format!("{:?}", EventKind::Opaque(fault_proxy_protocol::OpaqueReason::OtherProtocol));
    assert!(whole.iter().rev().skip(1).all(|event| !event.contains(&opaque)), "{whole:?}");
}
