use proptest::prelude::*;

use crate::Protocol;
use crate::testing::{Turn, events, pieces};

fn command(arguments: &[&str]) -> String {
    let bulks = arguments.iter().map(|argument| format!("${}\r\n{argument}\r\n", argument.len()));
    format!("*{}\r\n{}", arguments.len(), bulks.collect::<String>())
}

fn client(text: &str) -> Turn {
    Turn::Client(text.as_bytes().to_vec())
}

fn server(text: &str) -> Turn {
    Turn::Server(text.as_bytes().to_vec())
}

fn seen(turns: &[Turn]) -> Vec<String> {
    events(Protocol::Redis, turns, &[usize::MAX])
}

/// The events without their offsets.
fn without_offsets(turns: &[Turn]) -> Vec<String> {
    seen(turns).iter().filter_map(|event| Some(event.split_once(": ")?.1.to_owned())).collect()
}

#[test]
fn a_command_has_its_name_and_its_first_key() {
    let turns = [client(&command(&["set", "session:1", "v"])), server("+OK\r\n")];
    let expected = ["0: request 1 SET `session:1`", "35: sent 1", "0: response 1", "5: done 1 success"];
    assert_eq!(seen(&turns), expected);
}

#[test]
fn commands_in_one_line_are_read_and_empty_lines_ignored() {
    let turns = [client("\r\nPING\r\n get  k \r\n"), server("+PONG\r\n$-1\r\n")];
    let expected = [
        "request 1 PING ``",
        "sent 1",
        "request 2 GET `k`",
        "sent 2",
        "response 1",
        "done 1 success",
        "response 2",
        "done 2 success",
    ];
    assert_eq!(without_offsets(&turns), expected);
}

#[test]
fn scripts_have_the_key_after_its_count_and_passwords_are_no_keys() {
    for (arguments, expected) in [
        (&["EVAL", "return 1", "1", "k"][..], "request 1 EVAL `k`"),
        (&["EVAL", "return 1", "0"], "request 1 EVAL ``"),
        (&["AUTH", "s3cr3t"], "request 1 AUTH ``"),
        (&["GET", ""], "request 1 GET ``"),
        (&["BITOP", "AND", "k", "a"], "request 1 BITOP `k`"),
        (&["object", "encoding", "k"], "request 1 OBJECT `k`"),
        (&["OBJECT", "HELP"], "request 1 OBJECT ``"),
        (&["BLMPOP", "1", "1", "k", "LEFT"], "request 1 BLMPOP `k`"),
        (&["XREAD", "COUNT", "2", "streams", "k", "0"], "request 1 XREAD `k`"),
        (&["XREAD", "STREAMS"], "request 1 XREAD ``"),
        (&["XREAD", "COUNT", "2"], "request 1 XREAD ``"),
        (&["XREAD"], "request 1 XREAD ``"),
        (&["XREADGROUP", "GROUP", "g", "STREAMS", "NOACK", "STREAMS", "k", ">"], "request 1 XREADGROUP `k`"),
        (&[&["XREAD"], &["x"; 30][..], &["STREAMS", "k", "0"]].concat(), "request 1 XREAD ``"),
    ] {
        for pieces in [&[usize::MAX][..], &[1]] {
            let seen = events(Protocol::Redis, &[client(&command(arguments))], pieces);
            assert_eq!(seen[0], format!("0: {expected}"), "{pieces:?}");
        }
        if arguments.iter().all(|argument| !argument.is_empty() && !argument.contains(' ')) {
            let line = arguments.join(" ") + "\r\n";
            assert_eq!(without_offsets(&[client(&line)])[0], expected);
        }
    }
}

#[test]
fn every_type_of_reply_ends_where_it_ends() {
    let replies = [
        "+OK\r\n",
        ":1\r\n",
        "$3\r\na\r\n\r\n",
        "$0\r\n\r\n",
        "$-1\r\n",
        "*-1\r\n",
        "*0\r\n",
        "*2\r\n*2\r\n:1\r\n-ERR nested\r\n$1\r\na\r\n",
        "%1\r\n+a\r\n*1\r\n:1\r\n",
        "~2\r\n:1\r\n:2\r\n",
        "_\r\n",
        "#t\r\n",
        ",1.5\r\n",
        "(12345678901234567890\r\n",
        "=7\r\ntxt:abc\r\n",
    ];
    let ping = command(&["PING"]).repeat(replies.len());
    let all = seen(&[client(&ping), server(&replies.concat())]);
    let ends: Vec<_> = all.iter().filter(|event| event.contains("done")).cloned().collect();
    let mut offset = 0;
    let expected = replies.iter().zip(1..).map(|(reply, number)| {
        offset += reply.len();
        let outcome = if ["*-1\r\n", "_\r\n"].contains(reply) { "null" } else { "success" };
        format!("{offset}: done {number} {outcome}")
    });
    assert_eq!(ends, expected.collect::<Vec<_>>());
}

#[test]
fn an_error_gives_its_code() {
    let turns =
        [client(&command(&["GET", "k"]).repeat(2)), server("-MOVED 1 127.0.0.1:1\r\n!5\r\nERR x\r\n")];
    let seen = without_offsets(&turns);
    assert!(seen.contains(&"done 1 MOVED".to_owned()) && seen.contains(&"done 2 ERR".to_owned()), "{seen:?}");
}

#[test]
fn a_transaction_has_a_response_for_each_command() {
    let turns = [
        client(&[command(&["MULTI"]), command(&["INCR", "a"]), command(&["EXEC"])].concat()),
        server("+OK\r\n+QUEUED\r\n*1\r\n:1\r\n"),
    ];
    assert_eq!(without_offsets(&turns).last().expect("events"), "done 3 success");
}

#[test]
fn a_transaction_tells_what_was_queued_and_whether_it_was_executed() {
    let commands = [command(&["MULTI"]), command(&["INCR", "a"]), command(&["EXEC"])].concat();
    for (exec, outcome) in [
        ("*1\r\n:1\r\n", "success"),
        ("*0\r\n", "success"),
        ("*1\r\n*-1\r\n", "success"),
        ("*1\r\n_\r\n", "success"),
        ("*-1\r\n", "null"),
        ("_\r\n", "null"),
        ("-EXECABORT Transaction discarded\r\n", "EXECABORT"),
    ] {
        let turns = [client(&commands), server(&["+OK\r\n+QUEUED\r\n", exec].concat())];
        for pieces in [&[usize::MAX][..], &[1]] {
            let seen = events(Protocol::Redis, &turns, pieces);
            let done: Vec<_> = seen.iter().filter_map(|event| Some(event.split_once(": done ")?.1)).collect();
            assert_eq!(done, ["1 success", "2 queued", &format!("3 {outcome}")], "{exec:?}");
        }
    }
}

#[test]
fn a_status_that_only_begins_with_queued_is_another_one() {
    for status in ["+QUEUED\r!\r\n", "+QUEUED\r\r\n", "+QUEUED!\r\n", "+QUEUE\r\n"] {
        let turns = [client(&command(&["GET", "a"])), server(status)];
        for pieces in [&[usize::MAX][..], &[1]] {
            let seen = events(Protocol::Redis, &turns, pieces);
            assert!(seen.last().expect("events").ends_with(": done 1 success"), "{status:?}: {seen:?}");
        }
    }
}

#[test]
fn published_messages_are_not_responses() {
    let message = "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n";
    let confirmed =
        |verb: &str, channel: &str| format!("*3\r\n${}\r\n{verb}\r\n$1\r\n{channel}\r\n:1\r\n", verb.len());
    for push in [false, true] {
        let as_sent = |text: &str| if push { text.replacen('*', ">", 1) } else { text.to_owned() };
        let turns = [
            client(&command(&["SUBSCRIBE", "a", "b"])),
            server(&as_sent(&confirmed("subscribe", "a"))),
            server(&as_sent(message)),
            server(&as_sent(&confirmed("subscribe", "b"))),
            server(&as_sent(message)),
            client(&command(&["PING"])),
            server(&as_sent(message)),
            server("*2\r\n$4\r\npong\r\n$0\r\n\r\n"),
            client(&command(&["UNSUBSCRIBE", "a"])),
            server(&as_sent(&confirmed("unsubscribe", "a"))),
        ];
        let expected = [
            "request 1 SUBSCRIBE `a`",
            "sent 1",
            "response 1",
            "done 1 success",
            "request 2 PING ``",
            "sent 2",
            "response 2",
            "done 2 success",
            "request 3 UNSUBSCRIBE `a`",
            "sent 3",
            "response 3",
            "done 3 success",
        ];
        assert_eq!(without_offsets(&turns), expected, "push: {push}");
    }
}

#[test]
fn arrays_that_look_like_messages_are_replies_unless_the_client_has_subscribed() {
    let confirmed =
        |verb: &str, left: u8| format!("*3\r\n${}\r\n{verb}\r\n$1\r\na\r\n:{left}\r\n", verb.len());
    let pushed = |verb: &str| confirmed(verb, 1).replacen('*', ">", 1);
    let array = "*2\r\n$7\r\nmessage\r\n$1\r\nx\r\n";
    for (before, replies) in [
        (vec![["SUBSCRIBE", "a"]], pushed("subscribe")),
        (
            vec![["SUBSCRIBE", "a"], ["UNSUBSCRIBE", "a"]],
            confirmed("subscribe", 1) + &confirmed("unsubscribe", 0),
        ),
        (
            vec![["SSUBSCRIBE", "a"], ["SUNSUBSCRIBE", "a"]],
            confirmed("ssubscribe", 1) + &confirmed("sunsubscribe", 0),
        ),
        (vec![["SUBSCRIBE", "a"], ["RESET", ""]], confirmed("subscribe", 1) + "+RESET\r\n"),
        (vec![["SUBSCRIBE", "a"]], "-NOPERM no\r\n".to_owned()),
    ] {
        let number = before.len() + 1;
        let before: String = before.iter().map(|arguments| command(arguments)).collect();
        let turns = [client(&before), server(&replies), client(&command(&["LRANGE", "l"])), server(array)];
        for pieces in [&[usize::MAX][..], &[1]] {
            let last = events(Protocol::Redis, &turns, pieces).pop().expect("events");
            assert!(last.ends_with(&format!(": done {number} success")), "{before:?} {last}");
        }
    }
    // The client still has a channel, or a shard channel.
    for verbs in [["SUBSCRIBE", "SSUBSCRIBE", "SUNSUBSCRIBE"], ["SSUBSCRIBE", "SUBSCRIBE", "UNSUBSCRIBE"]] {
        let sent = verbs.map(|verb| command(&[verb, "a"])).concat();
        let replies = verbs.map(|verb| confirmed(&verb.to_lowercase(), u8::from(verb != verbs[2])));
        let turns = [client(&sent), server(&replies.concat()), server(array)];
        assert!(seen(&turns).last().expect("events").ends_with("done 3 success"), "{verbs:?}");
    }
}

#[test]
fn a_refused_subscription_has_one_response() {
    let turns = [client(&command(&["SUBSCRIBE", "a", "b"])), server("-NOAUTH no\r\n")];
    assert_eq!(without_offsets(&turns).last().expect("events"), "done 1 NOAUTH");
}

#[test]
fn requests_with_an_unknown_number_of_responses_are_opaque() {
    for arguments in [&["MONITOR"][..], &["PSYNC", "?", "-1"], &["client", "reply", "off"], &["UNSUBSCRIBE"]]
    {
        let seen = seen(&[client(&command(arguments))]);
        assert!(seen.len() == 2 && seen[1].starts_with("0: opaque"), "{arguments:?}: {seen:?}");
    }
    let in_transaction = [client(&[command(&["MULTI"]), command(&["SUBSCRIBE", "a"])].concat())];
    assert!(seen(&in_transaction).last().expect("events").contains("opaque"));
}

#[test]
fn a_session_with_tls_is_encrypted() {
    for protocol in [Protocol::Redis, Protocol::Psql, Protocol::Http] {
        let seen = events(protocol, &[Turn::Client(b"\x16\x03\x01\x02\n".to_vec())], &[1]);
        assert_eq!(seen, ["0: opaque: the session is encrypted"], "{protocol:?}");
    }
}

#[test]
fn other_protocols_are_opaque() {
    for bytes in [&b"*1\r\n:1\r\n"[..], b"*x\r\n", b"*1\r\n$-1\r\n", b"\0\0\0\x08\x04\xd2\x16\x2f\n"] {
        let seen = events(Protocol::Redis, &[Turn::Client(bytes.to_vec())], &[1]);
        assert!(seen.len() == 1 && seen[0].contains("opaque"), "{bytes:?}: {seen:?}");
    }
    assert!(seen(&[server("+OK\r\n")])[0].contains("opaque"));
    assert!(seen(&[client("GET / HTTP/1.1\r\n"), server("HTTP/1.1 200 OK\r\n")])[2].contains("opaque"));
}

/// A command and its reply.
fn exchange() -> impl Strategy<Value = (String, String)> {
    let argument =
        prop_oneof!["[a-z]{0,8}", "STREAMS", (4000..6000_usize).prop_map(|length| "x".repeat(length))];
    let name = prop_oneof!["LPUSH", "XREAD", "BITOP"];
    let sent = (name, proptest::collection::vec(argument, 0..4)).prop_map(|(name, arguments)| {
        let arguments: Vec<_> = [&*name].into_iter().chain(arguments.iter().map(String::as_str)).collect();
        command(&arguments)
    });
    let leaf = prop_oneof![
        Just("+OK\r\n".to_owned()),
        Just("-ERR a\r\n".to_owned()),
        Just("$-1\r\n".to_owned()),
        "[a-z\r\n]{0,20}".prop_map(|text| format!("${}\r\n{text}\r\n", text.len())),
    ];
    let reply = leaf.prop_recursive(3, 16, 4, |inner| {
        (any::<bool>(), proptest::collection::vec(inner, 0..4)).prop_map(|(is_map, values)| {
            if is_map && values.len() % 2 == 0 {
                format!("%{}\r\n{}", values.len() / 2, values.concat())
            } else {
                format!("*{}\r\n{}", values.len(), values.concat())
            }
        })
    });
    (sent, reply)
}

proptest! {
    #[test]
    fn pieces_change_no_event(
        pipelines in proptest::collection::vec(proptest::collection::vec(exchange(), 1..5), 1..5),
        subscribes: bool,
        pieces in pieces(),
    ) {
        let subscription = subscribes.then(|| {
            [client(&command(&["SUBSCRIBE", "a"])), server("*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n")]
        });
        let pipelines = pipelines.iter().flat_map(|pipeline| {
            let (sent, replies): (Vec<_>, Vec<_>) = pipeline.iter().cloned().unzip();
            [client(&sent.concat()), server(&replies.concat())]
        });
        let session: Vec<_> = subscription.into_iter().flatten().chain(pipelines).collect();
        let whole = events(Protocol::Redis, &session, &[usize::MAX]);
        prop_assert_eq!(&events(Protocol::Redis, &session, &pieces), &whole);
        prop_assert!(!whole.iter().any(|event| event.contains("opaque")), "{:?}", whole);
        let count = |word: &str| whole.iter().filter(|event| event.contains(word)).count();
        prop_assert_eq!(count(": request "), count(": done "));
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(
        turns in proptest::collection::vec((any::<bool>(), "[*$+:>%a0-9\r\n-]{0,40}"), 0..12),
        pieces in pieces(),
    ) {
        let turn = |(of_client, text): (bool, String)| if of_client { client(&text) } else { server(&text) };
        let session: Vec<_> = turns.into_iter().map(turn).collect();
        prop_assert_eq!(events(Protocol::Redis, &session, &pieces), events(Protocol::Redis, &session, &[usize::MAX]));
    }
}
