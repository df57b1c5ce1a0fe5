use proptest::prelude::*;

use crate::Protocol;
use crate::testing::{Turn, events, pieces};

/// A message with a tag.
fn message(tag: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len() + 4).expect("a test message is short");
    [&[tag][..], &length.to_be_bytes(), payload].concat()
}

fn startup(parameters: &str) -> Vec<u8> {
    packet(196_608, parameters.as_bytes())
}

fn packet(code: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len() + 8).expect("a test packet is short");
    [&length.to_be_bytes()[..], &code.to_be_bytes(), payload].concat()
}

fn client(messages: &[Vec<u8>]) -> Turn {
    Turn::Client(messages.concat())
}

fn server(messages: &[Vec<u8>]) -> Turn {
    Turn::Server(messages.concat())
}

fn query(text: &str) -> Vec<u8> {
    message(b'Q', &[text.as_bytes(), b"\0"].concat())
}

fn parse(name: &str, text: &str) -> Vec<u8> {
    message(b'P', format!("{name}\0{text}\0\0\0").as_bytes())
}

fn bind(portal: &str, name: &str) -> Vec<u8> {
    message(b'B', format!("{portal}\0{name}\0\0\0\0\0\0\0").as_bytes())
}

fn execute(portal: &str) -> Vec<u8> {
    message(b'E', format!("{portal}\0\0\0\0\0").as_bytes())
}

fn sync() -> Vec<u8> {
    message(b'S', b"")
}

fn complete() -> Vec<u8> {
    message(b'C', b"COMMIT\0")
}

fn row() -> Vec<u8> {
    message(b'D', b"\0\x01\0\0\0\x011")
}

fn error(code: &str) -> Vec<u8> {
    message(b'E', format!("SERROR\0VERROR\0C{code}\0Mit failed\0\0").as_bytes())
}

fn ready(status: u8) -> Vec<u8> {
    message(b'Z', &[status])
}

/// The turns that start a session. Requests begin at offset 15, responses at 15 too.
fn started() -> Vec<Turn> {
    vec![client(&[startup("user\0a\0")]), server(&[message(b'R', b"\0\0\0\0"), ready(b'I')])]
}

fn all_seen(turns: &[Turn]) -> Vec<String> {
    events(Protocol::Psql, &[&started()[..], turns].concat(), &[usize::MAX])[2..].to_vec()
}

/// The events, without the ends of groups and the begins of errors.
fn seen(turns: &[Turn]) -> Vec<String> {
    let is_shown = |event: &String| !event.contains("group ends") && !event.contains("error of");
    all_seen(turns).into_iter().filter(is_shown).collect()
}

#[test]
fn ends_of_groups_and_begins_of_errors_have_offsets() {
    let turns = [
        client(&[query("select 1/0")]),
        server(&[row(), error("22012"), ready(b'I')]),
        client(&[parse("", "select 1/0"), bind("", ""), execute(""), sync()]),
        server(&[message(b'1', b""), message(b'2', b""), error("22012"), ready(b'I')]),
    ];
    let lengths = |messages: &[Vec<u8>]| messages.iter().map(Vec::len).sum::<usize>();
    let simple = 15 + lengths(&[query("select 1/0")]);
    let group = simple + lengths(&[parse("", "select 1/0"), bind("", ""), execute(""), sync()]);
    let first = 15 + lengths(&[row()]);
    let second = first + lengths(&[error("22012"), ready(b'I'), message(b'1', b""), message(b'2', b"")]);
    let expected = [
        format!("{simple}: group ends"),
        format!("{first}: error of 1"),
        format!("{group}: group ends"),
        format!("{second}: error of 2"),
    ];
    let all = all_seen(&turns);
    let shown = all.into_iter().filter(|event| event.contains("group ends") || event.contains("error of"));
    assert_eq!(shown.collect::<Vec<_>>(), expected);
}

#[test]
fn a_simple_query_has_a_response_up_to_ready_for_query() {
    let turns = [client(&[query("COMMIT  work")]), server(&[complete(), ready(b'I')])];
    let expected = [
        "15: request 1 commit `COMMIT work`",
        "33: sent 1",
        "15: response 1",
        "27: ready Some(1)",
        "33: ready Some(1) Idle",
        "33: done 1 success",
    ];
    assert_eq!(seen(&turns), expected);
}

#[test]
fn a_response_begins_behind_what_the_client_needs_first() {
    let prepared = [parse("", "copy t from stdin"), bind("", ""), execute(""), sync()];
    for messages in [&[query("copy t from stdin")][..], &prepared] {
        let begun = [message(b'1', b""), message(b'2', b""), message(b'G', b"\0\0\0")];
        let begun = if messages.len() == 1 { &begun[2..] } else { &begun };
        let data = client(&[message(b'd', b"1\n"), message(b'c', b"")]);
        let turns = [client(messages), server(begun), data, server(&[complete(), ready(b'I')])];
        let offset = 15 + begun.iter().map(Vec::len).sum::<usize>();
        assert!(seen(&turns).contains(&format!("{offset}: response 1")), "{:?}", seen(&turns));
    }
}

#[test]
fn an_error_that_arrives_before_execute_is_that_of_execute() {
    let turns = [
        client(&[parse("", "selec 1")]),
        server(&[error("42601")]),
        client(&[bind("", ""), execute(""), execute(""), sync()]),
        server(&[ready(b'I')]),
    ];
    let seen = seen(&turns);
    let ends: Vec<_> =
        seen.iter().filter_map(|event| event.split_once("done ")).map(|(_, end)| end).collect();
    assert_eq!(ends, ["1 42601", "2 skipped"]);
}

#[test]
fn an_error_gives_its_sqlstate() {
    let turns = [client(&[query("select 1/0")]), server(&[error("22012"), ready(b'I')])];
    assert_eq!(seen(&turns).last().expect("events"), "59: done 1 22012");
}

#[test]
fn rows_are_parts_and_notices_are_none() {
    let turns = [
        client(&[query("select 1")]),
        server(&[message(b'N', b"\0"), message(b'T', b"\0\0"), row(), row(), complete(), ready(b'I')]),
    ];
    let expected = [
        "15: request 1 select `select 1`",
        "29: sent 1",
        "21: response 1",
        "40: part 1 of 1",
        "52: part 2 of 1",
    ];
    assert_eq!(seen(&turns)[..5], expected);
}

#[test]
fn each_row_of_copy_is_a_part() {
    let turns = [
        client(&[query("copy t to stdout")]),
        server(&[message(b'H', b"\0\0\0"), message(b'd', b"1\n"), message(b'd', b"2\n"), message(b'c', b"")]),
    ];
    assert_eq!(seen(&turns)[3..], ["30: part 1 of 1", "37: part 2 of 1"]);
}

#[test]
fn ready_for_query_has_the_status_of_the_transaction() {
    for (status, expected) in [(b'I', "Idle"), (b'T', "InTransaction"), (b'E', "Failed")] {
        let turns = [client(&[query("a")]), server(&[complete(), ready(status)])];
        assert!(seen(&turns).contains(&format!("33: ready Some(1) {expected}")), "{expected}");
    }
    for ready in [ready(b'X'), message(b'Z', b"")] {
        let turns = [client(&[query("a")]), server(&[complete(), ready])];
        assert!(seen(&turns).last().expect("events").ends_with("opaque: the data is not of the protocol"));
    }
}

#[test]
fn commands_complete_before_ready_for_query_begins() {
    let group = [parse("", "commit"), bind("", ""), execute(""), sync()];
    let answer = [message(b'1', b""), message(b'2', b""), complete(), message(b'S', b"a\0b\0"), ready(b'I')];
    let turns = [client(&group), server(&answer)];
    // A parameter of the session is between them.
    let expected = ["37: done 1 success", "46: ready Some(1)", "52: ready Some(1) Idle"];
    assert_eq!(seen(&turns)[3..], expected);
}

#[test]
fn a_prepared_statement_is_known_by_its_name_in_later_round_trips() {
    let turns = [
        client(&[parse("s1", "insert into t  values ($1)"), sync()]),
        server(&[message(b'1', b""), ready(b'I')]),
        client(&[bind("", "s1"), execute(""), sync()]),
        server(&[message(b'2', b""), complete(), ready(b'I')]),
        client(&[message(b'C', b"Ss1\0"), bind("", "s1"), execute(""), sync()]),
    ];
    let seen = seen(&turns);
    assert!(seen[0].ends_with("ready None"), "{seen:?}");
    assert!(seen[2].ends_with("request 1 insert `insert into t values ($1)`"), "{seen:?}");
    // Without its statement, the server answers with an error.
    assert!(seen.iter().any(|event| event.ends_with("request 2 other ``")), "{seen:?}");
}

#[test]
fn a_pipeline_gives_each_execute_its_response_and_skips_those_after_an_error() {
    let turns = [
        client(&[
            parse("", "insert into t values (1)"),
            bind("", ""),
            execute(""),
            parse("", "select 1/0"),
            bind("", ""),
            execute(""),
            parse("", "update t set a = 1"),
            bind("", ""),
            execute(""),
            sync(),
            query("select 2"),
        ]),
        server(&[
            message(b'1', b""),
            message(b'2', b""),
            complete(),
            message(b'1', b""),
            error("22012"),
            ready(b'I'),
            row(),
            complete(),
            ready(b'E'),
        ]),
    ];
    let seen = seen(&turns);
    let responses: Vec<_> = seen.iter().filter_map(|event| Some(event.split_once(": ")?.1)).collect();
    let expected = [
        "response 1",
        "done 1 success",
        "response 2",
        "done 2 22012",
        "ready Some(3)",
        "ready Some(3) Idle",
        "done 3 skipped",
        "response 4",
        "part 1 of 4",
        "ready Some(4)",
        "ready Some(4) Failed",
        "done 4 success",
    ];
    assert_eq!(responses[8..], expected);
}

#[test]
fn copy_in_ignores_sync_until_its_data_ends() {
    let turns = [
        client(&[parse("", "copy t from stdin"), bind("", ""), execute(""), sync()]),
        server(&[message(b'1', b""), message(b'2', b""), message(b'G', b"\0\0\0")]),
        client(&[message(b'd', b"1\n"), sync(), message(b'c', b""), sync()]),
        server(&[complete(), ready(b'I')]),
        client(&[query("commit")]),
        server(&[complete(), ready(b'I')]),
    ];
    let seen = seen(&turns);
    assert!(seen[0].ends_with("request 1 copy `copy t from stdin`"), "{seen:?}");
    assert!(seen.last().expect("events").ends_with("done 2 success"), "{seen:?}");
}

#[test]
fn copy_in_may_be_sent_before_the_server_asks_for_it() {
    let (data, done, asks) = (message(b'd', b"1\n"), message(b'c', b""), message(b'G', b"\0\0\0"));
    let extended = [parse("", "copy t from stdin"), bind("", ""), execute("")];
    let bound = [message(b'1', b""), message(b'2', b"")];
    let rest = [sync(), sync()];
    for (before, server_turns) in [
        // The first Sync is ignored, as are those in the data.
        (
            vec![sync(), data.clone(), sync(), done.clone(), sync()],
            [vec![asks.clone()], vec![complete(), ready(b'I')]],
        ),
        (vec![data.clone(), done.clone(), sync()], [vec![asks], vec![error("22P02"), ready(b'I')]]),
        // The server does not begin to copy: it reads the first Sync, and ignores the data.
        (vec![sync(), data, done, sync()], [vec![error("42P01"), ready(b'I')], vec![ready(b'I')]]),
    ] {
        let turns = [
            client(&[&extended[..], &before].concat()),
            server(&[&bound[..], &server_turns[0]].concat()),
            client(&rest),
            server(&[&server_turns[1][..], &[ready(b'I'), ready(b'I')]].concat()),
            client(&[query("commit")]),
            server(&[complete(), ready(b'I')]),
        ];
        let seen = seen(&turns);
        assert!(seen.last().expect("events").ends_with("done 2 success"), "{seen:?}");
    }
}

#[test]
fn a_failed_copy_in_ends_with_the_next_sync() {
    let turns = [
        client(&[parse("", "copy t from stdin"), bind("", ""), execute("")]),
        server(&[message(b'1', b""), message(b'2', b""), message(b'G', b"\0\0\0")]),
        client(&[message(b'd', b"x\n")]),
        server(&[error("22P02")]),
        client(&[sync(), query("commit")]),
        server(&[ready(b'I'), complete(), ready(b'I')]),
    ];
    assert!(seen(&turns).last().expect("events").ends_with("done 2 success"), "{:?}", seen(&turns));
}

#[test]
fn encryption_and_replication_are_opaque() {
    let ssl = [client(&[packet(80_877_103, b"")]), Turn::Server(b"S".to_vec())];
    assert_eq!(events(Protocol::Psql, &ssl, &[1]), ["0: opaque: the session is encrypted"]);
    let refused =
        [&[client(&[packet(80_877_103, b"")]), Turn::Server(b"N".to_vec())], &started()[..]].concat();
    assert_eq!(events(Protocol::Psql, &refused, &[1]), ["10: ready None", "16: ready None Idle"]);
    for (value, is_opaque) in [("database", true), ("true", true), ("off", false)] {
        let turns = [client(&[startup(&format!("user\0a\0replication\0{value}\0\0"))])];
        assert_eq!(!events(Protocol::Psql, &turns, &[3]).is_empty(), is_opaque, "{value}");
    }
}

#[test]
fn a_cancellation_has_no_events() {
    let turns = [client(&[packet(80_877_102, &[0; 8])])];
    assert!(events(Protocol::Psql, &turns, &[5]).is_empty());
}

#[test]
fn other_protocols_are_opaque() {
    for bytes in
        [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\x16\x03\x01\x02\x00\x01\x00\x01", b"*1\r\n$4\r\nPING\r\n"]
    {
        let seen = events(Protocol::Psql, &[Turn::Client(bytes.to_vec())], &[1]);
        assert_eq!(seen, ["8: opaque: the data is not of the protocol"]);
    }
    let turns = [client(&[query("commit")]), Turn::Server(b"HTTP/1.1 200 OK\r\n\r\n".to_vec())];
    assert!(seen(&turns).last().expect("events").contains("opaque"));
}

#[test]
fn a_query_is_undecided_until_its_key_is_read() {
    let mut framer = crate::Framer::new(Protocol::Psql);
    framer.on_requests(&startup("user\0a\0"), |_| {});
    framer.on_responses(&[message(b'R', b"\0\0\0\0"), ready(b'I')].concat(), |_| {});
    let text = query("commit");
    framer.on_requests(&text[..text.len() - 1], |event| panic!("{event:?}"));
    assert_eq!(framer.undecided_since(), Some(15));
    framer.on_requests(&text[text.len() - 1..], |_| {});
    assert_eq!(framer.undecided_since(), None);
    // A long one is decided before its end.
    let long = query(&"select 1, ".repeat(1000));
    framer.on_requests(&long[..5000], |_| {});
    assert_eq!(framer.undecided_since(), None);
}

/// A round trip of a session.
fn round_trip() -> impl Strategy<Value = Vec<Turn>> {
    let text = prop_oneof![
        Just("commit".to_owned()),
        Just("begin; select 1; commit".to_owned()),
        "[a-z '\";$]{0,40}",
        (4000..9000_usize).prop_map(|length| format!("insert into t values ('{}')", "x".repeat(length))),
    ];
    let answer =
        prop_oneof![Just(vec![complete()]), Just(vec![row(), row(), complete()]), Just(vec![error("40001")])];
    prop_oneof![
        (text.clone(), answer.clone()).prop_map(|(text, answer)| {
            vec![
                client(&[query(&text)]),
                server(&[answer, vec![message(b'A', b"\0\0"), ready(b'T')]].concat()),
            ]
        }),
        (text, proptest::collection::vec(answer, 1..4)).prop_map(|(text, answers)| {
            let mut sent = vec![parse("name", &text)];
            let mut received = vec![message(b'1', b"")];
            let mut fails = false;
            for answer in answers {
                sent.extend([bind("", "name"), execute("")]);
                if !fails {
                    fails = answer.len() == 1 && answer[0][0] == b'E';
                    received.push(message(b'2', b""));
                    received.extend(answer);
                }
            }
            vec![client(&[sent, vec![sync()]].concat()), server(&[received, vec![ready(b'E')]].concat())]
        }),
    ]
}

proptest! {
    #[test]
    fn pieces_change_no_event(
        trips in proptest::collection::vec(round_trip(), 1..8),
        pieces in pieces(),
    ) {
        let session = [started(), trips.concat()].concat();
        let whole = events(Protocol::Psql, &session, &[usize::MAX]);
        prop_assert_eq!(&events(Protocol::Psql, &session, &pieces), &whole);
        prop_assert!(!whole.iter().any(|event| event.contains("opaque")), "{:?}", whole);
        let count = |word: &str| whole.iter().filter(|event| event.contains(word)).count();
        prop_assert_eq!(count(": request "), count(": done "));
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(
        turns in proptest::collection::vec((any::<bool>(), proptest::collection::vec(any::<u8>(), 0..64)), 0..8),
        is_started: bool,
        pieces in pieces(),
    ) {
        let random = turns.into_iter().map(|(of_client, bytes)| if of_client { Turn::Client(bytes) } else { Turn::Server(bytes) });
        let session: Vec<_> = is_started.then(started).into_iter().flatten().chain(random).collect();
        prop_assert_eq!(events(Protocol::Psql, &session, &pieces), events(Protocol::Psql, &session, &[usize::MAX]));
    }
}

#[test]
fn kinds_behind_the_key_are_found() {
    let long = "x".repeat(3 * crate::MAX_KEY);
    for (text, known, found) in [
        (format!("/* {long} */ COMMIT"), "", "commit"),
        (format!("insert into t values ('{long}'); commit"), "insert", "commit"),
        (format!("insert into t values ('{long}')"), "insert", ""),
        (format!("select 1; -- {long}"), "select", ""),
        (format!("'{long}"), "", "other"),
    ] {
        for length in [1, 1000, usize::MAX] {
            let turns = [&started()[..], &[client(&[query(&text), query("select 1")])]].concat();
            let all = events(Protocol::Psql, &turns, &[length]);
            let [begins, rest @ ..] = &all[2..] else { panic!("{all:?}") };
            let key = begins.strip_prefix(&format!("15: request 1 {known} ")).expect("its kinds are known");
            let end = 15 + query(&text).len();
            let kinds = format!("{end}: kinds of 1 {found} {key}");
            assert_eq!(rest[0] == kinds, !found.is_empty(), "{} {kinds}", rest[0]);
            assert!(rest.contains(&format!("{end}: sent 1")), "{rest:?}");
        }
        let kinds = [known, found].into_iter().filter(|kind| !kind.is_empty()).collect::<Vec<_>>();
        let group = [parse("a", &text), bind("", "a"), execute(""), sync()];
        let request = all_seen(&[client(&group)]).into_iter().find(|event| event.contains("request 1"));
        let request = request.expect("Execute is a request");
        assert!(kinds.iter().all(|kind| request.contains(kind)), "{request} {kinds:?}");
    }
}
