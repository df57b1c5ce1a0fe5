//! The log: its formats and levels. The run does not depend on a reader.

use std::{
    fs::{self, File},
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::support::{ANY_CONTROL_PORT, BINARY, PATIENCE, Proxy, eventually, patient, round_trip, run, utf8};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use testkit::{Certificates, Daemon, TcpServer, free_port};

#[test]
fn json_has_a_session_with_its_addresses_and_bytes() {
    let far_end = TcpServer::echo();
    let proxy = Proxy::with(far_end.addr(), &["--log-format", "json", "--log-level", "trace"]);
    let client = proxy.connect();
    round_trip(&client, b"counted").unwrap();
    let client_addr = client.local_addr().unwrap().to_string();
    drop(client);
    proxy.wait_for_line("session ended");
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.wait(PATIENCE).code(), Some(0));

    let lines = records(&proxy.stderr());
    let ended = lines.iter().find(|line| line["message"] == "session ended").expect("logged");
    let span = &ended["span"];
    assert_eq!(span["session.id"], 1, "{ended}");
    assert_eq!(span["proxy"], "proxy-1", "{ended}");
    assert_eq!(span["listener"], proxy.addr.to_string(), "{ended}");
    assert_eq!(span["client.addr"], client_addr, "{ended}");
    assert_eq!(span["upstream.addr"], far_end.addr().to_string(), "{ended}");
    assert!(ended["duration_ms"].as_f64().is_some_and(|millis| millis > 0.0), "{ended}");
    let listening =
        lines.iter().find(|line| line["message"].as_str().is_some_and(|text| text.starts_with("listening")));
    let listening = listening.expect("logged");
    assert_eq!(listening["proxy"], "proxy-1", "{listening}");
    assert_eq!(listening["addr"], proxy.addr.to_string(), "{listening}");
    assert_eq!(ended["bytes_to_upstream"], 7, "{ended}");
    assert_eq!(ended["bytes_to_downstream"], 7, "{ended}");
    assert_eq!(ended["level"], "INFO", "{ended}");
}

/// Returns the records of a log in JSON.
fn records(stderr: &str) -> Vec<Value> {
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    stderr.lines().map(parse).collect()
}

/// Returns a field of a record, or of the session that it belongs to.
fn field<'a>(record: &'a Value, name: &str) -> &'a Value {
    record.get(name).unwrap_or(&record["span"][name])
}

#[test]
fn json_has_the_data_of_each_record_as_fields() {
    const CLIENTS: u64 = 20;
    let dead = format!("127.0.0.1:{}", free_port());
    let addr = format!("127.0.0.1:{}", free_port());
    let mapping = format!("cache@{}={dead}", addr.rsplit(':').next().expect("a port"));
    let config = tempfile::NamedTempFile::new().unwrap();
    let disabled = json!([{"name": "off", "listen": "127.0.0.1:0", "upstream": dead, "enabled": false}]);
    fs::write(config.path(), disabled.to_string()).unwrap();
    let args =
        ["run", "--proxy", &mapping, "--toxiproxy-config", utf8(config.path()), "--seed", "7", "--tail"];
    let faults = ["--with-jitter", "--jitter-sched", "start:10ms", "--log-format", "json"];
    let daemon = Daemon::spawn(Path::new(BINARY), &[&args, &faults[..]].concat(), &[ANY_CONTROL_PORT]);
    daemon.wait_for_line("control API on");
    daemon.wait_for_line("fault jitter on cache: on");
    for _ in 0..CLIENTS {
        let mut client = patient(TcpStream::connect(&addr).unwrap());
        client.read_to_end(&mut Vec::new()).ok();
    }
    let unopened = || {
        let records = records(&daemon.stderr()).into_iter();
        records.filter(|record| record["reason"].is_string()).collect::<Vec<_>>()
    };
    let counted = || unopened().iter().filter_map(|record| record["clients"].as_u64()).sum::<u64>();
    eventually("each client is counted", || counted() == CLIENTS);
    daemon.signal(Signal::INT);
    assert_eq!(daemon.wait(PATIENCE).code(), Some(0));

    for record in unopened() {
        assert!(record["reason"].as_str().is_some_and(|reason| reason.contains(&dead)), "{record}");
        for (name, value) in [("proxy", "cache"), ("listener", &addr), ("upstream", &dead)] {
            assert_eq!(field(&record, name), value, "{record}");
        }
    }
    let records = records(&daemon.stderr());
    let control = daemon.wait_for_line("control API on");
    let control =
        control.split("http://").nth(1).and_then(|rest| rest.split('"').next()).expect("an address");
    for (message, fields) in [
        ("seed 7: ", json!({"seed": 7})),
        ("listening on ", json!({"proxy": "cache", "addr": addr, "upstream": dead})),
        ("off is disabled: ", json!({"proxy": "off", "addr": "127.0.0.1:0", "upstream": dead})),
        ("control API on ", json!({"addr": control})),
        ("fault jitter on cache: on", json!({"fault": "jitter", "proxies": "cache", "state": "on"})),
        ("SIGINT: draining ", json!({"signal": "SIGINT", "drain_timeout_ms": 10_000})),
    ] {
        let is_it =
            |record: &&Value| record["message"].as_str().is_some_and(|text| text.starts_with(message));
        let record = records.iter().find(is_it).unwrap_or_else(|| panic!("{message}: {records:?}"));
        for (name, value) in fields.as_object().expect("an object") {
            assert_eq!(&record[name], value, "{record}");
        }
    }
}

#[test]
fn json_has_the_data_of_warnings_as_fields() {
    let directory = tempfile::tempdir().unwrap();
    let pem = directory.path().join("proxy.pem");
    let copy = format!("--tls-self-signed={}", utf8(&pem));
    let key = directory.path().join("key.pem");
    let certificates = Certificates::generate();
    fs::copy(certificates.client_key(), &key).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let mapping = format!("{}=https://127.0.0.1:1", free_port());
    let args = ["run", "--no-ui", "--proxy", &mapping, "--duration", "100ms", "--log-format", "json"];
    let sizes = ["--max-sessions", "4000000000", &copy];
    let identity = ["--upstream-cert", utf8(certificates.client_cert()), "--upstream-key", utf8(&key)];
    let fault = ["--with-jitter", "--jitter-sched", "start:30s;duration:3m"];
    let mut command = Command::new(BINARY);
    command.args(args).args(sizes).args(identity).args(fault).env("FAULT_LATENCY_MEEN", "1");
    let ended = command.env(ANY_CONTROL_PORT.0, "off").output().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let records = records(&String::from_utf8_lossy(&ended.stderr));
    for (message, fields) in [
        ("the variable ", json!({"variable": "FAULT_LATENCY_MEEN", "meant": "FAULT_LATENCY_MEAN"})),
        ("is read as one window", json!({"setting": "--jitter-sched", "schedule": "start:30s;duration:3m"})),
        (
            "fault never acts",
            json!({"fault": "jitter", "reason": "its schedule starts at 30s, and the run ends after 100ms"}),
        ),
        ("clients can trust", json!({"path": pem})),
        ("may read this secret", json!({"path": key})),
        ("--max-sessions 4000000000 is more", json!({"max_sessions": 4_000_000_000_u64})),
    ] {
        let is_it = |record: &&Value| record["message"].as_str().is_some_and(|text| text.contains(message));
        let record = records.iter().find(is_it).unwrap_or_else(|| panic!("{message}: {records:?}"));
        for (name, value) in fields.as_object().expect("an object") {
            assert_eq!(&record[name], value, "{record}");
        }
    }
}

#[test]
fn json_has_the_verdicts_and_the_error_of_the_end() {
    let mapping = format!("db@{}=127.0.0.1:1", free_port());
    let args = ["run", "--no-ui", "--control", "off", "--duration", "100ms", "--log-format", "json"];
    let met = ["--expect", "sessions<1", "--expect", "db.errors>2", "--log-level", "off"];
    let ended = run(&[&args[..], &["--proxy", &mapping], &met].concat());
    assert_eq!(ended.code, Some(3), "{ended:?}");
    let records = records(&ended.stderr);
    let expected = [
        json!({"level": "INFO", "message": "as expected", "condition": "sessions<1", "met": true}),
        json!({"level": "ERROR", "message": "not as expected", "condition": "db.errors>2", "met": false, "proxy": "db"}),
    ];
    assert_eq!(records.len(), expected.len(), "{records:?}");
    for (record, fields) in records.iter().zip(expected) {
        for (name, value) in fields.as_object().expect("an object") {
            assert_eq!(&record[name], value, "{record}");
        }
        assert_eq!((&record["value"], &record["unit"]), (&json!(0.0), &json!("count")), "{record}");
        assert_eq!(record["measured"], "0", "{record}");
        assert!(record["timestamp"].is_string(), "{record}");
    }
    assert!(records[0].get("proxy").is_none(), "{}", records[0]);
    assert!(ended.stdout.contains("db"), "the tables stay on stdout: {ended:?}");

    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(BINARY);
    let unwritten =
        command.args(args).args(["--proxy", &mapping]).args(met).stdout(Stdio::null()).stderr(full);
    assert_eq!(unwritten.status().unwrap().code(), Some(3));
}

#[test]
fn json_has_the_error_that_ends_the_program() {
    let taken = TcpServer::echo();
    let addr = taken.addr().to_string();
    let mapping = format!("{addr}=127.0.0.1:1");
    for (args, code, error) in [
        (&["run", "--no-ui", "--control", "off", "--proxy", &mapping][..], 1, "cannot listen on "),
        (&["run", "--control", "off", "--proxy", "1=a:1", "--expect", "p9<1"], 2, "--expect 'p9<1'"),
    ] {
        let ended = run(&[args, &["--log-format", "json"]].concat());
        assert_eq!(ended.code, Some(code), "{ended:?}");
        let records = records(&ended.stderr);
        let last = records.last().expect("a record");
        assert_eq!((&last["level"], &last["message"]), (&json!("ERROR"), &json!("fault-proxy failed")));
        assert!(last["error"].as_str().is_some_and(|text| text.contains(error)), "{last}");
    }
}

#[test]
fn a_level_leaves_out_what_is_less_important() {
    let mapping = format!("{}=127.0.0.1:{}", free_port(), free_port());
    let addr = SocketAddr::from(([127, 0, 0, 1], mapping.split('=').next().unwrap().parse().unwrap()));
    let daemon = Daemon::spawn(
        Path::new(BINARY),
        &["run", "--proxy", &mapping, "--log-level", "warn"],
        &[ANY_CONTROL_PORT],
    );
    eventually("it listens", || TcpStream::connect(addr).is_ok());
    daemon.wait_for_line("client closed, no upstream");
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait(PATIENCE).code(), Some(0));
    let stderr = daemon.stderr();
    assert!(stderr.lines().all(|line| line.contains(" WARN ")), "{stderr}");
}

/// Returns how many clients the warnings that contain `end` are about, and how many warnings there are.
fn told(stderr: &str, end: &str) -> (usize, usize) {
    let warnings = stderr.lines().filter(|line| line.contains(end));
    warnings.fold((0, 0), |(clients, lines), line| {
        let count =
            line.split_once(" clients ").map(|(before, _)| before.rsplit(' ').next().expect("a word"));
        (clients + count.map_or(1, |count| count.parse::<usize>().expect(line)), lines + 1)
    })
}

#[test]
fn many_clients_that_fail_are_a_few_lines_that_count_them_all() {
    const CLIENTS: usize = 300;
    let dead = Proxy::with(SocketAddr::from(([127, 0, 0, 1], free_port())), &[]);
    let far_end = TcpServer::echo();
    let tls = Proxy::with(far_end.addr(), &["--tls-self-signed"]);
    for (proxy, sent, end) in
        [(&dead, &b""[..], "closed, no upstream"), (&tls, b"no TLS at all\n", "turned away")]
    {
        for _ in 0..CLIENTS {
            let mut client = proxy.connect();
            client.write_all(sent).ok();
            client.read_to_end(&mut Vec::new()).ok();
        }
        eventually("every client is counted", || told(&proxy.stderr(), end).0 == CLIENTS);
        let stderr = proxy.stderr();
        let warnings = stderr.lines().filter(|line| line.contains(end));
        let named = r#"proxy="proxy-1""#;
        assert!(warnings.clone().all(|line| line.matches(named).count() == 1), "{stderr}");
        let lines = told(&stderr, end).1;
        assert!(lines < CLIENTS / 2, "{end}: {lines}");
    }
}

#[test]
fn what_was_not_told_yet_is_told_at_the_end() {
    let proxy = Proxy::with(SocketAddr::from(([127, 0, 0, 1], free_port())), &[]);
    for _ in 0..20 {
        proxy.connect().read_to_end(&mut Vec::new()).ok();
    }
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.wait(PATIENCE).code(), Some(0));
    assert_eq!(told(&proxy.stderr(), "closed, no upstream").0, 20, "{}", proxy.stderr());
}

#[test]
fn names_make_no_lines_of_their_own_and_cannot_control_the_terminal() {
    let config = tempfile::NamedTempFile::new().unwrap();
    let proxy = r#"[{"name": "two\nlines\r\u001b[2J", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:1"}]"#;
    fs::write(config.path(), proxy).unwrap();
    let args = ["run", "--toxiproxy-config", utf8(config.path())];
    let daemon = Daemon::spawn(Path::new(BINARY), &args, &[ANY_CONTROL_PORT]);
    daemon.wait_for_line("control API on");
    let stderr = daemon.stderr();
    assert!(stderr.contains(" for two\n    lines\\r\\u{1b}[2J=127.0.0.1:1 "), "{stderr:?}");
}

#[test]
fn no_secret_is_in_the_log() {
    const TOKEN: &str = "sesame-7f3a";
    let certificates = Certificates::generate();
    let key = fs::read_to_string(certificates.server_key()).unwrap();
    let mapping = format!("{}=127.0.0.1:{}", free_port(), free_port());
    for format in ["human", "json"] {
        let tls =
            ["--tls-cert", utf8(certificates.server_cert()), "--tls-key", utf8(certificates.server_key())];
        let args = ["run", "--proxy", &mapping, "--log-level", "trace", "--log-format", format];
        let variables = [("FAULT_CONTROL_TOKEN", TOKEN), ANY_CONTROL_PORT];
        let daemon = Daemon::spawn(Path::new(BINARY), &[&args, &tls[..]].concat(), &variables);
        let line = daemon.wait_for_line("control API on http://");
        let addr = line.split_once("http://").unwrap().1.split(['"', ' ']).next().unwrap();
        for (token, is_let_in) in [(TOKEN, true), ("sesame-wrong", false)] {
            let mut ctl = Command::new(BINARY);
            let listed = ctl.args(["ctl", "--addr", addr, "list"]).env("FAULT_CONTROL_TOKEN", token).output();
            assert_eq!(listed.unwrap().status.success(), is_let_in);
        }
        daemon.signal(Signal::TERM);
        assert_eq!(daemon.wait(PATIENCE).code(), Some(0));
        let told = daemon.stderr() + &daemon.stdout();
        assert!(told.contains("listening on"), "{told}");
        assert!(!told.contains("sesame"), "{told}");
        for line in key.lines().filter(|line| !line.starts_with("-----")) {
            assert!(!told.contains(line), "{told}");
        }
    }
}

/// Killed when dropped.
struct Unread(Child);

impl Drop for Unread {
    fn drop(&mut self) {
        // Either fails only if it has ended already.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn a_log_file_without_room_is_told_once() {
    let mapping = format!("{}=localhost:1", free_port());
    let args = ["run", "--proxy", &mapping, "--duration", "100ms", "--log-file", "/dev/full"];
    let ended = run(&args);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let expected = "--log-file /dev/full: lines are lost: No space left on device";
    assert_eq!(ended.stderr.matches(expected).count(), 1, "{ended:?}");
}

#[test]
fn a_log_that_nobody_reads_stalls_neither_sessions_nor_the_end() {
    // About 200 bytes of log each: many times what the pipe holds.
    const SESSIONS: usize = 3_000;
    let far_end = TcpServer::echo();
    let port = free_port();
    let addr = SocketAddr::from(([127, 0, 0, 1], port));
    let mapping = format!("{port}={}", far_end.addr());
    // The duration ends it should this test be killed.
    let args = ["run", "--proxy", &mapping, "--log-level", "trace", "--duration", "10m"];
    let spawned = Command::new(BINARY).args(args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut proxy = Unread(spawned.unwrap());
    eventually("it listens", || TcpStream::connect(addr).is_ok());
    for session in 0..SESSIONS {
        let client = patient(TcpStream::connect(addr).unwrap());
        round_trip(&client, b"short").unwrap_or_else(|error| panic!("session {session}: {error}"));
    }
    kill_process(Pid::from_child(&proxy.0), Signal::TERM).unwrap();
    eventually("it ends", || proxy.0.try_wait().unwrap().is_some());
    assert_eq!(proxy.0.wait().unwrap().code(), Some(0));
}
