//! Ends of the view on a terminal: each restores the terminal, and a run prints its table last.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use testkit::{Daemon, Signal, TcpServer, free_port};

use crate::support::api::Api;
use crate::support::terminal::{Size, Terminal};
use crate::support::{BINARY, PATIENCE, eventually, patient, round_trip, run, utf8};

const CTRL_C: &str = "\x03";

/// Commands that show the settings of the terminal after the program and keep its status.
const SETTINGS: &str = "; code=$?; stty -a; exit $code";

/// `fault-proxy run` on a terminal, with an open session.
fn run_with_session(options: &str) -> (Terminal, TcpStream, TcpServer) {
    let (echo, port) = (TcpServer::echo(), free_port());
    let proxy = format!("--control 127.0.0.1:0 --proxy db@{port}={}", echo.addr());
    let mut terminal = Terminal::start(&format!("{BINARY} run {proxy} {options}{SETTINGS}"));
    terminal.until_shown("› db ");
    let client = patient(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens"));
    round_trip(&client, b"hello").expect("it is echoed");
    (terminal, client, echo)
}

fn assert_restored(terminal: &Terminal) {
    assert!(!terminal.screen().alternate_screen() && !terminal.screen().hide_cursor());
    assert!(terminal.all.contains(" icanon") && terminal.all.contains(" echo "), "{}", terminal.all);
}

/// Checks that the program has ended with success, and that its table follows all log records.
fn assert_ends_with_the_table(mut terminal: Terminal) {
    terminal.wait();
    let (log, table) = terminal.all.split_once("aborted  errors").expect("a table");
    assert!(log.contains("session ended"), "{}", terminal.all);
    assert!(!table.contains("INFO") && !table.contains("WARN"), "{}", terminal.all);
    assert_restored(&terminal);
}

#[test]
fn signals_and_keys_drain_the_run() {
    for (signal, keys, name) in
        [("TERM", "", "SIGTERM"), ("HUP", "", "SIGHUP"), ("INT", "", "SIGINT"), ("", CTRL_C, "Ctrl-C")]
    {
        let (mut terminal, client, _echo) = run_with_session("--drain-timeout 1h");
        if signal.is_empty() {
            terminal.keys(keys);
        } else {
            terminal.signal_program(signal);
        }
        terminal.until(&format!("{name}: draining for up to 1h"));
        drop(client);
        assert_ends_with_the_table(terminal);
    }
}

#[test]
fn a_second_signal_or_key_resets_the_sessions() {
    let (mut terminal, _client, _echo) = run_with_session("--drain-timeout 1h");
    // Both keys are there before the terminal is restored.
    terminal.keys("\x03\x03");
    terminal.until("Ctrl-C: resetting the remaining sessions");
    assert_ends_with_the_table(terminal);

    let (mut terminal, _client, _echo) = run_with_session("--drain-timeout 1h");
    terminal.keys("areset");
    terminal.signal_program("HUP");
    terminal.until("SIGHUP: draining for up to 1h");
    terminal.signal_program("HUP");
    terminal.until("SIGHUP: resetting the remaining sessions");
    assert_ends_with_the_table(terminal);
}

#[test]
fn a_run_without_its_view_ends_by_signals_too() {
    for signal in ["HUP", "TERM"] {
        let (mut terminal, client, _echo) = run_with_session("--drain-timeout 1h");
        terminal.keys("q");
        terminal.until("the view is closed and the run continues");
        terminal.signal_program(signal);
        terminal.until("draining for up to 1h");
        drop(client);
        assert_ends_with_the_table(terminal);
    }
}

#[test]
fn a_run_that_drains_does_not_reload_its_file() {
    let directory = TempDir::new().unwrap();
    let (echo, port) = (TcpServer::echo(), free_port());
    let config = directory.path().join("config.toml");
    let proxies =
        |more: &str| format!("[[proxies]]\nname = \"db\"\nproxy = \"{port}={}\"\n{more}", echo.addr());
    fs::write(&config, proxies("")).unwrap();
    for view in ["", "q"] {
        let options = format!("--control off --drain-timeout 1h --config {}", utf8(&config));
        let mut terminal = Terminal::start(&format!("{BINARY} run {options}{SETTINGS}"));
        terminal.until_shown("› db ");
        let client = patient(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens"));
        round_trip(&client, b"hello").expect("it is echoed");
        terminal.keys(view);
        if !view.is_empty() {
            terminal.until("the view is closed and the run continues");
        }
        terminal.keys(CTRL_C);
        terminal.until("draining for up to 1h");
        fs::write(&config, proxies("[[proxies.faults]]\ntype = \"reset\"\n")).unwrap();
        for _ in 0..3 {
            terminal.signal_program("HUP");
            thread::sleep(Duration::from_millis(1500));
        }
        round_trip(&client, b"still there").expect("no fault resets it");
        drop(client);
        terminal.wait();
        assert!(!terminal.all.contains("reload"), "{}", terminal.all);
        fs::write(&config, proxies("")).unwrap();
    }
}

#[test]
fn a_closed_terminal_ends_the_run_with_its_report() {
    let directory = TempDir::new().unwrap();
    for with_file in [false, true] {
        let port = free_port();
        let [config, report] = ["config.toml", "report.json"].map(|name| directory.path().join(name));
        fs::write(&config, format!("[[proxies]]\nname = \"db\"\nproxy = \"{port}=127.0.0.1:9\"\n")).unwrap();
        let proxy = if with_file {
            format!("--config {}", utf8(&config))
        } else {
            format!("--proxy db@{port}=127.0.0.1:9")
        };
        let options = format!("--control 127.0.0.1:0 {proxy} --report {}", utf8(&report));
        let mut terminal = Terminal::start(&format!("exec {BINARY} run {options}"));
        terminal.until_shown("› db ");
        drop(terminal);
        eventually("the report is written", || {
            let text = fs::read(&report).unwrap_or_default();
            serde_json::from_slice::<Value>(&text).is_ok_and(|report| report["proxies"][0]["name"] == "db")
        });
        eventually("the port is closed", || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
        fs::remove_file(&report).unwrap();
    }
}

#[test]
fn a_pipe_gets_the_table_after_the_view() {
    let proxy = format!("db@{}=127.0.0.1:9", free_port());
    let command = format!("{BINARY} run --control off --proxy {proxy} | cat{SETTINGS}");
    let mut terminal = Terminal::start(&command);
    terminal.until_shown("› db ");
    terminal.keys(CTRL_C);
    terminal.wait();
    let (log, table) = terminal.all.split_once("proxy\tsessions\t").expect("a plain table");
    assert!(log.contains("Ctrl-C: draining") && !table.contains("INFO"), "{}", terminal.all);
    assert_restored(&terminal);
}

#[test]
fn a_terminal_of_any_size_shows_the_view_again() {
    const SIZES: [Size; 4] = [(1, 1), (2, 3), (5, 200), (100, 4)];
    let api = Api::alone();
    let mut terminal = Terminal::start(&format!("{BINARY} top --addr {}{SETTINGS}", api.addr));
    terminal.until_shown("no proxies: fault-proxy ctl create NAME --upstream HOST:PORT");
    for size in SIZES {
        // The whole screen is drawn again each time.
        for size in [size, (24, 80)] {
            terminal.keys("s");
            terminal.resize(size);
            terminal.until("\x1b[2J");
        }
        terminal.until_shown("no proxies: fault-proxy ctl create NAME --upstream HOST:PORT");
    }
    terminal.keys("q");
    terminal.wait();
    assert_restored(&terminal);
}

#[test]
fn signals_end_top_and_restore_the_terminal() {
    let api = Api::alone();
    for signal in ["HUP", "INT", "TERM"] {
        let mut terminal = Terminal::start(&format!("{BINARY} top --addr {}{SETTINGS}", api.addr));
        terminal.until_shown("no proxies: fault-proxy ctl create");
        terminal.signal_program(signal);
        terminal.wait();
        assert_restored(&terminal);
    }
}

#[test]
fn top_ends_with_its_terminal() {
    let api = Api::alone();
    let directory = TempDir::new().unwrap();
    let code = directory.path().join("code");
    let command = format!("trap '' HUP; {BINARY} top --addr {}; echo $? > {}", api.addr, utf8(&code));
    let mut terminal = Terminal::start(&command);
    terminal.until_shown("no proxies: fault-proxy ctl create");
    drop(terminal);
    eventually("top has ended", || fs::read_to_string(&code).is_ok_and(|code| !code.is_empty()));
    assert_ne!(fs::read_to_string(&code).unwrap(), "101\n", "a panic");
}

#[test]
fn a_server_that_requires_another_token_is_shown_with_the_way_out() {
    let addr = format!("127.0.0.1:{}", free_port());
    let api = Api::on(&addr, &[]);
    let mut terminal = Terminal::start(&format!("{BINARY} top --addr {addr}{SETTINGS}"));
    terminal.until_shown("no proxies: fault-proxy ctl create");
    drop(api);
    terminal.until_shown("or set --addr");
    let _api = Api::on(&addr, &["--control-token", "sesame"]);
    terminal.until_shown("--token or FAULT_CONTROL_TOKEN");
    terminal.keys("q");
    terminal.wait();
    assert_restored(&terminal);
}

#[test]
fn a_server_that_does_not_respond_is_shown() {
    let addr = format!("127.0.0.1:{}", free_port());
    let server = Daemon::spawn(Path::new(BINARY), &["run", "--control", &addr], &[]);
    server.wait_for_line("control API on");
    let mut terminal = Terminal::start(&format!("{BINARY} top --addr {addr}{SETTINGS}"));
    terminal.until_shown("no proxies: fault-proxy ctl create");
    server.signal(Signal::STOP);
    terminal.until_shown(&format!("no data: http://{addr} does not respond"));
    server.signal(Signal::CONT);
    terminal.until_gone("no data");
    server.signal(Signal::STOP);
    terminal.keys("q");
    terminal.wait();
    assert_restored(&terminal);
    server.signal(Signal::CONT);
    server.signal(Signal::TERM);
    assert!(server.wait(PATIENCE).success());
}

#[test]
fn an_address_of_another_server_is_an_error_with_the_way_out() {
    let echo = TcpServer::echo();
    let ended = run(&["top", "--addr", &echo.addr().to_string()]);
    let expected = format!("fault-proxy: http://{} is not a control API: ", echo.addr());
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stderr.starts_with(&expected) && ended.stderr.ends_with("; set --addr\n"),
        "{}",
        ended.stderr
    );
    let ended = run(&["top", "--addr", "no.such.host.invalid:1"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.ends_with("; set --addr\n"), "{}", ended.stderr);
}

#[test]
fn top_names_what_the_terminal_lacks() {
    let api = Api::alone();
    for (command, expected) in [
        (format!("TERM=dumb {BINARY} top --addr {}", api.addr), "TERM is `dumb`"),
        (format!("{BINARY} top --addr {} < /dev/null", api.addr), "stdin is not a terminal"),
        (format!("{BINARY} top --addr {} 2>&1 | cat", api.addr), "stderr is not a terminal"),
        (format!("stty rows 0 cols 0; {BINARY} top --addr {}", api.addr), "the terminal has no size"),
    ] {
        let mut terminal = Terminal::start(&command);
        assert_eq!(terminal.ended().success(), command.ends_with("cat"), "{command}");
        assert!(terminal.all.contains(&format!("top requires a terminal: {expected}")), "{}", terminal.all);
    }
}
