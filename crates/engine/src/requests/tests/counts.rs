//! Counts of requests in streams with dropped and inserted bytes.

use proptest::prelude::*;

use super::*;
use crate::requests::response;

/// Returns the number of forwarded requests of this kind.
fn forwarded(faults: &Faults, kind: &str) -> u64 {
    faults.request_stats().iter().find(|stats| &*stats.kind == kind).map_or(0, |stats| stats.forwarded)
}

#[test]
fn a_fault_selects_kinds_beyond_those_that_are_counted_separately() {
    let faults = faults_of(Protocol::Redis, vec![fault("CMD90", Moment::FirstByte, LOST)]);
    let mut streams = Streams::of(&faults);
    for number in 0..90 {
        streams.send(Direction::ToUpstream, format!("CMD{number} a\r\n").as_bytes());
        streams.send(Direction::ToDownstream, b"+OK\r\n");
    }
    assert_eq!(streams.end, None);
    let counts: Vec<_> = faults.request_stats().iter().map(|kind| (kind.requests, kind.delivered)).collect();
    let other = (90 - crate::RequestStats::MAX_KINDS as u64, 90 - crate::RequestStats::MAX_KINDS as u64);
    assert_eq!(counts.iter().filter(|count| **count == (1, 1)).count(), crate::RequestStats::MAX_KINDS);
    assert_eq!(counts.iter().filter(|count| **count == other).count(), 1, "{counts:?}");
    streams.send(Direction::ToUpstream, b"cmd90 a\r\n");
    streams.send(Direction::ToDownstream, b"+OK\r\n");
    assert_eq!(streams.end, Some(RESET));
}

#[test]
fn a_fault_that_is_added_selects_kinds_of_earlier_requests() {
    let faults = faults_of(Protocol::Redis, vec![fault("DEL", Moment::FirstByte, LOST)]);
    let mut streams = Streams::of(&faults);
    let get = |streams: &mut Streams| {
        streams.send(Direction::ToUpstream, b"GET a\r\n");
        streams.send(Direction::ToDownstream, b"$-1\r\n");
        streams.end
    };
    assert_eq!([get(&mut streams), get(&mut streams)], [None, None]);
    faults.replace(vec![fault("* a", Moment::FirstByte, LOST)]);
    assert_eq!(get(&mut streams), Some(RESET));
}

#[test]
fn a_response_that_is_written_after_the_client_has_closed_is_unconfirmed() {
    let second = Duration::from_secs(1);
    for waits in [second / 2, second * 2] {
        let delay = RequestAction::Delay(Delay::Constant(second));
        let faults = faults_of(Protocol::Redis, vec![fault("INCR", Moment::FirstByte, delay)]);
        let mut streams = Streams::of(&faults);
        streams.send(Direction::ToUpstream, b"INCR a\r\n");
        streams.send(Direction::ToDownstream, b":1\r\n");
        streams.advance(waits);
        streams.finish(Direction::ToUpstream);
        streams.advance(second);
        assert_eq!(streams.responses(), b":1\r\n", "it may have closed one half only");
        let stats = &faults.request_stats()[0];
        let is_lost = u64::from(waits < second);
        assert_eq!((stats.delivered, stats.unconfirmed), (1 - is_lost, is_lost), "{waits:?}");
    }
}

proptest! {
    #[test]
    fn a_request_is_forwarded_once_its_last_byte_is_written(
        replaced in prop::collection::vec(any::<bool>(), 1..12),
        pieces in prop::collection::vec((1..40_usize, 1..30_usize, 1..30_usize), 1..200),
    ) {
        let error = Response::redis("BUSY").expect("an error");
        let faults =
            faults_of(Protocol::Redis, vec![fault("SET", Moment::BeforeForward, RequestAction::Respond(error))]);
        let mut streams = Streams::of(&faults);
        let (mut sent, mut expected, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        for is_replaced in replaced {
            let command = if is_replaced { "SET key value\r\n" } else { "GET key\r\n" };
            sent.extend_from_slice(command.as_bytes());
            if is_replaced {
                expected.extend_from_slice(&response::failing_command(false));
            } else {
                expected.extend_from_slice(command.as_bytes());
                ends.push(expected.len());
            }
        }
        let (requests, direction, now) = (&mut streams.requests, Direction::ToUpstream, Duration::ZERO);
        let (mut received, mut read, mut passed, mut written) = (0, 0, Vec::new(), 0);
        // The last piece takes what is left.
        let whole = (usize::MAX, usize::MAX, usize::MAX);
        for (receives, passes, writes) in pieces.into_iter().chain([whole]) {
            let piece = &sent[received..][..receives.min(sent.len() - received)];
            received += piece.len();
            requests.on_received(direction, now, piece);
            let mut may_pass = passes;
            while may_pass > 0 {
                match requests.output(direction, now) {
                    Output::Pass(len) => {
                        let len = len.min(may_pass);
                        passed.extend_from_slice(&sent[read..read + len]);
                        read += len;
                        may_pass -= len;
                        requests.on_passed(direction, len);
                    }
                    Output::Drop(len) => {
                        read += len;
                        requests.on_dropped(direction, len);
                    }
                    Output::Insert(bytes) => {
                        passed.extend_from_slice(&bytes);
                        requests.on_inserted(direction, bytes.len());
                    }
                    output => {
                        prop_assert_eq!(output, Output::More(None));
                        break;
                    }
                }
            }
            let len = writes.min(passed.len() - written);
            written += len;
            requests.on_written(direction, || now, len);
            let complete = ends.iter().filter(|end| **end <= written).count();
            prop_assert_eq!(forwarded(&faults, "GET"), complete as u64, "{} bytes are written", written);
        }
        prop_assert_eq!(&passed, &expected);
        prop_assert_eq!(forwarded(&faults, "SET"), 0);
    }
}
