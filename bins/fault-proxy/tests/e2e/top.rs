//! `fault-proxy top`, and the view of a run on its terminal.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::{TcpServer, free_port};

use crate::support::api::{Api, connect, create};
use crate::support::picture::svg;
use crate::support::terminal::{Size, Terminal};
use crate::support::{BINARY, patient, round_trip, run};

const DOWN: &str = "\x1b[B";
const ESCAPE: &str = "\x1b";

/// `fault-proxy top` on a terminal. The settings of the terminal are shown after its end.
fn top(size: Size, options: &str) -> Terminal {
    Terminal::sized(size, &format!("{BINARY} top {options}; code=$?; stty -a; exit $code"))
}

/// Checks that the terminal is as it was before the program.
fn assert_restored(terminal: &Terminal) {
    assert!(!terminal.screen().alternate_screen() && !terminal.screen().hide_cursor());
    assert!(!terminal.all.contains("-icanon") && !terminal.all.contains("-echo "), "{}", terminal.all);
}

fn faults(api: &Api, proxy: &str) -> Value {
    api.get(&format!("/proxies/{proxy}/toxics"))
}

fn shows_and_changes_another_process(size: Size, other_size: Size) {
    let (api, echo) = (Api::alone(), TcpServer::echo());
    for name in ["svc-10", "svc-2", "orders-db"] {
        create(&api, name, echo.addr());
    }
    let mut terminal = top(size, &format!("--addr {}", api.addr));
    terminal.until_shown("› orders-db");
    terminal.until_shown("s by name");
    let text = terminal.text();
    assert!(text.find("svc-2 ") < text.find("svc-10 "), "{text}");

    terminal.keys("/svc\r");
    terminal.until_shown("2 of 3 proxies");
    terminal.until_gone("orders-db");
    terminal.keys(DOWN);
    terminal.until_shown("› svc-10");
    terminal.keys("\r");
    terminal.until_shown("Faults  press a to add one");

    terminal.keys("alatency mean=fast\r");
    terminal.until_shown("mean: ");
    assert_eq!(faults(&api, "svc-10"), json!([]));
    terminal.keys("\x17mean=50ms --name late\r");
    terminal.until_shown("svc-10 has late: mean=50ms");
    terminal.until_shown("› ◌ late  latency");
    assert_eq!(faults(&api, "svc-10")[0]["attributes"]["mean"], 50);

    terminal.keys("t");
    terminal.until_shown("late of svc-10 is switched off");
    terminal.until_shown("› ○ late");
    assert_eq!(faults(&api, "svc-10")[0]["enabled"], false);
    terminal.resize(other_size);
    terminal.until_shown("› ○ late");
    terminal.keys("t");
    terminal.until_shown("late of svc-10 is switched on");
    terminal.keys("d");
    terminal.until_shown("remove late from svc-10? y/n");
    terminal.keys("y");
    terminal.until_shown("late of svc-10 is removed");
    assert_eq!(faults(&api, "svc-10"), json!([]));

    terminal.keys(ESCAPE);
    terminal.until_shown("2 of 3 proxies");
    terminal.keys("?");
    terminal.until_shown("switch the fault off");
    terminal.keys("xq");
    terminal.wait();
    assert_restored(&terminal);
}

#[test]
fn a_small_terminal_shows_and_changes_another_process() {
    shows_and_changes_another_process((24, 80), (40, 120));
}

#[test]
fn a_large_terminal_shows_and_changes_another_process() {
    shows_and_changes_another_process((40, 120), (12, 50));
}

#[test]
fn what_cannot_be_shown_is_an_error() {
    let nobody = format!("127.0.0.1:{}", free_port());
    let ended = run(&["top", "--addr", &nobody]);
    assert_eq!(ended.code, Some(1));
    let expected =
        format!("fault-proxy: cannot connect to the control API at http://{nobody}: connection refused");
    assert!(ended.stderr.starts_with(&expected), "{}", ended.stderr);

    let api = Api::with(&["--control-token", "sesame"]);
    let ended = run(&["top", "--addr", &api.addr, "--token", "mustard"]);
    assert!(
        ended.code == Some(1) && ended.stderr.contains("does not accept the token of --token"),
        "{}",
        ended.stderr
    );
    let ended = run(&["top", "--addr", &api.addr]);
    assert!(
        ended.code == Some(1) && ended.stderr.contains("set --token or FAULT_CONTROL_TOKEN"),
        "{}",
        ended.stderr
    );
    let ended = run(&["top", "--addr", &api.addr, "--token", "sesame"]);
    assert!(ended.code == Some(1) && ended.stderr.contains("top requires a terminal"), "{}", ended.stderr);
}

#[test]
fn a_signal_and_ctrl_c_restore_the_terminal() {
    let api = Api::alone();
    let mut terminal = top((24, 80), &format!("--addr {}", api.addr));
    terminal.until_shown("no proxies: fault-proxy ctl create");
    terminal.keys("\x03");
    terminal.wait();
    assert_restored(&terminal);

    let mut terminal = Terminal::start(&format!("exec {BINARY} top --addr {}", api.addr));
    terminal.until_shown("no proxies: fault-proxy ctl create");
    terminal.signal("TERM");
    terminal.wait();
    assert_restored(&terminal);
}

#[test]
fn a_lost_process_is_shown_until_it_is_back() {
    let addr = format!("127.0.0.1:{}", free_port());
    let api = Api::on(&addr, &[]);
    let mut terminal = top((24, 80), &format!("--addr {addr}"));
    terminal.until_shown("no proxies: fault-proxy ctl create");
    drop(api);
    terminal.until_shown("no data: cannot connect to the control API");
    let api = Api::on(&addr, &[]);
    create(&api, "back-again", SocketAddr::from((Ipv4Addr::LOCALHOST, 9)));
    terminal.until_shown("› back-again");
    terminal.keys("q");
    terminal.wait();
}

/// `fault-proxy run` on a terminal, with a control API on a free port.
fn run_on_terminal(size: Size, options: &str) -> Terminal {
    Terminal::sized(size, &format!("exec {BINARY} run --control 127.0.0.1:0 {options}"))
}

fn run_shows_its_proxies_and_its_log(size: Size) {
    let echo = TcpServer::echo();
    let port = free_port();
    let mut terminal = run_on_terminal(size, &format!("--proxy db@{port}={}", echo.addr()));
    terminal.until_shown("› db ");
    terminal.until_shown("── log ──");
    terminal.until_shown("Z  INFO listening on 127.0.0.1");
    let client = patient(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens"));
    round_trip(&client, b"hello").expect("it is echoed");
    terminal.until_shown("1/1");
    drop(client);
    terminal.until_shown("session ended");
    terminal.keys("alatency mean=1ms\r");
    terminal.until_shown("db has latency: mean=1ms");
    terminal.until_shown("◌ latency");
    terminal.keys("alatency mean=2ms\r");
    terminal.until_shown("fault already exists: `latency` of db; add --name NAME for another one");
    terminal.keys(ESCAPE);
    terminal.until_gone("add to db");

    // The records are there when the view is left, and the run continues.
    terminal.keys("q");
    terminal.until("the view is closed and the run continues");
    assert!(!terminal.screen().alternate_screen());
    for record in ["listening on 127.0.0.1", "control API on", "session ended", "changed by the control API"]
    {
        terminal.until_shown(record);
    }
    terminal.all.clear();
    round_trip(&connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))), b"hello").expect("it is echoed");
    terminal.until("session ended");
    terminal.keys("\x03");
    terminal.until("draining for up to 10s");
    terminal.until("aborted  errors");
    terminal.wait();
}

#[test]
fn a_run_on_a_small_terminal_shows_its_proxies_and_its_log() {
    run_shows_its_proxies_and_its_log((24, 80));
}

#[test]
fn a_run_on_a_large_terminal_shows_its_proxies_and_its_log() {
    run_shows_its_proxies_and_its_log((40, 120));
}

#[test]
fn ctrl_c_in_the_view_drains_and_again_resets() {
    let echo = TcpServer::echo();
    let port = free_port();
    let mut terminal =
        run_on_terminal((24, 80), &format!("--drain-timeout 1h --proxy db@{port}={}", echo.addr()));
    terminal.until_shown("› db ");
    let client = patient(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens"));
    round_trip(&client, b"hello").unwrap();
    terminal.keys("\x03");
    terminal.until("Ctrl-C: draining for up to 1h");
    assert!(!terminal.screen().alternate_screen());
    terminal.until_shown("listening on");
    terminal.keys("\x03");
    terminal.until("SIGINT: resetting the remaining sessions");
    terminal.wait();
}

#[test]
fn without_an_api_the_view_changes_nothing() {
    let mapping = format!("db@{}=127.0.0.1:9", free_port());
    let mut terminal =
        Terminal::start(&format!("exec {BINARY} run --control off --proxy {mapping} --duration 1h"));
    terminal.until_shown("control API off · 59m ");
    terminal.keys("areset\r");
    terminal.until_shown("the control API of this run is off");
    terminal.signal("TERM");
    terminal.until("SIGTERM: draining");
    terminal.wait();
    assert_restored(&terminal);
}

#[test]
fn a_run_without_keys_has_no_view() {
    let mapping = format!("db@{}=127.0.0.1:9", free_port());
    for (variables, end) in [("", " < /dev/null"), ("TERM=dumb", ""), ("", " --no-ui")] {
        let command =
            format!("{variables} exec {BINARY} run --control off --proxy {mapping} --duration 1s{end}");
        let mut terminal = Terminal::start(&command);
        terminal.wait();
        assert!(
            terminal.all.contains("listening on") && terminal.all.contains("aborted  errors"),
            "{}",
            terminal.all
        );
        assert!(!terminal.all.contains("\x1b[?1049h"), "{}", terminal.all);
    }
}

#[test]
fn colors_are_left_out_on_request() {
    let mapping = format!("db@{}=127.0.0.1:9", free_port());
    let command =
        format!("NO_COLOR=1 exec {BINARY} run --no-ui --control off --proxy {mapping} --duration 1s");
    let mut terminal = Terminal::start(&command);
    terminal.wait();
    assert!(terminal.all.contains("listening on") && !terminal.all.contains('\x1b'), "{}", terminal.all);
}

/// The picture of the documentation: traffic to three of four proxies, with faults.
#[test]
fn a_picture_is_taken() {
    let (api, echo) = (Api::alone(), TcpServer::echo());
    let [db, cache, search] = ["orders-db", "cache", "search"].map(|name| create(&api, name, echo.addr()));
    let nobody = create(&api, "payments", SocketAddr::from((Ipv4Addr::LOCALHOST, free_port())));
    for (proxy, fault) in [
        (
            "orders-db",
            json!({"name": "far-region", "type": "latency", "attributes": {"mean": "80ms", "stddev": "12ms"}}),
        ),
        (
            "orders-db",
            json!({"name": "outage", "type": "blackhole", "attributes": {"schedule": "start:1h,duration:30s"}}),
        ),
        ("cache", json!({"name": "slow", "type": "bandwidth", "attributes": {"rate": "2MBps"}})),
        ("search", json!({"name": "reset", "type": "reset", "enabled": false})),
    ] {
        api.post(&format!("/proxies/{proxy}/toxics"), &fault);
    }
    let mut terminal = top((9, 110), &format!("--addr {}", api.addr));
    terminal.until_shown("› cache");
    let clients =
        [(db, 900), (cache, 40_000), (search, 2_500)].map(|(addr, size)| (connect(addr), vec![7; size]));
    for step in 0..70 {
        for (client, data) in &clients {
            round_trip(client, &data[..data.len() * (20 + step / 10 * 11 % 23) / 43]).unwrap();
        }
        if step % 30 == 0 {
            drop(TcpStream::connect(nobody));
        }
        thread::sleep(Duration::from_millis(100));
    }
    terminal.keys(DOWN);
    terminal.until_shown("› orders-db");
    terminal.until_shown("refused 3");
    terminal.until_shown("● far-region");
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/screenshots");
    fs::create_dir_all(&directory).unwrap();
    let picture = svg(terminal.screen(), "fault-proxy top with four proxies");
    assert!(picture.contains(">refused 3<") && picture.contains("far-region"), "{picture}");
    fs::write(directory.join("top.svg"), picture).unwrap();
    terminal.keys("q");
    terminal.wait();
}
