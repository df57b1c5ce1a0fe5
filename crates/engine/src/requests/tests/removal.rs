//! Faults that are removed or changed while they act on a request.

use super::*;
use crate::schedule::{ParseMode, Schedule};

const SECOND: Duration = Duration::from_secs(1);

fn end(after: Duration, ending: Ending) -> RequestAction {
    RequestAction::End { after, ending }
}

fn delay(delay: Duration) -> RequestAction {
    RequestAction::Delay(Delay::Constant(delay))
}

/// Returns the fault in a window from the start of the run to this time.
fn until(ms: u64, fault: Fault) -> Fault {
    let schedule = Schedule::parse(&format!("duration:{ms}ms"), ParseMode::Strict).expect("valid");
    Fault { windows: schedule.resolve(None).expect("no percentage"), ..fault }
}

/// Ways to end a fault, and the fault before.
fn removals(fault: &Fault) -> [(Fault, Vec<Fault>); 4] {
    let mut moved = fault.clone();
    moved.effect = RequestFault::new("PUT", Moment::BeforeReady, LOST).into();
    [
        (fault.clone(), Vec::new()),
        (fault.clone(), vec![moved]),
        (fault.clone(), vec![until(100, fault.clone())]),
        (until(250, fault.clone()), vec![until(250, fault.clone())]),
    ]
}

fn acting(protocol: Protocol, faults: Vec<Fault>, request: &[u8], response: &[u8]) -> (Faults, Streams) {
    let faults = faults_of(protocol, faults);
    let mut streams = Streams::of(&faults);
    streams.send(Direction::ToUpstream, request);
    streams.send(Direction::ToDownstream, response);
    (faults, streams)
}

#[test]
fn a_removed_fault_that_has_dropped_a_response_ends_the_session() {
    let reset = Ending::Reset(Side::Client);
    let lost = RequestAction::LoseResponse(Ending::Stall);
    for (at, action, expected) in [
        (Moment::AfterForward, end(SECOND, Ending::Close), SessionEnd::Closed),
        (Moment::AfterForward, end(SECOND, reset), SessionEnd::Reset(Side::Client, Direction::ToDownstream)),
        (Moment::AfterForward, end(Duration::ZERO, Ending::Stall), SessionEnd::Closed),
        (Moment::FirstByte, end(Duration::ZERO, Ending::Stall), SessionEnd::Closed),
        (Moment::FirstByte, lost, SessionEnd::Closed),
    ] {
        let fault = fault("GET", at, action);
        for (fault, then) in removals(&fault) {
            let (faults, mut streams) = acting(Protocol::Http, vec![fault.clone()], GET, OK);
            let passed = streams.responses().to_vec();
            assert_eq!(streams.end, None, "{fault:?}");
            streams.now += SECOND / 4;
            faults.replace(then);
            streams.pass(Direction::ToDownstream);
            assert_eq!((streams.end, streams.responses()), (Some(expected), &passed[..]), "{fault:?}");
        }
    }
}

#[test]
fn a_removed_fault_that_has_dropped_nothing_lets_the_response_pass() {
    let bytes = Moment::MidResponse(Part::Bytes(NonZeroU64::new(9).expect("nine")));
    let (responds_before, responds_after) = ([OK, b""], [b"", OK]);
    for (at, action, responses) in [
        (Moment::BeforeForward, end(SECOND, Ending::Close), responds_after),
        (Moment::AfterForward, end(SECOND, Ending::Close), responds_after),
        (Moment::AfterForward, end(Duration::ZERO, Ending::Stall), responds_after),
        (Moment::AfterForward, delay(SECOND), responds_before),
        (Moment::FirstByte, LOST, responds_after),
        (Moment::FirstByte, delay(SECOND), responds_before),
        (Moment::FirstByte, delay(SECOND), responds_after),
        (Moment::FirstByte, end(SECOND, Ending::Close), responds_before),
        (bytes, end(SECOND, Ending::Close), responds_before),
        (Moment::FirstByte, RequestAction::Limit(100.0), responds_before),
        (Moment::FirstByte, RequestAction::Limit(100.0), responds_after),
    ] {
        for (fault, then) in removals(&fault("GET", at, action.clone())) {
            let (faults, mut streams) = acting(Protocol::Http, vec![fault.clone()], GET, responses[0]);
            streams.now += SECOND / 4;
            faults.replace(then);
            streams.pass(Direction::ToUpstream);
            streams.send(Direction::ToDownstream, responses[1]);
            assert_eq!((streams.end, streams.responses()), (None, OK), "{fault:?}");
            streams.send(Direction::ToUpstream, POST);
            streams.send(Direction::ToDownstream, OK);
            streams.advance(2 * SECOND);
            assert_eq!((streams.end, streams.requests()), (None, &[GET, POST].concat()[..]), "{fault:?}");
            assert_eq!(streams.responses(), [OK, OK].concat(), "{fault:?}");
        }
    }
}

#[test]
fn a_change_that_does_not_concern_a_request_keeps_what_it_holds() {
    for (at, action, end, passed) in [
        (Moment::FirstByte, delay(SECOND), None, OK.len()),
        (Moment::AfterForward, delay(SECOND), None, OK.len()),
        (Moment::AfterForward, end(SECOND, Ending::Close), Some(SessionEnd::Closed), 0),
        (Moment::FirstByte, end(SECOND, Ending::Reset(Side::Client)), Some(RESET), 1),
        (Moment::FirstByte, end(Duration::ZERO, Ending::Stall), None, 1),
    ] {
        let fault = fault("GET", at, action);
        let (faults, mut streams) = acting(Protocol::Http, vec![fault.clone()], GET, OK);
        streams.advance(SECOND / 2);
        faults.replace(vec![times(fault.clone(), 9)]);
        streams.advance(SECOND / 2 - Duration::from_nanos(1));
        let held = streams.responses().len();
        assert_eq!((streams.end, held), (None, if end.is_none() && passed > 1 { 0 } else { passed }));
        streams.advance(Duration::from_nanos(1));
        assert_eq!((streams.end, streams.responses().len()), (end, passed), "{fault:?}");
        let stats = &faults.stats()[0].1;
        assert_eq!(stats.requested_delay.as_ref().map_or(1, |delay| delay.count), 1, "it acts once");
        assert_eq!(stats.sessions, 1);
    }
}

#[test]
fn a_changed_time_counts_from_the_moment() {
    let stall = || end(Duration::ZERO, Ending::Stall);
    for (at, before, after, expected) in [
        (Moment::FirstByte, delay(60 * SECOND), delay(SECOND), None),
        (Moment::AfterForward, delay(60 * SECOND), delay(SECOND), None),
        (
            Moment::AfterForward,
            end(60 * SECOND, Ending::Close),
            end(SECOND, Ending::Close),
            Some(SessionEnd::Closed),
        ),
        (Moment::FirstByte, stall(), end(SECOND, Ending::Close), Some(SessionEnd::Closed)),
    ] {
        let changed = fault("GET", at, after);
        let (faults, mut streams) = acting(Protocol::Http, vec![fault("GET", at, before)], GET, OK);
        streams.advance(SECOND / 2);
        faults.replace(vec![changed.clone()]);
        streams.advance(SECOND / 2 - Duration::from_nanos(1));
        assert!(streams.end.is_none() && streams.responses().len() <= 1, "{changed:?}");
        streams.advance(Duration::from_nanos(1));
        assert_eq!(streams.end, expected, "{changed:?}");
        assert_eq!(streams.responses() == OK, expected.is_none(), "{changed:?}");
    }
}

#[test]
fn a_delay_does_not_wait_for_a_removed_one_before_it() {
    let [first, mut second] = [30, 1].map(|n| fault("GET", Moment::FirstByte, delay(n * SECOND)));
    second.name = "other".to_owned();
    let (faults, mut streams) = acting(Protocol::Http, vec![first, second.clone()], GET, OK);
    faults.replace(vec![second]);
    streams.advance(SECOND / 2);
    assert_eq!(streams.responses(), b"");
    streams.advance(SECOND / 2);
    assert_eq!(streams.responses(), OK);
}

#[test]
fn a_changed_rate_applies_to_the_rest_of_a_response() {
    let limit = |rate| vec![fault("GET", Moment::FirstByte, RequestAction::Limit(rate))];
    let (faults, mut streams) = acting(Protocol::Http, limit(1e3), GET, OK);
    streams.advance(Duration::from_millis(10));
    faults.replace(limit(2e3));
    streams.pass(Direction::ToDownstream);
    let mut passed = vec![streams.responses().len()];
    for _ in 0..2 {
        streams.advance(Duration::from_millis(10));
        passed.push(streams.responses().len());
    }
    assert_eq!(passed, [10, 30, OK.len()]);
}

#[test]
fn the_lowest_of_two_rates_applies() {
    for rates in [[1e3, 1e6], [1e6, 1e3]] {
        let mut both = rates.map(|rate| fault("GET", Moment::FirstByte, RequestAction::Limit(rate)));
        both[1].name = "other".to_owned();
        let (_, mut streams) =
            acting(Protocol::Http, both.to_vec(), &[GET, GET].concat(), &[OK, OK].concat());
        streams.advance(Duration::from_millis(10));
        assert_eq!(streams.responses().len(), 10, "{rates:?}");
    }
}
