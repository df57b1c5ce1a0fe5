//! `fault-proxy margin`: commands with known limits, measured.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::{Daemon, Redis, TcpServer, clients, free_port, require};

use crate::support::{BINARY, Ended, printed, run, utf8};

const SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/margin.schema.json");
const CHECK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/python/report.py");

/// A measurement takes many runs.
pub(crate) const LONG: Duration = Duration::from_secs(240);

/// Limits the bytes of responses, which does not depend on time.
pub(crate) const BYTES: [&str; 7] = [
    "--vary",
    "limit-data.bytes=1000..1",
    "--resolution",
    "10",
    "--with-limit-data",
    "--limit-data-direction",
    "ingress",
];

/// Sends 1000 bytes to an echo server and counts what comes back in `got`.
pub(crate) const COUNT: &str = "exec 3<>/dev/tcp/$FAULT_PROXY_HOST/$FAULT_PROXY_PORT; head -c 1000 /dev/zero >&3; \
                     got=$(head -c 1000 <&3 | wc -c)";

/// Measures a script for bash against a server on this port.
pub(crate) fn measure(port: u16, options: &[&str], script: &str) -> Ended {
    let mapping = format!("cache@{}=127.0.0.1:{port}", free_port());
    measure_behind(&mapping, options, script)
}

fn measure_behind(mapping: &str, options: &[&str], script: &str) -> Ended {
    let bash = require("bash", "bash");
    let command = ["--", utf8(&bash), "-c", script];
    let args = [&["margin", "--proxy", mapping][..], options, &command].concat();
    let daemon = Daemon::spawn(Path::new(BINARY), &args, &[]);
    let code = daemon.wait(LONG).code();
    Ended { code, stdout: daemon.stdout(), stderr: daemon.stderr() }
}

/// Reads a report and a JUnit file as their users would. Returns the part `margin` and the test cases.
pub(crate) fn read(report: &Path, junit: &Path) -> (Value, String) {
    let mut python = Command::new(require("python3", "python3"));
    python.args([CHECK, SCHEMA]).args([report, junit]);
    python.env("PYTHONPATH", clients::python_modules("jsonschema_rs"));
    let cases = printed(&python.output().expect("python starts"));
    let report: Value = serde_json::from_slice(&fs::read(report).expect("a report")).expect("JSON");
    (report["margin"].clone(), cases)
}

#[test]
fn a_timeout_is_measured() {
    let server = TcpServer::echo();
    let directory = TempDir::new().expect("a directory");
    let report = directory.path().join("report.json");
    // A busy machine only adds to the time, so that the best of three tries is close to what the fault alone takes.
    let client = "for try in 1 2 3; do \
                  exec 3<>/dev/tcp/$FAULT_PROXY_HOST/$FAULT_PROXY_PORT; echo x >&3; \
                  if read -t 0.2 -n 1 <&3; then exit 0; fi; done; exit 1";
    let options = ["--vary", "latency.mean=0..600ms", "--resolution", "10ms", "--report", utf8(&report)];
    let ended = measure(server.addr().port(), &options, client);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let report: Value = serde_json::from_slice(&fs::read(report).expect("a report")).expect("JSON");
    let limit = &report["margin"]["limit"];
    let [above, up_to] = ["above", "up_to"].map(|end| limit[end].as_f64().expect("a limit"));
    assert!(above <= 210.0 && up_to >= 190.0 && up_to - above <= 100.0, "{ended:?}");
}

#[test]
fn a_limit_is_reported_and_compared() {
    let server = TcpServer::echo();
    let directory = TempDir::new().expect("a directory");
    let [report, junit, summary] = ["r.json", "j.xml", "s.md"].map(|name| directory.path().join(name));
    let files = ["--report", utf8(&report), "--junit", utf8(&junit)];
    let script = format!(
        "{COUNT}; test $FAULT_PROXY_ADDR = $FAULT_PROXY_CACHE_ADDR && test $got -ge 500 || echo $got"
    );
    let script = format!("{script}; test $got -ge 500");
    let result = "passes up to 500 B, fails from 490 B (3 of 3)";
    for (least, code) in [("500", 0), ("490B", 3)] {
        let options = [&BYTES[..], &files, &["--at-least", least]].concat();
        let mapping = format!("cache@{}=127.0.0.1:{}", free_port(), server.addr().port());
        let bash = require("bash", "bash");
        let command = ["--", utf8(&bash), "-c", &script];
        let args = [&["margin", "--proxy", &mapping][..], &options, &command].concat();
        let daemon = Daemon::spawn(Path::new(BINARY), &args, &[("GITHUB_STEP_SUMMARY", utf8(&summary))]);
        assert_eq!(daemon.wait(LONG).code(), Some(code), "{}", daemon.stderr());
        assert!(daemon.stdout().starts_with(result), "{}", daemon.stdout());
        assert!(daemon.stdout().contains("The limit is between 500 B and 490 B"), "{}", daemon.stdout());
        assert!(
            daemon.stderr().contains("output of a run that failed at 490 B:\n490\n"),
            "{}",
            daemon.stderr()
        );
        let (margin, cases) = read(&report, &junit);
        assert_eq!((&margin["passes_up_to"], &margin["fails_from"]), (&json!(500.0), &json!(490.0)));
        assert_eq!((&margin["outcome"], &margin["unit"]), (&json!("found"), &json!("bytes")));
        let at = margin["values"].as_array().expect("a list").iter().find(|at| at["value"] == 490.0);
        assert_eq!(at.expect("it was tested")["failure"], json!({"status": "exit code 1", "output": "490"}));
        let condition = format!("limit-data.bytes at least {}", if code == 0 { "500 B" } else { "490 B" });
        let verdict = if code == 0 { "passed".to_owned() } else { format!("{condition}: {result}") };
        assert_eq!(cases, format!("cache | {condition} | {verdict}\n"));
    }
    let summary = fs::read_to_string(summary).expect("a summary");
    assert!(
        summary.starts_with("### fault-proxy margin: passed\n\nlimit-data.bytes at least 500 B: passes"),
        "{summary}"
    );
    assert!(summary.contains("### fault-proxy margin: failed\n"), "{summary}");
}

#[test]
fn a_command_that_fails_at_random_gets_an_interval() {
    let server = TcpServer::echo();
    let directory = TempDir::new().expect("a directory");
    // Every fifth run fails.
    let count = directory.path().join("count");
    let flaky = format!(
        "n=$(cat {0} 2> /dev/null || echo 0); echo $((n + 1)) > {0}; {COUNT}; test $((n % 5)) -ne 3",
        utf8(&count)
    );
    let with_limit = format!("{flaky} && test $got -ge 500");
    let ended = measure(server.addr().port(), &BYTES, &with_limit);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for text in [
        "passes in most runs up to ",
        "The limit is between ",
        "The command also fails at 1 KB, in ",
        " of its runs fail there with a confidence of 95 %.",
    ] {
        assert!(ended.stdout.contains(text), "{text}: {ended:?}");
    }
    let ended = measure(server.addr().port(), &BYTES, &flaky);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.starts_with("passes in most runs up to 1 B, the end of the range"), "{ended:?}");
    assert!(ended.stdout.contains("No value of the range makes it fail in most runs."), "{ended:?}");
    assert!(!ended.stdout.contains("The limit is"), "{ended:?}");
}

#[test]
fn a_result_that_is_not_monotonic_is_shown() {
    let server = TcpServer::echo();
    let script = format!("{COUNT}; test $got -ge 500 && ! test ${{got:0:1}} = 7");
    let ended = measure(server.addr().port(), &[&BYTES[..], &["--repeat", "1"]].concat(), &script);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let first =
        "is not monotonic: passes up to 1 KB, fails at 750 B (1 of 1), and passes again at a harder value\n";
    assert!(ended.stdout.starts_with(first), "{ended:?}");
    let rows: Vec<Vec<_>> = ended.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    for row in [["750", "B", "0", "1", "1"], ["500", "B", "1", "0", "1"]] {
        assert!(rows.iter().any(|cells| *cells == row), "{row:?}: {ended:?}");
    }
}

#[test]
fn a_fault_on_requests_has_a_limit() {
    let server = Redis::start();
    let mapping = format!("{}=redis://127.0.0.1:{}", free_port(), server.port());
    let options = ["--vary", "latency.mean=0..4s", "--resolution", "1s", "--repeat", "1"];
    let on = ["--with-latency", "--latency-on", "GET", "--with-jitter", "--jitter-amplitude", "1ms"];
    // Other requests are not delayed.
    let client = "exec 3<>/dev/tcp/$FAULT_PROXY_HOST/$FAULT_PROXY_PORT; \
                  printf 'PING\\r\\n' >&3; read -t 20 pong <&3; \
                  printf 'GET absent\\r\\n' >&3; read -t 1.5 absent <&3";
    let ended = measure_behind(&mapping, &[&options[..], &on].concat(), client);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.starts_with("passes up to 1 s, fails from 2 s (1 of 1)\n"), "{ended:?}");
}

#[test]
fn a_limit_beyond_the_range_is_told() {
    let server = TcpServer::echo();
    let ended = measure(server.addr().port(), &BYTES, COUNT);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.starts_with("passes up to 1 B, the end of the range (15 of 15)\n"), "{ended:?}");
    let broken = "exec 3<>/dev/tcp/$FAULT_PROXY_HOST/$FAULT_PROXY_PORT; echo broken; exit 7";
    let ended = measure(server.addr().port(), &BYTES, broken);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stdout.starts_with("fails already at 1 KB (3 of 3)\n"), "{ended:?}");
    assert!(ended.stderr.contains("exit code 7") && ended.stderr.contains("broken"), "{ended:?}");
    // The connection is to the proxy, but it has no responses to limit.
    let idle = "exec 3<>/dev/tcp/$FAULT_PROXY_HOST/$FAULT_PROXY_PORT";
    let ended = measure(server.addr().port(), &BYTES, idle);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended.stdout.starts_with("`limit-data` did not act at 1 B: the command sends nothing"),
        "{ended:?}"
    );
}

#[test]
fn an_upstream_that_cannot_be_reached_is_named_instead_of_a_limit() {
    let directory = TempDir::new().expect("a directory");
    let [report, junit] = ["r.json", "j.xml"].map(|name| directory.path().join(name));
    let port = free_port();
    let result = |client: &str, options: &[&str]| {
        let files = ["--report", utf8(&report), "--junit", utf8(&junit)];
        let ended = measure(port, &[&BYTES[..], &files, options].concat(), client);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        let (margin, cases) = read(&report, &junit);
        let line = ended.stdout.lines().next().unwrap_or_default();
        assert_eq!(cases, format!("cache | limit-data.bytes | limit-data.bytes: {line}\n"));
        assert_eq!((&margin["summary"], &margin["passes_up_to"]), (&json!(line), &Value::Null));
        (margin["outcome"].clone(), ended)
    };
    let dead = format!("the upstream 127.0.0.1:{port} could not be reached: ");
    let needs = "exec 3<>/dev/tcp/$FAULT_PROXY_HOST/$FAULT_PROXY_PORT; echo x >&3; read -t 20 -n 1 <&3";
    for (options, runs) in [(&["--repeat", "1"][..], "1 run in "), (&[], "3 runs in ")] {
        let (outcome, ended) = result(needs, options);
        assert_eq!(outcome, "upstream_unreached");
        assert!(ended.stdout.starts_with(&dead) && ended.stdout.contains("refused"), "{ended:?}");
        assert!(ended.stdout.contains(runs), "{ended:?}");
    }
    let (outcome, ended) = result(&format!("{needs}; true"), &["--repeat", "1"]);
    assert_eq!(outcome, "fault_idle");
    assert!(
        ended.stdout.starts_with(&format!("`limit-data` did not act at 1 B, because {dead}")),
        "{ended:?}"
    );
    for (unused, headline, way_out) in [
        (
            "true",
            "the command does not use the proxy: it passes without connecting to it\n",
            "Let the command connect",
        ),
        (
            "exit 7",
            "fails at 1 KB without connecting to a proxy: exit code 7 (1 of 1)\n",
            "Find out why the command fails, for example from its output. If it connects elsewhere, let it connect",
        ),
    ] {
        let (outcome, ended) = result(unused, &["--repeat", "1"]);
        assert_eq!(outcome, "proxy_unused");
        let start = format!("{headline}Nothing was measured. {way_out} to the address in ");
        assert!(ended.stdout.starts_with(&start), "{ended:?}");
        for variable in ["FAULT_PROXY_ADDR (127.0.0.1:", "FAULT_PROXY_CACHE_ADDR (127.0.0.1:"] {
            assert!(ended.stdout.contains(variable), "{ended:?}");
        }
    }
}

#[test]
fn an_upstream_that_dies_is_not_taken_for_a_limit() {
    let directory = TempDir::new().expect("a directory");
    let runs = directory.path().join("runs");
    let server = Redis::start();
    // The third run ends the upstream first.
    let client = format!(
        "echo >> {0}; if [ $(wc -l < {0}) = 3 ]; then exec 4<>/dev/tcp/127.0.0.1/{1}; printf 'SHUTDOWN NOSAVE\\r\\n' >&4; cat <&4; fi; \
         exec 3<>/dev/tcp/$FAULT_PROXY_HOST/$FAULT_PROXY_PORT; printf 'PING\\r\\n' >&3; read -t 20 pong <&3",
        utf8(&runs),
        server.port()
    );
    let ended = measure(server.port(), &[&BYTES[..], &["--repeat", "1"]].concat(), &client);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stdout.starts_with("the upstream 127.0.0.1:"), "{ended:?}");
}

#[test]
fn a_file_that_cannot_be_started_has_a_way_out() {
    let directory = TempDir::new().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    let write = |name: &str, text: &str, mode: u32| {
        fs::write(path(name), text).expect("it is ours");
        fs::set_permissions(path(name), fs::Permissions::from_mode(mode)).expect("it is ours");
    };
    write("plain", "true\n", 0o644);
    write("shebang", "#!/absent/interpreter\n", 0o755);
    write("text", "true\n", 0o755);
    let proxy = format!("{}=localhost:1", free_port());
    for (name, way_out) in [
        ("plain", "; make it executable with chmod +x, or start it with its interpreter, as in `sh "),
        ("shebang", "; the interpreter in its first line is missing: start it with its interpreter"),
        ("text", "; start it with its interpreter, as in `sh "),
        ("", "; it is a directory: use a program in it"),
    ] {
        let command = path(name);
        let ended = run(&["margin", "--proxy", &proxy, "--vary", "latency.mean=0..1s", "--", utf8(&command)]);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(way_out), "{way_out}: {}", ended.stderr);
    }
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let vary = ["margin", "--proxy", "1=localhost:2", "--vary"];
    for (options, code, problem) in [
        (
            &["latency.meen=0..5s"][..],
            2,
            "latency has no parameter `meen`; did you mean `mean`?; it has distribution, mean",
        ),
        (&["latncy.mean=0..5s"], 2, "\"latncy\" is not a type of fault"),
        (&["latency.distribution=0..5"], 2, "`distribution` is not a number"),
        (&["latency.mean=5s"], 2, "expected FAULT.PARAM=EASY..HARD"),
        (&["latency.mean=0..soon"], 2, "\"soon\" is not a time"),
        (&["bandwidth.rate=1MBps..0"], 2, "at 0 Bps: bandwidth: rate: is 0"),
        (&["reset.times=0..2"], 2, "--vary reset.times=0..2, at 0: reset: times: is 0: use at least 1"),
        (
            &["latency.stddev=0..1s"],
            2,
            "at 0 ms: --latency-mean: is required, for example 300ms; set it together with --with-latency",
        ),
        (&["latency.mean=0..5s", "--at-least", "6s"], 2, "--at-least: 6s is not between 0 ms and 5 s"),
        (&["latency.mean=0..5s", "--at-least", "201ms"], 2, "--at-least: 201ms is not tested"),
        (&["latency.mean=0..5s", "--repeat", "0"], 2, "expected a whole number from 1 to 100"),
        (&["latency.mean=0..5s", "--timeout", "0"], 2, "--timeout is 0, in which no command ends"),
        (&["latency.mean=0..5s", "--journal", "j"], 2, "cannot be used with '--journal <FILE>'"),
        (&["latency.mean=0..5s", "--with-latency", "--latency-on", "select"], 2, "on"),
    ] {
        let ended = run(&[&vary[..], options, &["--", "true"]].concat());
        assert_eq!(ended.code, Some(code), "{options:?}: {ended:?}");
        assert!(ended.stderr.contains(problem), "{problem}: {}", ended.stderr);
    }
    let ended = run(&["margin", "--vary", "latency.mean=0..5s", "--", "true"]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("no proxies configured: set --proxy PORT=HOST:PORT"), "{}", ended.stderr);
    let proxy = format!("{}=localhost:1", free_port());
    for (command, code, problem) in [
        (&["--", "no-such-command"][..], 2, "cannot start the command `no-such-command`: "),
        (&[], 2, "required arguments were not provided"),
    ] {
        let args = [&["margin", "--proxy", &proxy, "--vary", "latency.mean=0..1s"][..], command].concat();
        let ended = run(&args);
        assert_eq!(ended.code, Some(code), "{command:?}: {ended:?}");
        assert!(ended.stderr.contains(problem), "{problem}: {}", ended.stderr);
    }
}

#[test]
fn a_fault_of_a_file_is_varied() {
    let server = TcpServer::echo();
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("proxy.toml");
    let text = format!(
        "[[proxies]]\nproxy = \"{}=127.0.0.1:{}\"\n[[proxies.faults]]\ntype = \"limit_data\"\nname = \"short\"\n\
         bytes = 1\ndirection = \"ingress\"\n",
        free_port(),
        server.addr().port()
    );
    fs::write(&file, text).expect("it is ours");
    let bash = require("bash", "bash");
    let script = format!("{COUNT}; test $got -ge 20");
    let args = [
        "margin",
        "--config",
        utf8(&file),
        "--vary",
        "short.bytes=100..10",
        "--resolution",
        "10",
        "--repeat",
        "1",
    ];
    let args = [&args[..], &["--", utf8(&bash), "-c", &script]].concat();
    let daemon = Daemon::spawn(Path::new(BINARY), &args, &[]);
    assert_eq!(daemon.wait(LONG).code(), Some(0), "{}", daemon.stderr());
    assert!(
        daemon.stdout().starts_with("passes up to 20 B, fails from 10 B (1 of 1)\n"),
        "{}",
        daemon.stdout()
    );
    let ended = run(&["margin", "--config", utf8(&file), "--vary", "short.bytes=0..10", "--", "true"]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    let problem = "--vary short.bytes=0..10, at 0 B: limit-data: bytes: is 0";
    assert!(ended.stderr.contains(problem), "{}", ended.stderr);
    // Mappings replace the proxies of the file with their faults.
    let mapping = format!("{}=127.0.0.1:{}", free_port(), server.addr().port());
    let ended = run(&[&args[..1], &["--proxy", &mapping], &args[1..]].concat());
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("\"short\" is not a type of fault"), "{}", ended.stderr);
}
