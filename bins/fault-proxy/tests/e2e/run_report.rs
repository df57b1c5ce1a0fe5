//! Results of a run for programs: the JSON report, JUnit, the summary of a GitHub job, and `--json`.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::{Daemon, Redis, Signal, clients, free_port, require};

use crate::fault_support::script::{LATENCY, end, redis_script};
use crate::support::api::Api;
use crate::support::{ANY_CONTROL_PORT, BINARY, PATIENCE, Proxy, eventually, printed, run, utf8};

const SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/report.schema.json");
const CHECK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/python/report.py");

/// Reads a report and a JUnit file as their users would. Returns the report and the test cases.
fn read(report: &Path, junit: &Path) -> (Value, Vec<String>) {
    let mut python = Command::new(require("python3", "python3"));
    python.args([CHECK, SCHEMA]).args([report, junit]);
    python.env("PYTHONPATH", clients::python_modules("jsonschema_rs"));
    let cases = printed(&python.output().expect("python starts"));
    let report = serde_json::from_slice(&fs::read(report).expect("a report")).expect("JSON");
    (report, cases.lines().map(str::to_owned).collect())
}

#[test]
fn a_report_has_proxies_faults_verdicts_and_changes() {
    let server = Redis::start();
    let directory = TempDir::new().expect("a directory");
    let [report, junit, summary] = ["r.json", "j.xml", "s.md"].map(|name| directory.path().join(name));
    fs::write(&report, "of an earlier run").expect("it is ours");
    fs::write(&summary, "# Job\n").expect("it is ours");
    let [cache, dead] = [free_port(), free_port()];
    let mappings = [
        format!("cache@{cache}=localhost:{}", server.port()),
        format!("dead@{dead}=localhost:{}", free_port()),
    ];
    let args = [
        &["run", "--control", "127.0.0.1:0", "--proxy", &mappings[0], "--proxy", &mappings[1], "--seed", "7"]
            [..],
        &LATENCY,
        &["--with-reset", "--reset-after-bytes", "1GiB", "--with-packet-loss", "--packet-loss-rate", "1%"],
        &["--expect", "latency.max>=1ms", "--expect", "dead.errors<1", "--expect", "sessions>=2", "--strict"],
        &["--report", utf8(&report), "--junit", utf8(&junit)],
    ]
    .concat();
    let api = Api::of(Daemon::spawn(Path::new(BINARY), &args, &[("GITHUB_STEP_SUMMARY", utf8(&summary))]));
    assert_eq!(fs::read(&report).expect("it is there"), b"", "no report of an earlier run is left");
    let redis = TcpStream::connect((Ipv4Addr::LOCALHOST, cache)).expect("it listens");
    ping(&redis);
    drop(redis);
    TcpStream::connect((Ipv4Addr::LOCALHOST, dead)).expect("it listens");
    eventually("both sessions have ended", || {
        api.stderr().contains("session ended") && api.stderr().contains("cannot connect")
    });
    api.post(
        "/proxies/cache/toxics",
        &json!({"type": "limit_data", "name": "late", "attributes": {"bytes": 5}}),
    );
    assert_eq!(end(&api), Some(3), "{}", api.stderr());

    let (report, cases) = read(&report, &junit);
    assert_eq!(
        (&report["report"], &report["seed"], &report["passed"]),
        (&json!(1), &json!(7), &json!(false))
    );
    let [cache_report, dead_report] = [0, 1].map(|index| report["proxies"][index].clone());
    assert_eq!((&cache_report["name"], &cache_report["sessions"]), (&json!("cache"), &json!(1)));
    assert_eq!(cache_report["bytes_to_client"], 7);
    assert_eq!(
        (&dead_report["ends"]["not_opened"], &dead_report["errors"]),
        (&json!(1), &json!({"refused": 1}))
    );
    let fault = |name: &str| {
        let faults = cache_report["faults"].as_array().expect("a list").iter();
        faults.clone().find(|fault| fault["name"] == name).expect("it is there").clone()
    };
    assert_eq!((&fault("latency")["acted"], &fault("reset")["acted"]), (&json!(true), &json!(false)));
    assert!(fault("latency")["held_ms"]["max"].as_f64() >= fault("latency")["held_ms"]["p50"].as_f64());
    assert_eq!(fault("late")["attributes"], json!({"bytes": 5}));
    let change = &report["changes"][0];
    assert_eq!((&change["action"], &change["proxy"]), (&json!("change faults"), &json!("cache")));

    let verdict = |condition: &str, class: &str| -> &str {
        let start = format!("{class} | {condition} | ");
        let case = cases.iter().find_map(|case| case.strip_prefix(&start));
        case.unwrap_or_else(|| panic!("{start}: {cases:?}"))
    };
    assert_eq!(verdict("latency.max>=1ms", "cache"), "passed");
    assert_eq!(verdict("sessions>=2", "all proxies"), "passed");
    assert_eq!(verdict("dead.errors<1", "dead"), "dead.errors<1: 1 on dead");
    assert_eq!(verdict("--strict latency", "cache"), "passed");
    assert_eq!(verdict("--strict reset", "cache"), "--strict reset: the fault never acted on cache");

    let summary = fs::read_to_string(summary).expect("it is text");
    assert!(summary.starts_with("# Job\n### fault-proxy: failed\n"), "{summary}");
    assert!(summary.contains("| ❌ | dead.errors&lt;1 | dead | 1 |\n"), "{summary}");
    assert!(summary.contains("| ✅ | sessions>=2 | all | 2 |\n"), "{summary}");
}

#[test]
fn a_report_has_the_counts_of_requests() {
    let server = Redis::start();
    let directory = TempDir::new().expect("a directory");
    let [report, junit, summary] = ["r.json", "j.xml", "s.md"].map(|name| directory.path().join(name));
    let port = free_port();
    let mapping = format!("cache@{port}=redis://localhost:{}", server.port());
    let lost = ["--with-lose-response", "--lose-response-on", "INCR", "--lose-response-times", "1"];
    let files = ["--expect", "sessions>=2", "--report", utf8(&report), "--junit", utf8(&junit)];
    let args = [&["run", "--control", "127.0.0.1:0", "--proxy", &mapping][..], &lost, &files].concat();
    let api = Api::of(Daemon::spawn(Path::new(BINARY), &args, &[("GITHUB_STEP_SUMMARY", utf8(&summary))]));
    let redis = || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens");
    let (mut first, mut client) = (redis(), redis());
    first.write_all(b"INCR orders\r\n").expect("it is open");
    let line = "fault_proxy_requests_unconfirmed_total{proxy=\"cache\",kind=\"INCR\"} 1";
    eventually(line, || api.send("GET", "/metrics", "", &[]).1.lines().any(|other| other == line));
    client.write_all(b"INCR orders\r\n").expect("it is open");
    let mut answer = [0; 4];
    client.read_exact(&mut answer).expect("it answers");
    assert_eq!(&answer, b":2\r\n", "the first was executed");
    drop((first, client));
    assert_eq!(end(&api), Some(0), "{}", api.stderr());

    let proxy = read(&report, &junit).0["proxies"][0].clone();
    assert_eq!((&proxy["protocol"], &proxy["sessions_opaque"]), (&json!("redis"), &json!(0)));
    let mut requests = proxy["requests"].clone();
    assert_eq!(requests[0]["duration_ms"]["count"], 1);
    requests[0]["duration_ms"].take();
    let counts = json!({"kind": "INCR", "requests": 2, "forwarded": 2, "answered": 2, "delivered": 1, "unconfirmed": 1, "injected": 0, "duration_ms": null});
    assert_eq!(requests, json!([counts]));
    let summary = fs::read_to_string(summary).expect("it is text");
    assert!(summary.contains("| cache | INCR | 2 | 1 | 1 |\n"), "{summary}");
    assert!(api.stdout().contains("unconfirmed: 1 of 2 INCR on cache\n"), "{}", api.stdout());
}

#[test]
fn a_condition_on_requests_makes_the_proxy_read_them() {
    let server = Redis::start();
    for (conditions, code) in [
        ("cache.PING.delivered=1;cache.ping.unconfirmed=0;cache.PING.max<10s;cache.SET.requests=0", 0),
        ("cache.PING.delivered=2", 3),
    ] {
        let port = free_port();
        let mapping = format!("cache@{port}=redis://localhost:{}", server.port());
        let args = ["run", "--control", "off", "--proxy", &mapping, "--expect", conditions];
        let proxy = Daemon::spawn(Path::new(BINARY), &args, &[]);
        proxy.wait_for_line("listening on");
        let redis = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens");
        ping(&redis);
        drop(redis);
        assert_eq!(end(&proxy), Some(code), "{}", proxy.stderr());
        assert!(proxy.stderr().contains("cache.PING.delivered="), "{}", proxy.stderr());
    }
}

#[test]
fn a_condition_on_requests_is_not_met_if_some_were_not_counted() {
    let server = Redis::start();
    let other_kinds = || (0..48).map(|number| format!("KIND{number}\r\n")).collect::<String>();
    for (sent, reason) in [
        (other_kinds() + "SET a 1\r\n", "count as other, because 48 other kinds came before"),
        ("SET a 1\r\nMONITOR\r\n".to_owned(), "1 session could not be read, so not all requests are counted"),
    ] {
        let port = free_port();
        let mapping = format!("cache@{port}=redis://localhost:{}", server.port());
        let args = ["run", "--control", "off", "--proxy", &mapping, "--expect", "cache.SET.unconfirmed=0"];
        let proxy = Daemon::spawn(Path::new(BINARY), &args, &[]);
        proxy.wait_for_line("listening on");
        let mut redis = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens");
        redis.write_all(sent.as_bytes()).expect("it is open");
        let mut answers = Vec::new();
        while !answers.ends_with(b"+OK\r\n") {
            let mut answer = [0; 4096];
            let length = redis.read(&mut answer).expect("it answers");
            assert!(length > 0, "it closes the connection: {}", answers.escape_ascii());
            answers.extend_from_slice(&answer[..length]);
        }
        drop(redis);
        assert_eq!(end(&proxy), Some(3), "{}", proxy.stderr());
        assert!(proxy.stderr().contains(reason), "{}", proxy.stderr());
    }
}

fn ping(redis: &TcpStream) {
    (&*redis).write_all(b"PING\r\n").expect("it is open");
    let mut answer = [0; 7];
    (&*redis).read_exact(&mut answer).expect("it answers");
    assert_eq!(&answer, b"+PONG\r\n");
}

#[test]
fn a_run_that_meets_its_expectations_passes() {
    let server = Redis::start();
    let directory = TempDir::new().expect("a directory");
    let [report, junit] = ["r.json", "j.xml"].map(|name| directory.path().join(name));
    let files = ["--report", utf8(&report), "--junit", utf8(&junit)];
    let expected = ["--expect", "latency.sessions>=3;errors<1;latency.actions>=36"];
    let proxy =
        Proxy::with(format!("localhost:{}", server.port()), &[&LATENCY[..], &expected, &files].concat());
    redis_script(&proxy);
    assert_eq!(end(&proxy), Some(0), "{}", proxy.stderr());
    let (report, cases) = read(&report, &junit);
    assert_eq!((&report["passed"], cases.len()), (&json!(true), 3));
    assert_eq!(report["proxies"][0]["label"], proxy.mapping);
    assert_eq!(report["proxies"][0]["name"], "proxy-1");
    let class = format!("{} | ", proxy.mapping);
    assert!(cases.iter().all(|case| case.starts_with(&class)), "{cases:?}");
}

#[test]
fn files_that_cannot_be_written_end_a_run_before_it_starts() {
    let mapping = format!("{}=localhost:1", free_port());
    let run = |options: &[&str]| run(&[&["run", "--proxy", &mapping][..], options].concat());
    for (options, code, problem) in [
        (&["--report", "/nowhere/report.json"][..], 1, "--report /nowhere/report.json: "),
        (&["--junit", "/nowhere/j.xml", "--strict"], 1, "--junit /nowhere/j.xml: "),
        (&["--junit", "j.xml"], 2, "--junit requires --expect or --strict"),
        (
            &["--report", "a", "--journal", "a"],
            2,
            "--journal and --report have the same file: set another one for --report",
        ),
        (&["--report", "a", "--junit", "./a", "--strict"], 2, "--report and --junit have the same file"),
    ] {
        let ended = run(options);
        assert_eq!(ended.code, Some(code), "{options:?}: {ended:?}");
        assert!(ended.stderr.contains(problem), "{options:?}: {}", ended.stderr);
        assert!(!ended.stderr.contains("listening on"), "{options:?}: {}", ended.stderr);
    }
}

#[test]
fn a_file_that_a_run_reads_or_writes_twice_is_refused_before_it_is_emptied() {
    let directory = TempDir::new().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    let [config, toxiproxy, table, pem, link] = ["c.toml", "t.json", "t.csv", "c.pem", "link"].map(path);
    let mapping = format!("{}=localhost:1", free_port());
    let contents = format!("[[proxies]]\nproxy = \"{mapping}\"\n");
    fs::write(&config, &contents).expect("it is ours");
    fs::write(&toxiproxy, "[]").expect("it is ours");
    [&table, &pem].into_iter().for_each(|file| fs::write(file, "5\n").expect("it is ours"));
    fs::hard_link(&config, &link).expect("it is ours");
    let other = path("sub/../new");
    fs::create_dir(path("sub")).expect("it is ours");
    let (config, new) = (utf8(&config), path("new"));
    let proxy = ["--proxy", &mapping];
    let table_of = ["--with-latency", "--latency-distribution", "table", "--latency-table", utf8(&table)];
    let summary = ("GITHUB_STEP_SUMMARY", utf8(&new));
    for (args, variables, problem) in [
        (vec!["--config", config, "--report", config], vec![], "--config and --report"),
        (vec!["--config", config, "--journal", utf8(&link)], vec![], "--config and --journal"),
        (vec!["--config", config, "--log-file", config], vec![], "--config and --log-file"),
        (
            vec!["--toxiproxy-config", utf8(&toxiproxy), "--strict", "--junit", utf8(&toxiproxy)],
            vec![],
            "--toxiproxy-config and --junit",
        ),
        (
            [&proxy[..], &table_of, &["--report", utf8(&table)]].concat(),
            vec![],
            "--latency-table and --report",
        ),
        (
            [&proxy[..], &["--upstream-ca", utf8(&pem), "--report", utf8(&pem)]].concat(),
            vec![],
            "--upstream-ca and --report",
        ),
        (
            [&proxy[..], &["--log-file", utf8(&new), "--journal", utf8(&other)]].concat(),
            vec![],
            "--log-file and --journal",
        ),
        (
            [&proxy[..], &["--report", utf8(&other)]].concat(),
            vec![summary],
            "GITHUB_STEP_SUMMARY and --report",
        ),
    ] {
        let run = [&["run"], &args[..], &["--duration", "1ms"]].concat();
        let daemon = Daemon::spawn(Path::new(BINARY), &run, &[&variables[..], &[ANY_CONTROL_PORT]].concat());
        assert_eq!(daemon.wait(PATIENCE).code(), Some(2), "{args:?}: {}", daemon.stderr());
        let line = format!("{problem} have the same file: set another one for --");
        assert!(daemon.stderr().contains(&line), "{line}: {}", daemon.stderr());
        assert_eq!(fs::read_to_string(config).expect("it is there"), contents);
    }
    assert_eq!(fs::read_to_string(&toxiproxy).expect("it is there"), "[]");
    assert!(!new.exists(), "nothing was written");
}

#[test]
fn a_summary_that_cannot_be_written_is_only_logged() {
    let mapping = format!("{}=localhost:1", free_port());
    let args = ["run", "--proxy", &mapping, "--duration", "100ms"];
    let summary = ("GITHUB_STEP_SUMMARY", "/nowhere/summary.md");
    let daemon = Daemon::spawn(Path::new(BINARY), &args, &[ANY_CONTROL_PORT, summary]);
    daemon.wait_for_line("cannot write the summary of GITHUB_STEP_SUMMARY");
    assert_eq!(daemon.wait(PATIENCE).code(), Some(0));
}

#[test]
fn check_health_and_replay_print_json() {
    let server = Redis::start();
    let directory = TempDir::new().expect("a directory");
    let journal = directory.path().join("run.jsonl");
    let upstream = format!("localhost:{}", server.port());
    let proxy = Proxy::with(&upstream, &[&LATENCY[..], &["--journal", utf8(&journal)]].concat());
    let line = proxy.wait_for_line("control API on http://");
    let control =
        line.split("http://").nth(1).and_then(|rest| rest.split_whitespace().next()).expect("an address");
    let json = |args: &[&str], code: i32| -> Value {
        let ended = run(args);
        assert_eq!(ended.code, Some(code), "{args:?}: {ended:?}");
        serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{args:?}: {error}: {ended:?}"))
    };
    let health = json(&["health", control, "--json"], 0);
    assert_eq!(
        (&health["ready"], &health["status"], &health["answer"]),
        (&json!(true), &json!(200), &json!("ok"))
    );
    redis_script(&proxy);
    assert_eq!(end(&proxy), Some(0));
    let health = json(&["health", control, "--json"], 1);
    assert_eq!((&health["ready"], &health["status"]), (&json!(false), &Value::Null));

    let mappings =
        [format!("{}={upstream}", free_port()), format!("{}=localhost:{}", free_port(), free_port())];
    let all = ["check", "--proxy", &mappings[0], "--proxy", &mappings[1], "--control", "off", "--json"];
    let checked = json(&[&all[..], &LATENCY].concat(), 1);
    assert_eq!((&checked["check"], &checked["ok"]), (&json!(1), &json!(false)));
    let [good, bad] = [0, 1].map(|index| checked["proxies"][index]["upstream"].clone());
    assert_eq!((&good["ok"], &bad["ok"]), (&json!(true), &json!(false)));
    assert!(bad["result"].as_str().is_some_and(|reason| reason.contains("refused")), "{bad}");
    assert_eq!(checked["faults"][1]["proxy"], mappings[1]);

    let replay = Daemon::spawn(Path::new(BINARY), &["replay", utf8(&journal), "--json"], &[]);
    replay.wait_for_line("listening on");
    replay.signal(Signal::TERM);
    assert_eq!(replay.wait(PATIENCE).code(), Some(0), "{}", replay.stderr());
    let compared: Value = serde_json::from_str(&replay.stdout()).expect("only JSON");
    let decisions = compared["decisions"].as_u64().expect("a number");
    assert!(decisions > 30, "{compared}");
    assert_eq!(compared["of_missing_sessions"], decisions);
}

#[test]
fn a_fault_that_was_removed_stays_in_the_report_and_must_have_acted() {
    let server = Redis::start();
    let directory = TempDir::new().expect("a directory");
    let [report, junit] = ["r.json", "j.xml"].map(|name| directory.path().join(name));
    let cache = free_port();
    let mapping = format!("cache@{cache}=localhost:{}", server.port());
    let args = [
        &["run", "--control", "127.0.0.1:0", "--proxy", &mapping, "--strict"][..],
        &["--with-latency", "--latency-mean", "1ms"],
        &["--report", utf8(&report), "--junit", utf8(&junit)],
    ]
    .concat();
    let api = Api::of(Daemon::spawn(Path::new(BINARY), &args, &[]));
    api.post("/reset", &Value::Null);
    let add = |kind: &str, name: &str, attributes: Value| {
        api.post("/proxies/cache/toxics", &json!({"type": kind, "name": name, "attributes": attributes}));
    };
    // One acts, is removed, and does not act the second time. The other one acts each time.
    add("latency", "slow", json!({"mean": 1}));
    add("slicer", "small", json!({"size": 1}));
    // It stays open, because the second latency would delay its end.
    let client = TcpStream::connect((Ipv4Addr::LOCALHOST, cache)).expect("it listens");
    ping(&client);
    api.delete("/proxies/cache/toxics/slow");
    add("latency", "slow", json!({"mean": 2}));
    api.delete("/proxies/cache/toxics/slow");
    api.delete("/proxies/cache");
    drop(client);
    assert_eq!(end(&api), Some(3), "{}", api.stderr());
    let stdout = api.stdout();
    for name in ["latency", "slow"] {
        let line = format!("never acted before it was removed: {name} on cache\n");
        assert!(stdout.contains(&line), "{line}: {stdout}");
    }

    let (report, cases) = read(&report, &junit);
    assert_eq!((&report["passed"], &report["proxies"]), (&json!(false), &json!([])));
    let removed = report["removed_faults"].as_array().expect("a list");
    let shown: Vec<_> = removed
        .iter()
        .map(|removed| (&removed["proxy"], &removed["fault"]))
        .map(|(proxy, fault)| json!([proxy, fault["name"], fault["attributes"]["mean"], fault["acted"]]))
        .collect();
    assert_eq!(
        json!(shown),
        json!([
            ["cache", "latency", 1, false],
            ["cache", "slow", 1, true],
            ["cache", "slow", 2, false],
            ["cache", "small", null, true],
        ])
    );
    assert!(removed[1]["fault"]["held_ms"]["count"].as_u64() > Some(0), "{report}");
    let idle = "the fault never acted before it was removed on cache";
    let [latency, slow] =
        ["latency", "slow"].map(|name| format!("cache | --strict {name} | --strict {name}: {idle}"));
    assert_eq!(cases, [latency, slow, "cache | --strict small | passed".to_owned()]);
}

#[test]
fn a_closed_port_has_acted_and_a_bandwidth_without_effect_has_not() {
    let server = Redis::start();
    let directory = TempDir::new().expect("a directory");
    let report = directory.path().join("r.json");
    let achieved = |faults: &[&str], code: i32| {
        let options = [faults, &["--strict", "--report", utf8(&report)]].concat();
        let proxy = Proxy::with(format!("localhost:{}", server.port()), &options);
        if faults[0] == "--with-refuse" {
            eventually("the port is closed", || TcpStream::connect(proxy.addr).is_err());
        } else {
            ping(&proxy.connect());
        }
        assert_eq!(end(&proxy), Some(code), "{}", proxy.stderr());
        let report: Value = serde_json::from_slice(&fs::read(&report).expect("a report")).expect("JSON");
        report["proxies"][0]["faults"][0]["achieved"].clone()
    };
    assert_eq!(achieved(&["--with-refuse"], 0), "port closed");
    assert_eq!(achieved(&["--with-bandwidth", "--bandwidth-rate", "1GBps"], 3), "never acted");
}

#[test]
fn each_file_that_cannot_be_written_at_the_end_is_named() {
    let mapping = format!("{}=localhost:1", free_port());
    let args = ["run", "--proxy", &mapping, "--duration", "100ms", "--expect", "errors<1"];
    let files = ["--report", "/dev/full", "--junit", "/dev/full"];
    let ended = run(&[&args[..], &files].concat());
    assert_eq!(ended.code, Some(1), "{ended:?}");
    for file in ["--report /dev/full", "--junit /dev/full"] {
        assert!(ended.stderr.contains(&format!("{file}: No space left on device")), "{}", ended.stderr);
    }
}
