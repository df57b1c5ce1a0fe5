//! Names of prepared statements and portals, and when the server forgets them.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

fn parsed() -> Vec<u8> {
    message(b'1', b"")
}

fn bound() -> Vec<u8> {
    message(b'2', b"")
}

fn completed(tag: &str) -> Vec<u8> {
    message(b'C', format!("{tag}\0").as_bytes())
}

/// Returns the last request of a session that begins with these turns, and then prepares nothing more.
fn last_request(turns: &[Turn]) -> String {
    let seen = seen(turns);
    let last = seen.iter().rev().find_map(|event| Some(event.split_once(": request ")?.1.to_owned()));
    last.unwrap_or_else(|| panic!("there is a request: {seen:?}"))
}

/// Prepares `insert` with this name.
fn prepared(name: &str) -> Vec<Turn> {
    vec![client(&[parse(name, "insert"), sync()]), server(&[parsed(), ready(b'I')])]
}

/// Executes the prepared statement of this name.
fn executes(name: &str) -> Vec<Turn> {
    vec![client(&[bind("", name), execute(""), sync()])]
}

#[test]
fn portals_end_with_their_transaction() {
    let group = |number: usize| [bind(&format!("p{number}"), "s"), execute(&format!("p{number}")), sync()];
    let answer = [bound(), completed("INSERT 0 1"), ready(b'I')];
    let mut turns = prepared("s");
    for number in 0..5000 {
        turns.extend([client(&group(number)), server(&answer)]);
    }
    let in_block = [client(&group(5001)), server(&[bound(), completed("INSERT 0 1"), ready(b'T')])];
    let again = [client(&[execute("p5001"), sync()])];
    turns.extend([&in_block[..], &again].concat());
    assert!(!seen(&turns).iter().any(|event| event.contains("opaque")));
    assert_eq!(last_request(&turns), "5002 insert `insert`");
    turns.extend([server(&[completed("INSERT 0 1"), ready(b'I')]), again[0].clone()]);
    assert_eq!(last_request(&turns), "5003 other ``");
}

#[test]
fn a_commit_ends_the_portals_before_it_although_the_next_transaction_begins_with_it() {
    let mut turns = prepared("s");
    for number in 0..5000 {
        let portal = format!("p{number}");
        turns.extend([
            client(&[bind(&portal, "s"), sync(), query("commit and chain")]),
            server(&[bound(), ready(b'T'), completed("COMMIT"), ready(b'T')]),
        ]);
    }
    assert!(!seen(&turns).iter().any(|event| event.contains("opaque")));
}

#[test]
fn portals_of_a_group_that_the_server_has_not_answered_stay() {
    let copied = [message(b'G', b"\0\0\0"), completed("COPY 0")];
    for (before, answer) in [
        (vec![bind("a", "s"), execute("a"), sync()], vec![bound(), completed("INSERT 0 1")]),
        (vec![query("select 1")], vec![completed("SELECT 1")]),
        // The server ignores the first Sync.
        (
            vec![
                parse("", "copy t from stdin"),
                bind("", ""),
                execute(""),
                sync(),
                message(b'c', b""),
                sync(),
            ],
            [&[parsed(), bound()], &copied[..]].concat(),
        ),
    ] {
        let turns = [
            prepared("s"),
            vec![
                client(&[&before[..], &[bind("b", "s")]].concat()),
                server(&[answer, vec![ready(b'I')]].concat()),
                client(&[execute("b")]),
            ],
        ]
        .concat();
        assert!(last_request(&turns).ends_with("insert `insert`"), "{:?}", seen(&turns));
        let ended =
            [&turns[..], &[client(&[sync()]), server(&[ready(b'I')]), client(&[execute("b")])]].concat();
        assert!(last_request(&ended).ends_with("other ``"), "{:?}", seen(&ended));
    }
}

#[test]
fn deallocate_removes_a_prepared_statement() {
    let mut turns = Vec::new();
    for number in 0..5000 {
        let name = format!("S {number}");
        turns.extend(prepared(&name));
        let text = format!("DEALLOCATE  PREPARE \"{name}\";");
        turns.extend(if number % 2 == 0 {
            [client(&[query(&text)]), server(&[completed("DEALLOCATE"), ready(b'I')])]
        } else {
            let group = [parse("", &text), bind("", ""), execute(""), sync()];
            [client(&group), server(&[parsed(), bound(), completed("DEALLOCATE"), ready(b'I')])]
        });
    }
    assert!(!seen(&turns).iter().any(|event| event.contains("opaque")));
    for (text, is_removed) in [
        ("deallocate a", true),
        ("Deallocate Prepare A", true),
        ("deallocate b; deallocate\n\"a\" ;", true),
        ("deallocate \"A\"", false),
        ("deallocate ab", false),
        ("deallocate", false),
        ("deallocate prepare", false),
        ("deallocate \"a", false),
    ] {
        for (answer, fails) in [(completed("DEALLOCATE"), false), (error("26000"), true)] {
            let removal = vec![client(&[query(text)]), server(&[answer, ready(b'I')])];
            let turns = [prepared("a"), prepared("b"), removal, executes("a")].concat();
            let expected = if is_removed && !fails { "2 other ``" } else { "2 insert `insert`" };
            assert_eq!(last_request(&turns), expected, "{text}, {fails}");
        }
    }
}

#[test]
fn all_prepared_statements_are_removed_but_those_behind() {
    for (text, tag) in [("deallocate all", "DEALLOCATE ALL"), ("DISCARD ALL", "DISCARD ALL")] {
        let mut turns = Vec::new();
        for number in 0..5000 {
            turns.extend(prepared(&format!("s{number}")));
            if number % 4000 == 0 {
                turns.extend([client(&[query(text)]), server(&[completed(tag), ready(b'I')])]);
            }
        }
        assert!(!seen(&turns).iter().any(|event| event.contains("opaque")));
        // The client does not wait.
        let behind = [query(text), parse("s4999", "update"), parse("new", "delete"), sync()];
        turns.extend([
            client(&behind),
            server(&[completed(tag), ready(b'I'), parsed(), parsed(), ready(b'I')]),
        ]);
        for (name, expected) in
            [("s4998", "other ``"), ("s4999", "update `update`"), ("new", "delete `delete`")]
        {
            let turns = [&turns[..], &executes(name)].concat();
            assert!(last_request(&turns).ends_with(expected), "{name}: {}", last_request(&turns));
        }
    }
}

#[test]
fn a_statement_stays_if_the_server_rejects_another_one_of_its_name() {
    let again = |text: &str| [parse("a", text), bind("", "a"), execute(""), sync()];
    for (turns, expected) in [
        (vec![client(&again("select")), server(&[error("42P05"), ready(b'I')])], "insert `insert`"),
        // It was deallocated in a way that the framer does not see.
        (
            vec![client(&again("select")), server(&[parsed(), bound(), error("22012"), ready(b'I')])],
            "select `select`",
        ),
        (
            vec![
                client(&[&again("select")[..], &again("update")].concat()),
                server(&[error("42P05"), ready(b'I'), error("42P05"), ready(b'I')]),
            ],
            "insert `insert`",
        ),
        (
            vec![
                client(&[&[parse("", "begin"), parse("b", "begin"), sync()][..], &again("select")].concat()),
                server(&[parsed(), parsed(), ready(b'I'), error("42P05"), ready(b'I')]),
            ],
            "insert `insert`",
        ),
        (
            vec![
                client(&[&[parse("", "bad"), sync()][..], &again("select")].concat()),
                server(&[error("42601"), ready(b'I'), parsed(), bound(), completed("SELECT 1"), ready(b'I')]),
            ],
            "select `select`",
        ),
        // The text of the other one is long.
        (
            vec![client(&again(&"select ".repeat(1000))), server(&[error("42P05"), ready(b'I')])],
            "insert `insert`",
        ),
        (
            vec![
                client(&[query("deallocate a"), again("select").concat()]),
                server(&[completed("DEALLOCATE"), ready(b'I'), error("42601"), ready(b'I')]),
            ],
            "other ``",
        ),
        (
            vec![
                client(&[&again("select")[..], &[message(b'C', b"Sa\0"), sync()]].concat()),
                server(&[error("42P05"), ready(b'I'), message(b'3', b""), ready(b'I')]),
            ],
            "other ``",
        ),
    ] {
        let turns = [prepared("a"), turns, executes("a")].concat();
        assert!(last_request(&turns).ends_with(expected), "{expected}: {:?}", seen(&turns));
    }
    // A later message of a new name of which Parse has failed is unknown to the server.
    let fails = vec![client(&again("selec")), server(&[error("42601"), ready(b'I')])];
    let works =
        vec![client(&again("insert")), server(&[parsed(), bound(), completed("INSERT 0 1"), ready(b'I')])];
    assert!(last_request(&[fails, works, executes("a")].concat()).ends_with("insert `insert`"));
}

#[test]
fn a_statement_that_the_server_rejects_or_skips_has_no_name() {
    let mut turns = Vec::new();
    for number in 0..5000 {
        let group = [parse("", "bad"), parse(&format!("s{number}"), "insert"), sync()];
        turns.extend([client(&group), server(&[error("42601"), ready(b'I')])]);
    }
    assert!(!seen(&turns).iter().any(|event| event.contains("opaque")));
    turns.extend(executes("s1"));
    assert_eq!(last_request(&turns), "1 other ``");
}

#[test]
fn pieces_change_nothing_about_names() {
    let turns = [
        prepared("a"),
        prepared("b"),
        vec![
            client(&[query("deallocate a"), parse("b", "select"), bind("p", "b"), execute("p"), sync()]),
            server(&[completed("DEALLOCATE"), ready(b'I'), parsed(), bound(), error("22012"), ready(b'I')]),
            client(&[query("discard all"), bind("", "b"), execute(""), execute("p"), sync()]),
            server(&[completed("DISCARD ALL"), ready(b'I'), error("26000"), ready(b'I')]),
        ],
        executes("b"),
    ]
    .concat();
    let session = [started(), turns].concat();
    let whole = events(Protocol::Psql, &session, &[usize::MAX]);
    assert!(whole.iter().filter(|event| event.ends_with("other ``")).count() >= 1, "{whole:?}");
    for length in [1, 3, 7, 20] {
        assert_eq!(events(Protocol::Psql, &session, &[length]), whole);
    }
}

/// Returns what a client sends, and what the server responds, which has the statements in `named`.
fn exchange<'a>(
    operation: usize,
    name: &'a str,
    named: &mut HashMap<&'a str, &'a str>,
) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let deallocate = format!("deallocate {name}");
    let deallocated = |is_known: bool| if is_known { completed("DEALLOCATE") } else { error("26000") };
    match operation {
        0..=2 => {
            let text = ["insert", "update", "delete"][operation];
            let group = vec![parse(name, text), bind("", name), execute(""), sync()];
            if named.contains_key(name) {
                return (group, vec![error("42P05"), ready(b'I')]);
            }
            named.insert(name, text);
            // Its execution may fail.
            let result = if operation == 2 { error("22012") } else { completed("OK") };
            (group, vec![parsed(), bound(), result, ready(b'I')])
        }
        3 => (vec![parse(name, "bad"), sync()], vec![error("42601"), ready(b'I')]),
        4 => (vec![query(&deallocate)], vec![deallocated(named.remove(name).is_some()), ready(b'I')]),
        5 => {
            let result = deallocated(named.remove(name).is_some());
            (
                vec![parse("", &deallocate), bind("", ""), execute(""), sync()],
                vec![parsed(), bound(), result, ready(b'I')],
            )
        }
        6 => {
            named.clear();
            (vec![query("deallocate all")], vec![completed("DEALLOCATE ALL"), ready(b'I')])
        }
        _ => {
            named.remove(name);
            let close = message(b'C', format!("S{name}\0").as_bytes());
            (vec![close, sync()], vec![message(b'3', b""), ready(b'I')])
        }
    }
}

proptest! {
    #[test]
    fn the_statements_are_those_of_the_server(
        operations in proptest::collection::vec((0..8_usize, proptest::sample::select(vec!["a", "b"]), any::<bool>()), 1..40),
    ) {
        let (mut named, mut turns, mut responses) = (HashMap::new(), Vec::new(), Vec::new());
        for (operation, name, waits) in operations {
            let (sent, received) = exchange(operation, name, &mut named);
            turns.push(client(&sent));
            responses.extend(received);
            if waits {
                turns.push(server(&std::mem::take(&mut responses)));
            }
        }
        turns.push(server(&responses));
        for name in ["a", "b"] {
            let expected = named.get(name).map_or("other ``".to_owned(), |text| format!("{text} `{text}`"));
            let request = last_request(&[&turns[..], &executes(name)].concat());
            prop_assert!(request.ends_with(&expected), "{}: {} {:?}", name, request, turns);
        }
    }
}
