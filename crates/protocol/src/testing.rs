//! Framers fed with sessions in pieces of any size.

use proptest::prelude::*;

use crate::{Event, EventKind, Framer, Protocol, Request};

/// A part of a session: bytes that one side sends before the other side goes on.
#[derive(Debug, Clone)]
pub(crate) enum Turn {
    Client(Vec<u8>),
    Server(Vec<u8>),
}

/// Returns the events of a session as text, in the order of their emission. `pieces` are the lengths to feed, over and over.
pub(crate) fn events(protocol: Protocol, session: &[Turn], pieces: &[usize]) -> Vec<String> {
    let mut framer = Framer::new(protocol);
    let mut lengths = pieces.iter().copied().cycle();
    let mut seen = Vec::new();
    for turn in session {
        let (Turn::Client(bytes) | Turn::Server(bytes)) = turn;
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (piece, later) = rest.split_at(lengths.next().expect("an endless iterator").min(rest.len()));
            rest = later;
            let sink = |event: Event<'_>| seen.push(shown(event));
            match turn {
                Turn::Client(_) => framer.on_requests(piece, sink),
                Turn::Server(_) => framer.on_responses(piece, sink),
            }
        }
    }
    seen
}

pub(crate) fn shown(Event { offset, kind }: Event<'_>) -> String {
    match kind {
        EventKind::RequestBegins(request) => {
            let key = String::from_utf8_lossy(request.key);
            format!("{offset}: request {} {} `{key}`", request.number, request.kinds.join("+"))
        }
        EventKind::KindsFound(Request { number, kinds, key }) => {
            format!("{offset}: kinds of {number} {} `{}`", kinds.join("+"), String::from_utf8_lossy(key))
        }
        EventKind::HeadEnds { request, persistence, expects_continue } => {
            let waits = if expects_continue { " waits" } else { "" };
            format!("{offset}: head of {request} {persistence:?}{waits}")
        }
        EventKind::RequestEnds { request, .. } => format!("{offset}: sent {request}"),
        EventKind::ResponseBegins { request } => format!("{offset}: response {request}"),
        EventKind::PartEnds { request, part } => format!("{offset}: part {part} of {request}"),
        EventKind::ReadyBegins { request } => format!("{offset}: ready {request:?}"),
        EventKind::Ready { request, status } => format!("{offset}: ready {request:?} {status:?}"),
        EventKind::ResponseEnds { request, outcome } => {
            let outcome = match outcome {
                crate::Outcome::Success => "success".to_owned(),
                crate::Outcome::RolledBack => "rolled back".to_owned(),
                crate::Outcome::Null => "null".to_owned(),
                crate::Outcome::Queued => "queued".to_owned(),
                crate::Outcome::Failure(code) => String::from_utf8_lossy(code).into_owned(),
                crate::Outcome::FailureAfterCommit(code) => {
                    format!("{} after commit", String::from_utf8_lossy(code))
                }
                crate::Outcome::Skipped => "skipped".to_owned(),
            };
            format!("{offset}: done {request} {outcome}")
        }
        EventKind::AsynchronousBegins => format!("{offset}: asynchronous begins"),
        EventKind::AsynchronousEnds => format!("{offset}: asynchronous ends"),
        EventKind::GroupEnds => format!("{offset}: group ends"),
        EventKind::Opaque(reason) => format!("{offset}: opaque: {reason}"),
    }
}

/// Lengths of pieces, short ones the most.
pub(crate) fn pieces() -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(prop_oneof![1..8_usize, 1..200_usize, 4000..5000_usize], 1..16)
}
