//! Requests, which may be prepared or pipelined.

use super::*;

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

#[test]
fn many_executions_may_wait_for_their_responses() {
    let count = 300_000;
    let group = [parse("s", "insert"), [bind("", "s"), execute("")].concat().repeat(count), sync()].concat();
    let answer =
        [message(b'1', b""), [message(b'2', b""), complete()].concat().repeat(count), ready(b'I')].concat();
    let turns = [Turn::Client(group), Turn::Server(answer), client(&[query("commit")])];
    let seen = seen(&turns);
    assert!(seen.iter().rev().any(|event| event.contains("request 300001 commit")), "{:?}", seen.last());
}
