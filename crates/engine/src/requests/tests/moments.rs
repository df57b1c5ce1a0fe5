//! Faults at the moments of a request.

use super::*;

#[test]
fn each_moment_ends_the_session_at_its_byte() {
    let ended = |protocol, on: &str, at| {
        let end = RequestAction::End { after: Duration::ZERO, ending: Ending::Close };
        let faults = faults_of(protocol, vec![times(fault(on, at, end), 1)]);
        if protocol == Protocol::Psql { psql(&faults) } else { Streams::of(&faults) }
    };
    let bytes = |n| Moment::MidResponse(Part::Bytes(NonZeroU64::new(n).expect("not zero")));
    for (at, requests, responses) in [
        (Moment::BeforeForward, GET.len(), OK.len()),
        (Moment::AfterForward, GET.len() + POST.len(), OK.len()),
        (Moment::FirstByte, GET.len() + POST.len(), OK.len() + 1),
        (bytes(7), GET.len() + POST.len(), OK.len() + 7),
        (Moment::End, GET.len() + POST.len(), 2 * OK.len()),
    ] {
        let mut streams = ended(Protocol::Http, "POST", at);
        streams.send(Direction::ToUpstream, GET);
        streams.send(Direction::ToDownstream, OK);
        streams.send(Direction::ToUpstream, POST);
        if streams.end.is_none() {
            streams.send(Direction::ToDownstream, OK);
        }
        let passed = (streams.requests().len(), streams.responses().len());
        assert_eq!((streams.end, passed), (Some(SessionEnd::Closed), (requests, responses)), "{at}");
    }
    let row = message(b'D', b"\0\0");
    let rows = Moment::MidResponse(Part::Rows(NonZeroU64::new(2).expect("two")));
    let completed = 3 * row.len() + complete("SELECT 3").len();
    for (at, responses) in [(rows, 2 * row.len()), (Moment::BeforeReady, completed)] {
        for statement in [query("select x"), execute("select x")] {
            let mut streams = ended(Protocol::Psql, "select", at);
            streams.send(Direction::ToUpstream, &statement);
            let response = [&row[..], &row, &row, &complete("SELECT 3"), READY].concat();
            streams.send(Direction::ToDownstream, &response);
            assert_eq!(streams.end, Some(SessionEnd::Closed), "{at}");
            assert_eq!(streams.responses().len(), responses, "{at}");
        }
    }
}

#[test]
fn a_response_that_ends_before_the_moment_is_left_alone() {
    let end = RequestAction::End { after: Duration::ZERO, ending: Ending::Close };
    let at = Moment::MidResponse(Part::Bytes(NonZeroU64::new(1000).expect("not zero")));
    let faults = faults_of(Protocol::Http, vec![fault("GET", at, end)]);
    let mut streams = Streams::of(&faults);
    for _ in 0..50 {
        streams.send(Direction::ToUpstream, GET);
        streams.send(Direction::ToDownstream, OK);
    }
    assert_eq!((streams.end, streams.responses().len()), (None, 50 * OK.len()));
}

#[test]
fn an_end_acts_once_it_holds_the_response() {
    let end = || RequestAction::End { after: Duration::from_secs(60), ending: Ending::Close };
    let bytes = |n| Moment::MidResponse(Part::Bytes(NonZeroU64::new(n).expect("not zero")));
    for (at, acts) in [(Moment::BeforeForward, true), (bytes(7), true), (bytes(1000), false)] {
        let faults = faults_of(Protocol::Http, vec![fault("GET", at, end())]);
        let mut streams = Streams::of(&faults);
        streams.send(Direction::ToUpstream, GET);
        streams.send(Direction::ToDownstream, OK);
        let (fault, stats) = faults.stats().remove(0);
        assert_eq!((streams.end, stats.has_acted(&fault.effect)), (None, acts), "{at}");
    }
}

#[test]
fn delays_of_a_request_add_up_and_others_pass_before() {
    let delay = |ms| RequestAction::Delay(Delay::Constant(Duration::from_millis(ms)));
    let mut faults: Vec<_> = [10, 20].map(|ms| fault("POST", Moment::FirstByte, delay(ms))).into();
    faults[1].name = "other".to_owned();
    let faults = faults_of(Protocol::Http, faults);
    let mut streams = Streams::of(&faults);
    streams.send(Direction::ToUpstream, &[GET, POST, GET].concat());
    streams.send(Direction::ToDownstream, &[OK, OK, OK].concat());
    assert_eq!(streams.responses(), OK);
    streams.advance(Duration::from_millis(29));
    assert_eq!(streams.responses(), OK);
    streams.advance(Duration::from_millis(1));
    assert_eq!(streams.responses().len(), 3 * OK.len());
    assert!(
        faults.stats().iter().all(|(_, stats)| stats.requested_delay.is_some_and(|drawn| drawn.count == 1))
    );
    let slow = faults.request_stats().into_iter().find(|kind| &*kind.kind == "POST").expect("counted");
    assert!(slow.duration.is_some_and(|duration| duration.p50 >= Duration::from_millis(29)), "{slow:?}");
}

#[test]
fn no_response_arrives_after_the_moment_after_forward() {
    let second = Duration::from_secs(1);
    for (after, ending, end) in
        [(second, Ending::Close, Some(SessionEnd::Closed)), (Duration::ZERO, Ending::Stall, None)]
    {
        let action = RequestAction::End { after, ending };
        let faults = faults_of(Protocol::Http, vec![fault("POST", Moment::AfterForward, action)]);
        let mut streams = Streams::of(&faults);
        streams.send(Direction::ToUpstream, &[GET, POST].concat());
        streams.send(Direction::ToDownstream, &[OK, OK].concat());
        assert_eq!((streams.end, streams.requests().len()), (None, GET.len() + POST.len()));
        streams.advance(second);
        assert_eq!((streams.end, streams.responses()), (end, OK));
    }
}

/// A group of statements, each of which may be followed by messages, without its Sync.
fn group_of(statements: &[&str]) -> Vec<u8> {
    let each = statements.iter().map(|text| {
        let group = execute(text);
        group[..group.len() - SYNC.len()].to_vec()
    });
    each.collect::<Vec<_>>().concat()
}

const SYNC: &[u8] = b"S\0\0\0\x04";
const FLUSH: &[u8] = b"H\0\0\0\x04";

#[test]
fn the_upstream_gets_the_whole_group_before_a_fault_acts_after_forward() {
    let second = Duration::from_secs(1);
    let insert = "insert into t values (1)";
    let groups = [
        (query(insert), vec!["INSERT 0 1"]),
        ([group_of(&[insert]), SYNC.to_vec()].concat(), vec!["INSERT 0 1"]),
        (
            [group_of(&["begin", insert, "commit"]), SYNC.to_vec()].concat(),
            vec!["BEGIN", "INSERT 0 1", "COMMIT"],
        ),
    ];
    for (after, ending, end) in
        [(second, Ending::Close, Some(SessionEnd::Closed)), (Duration::ZERO, Ending::Stall, None)]
    {
        for (group, tags) in &groups {
            for pieces in [1, 7, usize::MAX] {
                let action = RequestAction::End { after, ending };
                let faults = faults_of(Protocol::Psql, vec![fault("insert", Moment::AfterForward, action)]);
                let mut streams = psql(&faults);
                let pipeline = [&query("select 1"), group, &query("select 2")].map(Vec::as_slice).concat();
                pipeline.chunks(pieces).for_each(|piece| streams.send(Direction::ToUpstream, piece));
                assert_eq!(
                    streams.requests(),
                    [query("select 1"), group.clone()].concat(),
                    "not what follows"
                );
                let completed = tags.iter().map(|tag| complete(tag)).collect::<Vec<_>>().concat();
                let first = [&complete("SELECT 1"), READY].concat();
                let responses = [&first, &completed, READY].concat();
                responses.chunks(pieces).for_each(|piece| streams.send(Direction::ToDownstream, piece));
                let passing = if tags.len() > 1 { [first, complete("BEGIN")].concat() } else { first };
                assert_eq!((streams.end, streams.responses()), (None, &passing[..]));
                for kind in
                    faults.request_stats().iter().filter(|kind| ["insert", "commit"].contains(&&*kind.kind))
                {
                    let counts = (kind.forwarded, kind.answered, kind.delivered, kind.unconfirmed);
                    assert_eq!(counts, (1, 1, 0, 1), "{}", kind.kind);
                }
                streams.advance(second);
                assert_eq!((streams.end, streams.responses()), (end, &passing[..]));
                assert_eq!(faults.stats()[0].1.actions, 1);
            }
        }
    }
}

#[test]
fn a_fault_after_forward_holds_the_response_to_a_flush_too() {
    let second = Duration::from_secs(1);
    for sends_sync in [false, true] {
        let action = RequestAction::End { after: second, ending: Ending::Close };
        let faults = faults_of(Protocol::Psql, vec![fault("select", Moment::AfterForward, action)]);
        let mut streams = psql(&faults);
        let mut sent = [&group_of(&["select 1"]), FLUSH].concat();
        streams.send(Direction::ToUpstream, &sent);
        streams.send(Direction::ToDownstream, &message(b'D', b"\0\0"));
        if sends_sync {
            streams.send(Direction::ToUpstream, SYNC);
            sent.extend(SYNC);
        }
        streams.send(Direction::ToDownstream, &[&complete("SELECT 1"), READY].concat());
        assert_eq!((streams.end, streams.responses(), streams.requests()), (None, &b""[..], &sent[..]));
        streams.advance(second);
        assert_eq!((streams.end, streams.responses()), (Some(SessionEnd::Closed), &b""[..]));
        assert_eq!(faults.stats()[0].1.actions, 1, "it acts once");
        drop(streams);
        assert_eq!(faults.request_stats()[0].unconfirmed, 1);
    }
}

#[test]
fn a_delay_after_forward_holds_what_follows_and_the_response_once() {
    let second = Duration::from_secs(1);
    let group = |text: &str| [group_of(&[text]), SYNC.to_vec()].concat();
    for flushes in [false, true] {
        let action = RequestAction::Delay(Delay::Constant(second));
        let faults = faults_of(Protocol::Psql, vec![fault("commit", Moment::AfterForward, action)]);
        let mut streams = psql(&faults);
        let mut sent = if flushes { [&group_of(&["commit"]), FLUSH].concat() } else { group("commit") };
        streams.send(Direction::ToUpstream, &sent);
        if !flushes {
            streams.send(Direction::ToUpstream, &group("select 1"));
        }
        assert_eq!(streams.requests(), sent, "what follows waits");
        streams.advance(second / 4);
        streams.send(Direction::ToDownstream, &complete("COMMIT"));
        assert_eq!(streams.responses(), b"", "the response waits");
        if flushes {
            streams.send(Direction::ToUpstream, SYNC);
            sent.extend(SYNC);
        } else {
            sent.extend(group("select 1"));
        }
        streams.send(Direction::ToDownstream, READY);
        let rest = if flushes { second } else { second * 3 / 4 };
        streams.advance(rest.checked_sub(Duration::from_millis(1)).expect("longer"));
        assert_eq!(streams.responses(), b"");
        streams.advance(Duration::from_millis(1));
        assert_eq!(
            (streams.requests(), streams.responses()),
            (&sent[..], &[&complete("COMMIT"), READY].concat()[..])
        );
        let stats = &faults.stats()[0].1;
        let delays =
            [&stats.requested_delay, &stats.delay].map(|delays| delays.as_ref().map(|delays| delays.count));
        assert_eq!(delays, [Some(1); 2], "it acts once");
    }
}

#[test]
fn a_response_that_comes_after_the_delay_is_not_held() {
    let action = RequestAction::Delay(Delay::Constant(Duration::from_secs(1)));
    let faults = faults_of(Protocol::Redis, vec![fault("GET", Moment::AfterForward, action)]);
    let mut streams = Streams::of(&faults);
    streams.send(Direction::ToUpstream, b"GET a\r\n");
    streams.advance(Duration::from_secs(2));
    streams.send(Direction::ToDownstream, b"$-1\r\n");
    assert_eq!(streams.responses(), b"$-1\r\n");
}

#[test]
fn a_rate_counts_from_when_the_response_is_due() {
    let limit = RequestAction::Limit(1000.0);
    let faults = faults_of(Protocol::Redis, vec![fault("GET", Moment::FirstByte, limit.clone())]);
    let pipelined = || {
        let mut streams = Streams::of(&faults);
        streams.send(Direction::ToUpstream, b"GET a\r\nGET b\r\n");
        let reply = format!("$992\r\n{}\r\n", "x".repeat(992));
        streams.send(Direction::ToDownstream, reply.repeat(2).as_bytes());
        streams
    };
    let mut streams = pipelined();
    streams.advance(Duration::from_secs(1));
    assert!(streams.responses().len() <= 1010, "{} bytes of the first response", streams.responses().len());
    streams.advance(Duration::from_secs(1));
    streams.advance(Duration::from_secs(1));
    assert_eq!(streams.responses().len(), 2000);

    let delay = RequestAction::Delay(Delay::Constant(Duration::from_secs(5)));
    let delay = Fault::new("delay", RequestFault::new("GET", Moment::FirstByte, delay));
    faults.replace(vec![fault("GET", Moment::FirstByte, limit), delay]);
    let mut streams = pipelined();
    streams.advance(Duration::from_secs(5));
    assert!(streams.responses().len() <= 10, "{} bytes at once", streams.responses().len());
    streams.advance(Duration::from_millis(500));
    assert!((490..=510).contains(&streams.responses().len()), "{} bytes", streams.responses().len());
}

#[test]
fn delays_of_the_requests_of_a_group_do_not_add_up() {
    let delay = RequestAction::Delay(Delay::Constant(Duration::from_secs(1)));
    let faults = faults_of(Protocol::Psql, vec![fault("select", Moment::BeforeReady, delay)]);
    let mut streams = psql(&faults);
    let one = execute("select 1");
    streams.send(Direction::ToUpstream, &[&one[..one.len() - 5], &one].concat());
    streams
        .send(Direction::ToDownstream, &[&complete("SELECT 1")[..], &complete("SELECT 1"), READY].concat());
    streams.advance(Duration::from_secs(1));
    assert!(streams.responses().ends_with(READY));
}

#[test]
fn the_rate_of_a_response_is_limited_and_that_of_others_is_not() {
    let faults = faults_of(Protocol::Http, vec![fault("POST", Moment::FirstByte, RequestAction::Limit(1e3))]);
    let mut streams = Streams::of(&faults);
    streams.send(Direction::ToUpstream, &[GET, POST, GET].concat());
    streams.send(Direction::ToDownstream, &[OK, OK, OK].concat());
    let mut passed = vec![streams.responses().len()];
    for _ in 0..6 {
        streams.advance(Duration::from_millis(10));
        passed.push(streams.responses().len());
    }
    let first = OK.len();
    assert_eq!(OK.len(), 49);
    assert_eq!(passed, [0, 10, 20, 30, 40, 98, 98].map(|more| first + more), "a byte each millisecond");
}

#[test]
fn a_response_of_as_many_rows_is_truncated_behind_them_and_one_of_fewer_rows_passes() {
    let row = message(b'D', b"\0\0");
    for (rows, end, passed) in [(2, Some(SessionEnd::Closed), 2 * row.len() + 3), (1, None, usize::MAX)] {
        let at = Moment::MidResponse(Part::Rows(NonZeroU64::new(2).expect("two")));
        let faults = faults_of(Protocol::Psql, vec![fault("select", at, RequestAction::Truncate)]);
        let mut streams = psql(&faults);
        streams.send(Direction::ToUpstream, &query("select 1"));
        let response = [&row.repeat(rows)[..], &complete("SELECT"), READY].concat();
        streams.send(Direction::ToDownstream, &response);
        assert_eq!((streams.end, streams.responses().len()), (end, passed.min(response.len())));
    }
}

#[test]
fn a_truncated_response_ends_in_a_row() {
    let row = message(b'D', b"\0\0");
    let at = Moment::MidResponse(Part::Rows(NonZeroU64::new(1).expect("one")));
    let faults = faults_of(Protocol::Psql, vec![fault("select", at, RequestAction::Truncate)]);
    let mut streams = psql(&faults);
    streams.send(Direction::ToUpstream, &query("select 1"));
    streams.send(Direction::ToDownstream, &[&row[..], &row, &complete("SELECT 2"), READY].concat());
    assert_eq!((streams.end, streams.responses().len()), (Some(SessionEnd::Closed), row.len() + 3));
}

#[test]
fn the_response_of_a_commit_behind_a_long_text_is_lost() {
    let long = "x".repeat(20_000);
    let statements = [format!("/* {long} */ commit"), format!("insert into t values ('{long}'); commit")];
    for (text, also) in statements.iter().zip([None, Some("insert")]) {
        for statement in [query(text), execute(text)] {
            for pieces in [1000, usize::MAX] {
                let mut faults = vec![times(fault("commit", Moment::FirstByte, LOST), 1)];
                let mut other = fault("begin", Moment::FirstByte, LOST);
                other.name = "other".to_owned();
                faults.push(other);
                let faults = faults_of(Protocol::Psql, faults);
                let mut streams = psql(&faults);
                statement.chunks(pieces).for_each(|piece| streams.send(Direction::ToUpstream, piece));
                assert_eq!(streams.requests(), statement);
                streams.send(Direction::ToDownstream, &[complete("COMMIT"), READY.to_vec()].concat());
                assert_eq!((streams.end, streams.responses()), (Some(RESET), &b""[..]));
                let stats = faults.request_stats();
                let counts = stats.iter().map(|kind| (&*kind.kind, kind.requests, kind.unconfirmed));
                let expected = [Some("commit"), also].into_iter().flatten().map(|kind| (kind, 1, 1));
                assert_eq!(counts.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
            }
        }
    }
}
