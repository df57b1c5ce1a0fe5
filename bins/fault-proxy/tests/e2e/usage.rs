//! First attempts at using the program, and its output.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::support::api::Api;
use crate::support::{self, ANY_CONTROL_PORT, BINARY, PATIENCE, run, utf8};
use serde_json::json;
use tempfile::TempDir;
use testkit::{Daemon, TcpServer, free_port};

/// The complaint of a command that is refused as wrong usage.
fn refusal(args: &[&str]) -> String {
    let ended = run(args);
    assert_eq!(ended.code, Some(2), "{args:?}: {ended:?}");
    ended.stderr
}

#[test]
fn flags_of_other_programs_have_a_hint() {
    for (flag, hint) in [
        ("--upstream=localhost:9090", "--proxy PORT=HOST:PORT sets"),
        ("--with-dns", "no faults for DNS"),
        ("--with-http-response", "--with-respond --respond-on"),
        ("--disable-http-proxy", "no HTTP proxy"),
        ("--grpc-plugin", "no plugins"),
        ("-host=0.0.0.0", "fault-proxy toxiproxy-server -host=HOST"),
        ("-hello", "two dashes"),
    ] {
        let complaint = refusal(&["run", flag]);
        let name = flag.split('=').next().unwrap();
        assert!(complaint.contains(name) && complaint.contains(hint), "{complaint}");
        for other in ["--upstream-ca", "--with-reset", "--with-refuse"] {
            assert!(!complaint.contains(other), "{complaint}");
        }
    }
    for flag in ["-h", "-V", "--help"] {
        assert_eq!(run(&[flag]).code, Some(0), "{flag}");
    }
}

#[test]
fn a_misspelled_command_has_a_suggestion() {
    for (args, command) in [
        (&["rnu"][..], "run"),
        (&["ctl", "lits"], "list"),
        (&["ctl", "fault", "ad"], "add"),
        (&["toxiproxy-cli", "toxic", "ad"], "add"),
    ] {
        let complaint = refusal(args);
        let tip = format!("tip: a similar subcommand exists: '{command}'\n");
        assert!(complaint.contains(&tip), "{complaint}");
    }
}

#[test]
fn a_fault_that_never_acts_is_warned_of() {
    let server = TcpServer::echo();
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("phases.toml");
    let phases =
        "[[phases]]\nduration = \"1s\"\n[[phases.faults]]\ntype = \"refuse\"\nschedule = \"start:2s\"\n";
    fs::write(&file, phases).expect("it is ours");
    let mapping = format!("{}={}", free_port(), server.addr());
    let late = "its schedule starts at 10m, and the run ends after 1s";
    let refuse = ["--with-refuse", "--duration", "1s"];
    for (options, reason) in [
        (&[&refuse[..], &["--refuse-sched", "start:10m,duration:1m"]].concat(), late),
        (&[&refuse[..], &["--refuse-probability", "0"]].concat(), "its probability is 0"),
        (&vec!["--config", utf8(&file)], "its schedule has no time before the end of its phase"),
    ] {
        let args = |command| [&[command, "--control", "off", "--proxy", &mapping][..], options].concat();
        for command in ["check", "run"] {
            let ended = run(&args(command));
            assert_eq!(ended.code, Some(0), "{ended:?}");
            assert!(ended.stderr.contains(&format!("fault never acts: {reason}")), "{ended:?}");
            assert!(command == "run" || ended.stdout.contains(&format!("never: {reason}")), "{ended:?}");
        }
    }
    let ended =
        run(&[&["check", "--proxy", &mapping][..], &refuse, &["--refuse-sched", "start:999ms"]].concat());
    assert!(ended.code == Some(0) && !ended.stderr.contains("never"), "{ended:?}");
}

#[test]
fn a_scheme_before_the_port_is_said_to_belong_to_the_upstream() {
    for listen in ["http:9090", "tcp://:9090"] {
        let complaint = refusal(&["run", "--proxy", &format!("{listen}=localhost:80")]);
        assert!(complaint.contains("a scheme belongs to the upstream"), "{complaint}");
    }
}

#[test]
fn tls_settings_without_effect_are_refused() {
    let of = |upstream: &str| format!("{}={upstream}", free_port());
    let (clear, psql) = (of("localhost:9"), of("psql://localhost:9"));
    let (psqls, https) = (of("psqls://localhost:9"), of("https://localhost:9"));
    for (mapping, options) in [
        (&clear, &["--upstream-alpn", "h2"][..]),
        (&psqls, &["--upstream-alpn", "h2"]),
        (&clear, &["--upstream-insecure"]),
        (&https, &["--psqls-direct"]),
        (&clear, &["--upstream-sni", "a"]),
        (&clear, &["--upstream-ca", "missing.pem"]),
        (&https, &["--tls-alpn", "h2", "--tls-self-signed"]),
        (&psql, &["--tls-alpn", "h2", "--tls-self-signed"]),
    ] {
        let complaint = refusal(&[&["run", "--control", "off", "--proxy", mapping], options].concat());
        let expected = format!("{} has no effect: it applies to upstreams with ", options[0]);
        assert!(complaint.contains(&expected) && complaint.contains("remove "), "{options:?}: {complaint}");
    }
    let accepted = run(&["check", "--control", "127.0.0.1:0", "--upstream-insecure", "--proxy", &clear]);
    assert_eq!(accepted.code, Some(1), "it only fails to connect: {accepted:?}");
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("run.toml");
    fs::write(&file, format!("upstream-alpn = 'h2'\n[[proxies]]\nproxy = '{clear}'\n")).unwrap();
    let complaint = refusal(&["run", "--config", utf8(&file)]);
    assert!(complaint.contains("--upstream-alpn has no effect"), "{complaint}");
}

#[test]
fn two_mappings_on_one_port_are_refused_for_their_port() {
    let one = format!("{}=127.0.0.1:9", free_port());
    let port = one.split('=').next().unwrap();
    for other in [one.clone(), format!("{port}=127.0.0.1:10")] {
        let complaint = refusal(&["run", "--proxy", &one, "--proxy", &other]);
        assert!(complaint.contains("listen on the same port"), "{complaint}");
    }
    let complaint = refusal(&["run", "--proxy", &one, "--control", &format!("127.0.0.1:{port}")]);
    assert!(complaint.contains(&format!("--proxy {one} and --control")), "{complaint}");
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("run.toml");
    let other = format!("0.0.0.0:{port}=127.0.0.1:10");
    fs::write(&file, format!("[[proxies]]\nproxy = '{one}'\n[[proxies]]\nproxy = '{other}'\n")).unwrap();
    let complaint = refusal(&["run", "--config", utf8(&file)]);
    let both = format!("--proxy {one} and --proxy {other} listen on the same port");
    assert!(complaint.contains(&both) && complaint.contains("`proxies` in "), "{complaint}");
}

#[test]
fn an_error_names_the_variable_or_the_key_that_sets_the_value() {
    let mapping = format!("{}=localhost:1", free_port());
    let latency = ["--with-latency", "--latency-mean", "1ms"];
    let refused = |options: &[&str], variables: &[(&str, &str)]| {
        let args = [&["check", "--proxy", &mapping][..], &latency, options].concat();
        let mut command = Command::new(BINARY);
        let ended = command.args(args).envs(variables.iter().copied()).output().expect("it runs");
        let stderr = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(2), "{stderr}");
        stderr
    };
    for (variable, value, flag) in [
        ("FAULT_EXPECT", "late.p50<1", "--expect"),
        ("FAULT_LATENCY_SCHED", "soon", "--latency-sched"),
        ("FAULT_TLS_CERT", "missing.pem", "--tls-cert"),
        ("FAULT_MAX_IN_FLIGHT", "0", "--max-in-flight"),
        ("FAULT_TOXIPROXY_CONFIG", "missing.json", "--toxiproxy-config"),
        ("FAULT_CONTROL", "0.0.0.0:0", "--control"),
    ] {
        let stderr = refused(&[], &[(variable, value)]);
        assert!(stderr.contains(&format!("; the variable {variable} sets {flag}")), "{stderr}");
        let stderr = refused(&[flag, value], &[(variable, "other")]);
        assert!(!stderr.contains(" sets "), "{stderr}");
    }
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("run.toml");
    for (text, key) in [
        ("expect = ['late.p50<1']", "expect"),
        ("tls-key = 'missing.pem'", "tls-key"),
        ("max-in-flight-total = 0", "max-in-flight-total"),
        ("log-file = '/missing/log'", "log-file"),
        ("control = '0.0.0.0:0'", "control"),
    ] {
        fs::write(&file, text).unwrap();
        let stderr = refused(&["--config", utf8(&file)], &[]);
        let expected = format!("; `{key}` in {} sets --{key}", file.display());
        assert!(stderr.contains(&expected), "{stderr}");
    }
}

#[test]
fn a_parameter_that_a_fault_does_not_have_leads_to_the_faults_that_have_it() {
    for (flag, existing) in [
        (
            "--latency-after-bytes",
            ["--blackhole-after-bytes", "--timeout-after-bytes", "--reset-after-bytes"],
        ),
        ("--bandwidth-at", ["--blackhole-at", "--timeout-at", "--reset-at"]),
    ] {
        let complaint = refusal(&["run", flag, "100"]);
        for existing in existing {
            assert!(complaint.contains(existing), "{flag}: {complaint}");
            let complaint = refusal(&["run", existing, "100"]);
            assert!(!complaint.contains("unexpected argument"), "{complaint}");
        }
    }
}

#[test]
fn help_that_cannot_be_printed_is_an_error() {
    for args in [&["--help"][..], &["run", "-h"], &["--version"]] {
        let full = fs::File::create("/dev/full").expect("Linux has it");
        let ended = Command::new(BINARY).args(args).stdout(full).output().expect("it starts");
        let told = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(1), "{args:?}: {told}");
        assert!(told.starts_with("fault-proxy: cannot write to stdout: No space left"), "{args:?}: {told}");
        let (reader, closed) = std::io::pipe().expect("a pipe");
        drop(reader);
        let ended = Command::new(BINARY).args(args).stdout(closed).output().expect("it starts");
        assert_eq!((ended.status.code(), ended.stderr.len()), (Some(0), 0), "{args:?}: {ended:?}");
    }
}

#[test]
fn variables_that_mean_nothing_are_warned_of() {
    let set = [
        ("FAULT_WITH_LATENCCY", "1"),
        ("FAULT_LATENCY_MEEN", "1"),
        ("FAULT_UPSTREAMS", "x"),
        ("FAULT_PROXY_ADDRESS", "x"),
        ("FAULT_DNS", "x"),
        ("FAULT_TAIL", "1"),
        ("FAULT_DURATION", "1s"),
        ("FAULT_RESET_TTL", "3s"),
        ("FAULT_PROXY_SERVICE_HOST", "x"),
        ("FAULT_LATENCY_MEAN", "5ms"),
        ANY_CONTROL_PORT,
    ];
    let mapping = format!("{}=127.0.0.1:9", free_port());
    let args = ["run", "--proxy", &mapping, "--duration", "1s"];
    let daemon = Daemon::spawn(Path::new(BINARY), &args, &set);
    assert_eq!(daemon.wait(PATIENCE).code(), Some(0));
    let stderr = daemon.stderr();
    for warned in [
        "FAULT_WITH_LATENCCY is unknown; did you mean `FAULT_WITH_LATENCY`?",
        "FAULT_LATENCY_MEEN is unknown; did you mean `FAULT_LATENCY_MEAN`?",
        "FAULT_UPSTREAMS is unknown; did you mean `FAULT_PROXY`?",
        "FAULT_PROXY_ADDRESS is unknown; did you mean `FAULT_PROXY`?",
        "FAULT_DNS is unknown\n",
        "FAULT_TAIL is unknown; did you mean `FAULT_PROXY_TAILING`?",
        "FAULT_DURATION is unknown; did you mean `FAULT_PROXY_DURATION`?",
        "FAULT_RESET_TTL is unknown; did you mean `FAULT_RESET_SCHED`?",
    ] {
        assert!(stderr.contains(warned), "no {warned:?} in {stderr}");
    }
    assert_eq!(stderr.matches("is unknown").count(), 8, "{stderr}");
}

#[test]
fn a_file_of_the_compatible_api_is_told_of_as_a_file() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("toxiproxy.json");
    let proxy = json!({"name": "off", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:9", "enabled": false});
    fs::write(&file, format!("[{proxy}] {{}}")).unwrap();
    let complaint = refusal(&["run", "--toxiproxy-config", utf8(&file)]);
    assert!(complaint.contains("toxiproxy.json: unexpected `{}` after the array"), "{complaint}");
    fs::write(&file, "[5]").unwrap();
    let complaint = refusal(&["run", "--toxiproxy-config", utf8(&file)]);
    assert!(complaint.contains("toxiproxy.json: an object is expected"), "{complaint}");

    fs::write(&file, format!("[{proxy}]")).unwrap();
    let args = ["run", "--toxiproxy-config", utf8(&file), "--duration", "1s"];
    let daemon = Daemon::spawn(Path::new(BINARY), &args, &[ANY_CONTROL_PORT]);
    daemon.wait_for_line("off is disabled: it will listen on 127.0.0.1:0");
    assert!(!daemon.stderr().contains("listening on"), "{}", daemon.stderr());
}

#[test]
fn an_upstream_without_a_host_is_this_machine() {
    let (api, echo) = (Api::alone(), TcpServer::echo());
    let upstream = format!(":{}", echo.addr().port());
    let made = api.post("/proxies", &json!({"name": "p", "listen": "127.0.0.1:0", "upstream": upstream}));
    assert_eq!(made["upstream"], upstream);
    let addr: SocketAddr = made["listen"].as_str().unwrap().parse().unwrap();
    let client = support::patient(std::net::TcpStream::connect(addr).unwrap());
    support::round_trip(&client, b"hello").unwrap();
}

#[test]
fn ctl_adds_no_fault_that_does_not_say_how_much() {
    let api = Api::alone();
    api.post("/proxies", &json!({"name": "p", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:9"}));
    let add = |fault: &[&str]| run(&[&["ctl", "--addr", &*api.addr, "fault", "add", "p"], fault].concat());
    for (fault, words) in [
        (&["latency"][..], "latency: mean: is required, for example 300ms"),
        (&["bandwidth"], "as in rate=1mbit/s"),
        (&["limit_data"], "bytes: is required"),
        (&["limit_data", "bytes=0"], "bytes: is 0"),
        (&["bandwidth", "rate=0"], "rate: is 0: use a blackhole"),
        (&["latency", "latency=0.5ms"], "`latency=0.5ms` is not a whole number"),
        (&["latency", "latency=500", "mean=1s"], "`mean` does not go with `latency`"),
        (&["latency", "meen=3"], "unknown attribute `meen` of latency; did you mean `mean`?"),
        (&["limit-data", "byte=3"], "unknown attribute `byte` of limit-data; did you mean `bytes`?"),
        (&["reset-peer", "after=3"], "unknown attribute `after` of reset_peer"),
    ] {
        let ended = add(fault);
        assert!(ended.code == Some(2) && ended.stderr.contains(words), "{ended:?}");
    }
    assert_eq!(api.get("/proxies/p")["toxics"], json!([]));
    let nowhere = format!("127.0.0.1:{}/latency", free_port());
    let unreached = run(&["ctl", "--addr", &nowhere, "fault", "add", "p", "latency", "latency=500ms"]).stderr;
    assert!(unreached.contains(&nowhere) && !unreached.contains("unit"), "{unreached}");
    for fault in [
        &["blackhole", "direction=both"][..],
        &["refuse"],
        &["packet-loss"],
        &["jitter"],
        &["latency", "latency=500"],
    ] {
        assert_eq!(add(fault).code, Some(0), "{fault:?}");
    }
    let twice = add(&["latency", "latency=500"]);
    assert!(
        twice.stderr.contains(
            "fault already exists: `latency_downstream` of p; update or remove it, or use another name"
        ),
        "{twice:?}"
    );
    let update = run(&["ctl", "--addr", &api.addr, "fault", "update", "p", "latency_downstream", "jiter=3"]);
    assert!(
        update.stderr.contains("unknown attribute `jiter` of latency; did you mean `jitter`?"),
        "{update:?}"
    );
    let shown = run(&["ctl", "--addr", &api.addr, "inspect", "p"]).stdout;
    let row = shown.lines().find(|line| line.contains("blackhole_both")).expect("it is there");
    assert_eq!(row.split_whitespace().nth(2), Some("both"), "{row}");
}

#[test]
fn a_wrong_number_names_the_allowed_ones() {
    let seeds = "expected a whole number from 0 to 18446744073709551615";
    let sessions = "expected a whole number from 1 to 4294967295";
    for (args, expected) in [
        (&["run", "--seed", "x"][..], format!("invalid value 'x' for '--seed <N>': {seeds}")),
        (&["run", "--seed", "-1"], format!("invalid value '-1' for '--seed <N>': {seeds}")),
        (&["run", "--seed=18446744073709551616"], seeds.to_owned()),
        (&["check", "--max-sessions", "0"], sessions.to_owned()),
        (&["check", "--max-sessions", "many"], sessions.to_owned()),
        (
            &["margin", "--repeat", "x", "--vary", "latency.mean=1..5", "--", "true"],
            "expected a whole number from 1 to 100".to_owned(),
        ),
        (&["toxiproxy-server", "-port", "x"], "expected a whole number from 0 to 65535".to_owned()),
        (
            &["toxiproxy-server", "-seed", "x"],
            "expected a whole number from -9223372036854775808 to ".to_owned(),
        ),
        (
            &["run", "--duration", "soon"],
            "not a time; write 90s, 10m or 1h 30m, or a whole number".to_owned(),
        ),
    ] {
        let ended = run(args);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(&expected), "{args:?}: {}", ended.stderr);
    }
}

#[test]
fn a_wrong_value_shows_the_usage_of_its_command() {
    for (args, usage) in [
        (&["run", "--duration", "soon"][..], "Usage: fault-proxy run [OPTIONS]"),
        (&["run", "--with-latency", "--latency-mean", "soon"], "Usage: fault-proxy run [OPTIONS]"),
        (
            &["ctl", "fault", "add", "p", "latency", "--ttl", "soon"],
            "Usage: fault-proxy ctl fault add [OPTIONS] <PROXY> <TYPE> [KEY=VALUE]...",
        ),
        (
            &["ctl", "fault", "add", "p", "latency", "mean=soon"],
            "Usage: fault-proxy ctl fault add [OPTIONS] <PROXY> <TYPE> [KEY=VALUE]...",
        ),
        (
            &["run", "--proxy", "6380=a:1", "--with-packet-loss", "--packet-loss-rate", "7"],
            "Usage: fault-proxy run [OPTIONS]",
        ),
        (
            &["check", "--proxy", "6380=a:1", "--with-latency", "--latency-sched=foo"],
            "Usage: fault-proxy check [OPTIONS]",
        ),
        (&["run", "--proxy", "6380=a:1", "--expect", "p99<1ms"], "Usage: fault-proxy run [OPTIONS]"),
        (&["run", "--with-dns"], "Usage: fault-proxy run [OPTIONS]"),
        (&["--host=0.0.0.0", "--config=x"], "Usage: fault-proxy [OPTIONS] <COMMAND>"),
        (&["-host=0.0.0.0", "-config=x"], "Usage: fault-proxy [OPTIONS] <COMMAND>"),
    ] {
        let ended = run(args);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.lines().any(|line| line == usage), "{args:?}: {}", ended.stderr);
    }
}

#[test]
fn help_shows_the_options_of_a_command_first_and_the_log_last() {
    let help = run(&["ctl", "fault", "add", "-h"]).stdout;
    let places = ["--toxicity", "Control API:", "--addr", "Log:", "--log-level"];
    let places = places.map(|text| help.find(text).unwrap_or_else(|| panic!("{text}: {help}")));
    assert!(places.is_sorted(), "{help}");
}

#[test]
fn a_negative_value_is_refused_as_the_value_of_its_flag() {
    const LATENCY: [&str; 5] = ["run", "--proxy", "6380=a:1", "--with-latency", "--latency-mean=5ms"];
    const MARGIN: [&str; 5] = ["margin", "--proxy", "6380=a:1", "--vary", "latency.mean=0..4s"];
    const ADD: [&str; 5] = ["ctl", "fault", "add", "cache", "latency"];
    for (command, flag, value, end) in [
        (LATENCY, "--latency-stddev", "-1", &[][..]),
        (LATENCY, "--latency-stddev", "-1ms", &[]),
        (LATENCY, "--latency-probability", "-5%", &[]),
        (LATENCY, "--latency-times", "-1", &[]),
        (LATENCY, "--duration", "-1", &[]),
        (LATENCY, "--drain-timeout", "-1s", &[]),
        (LATENCY, "--max-sessions", "-1", &[]),
        (LATENCY, "--max-in-flight", "-1", &[]),
        (LATENCY, "--seed", "-1", &[]),
        (MARGIN, "--resolution", "-1s", &["--", "true"]),
        (MARGIN, "--at-least", "-1s", &["--", "true"]),
        (MARGIN, "--timeout", "-1s", &["--", "true"]),
        (ADD, "--toxicity", "-0.5", &["mean=1"]),
        (ADD, "--ttl", "-1s", &["mean=1"]),
    ] {
        let joined = format!("{flag}={value}");
        for given in [&[flag, value][..], &[&joined]] {
            let ended = run(&[&command[..], given, end].concat());
            assert_eq!(ended.code, Some(2), "{given:?}: {ended:?}");
            let (problem, _) = ended.stderr.split_once("\n\n").expect("the usage is below");
            let number = value.trim_end_matches(|c: char| !c.is_ascii_digit());
            for part in [flag, number] {
                assert!(problem.contains(part), "{given:?}: {problem}");
            }
            let reasons = ["negative", "expected a whole number from "];
            assert!(reasons.iter().any(|reason| problem.contains(reason)), "{given:?}: {problem}");
        }
    }
}
