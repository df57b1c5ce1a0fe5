//! The journal of a run, its replay and its seed.

use std::{
    collections::HashMap,
    fs,
    io::{Read, Write},
    net::Shutdown,
    os::unix::fs::symlink,
    path::Path,
    thread,
    time::Duration,
};

use crate::fault_support::RedisSession;
use crate::fault_support::script::{LATENCY, end, redis_script};
use crate::support::api::Api;
use crate::support::{BINARY, Proxy, eventually, run, utf8};
use serde_json::json;
use tempfile::TempDir;
use testkit::{Daemon, Pattern, Redis, TcpServer, free_port};

/// All decisions of a journal without their times, session after session.
fn decisions(journal: &Path) -> Vec<String> {
    let text = fs::read_to_string(journal).expect("the run wrote it");
    let without_time = |line: &str| {
        let (time, rest) = line.split_once(',').expect("a decision");
        assert!(time.starts_with("{\"at_ns\":"), "{line}");
        rest.to_owned()
    };
    let mut decisions: Vec<_> = text.lines().skip(1).map(without_time).collect();
    decisions.sort();
    decisions
}

/// Runs the script against a proxy with a journal.
fn recorded(server: &Redis, journal: &Path, faults: &[&str], seed: &str) -> Vec<String> {
    let options = [faults, &["--seed", seed, "--journal", utf8(journal)]].concat();
    let proxy = Proxy::with(format!("localhost:{}", server.port()), &options);
    redis_script(&proxy);
    assert_eq!(end(&proxy), Some(0), "{}", proxy.stderr());
    decisions(journal)
}

/// Jitter decides by the clock when to draw, so only what does not is compared.
fn timeless(decisions: &[String]) -> Vec<&String> {
    decisions.iter().filter(|line| !line.contains("jitter") || line.contains("applies")).collect()
}

fn assert_repeatable(faults: &[&str], expected: &[&str]) {
    let directory = TempDir::new().expect("the temporary directory is writable");
    let server = Redis::start();
    // Each time on another port, as in a test suite.
    let run = |name: &str, seed: &str| {
        let journal = directory.path().join(name);
        recorded(&server, &journal, faults, seed)
    };
    let (first, again, other) = (run("first", "7"), run("again", "7"), run("other", "8"));
    for part in expected {
        let told = first.iter().chain(&other).any(|line| line.contains(part));
        assert!(told, "no {part} in {first:#?} and {other:#?}");
    }
    assert_eq!(timeless(&first), timeless(&again));
    assert_ne!(timeless(&first), timeless(&other));
}

#[test]
fn a_seed_repeats_the_decisions_of_a_run() {
    let slicer = ["--with-slicer", "--slicer-size", "9", "--slicer-variation", "4"];
    let others = ["--latency-direction", "both", "--with-jitter", "--jitter-probability", "0.5"];
    let expected = ["\"fault\":\"latency\"", "\"decision\":\"slice\"", "\"applies\":"];
    assert_repeatable(&[&LATENCY[..], &slicer, &others].concat(), &expected);
}

#[test]
fn a_seed_repeats_the_losses_of_a_run() {
    let loss = ["--with-packet-loss", "--packet-loss-rate", "10%", "--packet-loss-rtt", "10ms"];
    assert_repeatable(&loss, &["\"decision\":\"lost\"", "\"decision\":\"retransmit-timeout\""]);
}

#[test]
fn decisions_do_not_depend_on_how_the_client_cuts_its_writes() {
    const SEGMENT: usize = 1460;
    let directory = TempDir::new().unwrap();
    let far_end = TcpServer::reply_after_eof();
    let mut bytes = vec![0; 60 * SEGMENT];
    Pattern::new(2).fill(0, &mut bytes);
    let uploaded = |chunk: usize| {
        let journal = directory.path().join(chunk.to_string());
        let options = [
            &LATENCY[..],
            &[
                "--latency-side",
                "client",
                "--with-corrupt",
                "--corrupt-rate",
                "0.1%",
                "--corrupt-side",
                "client",
            ],
            &[
                "--with-slicer",
                "--slicer-size",
                "500",
                "--slicer-variation",
                "400",
                "--slicer-side",
                "client",
            ],
            &["--seed", "3", "--journal", utf8(&journal)],
        ];
        let proxy = Proxy::with(far_end.addr(), &options.concat());
        let mut client = proxy.connect();
        bytes.chunks(chunk).for_each(|part| client.write_all(part).unwrap());
        client.shutdown(Shutdown::Write).unwrap();
        let mut reply = Vec::new();
        client.read_to_end(&mut reply).unwrap();
        assert_eq!(end(&proxy), Some(0), "{}", proxy.stderr());
        (decisions(&journal), reply)
    };
    // Whole segments: a pause between two writes begins one anyway.
    let (whole, other) = (uploaded(bytes.len()), uploaded(3 * SEGMENT));
    assert!(whole.0.len() > 150, "{}", whole.0.len());
    assert_eq!(whole.0, other.0);
    assert!(whole.1 == other.1, "other bytes are corrupted");
}

/// The delays of a journal by direction and offset.
fn delays(journal: &Path) -> HashMap<(String, u64), u64> {
    let text = fs::read_to_string(journal).expect("the run wrote it");
    let rows =
        text.lines().skip(1).map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a decision"));
    let number = |row: &serde_json::Value, name: &str| row[name].as_u64().expect("a hold");
    rows.map(|row| ((row["direction"].to_string(), number(&row, "offset")), number(&row, "delay_ns")))
        .collect()
}

/// Sends requests without waiting for the responses, and then reads these.
fn pipeline(proxy: &Proxy, request: usize) {
    const SIZE: usize = 15_000;
    let mut client = proxy.connect();
    client.set_nodelay(true).expect("the proxy relays");
    for _ in 0..SIZE / request {
        client.write_all(&vec![7; request]).expect("the proxy relays");
        thread::sleep(Duration::from_millis(1));
    }
    client.read_exact(&mut [0; SIZE]).expect("the proxy relays");
    drop(client);
    eventually("the session has ended", || proxy.count("session ended") == 1);
}

#[test]
fn pipelined_requests_meet_the_same_delays_at_the_same_offsets() {
    let (directory, far_end) = (TempDir::new().unwrap(), TcpServer::echo());
    let run = |name: &str, seed: &str, request: usize| {
        let journal = directory.path().join(name);
        let latency = ["--with-latency", "--latency-mean", "5", "--latency-stddev", "2"];
        let options = ["--latency-direction", "both", "--seed", seed, "--journal", utf8(&journal)];
        let proxy = Proxy::with(far_end.addr(), &[&latency[..], &options].concat());
        pipeline(&proxy, request);
        assert_eq!(end(&proxy), Some(0), "{}", proxy.stderr());
        delays(&journal)
    };
    let first = run("first", "5", 300);
    let compare = |other: HashMap<(String, u64), u64>| {
        let common: Vec<_> =
            first.iter().filter_map(|(place, delay)| Some((*delay, *other.get(place)?))).collect();
        let same = common.iter().filter(|(one, other)| one == other).count();
        (common.len(), same)
    };
    for (name, request) in [("again", 300), ("cut", 100), ("coarse", 1000)] {
        let (common, same) = compare(run(name, "5", request));
        assert!(common >= 2, "{name}: {common}");
        assert_eq!(same, common, "{name}");
    }
    let (common, same) = compare(run("other", "6", 300));
    assert!(same < common, "another seed: {same} of {common}");
}

#[test]
fn a_replay_says_why_not_all_was_repeated() {
    let (directory, far_end) = (TempDir::new().unwrap(), TcpServer::echo());
    let journal = directory.path().join("journal");
    let proxy = Proxy::with(far_end.addr(), &[&LATENCY[..], &["--journal", utf8(&journal)]].concat());
    pipeline(&proxy, 15_000);
    assert_eq!(end(&proxy), Some(0), "{}", proxy.stderr());
    let recorded = decisions(&journal).len();
    let replay = Daemon::spawn(Path::new(BINARY), &["replay", utf8(&journal)], &[]);
    replay.wait_for_line("listening on");
    assert_eq!(end(&replay), Some(0), "{}", replay.stderr());
    let stdout = replay.stdout();
    for expected in [
        format!(
            "replayed 0 of {recorded} decisions; {recorded} were not made again, 0 were not in the journal"
        ),
        "at offsets of both runs: 0 of 0 are the same".to_owned(),
        format!("{recorded} are of sessions that this run did not have"),
    ] {
        assert!(stdout.contains(&expected), "{expected}: {stdout}");
    }
}

#[test]
fn the_journal_can_be_followed_while_sessions_are_busy() {
    let (server, directory) = (Redis::start(), TempDir::new().unwrap());
    let journal = directory.path().join("journal");
    let options = ["--with-latency", "--latency-mean", "50", "--journal", utf8(&journal)];
    let proxy = Proxy::with(format!("localhost:{}", server.port()), &options);
    let mut redis = RedisSession::open(&proxy);
    // Not enough to fill a buffer.
    for _ in 0..20 {
        redis.ping();
    }
    assert_ne!(decisions(&journal).len(), 0);
}

#[test]
fn a_replay_makes_all_decisions_again() {
    let (server, directory) = (Redis::start(), TempDir::new().unwrap());
    let journal = directory.path().join("journal");
    let options = [&LATENCY[..], &["--journal", utf8(&journal)]].concat();
    let proxy = Proxy::with(format!("localhost:{}", server.port()), &options);
    redis_script(&proxy);
    assert_eq!(end(&proxy), Some(0));
    let count = decisions(&journal).len();

    let replay = Daemon::spawn(Path::new(BINARY), &["replay", utf8(&journal)], &[]);
    replay.wait_for_line("listening on");
    redis_script(&proxy);
    assert_eq!(end(&replay), Some(0), "{}", replay.stderr());
    let all =
        format!("replayed {count} of {count} decisions; 0 were not made again, 0 were not in the journal");
    assert!(replay.stdout().contains(&all), "{}", replay.stdout());
    assert_eq!(decisions(&journal).len(), count, "a replay leaves its journal as it was");
}

#[test]
fn a_replay_of_something_else_is_refused() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("notes");
    for text in ["", "no journal\n", "{\"journal\":9,\"seed\":1,\"settings\":{}}\n"] {
        fs::write(&file, text).unwrap();
        let ended = run(&["replay", utf8(&file)]);
        assert_eq!(ended.code, Some(2), "{text:?}: {ended:?}");
        assert!(ended.stderr.contains(utf8(&file)), "{}", ended.stderr);
    }
}

#[test]
fn an_incomplete_last_line_is_left_out_with_a_warning() {
    let (server, directory) = (Redis::start(), TempDir::new().unwrap());
    let journal = directory.path().join("run.jsonl");
    let options = [&LATENCY[..], &["--journal", utf8(&journal)]].concat();
    let proxy = Proxy::with(format!("localhost:{}", server.port()), &options);
    redis_script(&proxy);
    assert_eq!(end(&proxy), Some(0));
    let whole = fs::read(&journal).unwrap();
    let count = decisions(&journal).len();
    let replayed = |text: &[u8]| {
        fs::write(&journal, text).unwrap();
        let replay = Daemon::spawn(Path::new(BINARY), &["replay", utf8(&journal)], &[]);
        replay.wait_for_line("listening on");
        assert_eq!(end(&replay), Some(0), "{}", replay.stderr());
        (replay.stdout(), replay.stderr())
    };
    let warning = "the last line of the journal is incomplete";
    let (stdout, stderr) = replayed(&whole[..whole.len() - 5]);
    assert!(stdout.contains(&format!("replayed 0 of {} decisions", count - 1)), "{stdout}");
    assert!(stderr.contains(warning), "{stderr}");
    // Only the line end is missing.
    let (stdout, stderr) = replayed(&whole[..whole.len() - 1]);
    assert!(stdout.contains(&format!("replayed 0 of {count} decisions")), "{stdout}");
    assert!(!stderr.contains(warning), "{stderr}");
    for (line, problem) in [
        ("{\"foo\":1}\n", "is neither a decision nor a change of this version\n"),
        ("{\"foo\n", "is not JSON from column 5 on\n"),
    ] {
        fs::write(&journal, [&whole, line.as_bytes()].concat()).unwrap();
        let ended = run(&["replay", utf8(&journal)]);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(problem), "{problem}: {}", ended.stderr);
    }
}

#[test]
fn a_journal_of_clients_alone_cannot_be_replayed() {
    let directory = TempDir::new().unwrap();
    let journal = directory.path().join("run.jsonl");
    let api = Api::with(&["--journal", utf8(&journal)]);
    api.post("/proxies", &json!({"name": "db", "listen": "127.0.0.1:0", "upstream": "up:1"}));
    assert_eq!(end(&api), Some(0));
    let ended = run(&["replay", utf8(&journal)]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(
        ended.stderr.contains("nothing to replay: only clients of the control API created proxies"),
        "{}",
        ended.stderr
    );
}

#[test]
fn check_tries_the_journal_and_leaves_it_as_it_is() {
    let (echo, directory) = (TcpServer::echo(), TempDir::new().unwrap());
    let mapping = format!("{}={}", free_port(), echo.addr());
    let check = |journal: &Path| run(&["check", "--proxy", &mapping, "--journal", utf8(journal)]);
    let [new, old, link] = ["new", "old", "link"].map(|name| directory.path().join(name));
    fs::write(&old, "of an earlier run").unwrap();
    symlink("new", &link).unwrap();
    for journal in [&new, &old, &link, Path::new("/dev/null")] {
        let ended = check(journal);
        assert_eq!(ended.code, Some(0), "{journal:?}: {ended:?}");
        assert!(!new.exists(), "{journal:?}");
    }
    assert_eq!(fs::read_to_string(&old).unwrap(), "of an earlier run");
    for journal in [Path::new("/nonexistent/x"), directory.path()] {
        let ended = check(journal);
        assert_eq!(ended.code, Some(1), "{journal:?}: {ended:?}");
        assert!(ended.stdout.contains(&format!("FAILED: --journal {}", utf8(journal))), "{ended:?}");
    }
}

#[test]
fn a_seed_that_was_not_given_is_told_and_gives_the_same_again() {
    let (server, directory) = (Redis::start(), TempDir::new().unwrap());
    let run_with = |seed: &[&str], name: &str| {
        let journal = directory.path().join(name);
        let options = [&LATENCY[..], &["--journal", utf8(&journal)], seed].concat();
        let proxy = Proxy::with(format!("localhost:{}", server.port()), &options);
        redis_script(&proxy);
        assert_eq!(end(&proxy), Some(0));
        let line = proxy.wait_for_line("seed ");
        let seed = line.split("--seed ").nth(1).and_then(|rest| rest.split_whitespace().next());
        (seed.expect("how to repeat it").to_owned(), decisions(&journal))
    };
    let (seed, first) = run_with(&[], "first");
    let (same, again) = run_with(&["--seed", &seed], "again");
    assert_eq!((seed, first), (same, again));
}
