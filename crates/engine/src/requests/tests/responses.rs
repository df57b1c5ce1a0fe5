//! Responses of the proxy.

use proptest::prelude::*;

use super::*;

fn respond(on: &str, response: Response) -> Fault {
    fault(on, Moment::BeforeForward, RequestAction::Respond(response))
}

#[test]
fn the_proxy_responds_to_http_in_the_order_of_the_requests() {
    let unavailable = Response::Http { status: 503, retry_after: None, body: Some("busy".to_owned()) };
    for pieces in [1, 7, usize::MAX] {
        let faults = faults_of(Protocol::Http, vec![respond("POST", unavailable.clone())]);
        let mut streams = Streams::of(&faults);
        for piece in [GET, POST, GET, POST].concat().chunks(pieces) {
            streams.send(Direction::ToUpstream, piece);
        }
        assert_eq!(streams.requests(), GET, "the next request waits for the response of the proxy");
        let own = unavailable.bytes(false, Persistence::Implicit);
        for piece in OK.chunks(pieces) {
            streams.send(Direction::ToDownstream, piece);
        }
        assert_eq!(streams.responses(), [OK, &own].concat());
        assert_eq!(streams.requests(), [GET, GET].concat());
        streams.send(Direction::ToDownstream, OK);
        assert_eq!(streams.responses(), [OK, &own, OK, &own].concat());
        streams.send(Direction::ToUpstream, POST);
        assert_eq!(streams.responses(), [OK, &own, OK, &own, &own].concat());
        assert_eq!(streams.requests(), [GET, GET].concat());
        let stats = faults.request_stats();
        let [get, post] = &stats[..] else { panic!("{stats:?}") };
        assert_eq!((get.injected, get.delivered), (0, 2));
        assert_eq!((post.injected, post.forwarded, post.answered, post.unconfirmed), (3, 0, 0, 0));
    }
}

#[test]
fn an_error_of_the_proxy_takes_the_place_of_one_of_the_server() {
    let deadlock = Response::Psql { sqlstate: "40P01".to_owned() };
    let own = deadlock.bytes(false, Persistence::Implicit);
    let failed = message(b'E', b"SERROR\0C42601\0Msyntax error\0\0");
    let bound = [message(b'1', b""), message(b'2', b"")].concat();
    for (statement, before) in
        [(query("update t set a = 1"), &b""[..]), (execute("update t set a = 1"), &bound)]
    {
        for pieces in [1, 5, usize::MAX] {
            let faults = faults_of(Protocol::Psql, vec![respond("update", deadlock.clone())]);
            let mut streams = psql(&faults);
            for piece in [&query("begin")[..], &statement, &query("rollback")].concat().chunks(pieces) {
                streams.send(Direction::ToUpstream, piece);
            }
            let sent = String::from_utf8_lossy(streams.requests());
            assert!(!sent.contains("\0E\0") && sent.contains("fault_proxy replaces"), "{sent:?}");
            assert!(sent.ends_with("rollback\0"), "{sent:?}");
            let begun = [complete("BEGIN"), b"Z\0\0\0\x05T".to_vec()].concat();
            let rest = [b"Z\0\0\0\x05E".to_vec(), complete("ROLLBACK"), READY.to_vec()].concat();
            for piece in [&begun, before, &failed, &rest].concat().chunks(pieces) {
                streams.send(Direction::ToDownstream, piece);
            }
            let seen = streams.responses();
            assert_eq!(seen, [&begun, before, &own, &rest].concat(), "{}", String::from_utf8_lossy(seen));
        }
    }
}

#[test]
fn a_commit_in_a_transaction_fails_with_its_transaction() {
    let faults =
        faults_of(Protocol::Psql, vec![respond("commit", Response::Psql { sqlstate: "40001".to_owned() })]);
    for (status, expected) in
        [(b'T', "prepare transaction"), (b'E', "prepare transaction"), (b'I', "fault_proxy replaces")]
    {
        let mut streams = psql(&faults);
        streams.send(Direction::ToUpstream, &query("begin"));
        streams.send(Direction::ToDownstream, &[complete("BEGIN"), message(b'Z', &[status])].concat());
        streams.send(Direction::ToUpstream, &query("commit"));
        let sent = String::from_utf8_lossy(streams.requests()).into_owned();
        assert!(sent.contains(expected) && !sent.contains("commit"), "{sent}");
    }
}

/// Returns for each commit that the proxy has replaced whether the statement in its place ends a transaction.
fn replaced_commits(requests: &[u8]) -> Vec<bool> {
    let sent = String::from_utf8_lossy(requests);
    let ends = sent.match_indices("prepare transaction").map(|(place, _)| (place, true));
    let fails = sent.match_indices("fault_proxy replaces").map(|(place, _)| (place, false));
    let mut all: Vec<_> = ends.chain(fails).collect();
    all.sort_unstable();
    all.into_iter().map(|(_, ends)| ends).collect()
}

proptest! {
    #[test]
    fn a_commit_fails_with_its_transaction_although_the_client_does_not_wait(
        statements in prop::collection::vec(
            (
                prop::sample::select(vec!["begin", "select 1", "rollback", "ROLLBACK  AND CHAIN;", "commit"]),
                any::<bool>(),
                any::<bool>(),
            ),
            1..20,
        ),
        cuts in (1_usize..60, 1_usize..60),
    ) {
        let faults =
            faults_of(Protocol::Psql, vec![respond("commit", Response::Psql { sqlstate: "40001".to_owned() })]);
        let mut streams = psql(&faults);
        let (mut is_in_transaction, mut expected, mut responses) = (false, Vec::new(), Vec::new());
        for (text, is_simple, waits) in statements {
            let statement = if is_simple { query(text) } else { execute(text) };
            statement.chunks(cuts.0).for_each(|piece| streams.send(Direction::ToUpstream, piece));
            if text == "commit" {
                expected.push(is_in_transaction);
                responses.extend(message(b'E', b"SERROR\0C42601\0Msyntax error\0\0"));
                if is_in_transaction && !is_simple {
                    // The simple query in the group.
                    responses.extend(READY);
                }
            } else {
                let before = [message(b'1', b""), message(b'2', b"")].concat();
                responses.extend(if is_simple { Vec::new() } else { before });
                responses.extend(match text {
                    "ROLLBACK  AND CHAIN;" if !is_in_transaction => message(b'E', b"SERROR\0C25P01\0Mx\0\0"),
                    "ROLLBACK  AND CHAIN;" => complete("ROLLBACK"),
                    _ => complete(text),
                });
            }
            is_in_transaction =
                text == "begin" || is_in_transaction && !matches!(text, "rollback" | "commit");
            responses.extend(message(b'Z', if is_in_transaction { b"T" } else { b"I" }));
            if waits {
                for piece in std::mem::take(&mut responses).chunks(cuts.1) {
                    streams.send(Direction::ToDownstream, piece);
                }
            }
        }
        prop_assert_eq!(replaced_commits(streams.requests()), expected);
        prop_assert_eq!(faults.opaque_sessions(), 0);
    }
}

/// Messages of the extended protocol that execute these statements, with one Sync.
fn group(statements: &[&str]) -> Vec<u8> {
    let each = statements.iter().map(|text| {
        let whole = execute(text);
        whole[..whole.len() - 5].to_vec()
    });
    [each.collect::<Vec<_>>().concat(), message(b'S', b"")].concat()
}

#[test]
fn a_commit_in_the_group_of_its_begin_ends_the_transaction() {
    let bound = [message(b'1', b""), message(b'2', b"")].concat();
    let failed = message(b'E', b"SERROR\0C22023\0Mtoo long\0\0");
    let ready = |status| message(b'Z', &[status]);
    let own = Response::Psql { sqlstate: "40001".to_owned() };
    let replaced = [&bound[..], &own.bytes(false, Persistence::Implicit)].concat();
    let begun = [&bound[..], &complete("BEGIN")].concat();
    for (server, client, injected) in [
        // The server executes the query in the place of COMMIT.
        (
            [&begun[..], &bound, &failed, &ready(b'I'), &ready(b'I')].concat(),
            [&begun[..], &replaced, &ready(b'I')].concat(),
            1,
        ),
        // The transaction has failed in a way that the proxy cannot foresee.
        (
            [&begun[..], &bound, &complete("ROLLBACK"), &ready(b'I'), &ready(b'I')].concat(),
            [&begun[..], &replaced, &ready(b'I')].concat(),
            1,
        ),
        // BEGIN has failed, so the server skips the rest.
        ([&bound[..], &failed, &ready(b'I')].concat(), [&bound[..], &failed, &ready(b'I')].concat(), 0),
        // Parse of COMMIT has failed, so the server skips the query.
        (
            [&begun[..], &failed, &ready(b'E')].concat(),
            [&begun[..], &own.bytes(false, Persistence::Implicit), &ready(b'E')].concat(),
            1,
        ),
    ] {
        for pieces in [1, 5, usize::MAX] {
            let faults = faults_of(Protocol::Psql, vec![respond("commit", own.clone())]);
            let mut streams = psql(&faults);
            let next = [complete("SELECT 1"), ready(b'I')].concat();
            for piece in [group(&["begin", "commit", "insert"]), query("select 1")].concat().chunks(pieces) {
                streams.send(Direction::ToUpstream, piece);
            }
            assert_eq!(replaced_commits(streams.requests()), [true]);
            let sent = String::from_utf8_lossy(streams.requests());
            assert!(!sent.contains("insert") && sent.contains("S\0\0\0\u{4}Q"), "{sent:?}");
            for piece in [&server[..], &next].concat().chunks(pieces) {
                streams.send(Direction::ToDownstream, piece);
            }
            let seen = streams.responses();
            assert_eq!(seen, [&client[..], &next].concat(), "{}", String::from_utf8_lossy(seen));
            let stats = faults.request_stats();
            let of = |kind: &str| stats.iter().find(|stats| &*stats.kind == kind).expect("it has begun");
            assert_eq!(
                (of("commit").requests, of("commit").injected, of("commit").delivered),
                (1, injected, 0)
            );
            let behind = of("insert");
            assert_eq!((behind.forwarded, behind.answered, behind.delivered), (0, 0, 0));
            assert_eq!((of("select").delivered, faults.opaque_sessions()), (1, 0));
        }
    }
}

#[test]
fn a_commit_in_a_failed_transaction_gets_the_response_of_the_proxy() {
    let own = Response::Psql { sqlstate: "40001".to_owned() };
    for statement in [query("commit"), execute("commit")] {
        let faults = faults_of(Protocol::Psql, vec![respond("commit", own.clone())]);
        let mut streams = psql(&faults);
        streams.send(Direction::ToUpstream, &[query("begin"), query("bad"), statement.clone()].concat());
        let failed = message(b'E', b"SERROR\0C42601\0Msyntax error\0\0");
        let before = [complete("BEGIN"), message(b'Z', b"T"), failed, message(b'Z', b"E")].concat();
        let is_extended = statement != query("commit");
        let ready = READY.repeat(1 + usize::from(is_extended));
        streams.send(Direction::ToDownstream, &[&before[..], &complete("ROLLBACK"), &ready].concat());
        let expected = [&before[..], &own.bytes(false, Persistence::Implicit), READY].concat();
        assert_eq!(streams.responses(), expected, "{}", String::from_utf8_lossy(streams.responses()));
    }
}

#[test]
fn a_commit_behind_others_that_the_proxy_has_replaced_or_that_chain_ends_the_transaction() {
    let own = Response::Psql { sqlstate: "40001".to_owned() };
    for (on, statements, expected) in [
        ("sql=commit", &["begin", "commit and chain", "commit"][..], &[true][..]),
        ("sql=commit", &["commit and chain", "commit"], &[false]),
        ("commit", &["begin", "commit and chain", "commit"], &[true, false]),
        ("sql=/^(rollback|commit)$/", &["begin", "rollback", "commit"], &[false, true]),
        ("sql=/^(rollback|commit)$/", &["rollback", "commit"], &[false, false]),
    ] {
        for send in [query, execute] {
            let faults = faults_of(Protocol::Psql, vec![respond(on, own.clone())]);
            let mut streams = psql(&faults);
            streams.send(Direction::ToUpstream, &query("select 1"));
            streams.send(Direction::ToDownstream, &[complete("SELECT 1"), READY.to_vec()].concat());
            for statement in statements {
                streams.send(Direction::ToUpstream, &send(statement));
            }
            assert_eq!(replaced_commits(streams.requests()), expected, "{on} {statements:?}");
        }
    }
}

#[test]
fn asynchronous_messages_pass_beside_an_error_that_the_proxy_replaces() {
    let own = Response::Psql { sqlstate: "40001".to_owned() };
    let failed = message(b'E', b"SERROR\0C22023\0Mtoo long\0\0");
    let bound = [message(b'1', b""), message(b'2', b"")].concat();
    let before = message(b'N', b"SNOTICE\0Mbefore\0\0");
    let behind = [
        message(b'S', b"TimeZone\0UTC\0"),
        message(b'A', b"\0\0\0\x01a\0important\0"),
        message(b'N', b"SNOTICE\0Mbehind\0\0"),
    ]
    .concat();
    for (statement, bound, ready) in [
        (query("commit"), &b""[..], READY.to_vec()),
        // The server executes a simple query in the group.
        (execute("commit"), &bound, READY.repeat(2)),
    ] {
        for pieces in [1, 7, usize::MAX] {
            let faults = faults_of(Protocol::Psql, vec![respond("commit", own.clone())]);
            let mut streams = psql(&faults);
            streams.send(Direction::ToUpstream, &query("begin"));
            streams.send(Direction::ToDownstream, &[complete("BEGIN"), b"Z\0\0\0\x05T".to_vec()].concat());
            streams.passed = Default::default();
            streams.send(Direction::ToUpstream, &statement);
            for piece in [bound, &before, &failed, &behind, &ready, &behind].concat().chunks(pieces) {
                streams.send(Direction::ToDownstream, piece);
            }
            let own = own.bytes(false, Persistence::Implicit);
            let expected = [bound, &before, &own, &behind, READY, &behind].concat();
            let seen = streams.responses();
            assert_eq!(seen, expected, "{}", String::from_utf8_lossy(seen));
        }
    }
}

#[test]
fn a_stall_drops_asynchronous_messages_too() {
    let stall = fault("commit", Moment::FirstByte, RequestAction::LoseResponse(Ending::Stall));
    let mut streams = psql(&faults_of(Protocol::Psql, vec![stall]));
    streams.send(Direction::ToUpstream, &query("commit"));
    let parameter = message(b'S', b"TimeZone\0UTC\0");
    streams.send(Direction::ToDownstream, &[&complete("COMMIT")[..], &parameter, READY, &parameter].concat());
    assert_eq!((streams.end, streams.responses()), (None, &b""[..]));
}

#[test]
fn one_fault_responds_to_a_request() {
    let loading = Response::redis("LOADING").expect("known");
    let mut faults = vec![respond("SET", loading.clone()), respond("* k", loading.clone())];
    faults[1].name = "other".to_owned();
    let mut streams = Streams::of(&faults_of(Protocol::Redis, faults));
    streams.send(Direction::ToUpstream, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\na\r\n");
    assert_eq!(streams.requests(), b"*1\r\n$11\r\nFAULT-PROXY\r\n");
    streams.send(Direction::ToDownstream, b"-ERR unknown command\r\n");
    assert_eq!(streams.responses(), loading.bytes(false, Persistence::Implicit));
}

#[test]
fn a_response_of_the_proxy_does_not_end_a_stall() {
    let stall = fault("INCR", Moment::FirstByte, RequestAction::LoseResponse(Ending::Stall));
    let mut respond = respond("SET", Response::redis("OOM").expect("known"));
    respond.name = "other".to_owned();
    let mut streams = Streams::of(&faults_of(Protocol::Redis, vec![stall, respond]));
    let pipeline =
        b"*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\na\r\n*1\r\n$4\r\nPING\r\n";
    for pieces in [1, usize::MAX] {
        pipeline.chunks(pieces).for_each(|piece| streams.send(Direction::ToUpstream, piece));
        b":1\r\n-ERR unknown command\r\n+PONG\r\n"
            .chunks(pieces)
            .for_each(|piece| streams.send(Direction::ToDownstream, piece));
        assert_eq!((streams.end, streams.responses()), (None, &b""[..]));
    }
}

#[test]
fn an_exec_that_fails_ends_its_transaction() {
    let faults =
        faults_of(Protocol::Redis, vec![respond("EXEC", Response::redis("READONLY").expect("known"))]);
    let mut streams = Streams::of(&faults);
    streams.send(Direction::ToUpstream, b"*1\r\n$4\r\nEXEC\r\n");
    assert_eq!(streams.requests(), b"*1\r\n$7\r\nDISCARD\r\n");
}

#[test]
fn a_fatal_error_closes_the_session() {
    let shutdown = Response::Psql { sqlstate: "57P01".to_owned() };
    let faults = faults_of(Protocol::Psql, vec![respond("select", shutdown.clone())]);
    let mut streams = psql(&faults);
    streams.send(Direction::ToUpstream, &query("select 1"));
    streams.send(Direction::ToDownstream, &message(b'E', b"SERROR\0C42601\0Msyntax error\0\0"));
    assert_eq!(
        (streams.end, streams.responses()),
        (Some(SessionEnd::Closed), &shutdown.bytes(false, Persistence::Implicit)[..])
    );
    assert_eq!(faults.stats()[0].1.actions, 1);
}

#[test]
fn an_error_of_redis_is_in_its_place_of_the_pipeline() {
    let loading = Response::redis("LOADING").expect("known");
    for pieces in [1, 4, usize::MAX] {
        let faults = faults_of(Protocol::Redis, vec![respond("SET session:*", loading.clone())]);
        let mut streams = Streams::of(&faults);
        let set = b"*3\r\n$3\r\nSET\r\n$9\r\nsession:1\r\n$1\r\na\r\n";
        let get = b"*2\r\n$3\r\nGET\r\n$1\r\nb\r\n";
        for piece in [&get[..], set, get].concat().chunks(pieces) {
            streams.send(Direction::ToUpstream, piece);
        }
        assert_eq!(streams.requests(), [&get[..], b"*1\r\n$11\r\nFAULT-PROXY\r\n", get].concat());
        for piece in b"$1\r\nx\r\n-ERR unknown command\r\n$1\r\ny\r\n".chunks(pieces) {
            streams.send(Direction::ToDownstream, piece);
        }
        assert_eq!(
            streams.responses(),
            [b"$1\r\nx\r\n", &loading.bytes(false, Persistence::Implicit)[..], b"$1\r\ny\r\n"].concat()
        );
    }
}

#[test]
fn other_faults_act_on_a_response_of_the_proxy_in_either_order() {
    let second = Duration::from_secs(1);
    let delay = || RequestAction::Delay(Delay::Constant(second));
    for (response, ends) in [("57P01", true), ("40001", false)] {
        let response = Response::Psql { sqlstate: response.to_owned() };
        let own = response.bytes(false, Persistence::Implicit);
        for (action, end, passed) in
            [(delay(), ends.then_some(SessionEnd::Closed), &own[..]), (LOST, Some(RESET), &b""[..])]
        {
            for respond_first in [true, false] {
                let mut faults = vec![
                    respond("select", response.clone()),
                    fault("select", Moment::FirstByte, action.clone()),
                ];
                faults[1].name = "other".to_owned();
                if !respond_first {
                    faults.reverse();
                }
                let faults = faults_of(Protocol::Psql, faults);
                let mut streams = psql(&faults);
                streams.send(Direction::ToUpstream, &query("select 1"));
                let failed = message(b'E', b"SERROR\0C42601\0Msyntax error\0\0");
                streams.send(Direction::ToDownstream, &failed);
                assert_eq!(streams.responses(), b"");
                if action == LOST && ends {
                    assert_eq!(streams.end, Some(SessionEnd::Closed), "it is fatal");
                    continue;
                }
                streams.send(Direction::ToDownstream, READY);
                assert_eq!(streams.responses(), b"");
                streams.advance(second);
                assert_eq!(streams.end, end);
                assert!(streams.responses().starts_with(passed));
            }
        }
    }
}
