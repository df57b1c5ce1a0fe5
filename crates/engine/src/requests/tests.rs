mod counts;
mod http;
mod moments;
mod pieces;
mod removal;
mod responses;

use std::num::NonZeroU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fault_proxy_protocol::{Persistence, Protocol};

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
        self.requests.on_end(direction, self.now, true);
        self.pass(direction);
    }

    fn pass(&mut self, direction: Direction) {
        let held = &mut self.held[direction as usize];
        while self.end.is_none() {
            match self.requests.output(direction, self.now) {
                Output::Pass(len) => {
                    self.passed[direction as usize].extend(held.drain(..len));
                    self.requests.on_passed(direction, len);
                    let now = self.now;
                    self.requests.on_written(direction, || now, len);
                }
                Output::Drop(len) => {
                    held.drain(..len);
                    self.requests.on_dropped(direction, len);
                }
                Output::Insert(bytes) => {
                    self.passed[direction as usize].extend_from_slice(&bytes);
                    self.requests.on_inserted(direction, bytes.len());
                    let now = self.now;
                    self.requests.on_written(direction, || now, bytes.len());
                }
                Output::Receive(bytes) => held.extend_from_slice(&bytes),
                Output::End(end) => self.end = Some(end),
                Output::Wait(_) | Output::More(_) => return,
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
fn a_lost_commit_of_a_failed_transaction_is_not_unconfirmed() {
    for (text, tag, unconfirmed) in
        [("commit", "COMMIT", 1), ("commit", "ROLLBACK", 0), ("rollback", "ROLLBACK", 1)]
    {
        for statement in [query(text), execute(text)] {
            for pieces in [1, usize::MAX] {
                let faults = faults_of(Protocol::Psql, vec![fault(text, Moment::FirstByte, LOST)]);
                let mut streams = psql(&faults);
                streams.send(Direction::ToUpstream, &statement);
                for piece in [complete(tag), READY.to_vec()].concat().chunks(pieces) {
                    streams.send(Direction::ToDownstream, piece);
                }
                let stats = faults.request_stats();
                let counts = (stats[0].answered, stats[0].unconfirmed);
                assert_eq!((streams.end, counts), (Some(RESET), (1, unconfirmed)), "{text}: {tag}");
            }
        }
    }
}

#[test]
fn each_kind_of_a_lost_query_is_unconfirmed_if_it_was_executed() {
    for (text, tags, fails, expected) in [
        ("commit; select 1/0", &["COMMIT"][..], true, [("commit", 1), ("select", 0)]),
        (
            "insert into t values (1); commit; bad",
            &["INSERT 0 1", "COMMIT"],
            true,
            [("commit", 1), ("insert", 0)],
        ),
        ("select 1/0; commit", &[], true, [("commit", 0), ("select", 0)]),
        ("commit; rollback", &["ROLLBACK", "ROLLBACK"], false, [("commit", 0), ("rollback", 1)]),
        ("commit; rollback", &["COMMIT", "ROLLBACK"], false, [("commit", 1), ("rollback", 1)]),
        ("rollback; commit", &["ROLLBACK", "COMMIT"], false, [("commit", 1), ("rollback", 1)]),
        ("commit; select 1", &["ROLLBACK", "SELECT 1"], false, [("commit", 0), ("select", 1)]),
    ] {
        let faults = faults_of(Protocol::Psql, vec![fault("commit", Moment::FirstByte, LOST)]);
        let mut streams = psql(&faults);
        streams.send(Direction::ToUpstream, &query(text));
        let error = if fails { message(b'E', b"SERROR\0C22012\0Mx\0\0") } else { Vec::new() };
        let completed = tags.iter().map(|tag| complete(tag)).collect::<Vec<_>>().concat();
        let responses = [&completed[..], &error, READY].concat();
        streams.send(Direction::ToDownstream, &responses);
        assert_eq!(streams.end, Some(RESET), "{text}");
        let stats = faults.request_stats();
        let unconfirmed =
            |kind: &str| stats.iter().find(|stats| &*stats.kind == kind).map(|stats| stats.unconfirmed);
        for (kind, count) in expected {
            assert_eq!(unconfirmed(kind), Some(count), "{kind} of {text}: {tags:?}");
        }
    }
}

#[test]
fn commands_of_a_redis_transaction_that_was_not_executed_are_not_unconfirmed() {
    let commands = b"MULTI\r\nSET a 1\r\nEXEC\r\n";
    let lost = |on: &str| faults_of(Protocol::Redis, vec![fault(on, Moment::FirstByte, LOST)]);
    for (exec, unconfirmed) in [("*1\r\n+OK\r\n", 1), ("*-1\r\n", 0), ("_\r\n", 0), ("-EXECABORT x\r\n", 0)] {
        let faults = lost("EXEC");
        let mut streams = Streams::of(&faults);
        streams.send(Direction::ToUpstream, commands);
        let responses = ["+OK\r\n+QUEUED\r\n", exec].concat();
        streams.send(Direction::ToDownstream, responses.as_bytes());
        assert_eq!(streams.end, Some(RESET), "{exec:?}");
        let counts = faults.request_stats().iter().map(|kind| kind.unconfirmed).collect::<Vec<_>>();
        assert_eq!(counts, [unconfirmed, 0, 0], "{exec:?}");
    }
    // A null array responds to other commands too. Those that are queued are executed later.
    for (response, unconfirmed) in [("*-1\r\n", 1), ("+QUEUED\r\n", 0)] {
        let faults = lost("BLPOP");
        let mut streams = Streams::of(&faults);
        streams.send(Direction::ToUpstream, b"BLPOP a 1\r\n");
        streams.send(Direction::ToDownstream, response.as_bytes());
        assert_eq!(faults.request_stats()[0].unconfirmed, unconfirmed, "{response:?}");
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
fn a_removed_fault_does_not_end_the_session() {
    let end = RequestAction::End { after: Duration::from_secs(30), ending: Ending::Close };
    let faults = faults_of(Protocol::Http, vec![fault("GET", Moment::FirstByte, end)]);
    let mut streams = Streams::of(&faults);
    streams.send(Direction::ToUpstream, GET);
    streams.send(Direction::ToDownstream, OK);
    assert_eq!(streams.responses(), &OK[..1]);
    faults.replace(Vec::new());
    streams.pass(Direction::ToDownstream);
    assert_eq!((streams.end, streams.responses()), (None, OK));
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

/// Returns the journal of a session with these requests and responses.
fn journal(protocol: Protocol, fault: Fault, requests: &[u8], responses: &[u8]) -> Vec<serde_json::Value> {
    let lines: Arc<Mutex<Vec<JournalEntry>>> = Arc::default();
    let journal = Journal::new({
        let lines = Arc::clone(&lines);
        move |line| lines.lock().expect("no panic").push(line)
    });
    let settings = Settings { journal: Some(journal), ..Settings::default() };
    let faults = Engine::new(settings).proxy("api", vec![fault]);
    faults.set_protocol(Some(protocol));
    let mut streams = if protocol == Protocol::Psql { psql(&faults) } else { Streams::of(&faults) };
    streams.send(Direction::ToUpstream, requests);
    streams.send(Direction::ToDownstream, responses);
    let lines = lines.lock().expect("no panic");
    lines.iter().map(|line| serde_json::to_value(line).expect("JSON")).collect()
}

#[test]
fn the_journal_has_the_key_of_a_request_whose_kind_is_found_at_its_end() {
    let text = format!("insert into t values (1, 'secret'); {} commit", "select 1;".repeat(1000));
    let lost = times(fault("commit", Moment::FirstByte, LOST), 1);
    let lines = journal(Protocol::Psql, lost, &query(&text), &[complete("COMMIT"), READY.to_vec()].concat());
    let [applies, reset] = &lines[..] else { panic!("{lines:?}") };
    for line in [applies, reset] {
        assert_eq!((&line["request"], &line["kind"]), (&1.into(), &"commit".into()), "{line}");
        let key = line["key"].as_str().expect("a text");
        assert!(key.starts_with("insert into t values (?, ?); select ?;"), "{line}");
    }
}

#[test]
fn the_journal_names_the_requests() {
    let lost = times(fault("POST", Moment::FirstByte, LOST), 1);
    let lines = journal(Protocol::Http, lost, &[GET, POST].concat(), &[OK, OK].concat());
    let [applies, reset] = &lines[..] else { panic!("{lines:?}") };
    for line in [applies, reset] {
        assert_eq!(line["request"], 2, "{line}");
        assert_eq!(line["kind"], "POST", "{line}");
        assert_eq!(line["key"], "/orders/1", "the query may be secret: {line}");
    }
    assert_eq!((&applies["decision"], &applies["offset"]), (&"applies".into(), &GET.len().into()));
    assert_eq!((&reset["decision"], &reset["offset"]), (&"reset".into(), &(2 * OK.len()).into()));
}
