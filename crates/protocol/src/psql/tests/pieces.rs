//! Sessions that arrive in pieces, and bytes of no session.

use proptest::prelude::*;

use super::*;

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
