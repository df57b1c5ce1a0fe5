//! COPY in both directions.

use super::*;

#[test]
fn each_row_of_copy_is_a_part() {
    let turns = [
        client(&[query("copy t to stdout")]),
        server(&[message(b'H', b"\0\0\0"), message(b'd', b"1\n"), message(b'd', b"2\n"), message(b'c', b"")]),
    ];
    assert_eq!(seen(&turns)[3..], ["30: part 1 of 1", "37: part 2 of 1"]);
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
