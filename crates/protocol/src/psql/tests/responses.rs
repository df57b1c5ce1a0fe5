//! Responses and their parts.

use super::*;

#[test]
fn ends_of_groups_have_offsets() {
    let group = [parse("", "select 1/0"), bind("", ""), execute(""), sync()];
    let turns = [
        client(&[query("select 1/0")]),
        server(&[row(), error("22012"), ready(b'I')]),
        client(&group),
        server(&[message(b'1', b""), message(b'2', b""), error("22012"), ready(b'I')]),
    ];
    let simple = 15 + query("select 1/0").len();
    let extended = simple + group.iter().map(Vec::len).sum::<usize>();
    let shown = all_seen(&turns).into_iter().filter(|event| event.contains("group ends"));
    let expected = [simple, extended].map(|offset| format!("{offset}: group ends"));
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
fn asynchronous_messages_have_offsets_behind_the_start() {
    let notification = message(b'A', b"\0\0\0\x01a\0b\0");
    let answer = [message(b'N', b"SNOTICE\0\0"), error("22012"), message(b'S', b"a\0b\0"), ready(b'I')];
    let turns = [client(&[query("select 1/0")]), server(&answer), server(&[notification])];
    for length in [1, 4, usize::MAX] {
        // A parameter of the start.
        let start = [client(&[startup("user\0a\0")]), server(&[message(b'S', b"a\0b\0"), ready(b'I')])];
        let all = events(Protocol::Psql, &[&start[..], &turns].concat(), &[length]);
        let shown: Vec<_> = all.into_iter().filter(|event| event.contains("asynchronous")).collect();
        assert_eq!(
            shown,
            [
                "15: asynchronous begins",
                "29: asynchronous ends",
                "67: asynchronous begins",
                "76: asynchronous ends",
                "82: asynchronous begins",
                "95: asynchronous ends",
            ]
        );
    }
}
