//! Interim responses and the end of connections, as HTTP has them.

use super::*;

const EXPECTING: &[u8] =
    b"POST /orders HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n";
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
const HINTS: &[u8] = b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n";

#[test]
fn a_request_whose_response_comes_before_its_end_counts_as_forwarded() {
    let faults = faults_of(Protocol::Http, vec![fault("PUT", Moment::FirstByte, LOST)]);
    let mut streams = Streams::of(&faults);
    let (head, body) = POST.split_at(POST.len() - 2);
    streams.send(Direction::ToUpstream, head);
    streams.send(Direction::ToDownstream, OK);
    streams.send(Direction::ToUpstream, &[body, GET].concat());
    streams.send(Direction::ToDownstream, OK);
    let stats = faults.request_stats();
    let counts: Vec<_> =
        stats.iter().map(|kind| (&*kind.kind, kind.forwarded, kind.delivered, kind.unconfirmed)).collect();
    assert_eq!(counts, [("GET", 1, 1, 0), ("POST", 1, 1, 0)]);
}

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

fn unavailable() -> Response {
    Response::Http { status: 503, retry_after: None, body: Some("busy".to_owned()) }
}

fn respond() -> Fault {
    fault("POST", Moment::BeforeForward, RequestAction::Respond(unavailable()))
}

#[test]
fn a_client_that_waits_with_its_body_gets_the_response_of_the_proxy_at_once() {
    let close = unavailable().bytes(false, Persistence::Close);
    for body in [&b""[..], b"hi", b"hiGET / HTTP/1.1\r\n\r\n"] {
        for pieces in [1, 7, usize::MAX] {
            let faults = faults_of(Protocol::Http, vec![respond()]);
            let mut streams = Streams::of(&faults);
            for piece in [GET, EXPECTING, body].concat().chunks(pieces) {
                streams.send(Direction::ToUpstream, piece);
            }
            assert_eq!((streams.requests(), streams.end), (GET, None));
            streams.send(Direction::ToDownstream, OK);
            assert_eq!(streams.responses(), [OK, &close].concat());
            assert_eq!(streams.end, Some(SessionEnd::Closed), "the response is the last one");
            assert_eq!(streams.requests(), GET);
            assert_eq!(faults.opaque_sessions(), 0);
        }
    }
}

#[test]
fn the_connection_ends_after_a_response_of_the_proxy_if_the_client_wants_that() {
    for (head, persistence) in [
        ("POST / HTTP/1.1\r\nConnection: close\r\n", Persistence::Close),
        ("POST / HTTP/1.0\r\n", Persistence::Close),
        ("POST / HTTP/1.0\r\nConnection: keep-alive\r\n", Persistence::Requested),
        ("POST / HTTP/1.1\r\n", Persistence::Implicit),
    ] {
        let ends = persistence == Persistence::Close;
        let own = unavailable().bytes(false, persistence);
        let request = format!("{head}content-length: 2\r\n\r\nhi");
        for pieces in [1, usize::MAX] {
            let mut streams = Streams::of(&faults_of(Protocol::Http, vec![respond()]));
            for piece in [GET, request.as_bytes(), GET].concat().chunks(pieces) {
                streams.send(Direction::ToUpstream, piece);
            }
            streams.send(Direction::ToDownstream, OK);
            assert_eq!(streams.responses(), [OK, &own].concat(), "{head}");
            assert_eq!(streams.end.is_some(), ends, "{head}");
            let forwarded = if ends { GET.to_vec() } else { [GET, GET].concat() };
            assert_eq!(streams.requests(), forwarded, "{head}");
        }
    }
}

#[test]
fn a_client_that_waits_with_its_body_waits_for_earlier_responses() {
    let mut streams = Streams::of(&faults_of(Protocol::Http, vec![respond()]));
    streams.send(Direction::ToUpstream, &[GET, EXPECTING].concat());
    streams.advance(Duration::from_secs(60));
    assert_eq!(streams.end, None);
}

#[test]
fn a_client_of_a_session_that_cannot_be_read_any_more_sees_its_end() {
    let mut streams = Streams::of(&faults_of(Protocol::Http, vec![respond()]));
    streams.send(Direction::ToUpstream, &[GET, EXPECTING].concat());
    streams.send(Direction::ToDownstream, b"SSH-2.0\r\n");
    assert_eq!((streams.responses(), streams.end), (&b"SSH-2.0\r\n"[..], Some(SessionEnd::Closed)));
    assert_eq!(streams.requests(), GET);
}

const UNTIL_CLOSE: &[u8] = b"HTTP/1.1 200 OK\r\n\r\nuntil the end of the connection";

#[test]
fn a_response_that_lasts_until_the_connection_closes_counts_once_it_does() {
    for (is_lost, is_clean, expected) in
        [(false, true, (1, 1, 0)), (true, true, (1, 0, 1)), (false, false, (0, 0, 0))]
    {
        let faults = faults_of(
            Protocol::Http,
            is_lost.then(|| fault("GET", Moment::FirstByte, LOST)).into_iter().collect(),
        );
        faults.read_requests();
        let mut streams = Streams::of(&faults);
        let counts = || {
            let stats = faults.request_stats();
            stats.first().map(|get| (get.answered, get.delivered, get.unconfirmed))
        };
        streams.send(Direction::ToUpstream, GET);
        streams.send(Direction::ToDownstream, UNTIL_CLOSE);
        assert_eq!(counts(), Some((0, 0, 0)));
        streams.requests.on_end(Direction::ToDownstream, streams.now, is_clean);
        streams.pass(Direction::ToDownstream);
        assert_eq!(streams.end, is_lost.then_some(RESET));
        drop(streams);
        assert_eq!(counts(), Some(expected), "lost: {is_lost}, clean: {is_clean}");
    }
}

#[test]
fn a_fault_after_a_response_acts_at_the_end_of_the_connection() {
    let end = RequestAction::End { after: Duration::ZERO, ending: Ending::Reset(Side::Client) };
    let mut streams = Streams::of(&faults_of(Protocol::Http, vec![fault("GET", Moment::End, end)]));
    streams.send(Direction::ToUpstream, GET);
    streams.send(Direction::ToDownstream, UNTIL_CLOSE);
    streams.finish(Direction::ToDownstream);
    assert_eq!((streams.end, streams.responses()), (Some(RESET), UNTIL_CLOSE));
}

#[test]
fn a_target_with_a_host_is_selected_by_its_path() {
    let faults = faults_of(Protocol::Http, vec![fault("GET /a*", Moment::FirstByte, LOST)]);
    let mut streams = Streams::of(&faults);
    streams.send(Direction::ToUpstream, b"GET http://host/a?b HTTP/1.1\r\n\r\n");
    streams.send(Direction::ToDownstream, OK);
    assert_eq!((streams.end, streams.responses()), (Some(RESET), &b""[..]));
}

#[test]
fn a_response_of_the_proxy_can_be_lost() {
    for respond_first in [true, false] {
        let mut faults = vec![respond(), fault("POST", Moment::FirstByte, LOST)];
        faults[1].name = "lost".to_owned();
        if !respond_first {
            faults.reverse();
        }
        let mut streams = Streams::of(&faults_of(Protocol::Http, faults));
        streams.send(Direction::ToUpstream, GET);
        streams.send(Direction::ToDownstream, OK);
        streams.send(Direction::ToUpstream, POST);
        assert_eq!((streams.end, streams.responses(), streams.requests()), (Some(RESET), OK, GET));
    }
}
