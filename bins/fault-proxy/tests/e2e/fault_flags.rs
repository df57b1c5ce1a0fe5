//! The flags and variables of faults, as `check` resolves them, and what `run` shows of them.

use std::path::Path;

use crate::support::{BINARY, Ended, PATIENCE, Proxy, utf8};
use rustix::process::Signal;
use tempfile::TempDir;
use testkit::{Daemon, TcpServer, free_port};

/// `check`, with variables, of one mapping that works.
fn check(variables: &[(&str, &str)], options: &[&str]) -> Ended {
    let far_end = TcpServer::echo();
    let mapping = format!("{}={}", free_port(), far_end.addr());
    run(variables, &[&["check", "--control", "off", "--proxy", &mapping], options].concat())
}

fn run(variables: &[(&str, &str)], args: &[&str]) -> Ended {
    let daemon = Daemon::spawn(Path::new(BINARY), args, variables);
    let code = daemon.wait(PATIENCE).code();
    Ended { code, stdout: daemon.stdout(), stderr: daemon.stderr() }
}

fn resolved(variables: &[(&str, &str)], options: &[&str]) -> String {
    let ended = check(variables, options);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.stdout
}

fn refusal(variables: &[(&str, &str)], options: &[&str]) -> String {
    let ended = check(variables, options);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    ended.stderr
}

#[track_caller]
fn assert_has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
}

#[test]
fn each_fault_is_switched_on_and_has_parameters() {
    for (options, parts) in [
        (&["--with-latency", "--latency-mean", "300", "--latency-stddev", "40"][..], &["300", "40"][..]),
        (
            &[
                "--with-latency",
                "--latency-distribution",
                "uniform",
                "--latency-min",
                "300",
                "--latency-max",
                "500ms",
            ],
            &["300", "500"],
        ),
        (
            &[
                "--with-latency",
                "--latency-distribution",
                "pareto",
                "--latency-scale",
                "20",
                "--latency-shape",
                "1.5",
            ],
            &["20", "1.5"],
        ),
        (&["--with-jitter", "--jitter-amplitude", "30", "--jitter-frequency", "7"], &["30", "7"]),
        (&["--with-bandwidth", "--bandwidth-rate", "512", "--bandwidth-unit", "KBps"], &["512"]),
        (&["--with-packet-loss", "--packet-loss-rate", "1%"], &["1%"]),
        (&["--with-blackhole", "--blackhole-mode", "discard"], &["blackhole"]),
        (&["--with-reset", "--reset-after", "7s", "--reset-side", "client"], &["reset", "7 s"]),
        (&["--with-timeout", "--timeout-after", "7s"], &["timeout", "7 s"]),
        (&["--with-slow-close", "--slow-close-delay", "7s"], &["slow-close", "7 s"]),
        (&["--with-slicer", "--slicer-size", "77"], &["slicer", "77"]),
        (&["--with-limit-data", "--limit-data-bytes", "77"], &["limit-data", "77"]),
        (&["--with-refuse"], &["refuse"]),
        (&["--with-slow-open", "--slow-open-delay", "7s"], &["slow-open", "7 s"]),
        (&["--with-corrupt", "--corrupt-rate", "7%"], &["corrupt", "7%"]),
    ] {
        let stdout = resolved(&[], options);
        assert_has(&stdout, parts);
        assert_has(&stdout, &["always", "100%"]);
    }
}

#[test]
fn side_direction_probability_and_schedule_apply() {
    let options =
        ["--latency-side", "client", "--latency-direction", "ingress", "--latency-probability", "25%"];
    let options = [
        &["--with-latency", "--latency-mean", "1"],
        &options[..],
        &["--latency-sched", "start:5s,duration:2s"],
    ];
    assert_has(&resolved(&[], &options.concat()), &["requests", "25%", "5s to 7s"]);
}

#[test]
fn variables_say_what_flags_say_and_flags_come_first() {
    let variables = [
        ("FAULT_WITH_LATENCY", "yes"),
        ("FAULT_LATENCY_MEAN", "111"),
        ("FAULT_LATENCY_STANDARD_DEVIATION", "22"),
        ("FAULT_WITH_JITTER", "1"),
        ("FAULT_JITTER_FREQ", "33"),
        ("FAULT_JITTER_SCHED", "duration:44s"),
        ("FAULT_PROXY_DURATION", "10m"),
        ("FAULT_SEED", "77"),
    ];
    assert_has(&resolved(&variables, &[]), &["111 ms", "22 ms", "33 times", "0s to 44s", "10m", "77"]);
    let stdout = resolved(&variables, &["--latency-mean", "555", "--duration", "11m"]);
    assert_has(&stdout, &["555 ms", "22 ms", "11m"]);
    assert!(!stdout.contains("111 ms"), "{stdout}");
}

#[test]
fn variables_of_a_fault_that_is_off_are_ignored_and_empty_ones_too() {
    for off in ["false", "0", "no", ""] {
        let variables = [
            ("FAULT_WITH_LATENCY", off),
            ("FAULT_LATENCY_MEAN", "111"),
            ("FAULT_SEED", ""),
            ("FAULT_CONFIG", ""),
        ];
        let stdout = resolved(&variables, &[]);
        assert!(!stdout.contains("latency"), "{off}: {stdout}");
    }
    assert_has(&refusal(&[("FAULT_WITH_LATENCY", "maybe")], &[]), &["--with-latency", "true, 1 or yes"]);
}

#[test]
fn what_is_wrong_is_named_by_its_flag() {
    for (options, parts) in [
        (&["--latency-mean", "1ms"][..], &["--latency-mean does nothing without --with-latency"][..]),
        (&["--with-latency"], &["--latency-mean: is required"]),
        (
            &["--with-latency", "--latency-distribution", "pareto", "--latency-scale", "20"],
            &["--latency-shape: "],
        ),
        (&["--with-latency", "--latency-mean", "soon"], &["--latency-mean: ", "\"soon\""]),
        (&["--with-jitter", "--jitter-sched", "later"], &["--jitter-sched: "]),
        (&["--with-jitter", "--jitter-sched", "start:10%"], &["--jitter-sched: ", "--duration"]),
        (&["--with-bandwidth", "--bandwidth-rate", "1kbps"], &["--bandwidth-rate: "]),
        (&["--with-jiter"], &["'--with-jitter'"]),
    ] {
        assert_has(&refusal(&[], options), parts);
    }
    let variables = [("FAULT_WITH_LATENCY", "1"), ("FAULT_LATENCY_MEAN", "soon")];
    assert_has(&refusal(&variables, &[]), &["--latency-mean (from FAULT_LATENCY_MEAN): "]);
}

#[test]
fn a_schedule_of_two_lone_halves_is_one_window_with_a_warning_unless_strict() {
    let options = ["--with-jitter", "--jitter-sched", "start:30s;duration:3m"];
    let ended = check(&[], &options);
    assert_has(&ended.stdout, &["30s to 3m 30s"]);
    assert_eq!(ended.stderr.matches("is read as one window").count(), 1, "{}", ended.stderr);
    let ended = check(&[], &[&options[..], &["--strict-schedules"]].concat());
    assert_has(&ended.stdout, &["always"]);
    assert_eq!(ended.stderr, "");
}

#[test]
fn mappings_come_from_a_variable_too() {
    let far_end = TcpServer::echo();
    let mappings = [(); 2].map(|()| format!("{}={}", free_port(), far_end.addr()));
    let ended = run(&[("FAULT_PROXY", &mappings.join(";"))], &["check"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_has(&ended.stdout, &[&mappings[0], &mappings[1]]);
}

#[test]
fn short_help_has_the_faults_and_long_help_their_parameters() {
    let short = run(&[], &["run", "-h"]).stdout;
    assert_has(&short, &["--with-packet-loss", "--help"]);
    assert!(!short.contains("--packet-loss-rate"), "{short}");
    assert_has(
        &run(&[], &["run", "--help"]).stdout,
        &["--packet-loss-rate", "FAULT_LATENCY_STANDARD_DEVIATION"],
    );
}

#[test]
fn a_run_shows_when_its_faults_are_on_and_logs_changes_for_tail() {
    let far_end = TcpServer::echo();
    let options = ["--with-jitter", "--jitter-sched", "start:1s", "--tail"];
    let proxy = Proxy::with(far_end.addr(), &options);
    proxy.wait_for_line("fault jitter: on");
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.wait(PATIENCE).code(), Some(0));
    let stderr = proxy.stderr();
    assert!(stderr.lines().any(|line| line.starts_with("jitter ")), "{stderr}");
}

#[test]
fn a_run_without_faults_shows_no_chart_and_no_bar() {
    let far_end = TcpServer::echo();
    let proxy = Proxy::with(far_end.addr(), &["--duration", "1s"]);
    assert_eq!(proxy.wait(PATIENCE).code(), Some(0));
    let stderr = proxy.stderr();
    assert!(stderr.lines().all(|line| line.contains(" INFO ")), "{stderr}");
}

#[test]
fn log_lines_can_go_to_a_file_at_a_level_from_the_environment() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("run.log");
    let mapping = format!("{}=127.0.0.1:{}", free_port(), free_port());
    let variables =
        [("FAULT_LOG_FILE", utf8(&file)), ("FAULT_LOG_LEVEL", "info"), ("FAULT_PROXY_DURATION", "1")];
    let daemon = Daemon::spawn(Path::new(BINARY), &["run", "--proxy", &mapping], &variables);
    assert_eq!(daemon.wait(PATIENCE).code(), Some(0));
    assert_eq!(daemon.stderr(), "");
    let logged = std::fs::read_to_string(&file).unwrap();
    assert_has(&logged, &["listening on", "the run's duration is over"]);

    let quiet = [("FAULT_LOG_LEVEL", "error"), ("FAULT_PROXY_DURATION", "1")];
    let daemon = Daemon::spawn(Path::new(BINARY), &["run", "--proxy", &mapping], &quiet);
    assert_eq!(daemon.wait(PATIENCE).code(), Some(0));
    assert_eq!(daemon.stderr(), "");
}

#[test]
fn on_a_terminal_a_view_shows_the_time_left_and_is_gone_at_the_end() {
    let mapping = format!("{}=127.0.0.1:{}", free_port(), free_port());
    let run = format!("{BINARY} run --proxy {mapping} --duration 3 --with-jitter --tail");
    let shown = |no_ui: &str, size: &str| {
        let command = format!("stty {size}; {run}");
        let args = ["--quiet", "--return", "--command", &command, "/dev/null"];
        let daemon = Daemon::spawn(
            &testkit::require("script", "bsdutils"),
            &args,
            &[("FAULT_PROXY_NO_UI", no_ui), ("TERM", "xterm")],
        );
        assert_eq!(daemon.wait(PATIENCE).code(), Some(0));
        daemon.stdout()
    };
    let (normal, none) = ("rows 24 cols 120", "rows 0 cols 0");
    let view = shown("", normal);
    // The view moves the cursor between words.
    assert_has(&view, &["left", "PROXY", "◌ jitter", "the run's duration is over"]);
    for (no_ui, size) in [("true", normal), ("", none)] {
        let log = shown(no_ui, size);
        assert!(!log.contains("PROXY") && log.contains("the run's duration is over"), "{log}");
    }
}
