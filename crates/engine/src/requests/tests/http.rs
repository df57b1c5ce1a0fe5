//! Interim responses and the end of connections, as HTTP has them.

use super::*;

const EXPECTING: &[u8] =
    b"POST /orders HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n";
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
const HINTS: &[u8] = b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n";

#[test]
fn interim_responses_pass_before_a_lost_response() {
    for pieces in [1, usize::MAX] {
        let faults = faults_of(Protocol::Http, vec![fault("POST", Moment::FirstByte, LOST)]);
        let mut streams = Streams::of(&faults);
        EXPECTING.chunks(pieces).for_each(|piece| streams.send(Direction::ToUpstream, piece));
        CONTINUE.chunks(pieces).for_each(|piece| streams.send(Direction::ToDownstream, piece));
        assert_eq!(streams.responses(), CONTINUE, "the client waits for it");
        streams.send(Direction::ToUpstream, b"hi");
        assert_eq!(streams.requests(), [EXPECTING, b"hi"].concat());
        [HINTS, OK].concat().chunks(pieces).for_each(|piece| streams.send(Direction::ToDownstream, piece));
        assert_eq!((streams.end, streams.responses()), (Some(RESET), &[CONTINUE, HINTS].concat()[..]));
    }
}

#[test]
fn moments_of_a_response_are_those_of_the_final_one() {
    let second = Duration::from_secs(1);
    let end = || RequestAction::End { after: Duration::ZERO, ending: Ending::Close };
    let part = Moment::MidResponse(Part::Bytes(NonZeroU64::new(7).expect("not zero")));
    for (at, action, first, end) in [
        (Moment::FirstByte, RequestAction::Delay(Delay::Constant(second)), 0, None),
        (Moment::FirstByte, end(), 1, Some(SessionEnd::Closed)),
        (part, end(), 7, Some(SessionEnd::Closed)),
    ] {
        for pieces in [1, usize::MAX] {
            let faults = faults_of(Protocol::Http, vec![fault("POST", at, action.clone())]);
            let mut streams = Streams::of(&faults);
            streams.send(Direction::ToUpstream, EXPECTING);
            for piece in [CONTINUE, HINTS, OK].concat().chunks(pieces) {
                streams.send(Direction::ToDownstream, piece);
            }
            assert_eq!(streams.responses(), [CONTINUE, HINTS, &OK[..first]].concat(), "{at}");
            streams.advance(second);
            let last = if end.is_some() { first } else { OK.len() };
            assert_eq!((streams.end, streams.responses().len()), (end, CONTINUE.len() + HINTS.len() + last));
        }
    }
}
