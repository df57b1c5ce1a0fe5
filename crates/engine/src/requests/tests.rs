use std::num::NonZeroU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fault_proxy_protocol::Protocol;
use proptest::prelude::*;

use super::response::Response;
use super::rule::{Ending, Moment, Part, RequestAction, RequestFault};
use super::{Output, Requests};
use crate::direction::{Direction, Side};
use crate::shared::SessionEnd;
use crate::{Delay, Engine, Fault, Faults, Journal, JournalEntry, Selection, Settings};

const RESET: SessionEnd = SessionEnd::Reset(Side::Client, Direction::ToDownstream);
const LOST: RequestAction = RequestAction::LoseResponse(Ending::Reset(Side::Client));

/// Both streams of a session, without connections.
struct Streams {
    requests: Requests,
    now: Duration,
    /// By direction: bytes that were received and have not passed, and bytes that have passed.
    held: [Vec<u8>; 2],
    passed: [Vec<u8>; 2],
    end: Option<SessionEnd>,
}

impl Streams {
    fn of(faults: &Faults) -> Self {
        let protocol = faults.shared.read_protocol().expect("a fault on requests");
        let context = Arc::new(faults.shared.begin_session());
        let requests = Requests::new(protocol, Arc::clone(&faults.shared), context);
        let (held, passed) = Default::default();
        Self { requests, now: Duration::ZERO, held, passed, end: None }
    }

    /// Bytes come, and pass as far as they may.
    fn send(&mut self, direction: Direction, bytes: &[u8]) {
        let wakes_other = self.requests.on_received(direction, self.now, bytes);
        self.held[direction as usize].extend_from_slice(bytes);
        self.pass(direction);
        if wakes_other {
            self.pass(direction.opposite());
        }
    }

    fn finish(&mut self, direction: Direction) {
        self.requests.on_end(direction);
        self.pass(direction);
    }

    fn pass(&mut self, direction: Direction) {
        let held = &mut self.held[direction as usize];
        while self.end.is_none() {
            match self.requests.output(direction, self.now) {
                Output::Pass(len) => {
                    self.passed[direction as usize].extend(held.drain(..len));
                    self.requests.on_passed(direction, len);
                    self.requests.on_written(direction, self.now, len);
                }
                Output::Drop(len) => {
                    held.drain(..len);
                    self.requests.on_dropped(direction, len);
                }
                Output::Insert(bytes) => {
                    self.passed[direction as usize].extend_from_slice(&bytes);
                    self.requests.on_inserted(direction, bytes.len());
                    self.requests.on_written(direction, self.now, bytes.len());
                }
                Output::Receive(bytes) => held.extend_from_slice(&bytes),
                Output::End(end) => self.end = Some(end),
                Output::Wait(_) | Output::More => return,
            }
        }
    }

    fn advance(&mut self, time: Duration) {
        self.now += time;
        self.pass(Direction::ToUpstream);
        self.pass(Direction::ToDownstream);
    }

    fn requests(&self) -> &[u8] {
        &self.passed[Direction::ToUpstream as usize]
    }

    fn responses(&self) -> &[u8] {
        &self.passed[Direction::ToDownstream as usize]
    }
}

fn faults_of(protocol: Protocol, faults: Vec<Fault>) -> Faults {
    let proxy = Engine::new(Settings::default()).proxy("test", faults);
    proxy.set_protocol(Some(protocol));
    proxy
}

fn fault(on: &str, at: Moment, action: RequestAction) -> Fault {
    Fault::new("fault", RequestFault::new(on, at, action))
}

fn times(fault: Fault, times: u64) -> Fault {
    Fault { selection: Selection { times: NonZeroU64::new(times), ..Selection::ALL }, ..fault }
}

/// A message of PostgreSQL.
fn message(tag: u8, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len() + 4).expect("short");
    [&[tag][..], &len.to_be_bytes(), payload].concat()
}

fn query(text: &str) -> Vec<u8> {
    message(b'Q', &[text.as_bytes(), b"\0"].concat())
}

/// The group of messages that executes a statement in the extended protocol.
fn execute(text: &str) -> Vec<u8> {
    let parse = [b"\0", text.as_bytes(), b"\0\0\0"].concat();
    let bind = [0; 8];
    [message(b'P', &parse), message(b'B', &bind), message(b'E', &[0; 5]), message(b'S', b"")].concat()
}

fn complete(tag: &str) -> Vec<u8> {
    message(b'C', &[tag.as_bytes(), b"\0"].concat())
}

const READY: &[u8] = b"Z\0\0\0\x05I";

/// A session of PostgreSQL after its start.
fn psql(faults: &Faults) -> Streams {
    let mut streams = Streams::of(faults);
    streams.send(Direction::ToUpstream, b"\0\0\0\x0a\0\x03\0\0u\0");
    streams.send(Direction::ToDownstream, b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I");
    streams.passed = Default::default();
    streams
}

const GET: &[u8] = b"GET /a HTTP/1.1\r\nhost: x\r\n\r\n";
const POST: &[u8] = b"POST /orders/1?key=secret HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhi";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n0123456789";

#[test]
fn the_response_of_a_commit_is_lost_once_the_upstream_has_committed() {
    for statement in [query("commit"), execute("COMMIT")] {
        let faults = faults_of(Protocol::Psql, vec![fault("commit", Moment::FirstByte, LOST)]);
        let mut streams = psql(&faults);
        streams.send(Direction::ToUpstream, &query("insert into t values (1)"));
        let inserted = [complete("INSERT 0 1"), READY.to_vec()].concat();
        streams.send(Direction::ToDownstream, &inserted);
        streams.send(Direction::ToUpstream, &statement);
        assert!(streams.requests().ends_with(&statement), "the upstream gets the commit");
        streams.send(Direction::ToDownstream, &complete("COMMIT"));
        assert_eq!(streams.end, None, "the upstream may not have committed");
        streams.send(Direction::ToDownstream, READY);
        assert_eq!(streams.end, Some(RESET));
        assert_eq!(streams.responses(), inserted);
        let stats = faults.request_stats();
        let [commit, insert] = &stats[..] else { panic!("{stats:?}") };
        let counts =
            |of: &crate::RequestStats| (of.requests, of.forwarded, of.answered, of.delivered, of.unconfirmed);
        assert_eq!((&*commit.kind, counts(commit)), ("commit", (1, 1, 1, 0, 1)));
        assert_eq!((&*insert.kind, counts(insert)), ("insert", (1, 1, 1, 1, 0)));
    }
}

#[test]
fn a_client_that_flushes_without_sync_loses_its_response_too() {
    let faults = faults_of(Protocol::Psql, vec![fault("select", Moment::FirstByte, LOST)]);
    let mut streams = psql(&faults);
    let group = execute("select 1");
    streams.send(Direction::ToUpstream, &group[..group.len() - 5]);
    streams.send(Direction::ToUpstream, &message(b'H', b""));
    streams.send(Direction::ToDownstream, &complete("SELECT 1"));
    assert_eq!((streams.end, streams.responses()), (Some(RESET), &b""[..]));
}

#[test]
fn only_the_selected_requests_are_hit() {
    let lost = Fault {
        selection: Selection { skip: 1, every: NonZeroU64::new(2).expect("two"), times: NonZeroU64::new(2) },
        ..fault("POST /orders/*", Moment::FirstByte, LOST)
    };
    let faults = faults_of(Protocol::Http, vec![lost]);
    let mut hit = Vec::new();
    for session in 1..=9 {
        let mut streams = Streams::of(&faults);
        streams.send(Direction::ToUpstream, GET);
        streams.send(Direction::ToDownstream, OK);
        assert_eq!((streams.end, streams.responses()), (None, OK));
        streams.send(Direction::ToUpstream, POST);
        streams.send(Direction::ToDownstream, OK);
        if streams.end == Some(RESET) {
            assert_eq!(streams.responses(), OK, "the response to GET only");
            hit.push(session);
        }
    }
    assert_eq!(hit, [2, 4]);
}

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
fn a_stall_drops_responses_until_the_client_gives_up() {
    let stall = RequestAction::LoseResponse(Ending::Stall);
    let faults = faults_of(Protocol::Http, vec![fault("GET", Moment::FirstByte, stall)]);
    let mut streams = Streams::of(&faults);
    streams.send(Direction::ToUpstream, GET);
    streams.send(Direction::ToDownstream, OK);
    streams.send(Direction::ToDownstream, OK);
    streams.finish(Direction::ToDownstream);
    assert_eq!((streams.end, streams.responses()), (None, &b""[..]));
    streams.finish(Direction::ToUpstream);
    streams.pass(Direction::ToDownstream);
    assert_eq!(streams.end, Some(SessionEnd::Closed));
}

#[test]
fn a_response_is_lost_even_if_the_upstream_closes_before_its_end() {
    let faults = faults_of(Protocol::Http, vec![fault("GET", Moment::FirstByte, LOST)]);
    let mut streams = Streams::of(&faults);
    streams.send(Direction::ToUpstream, GET);
    streams.send(Direction::ToDownstream, b"HTTP/1.1 200 OK\r\n\r\nuntil the end of the connection");
    assert_eq!(streams.end, None);
    streams.finish(Direction::ToDownstream);
    assert_eq!((streams.end, streams.responses()), (Some(RESET), &b""[..]));
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
fn a_fault_acts_on_requests_that_begin_after_it_was_added() {
    let faults = faults_of(Protocol::Http, Vec::new());
    assert_eq!(faults.shared.read_protocol(), None, "sessions are not read without need");
    faults.read_requests();
    let mut streams = Streams::of(&faults);
    streams.send(Direction::ToUpstream, GET);
    faults.replace(vec![fault("GET", Moment::FirstByte, LOST)]);
    streams.send(Direction::ToDownstream, OK);
    assert_eq!((streams.end, streams.responses()), (None, OK));
    streams.send(Direction::ToUpstream, GET);
    streams.send(Direction::ToDownstream, OK);
    assert_eq!((streams.end, streams.responses()), (Some(RESET), OK));
}

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
        let own = unavailable.bytes(false);
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
    let own = deadlock.bytes(false);
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
    for (status, expected) in [(b'T', "prepare transaction"), (b'I', "fault_proxy replaces")] {
        let mut streams = psql(&faults);
        streams.send(Direction::ToUpstream, &query("begin"));
        streams.send(Direction::ToDownstream, &[complete("BEGIN"), message(b'Z', &[status])].concat());
        streams.send(Direction::ToUpstream, &query("commit"));
        let sent = String::from_utf8_lossy(streams.requests()).into_owned();
        assert!(sent.contains(expected) && !sent.contains("commit"), "{sent}");
    }
}

/// A group whose first statement fails: the server skips the rest up to Sync.
fn failing_group(second: &str) -> (Vec<u8>, Vec<u8>) {
    let [first, second] = ["insert into nosuch values (1)", second].map(execute);
    let failed = message(b'E', b"SERROR\0C42P01\0Mno such table\0\0");
    ([&first[..first.len() - 5], &second].concat(), [&failed[..], READY].concat())
}

#[test]
fn a_request_that_the_server_skips_is_left_alone() {
    let error = || RequestAction::Respond(Response::Psql { sqlstate: "40001".to_owned() });
    let end = || RequestAction::End { after: Duration::ZERO, ending: Ending::Close };
    for (at, action) in
        [(Moment::FirstByte, LOST), (Moment::FirstByte, end()), (Moment::BeforeForward, error())]
    {
        for kind in ["commit", "update t set a = 1"] {
            let on = kind.split(' ').next().expect("a word");
            let faults = faults_of(Protocol::Psql, vec![fault(on, at, action.clone())]);
            let mut streams = psql(&faults);
            let (requests, responses) = failing_group(kind);
            streams.send(Direction::ToUpstream, &requests);
            assert!(streams.requests().ends_with(&message(b'S', b"")), "the server gets the Sync");
            streams.send(Direction::ToDownstream, &responses);
            assert_eq!((streams.end, streams.responses()), (None, &responses[..]), "{action:?}");
        }
    }
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

#[test]
fn one_fault_responds_to_a_request() {
    let loading = Response::redis("LOADING").expect("known");
    let mut faults = vec![respond("SET", loading.clone()), respond("* k", loading.clone())];
    faults[1].name = "other".to_owned();
    let mut streams = Streams::of(&faults_of(Protocol::Redis, faults));
    streams.send(Direction::ToUpstream, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\na\r\n");
    assert_eq!(streams.requests(), b"*1\r\n$11\r\nFAULT-PROXY\r\n");
    streams.send(Direction::ToDownstream, b"-ERR unknown command\r\n");
    assert_eq!(streams.responses(), loading.bytes(false));
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
fn what_a_removed_fault_holds_goes_on() {
    let delay = RequestAction::Delay(Delay::Constant(Duration::from_secs(30)));
    let faults = faults_of(Protocol::Http, vec![fault("GET", Moment::FirstByte, delay)]);
    let mut streams = Streams::of(&faults);
    streams.send(Direction::ToUpstream, GET);
    streams.send(Direction::ToDownstream, OK);
    assert_eq!(streams.responses(), b"");
    faults.replace(Vec::new());
    streams.pass(Direction::ToDownstream);
    assert_eq!(streams.responses(), OK);
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
fn a_fatal_error_closes_the_session() {
    let shutdown = Response::Psql { sqlstate: "57P01".to_owned() };
    let faults = faults_of(Protocol::Psql, vec![respond("select", shutdown.clone())]);
    let mut streams = psql(&faults);
    streams.send(Direction::ToUpstream, &query("select 1"));
    streams.send(Direction::ToDownstream, &message(b'E', b"SERROR\0C42601\0Msyntax error\0\0"));
    assert_eq!((streams.end, streams.responses()), (Some(SessionEnd::Closed), &shutdown.bytes(false)[..]));
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
        assert_eq!(streams.responses(), [b"$1\r\nx\r\n", &loading.bytes(false)[..], b"$1\r\ny\r\n"].concat());
    }
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
fn a_truncated_response_ends_in_a_row() {
    let row = message(b'D', b"\0\0");
    let at = Moment::MidResponse(Part::Rows(NonZeroU64::new(1).expect("one")));
    let faults = faults_of(Protocol::Psql, vec![fault("select", at, RequestAction::Truncate(Ending::Close))]);
    let mut streams = psql(&faults);
    streams.send(Direction::ToUpstream, &query("select 1"));
    streams.send(Direction::ToDownstream, &[&row[..], &row, &complete("SELECT 2"), READY].concat());
    assert_eq!((streams.end, streams.responses().len()), (Some(SessionEnd::Closed), row.len() + 3));
}

#[test]
fn a_session_that_cannot_be_read_passes() {
    let lost = || vec![fault("commit", Moment::FirstByte, LOST)];
    let faults = faults_of(Protocol::Psql, lost());
    let mut streams = Streams::of(&faults);
    streams.send(Direction::ToUpstream, b"GET / HTTP/1.1\r\n\r\n");
    streams.send(Direction::ToDownstream, OK);
    assert_eq!((streams.end, streams.responses()), (None, OK));
    assert!(streams.requests.is_transparent());
    assert_eq!(faults.opaque_sessions(), 1);
}

#[test]
fn the_journal_names_the_requests() {
    let lines: Arc<Mutex<Vec<JournalEntry>>> = Arc::default();
    let journal = Journal::new({
        let lines = Arc::clone(&lines);
        move |line| lines.lock().expect("no panic").push(line)
    });
    let settings = Settings { journal: Some(journal), ..Settings::default() };
    let lost = times(fault("POST", Moment::FirstByte, LOST), 1);
    let faults = Engine::new(settings).proxy("api", vec![lost]);
    faults.set_protocol(Some(Protocol::Http));
    let mut streams = Streams::of(&faults);
    streams.send(Direction::ToUpstream, &[GET, POST].concat());
    streams.send(Direction::ToDownstream, &[OK, OK].concat());
    let lines = lines.lock().expect("no panic");
    let lines: Vec<_> = lines.iter().map(|line| serde_json::to_value(line).expect("JSON")).collect();
    let [applies, reset] = &lines[..] else { panic!("{lines:?}") };
    for line in [applies, reset] {
        assert_eq!(line["request"], 2, "{line}");
        assert_eq!(line["kind"], "POST", "{line}");
        assert_eq!(line["key"], "/orders/1", "the query may be secret: {line}");
    }
    assert_eq!((&applies["decision"], &applies["offset"]), (&"applies".into(), &GET.len().into()));
    assert_eq!((&reset["decision"], &reset["offset"]), (&"reset".into(), &(2 * OK.len()).into()));
}

/// Sends both streams in pieces, and returns what has passed and how the session has ended.
fn outcome(faults: &Faults, cuts: &[usize]) -> (Vec<u8>, Vec<u8>, Option<SessionEnd>) {
    let mut streams = psql(faults);
    let rows = message(b'D', b"\0\0").repeat(3);
    let steps = [
        (
            [query("begin"), query("select 1")].concat(),
            [complete("BEGIN"), READY.to_vec(), rows.clone(), complete("SELECT 3"), READY.to_vec()].concat(),
        ),
        (
            [execute("insert into t values (1)"), execute("commit")].concat(),
            [complete("INSERT 0 1"), READY.to_vec(), complete("COMMIT"), READY.to_vec()].concat(),
        ),
        (query("select 2"), [rows, complete("SELECT 3"), READY.to_vec()].concat()),
    ];
    let mut cuts = cuts.iter().copied().cycle();
    for (requests, responses) in steps {
        for (direction, bytes) in [(Direction::ToUpstream, requests), (Direction::ToDownstream, responses)] {
            let mut rest = &bytes[..];
            while !rest.is_empty() && streams.end.is_none() {
                let (piece, behind) = rest.split_at(cuts.next().unwrap_or(1).clamp(1, rest.len()));
                streams.send(direction, piece);
                rest = behind;
            }
        }
    }
    let [requests, responses] = streams.passed;
    (requests, responses, streams.end)
}

fn actions() -> impl Strategy<Value = (&'static str, Moment, RequestAction)> {
    let end = RequestAction::End { after: Duration::ZERO, ending: Ending::Close };
    let part = |n| NonZeroU64::new(n).expect("not zero");
    let moments = prop::sample::select(vec![
        Moment::BeforeForward,
        Moment::FirstByte,
        Moment::MidResponse(Part::Bytes(part(9))),
        Moment::MidResponse(Part::Rows(part(2))),
        Moment::BeforeReady,
        Moment::End,
    ]);
    let kinds = prop::sample::select(vec!["begin", "select", "insert", "commit", "sql=/select 2/"]);
    let actions = prop::sample::select(vec![end, LOST]);
    (kinds, moments, actions)
}

proptest! {
    #[test]
    fn how_the_streams_are_cut_does_not_change_what_passes(
        (on, at, action) in actions(),
        cuts in prop::collection::vec(1_usize..40, 1..12),
    ) {
        let faults = || faults_of(Protocol::Psql, vec![fault(on, at, action.clone())]);
        let whole = outcome(&faults(), &[usize::MAX]);
        let cut = outcome(&faults(), &cuts);
        // With requests in one piece, more of those before the end may have been forwarded.
        prop_assert_eq!(&cut.1, &whole.1);
        prop_assert_eq!(cut.2, whole.2);
        prop_assert_eq!(&cut.0, &whole.0);
    }
}
