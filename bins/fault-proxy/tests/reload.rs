//! A configuration file that changes while the program runs.

mod support;
#[path = "support/api.rs"]
mod support_api;

use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;
use support::{eventually, patient, round_trip, utf8};
use support_api::Api;
use tempfile::TempDir;
use testkit::{FarEnd, Signal, free_port};

struct Config {
    _directory: TempDir,
    file: PathBuf,
}

impl Config {
    fn new(text: &str) -> Self {
        let directory = TempDir::new().expect("a directory");
        let config = Self { file: directory.path().join("fault-proxy.toml"), _directory: directory };
        config.write(text);
        config
    }

    fn write(&self, text: &str) {
        fs::write(&self.file, text).expect("it is ours");
    }

    fn run(&self) -> Api {
        Api::with(&["--config", utf8(&self.file)])
    }
}

fn connect(port: u16) -> TcpStream {
    patient(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens"))
}

fn entry(port: u16, upstream: SocketAddr, faults: &str) -> String {
    format!("[[proxies]]\nproxy = '{port}={upstream}'\n{faults}\n")
}

const SLOW: &str = "[[proxies.faults]]\ntype = 'latency'\nmean = '300ms'";

fn reloads(api: &Api) -> usize {
    api.stderr().matches("is reloaded").count()
}

#[test]
fn unchanged_proxies_keep_their_sessions_and_others_follow_the_file() {
    let (echo, other) = (FarEnd::echo(), FarEnd::echo());
    let [same, slower, moved, gone, new] = [(); 5].map(|()| free_port());
    let of = |parts: &[String]| parts.concat();
    let config = Config::new(&of(&[
        entry(gone, echo.addr(), ""),
        entry(same, echo.addr(), ""),
        entry(slower, echo.addr(), ""),
        format!("[[proxies]]\nname = 'moved'\nproxy = '{moved}={}'\n", echo.addr()),
    ]));
    let api = config.run();
    let [mut kept, slow, mut elsewhere, mut ended] = [same, slower, moved, gone].map(connect);
    for client in [&kept, &slow, &elsewhere, &ended] {
        round_trip(client, b"before").unwrap();
    }
    // What was done through the API to a proxy that does not change stays.
    api.post("/proxies/proxy-2/toxics", &json!({"type": "noop", "name": "mine"}));

    config.write(&of(&[
        entry(same, echo.addr(), ""),
        entry(slower, echo.addr(), SLOW),
        format!("[[proxies]]\nname = 'moved'\nproxy = '{moved}={}'\n", other.addr()),
        entry(new, echo.addr(), ""),
    ]));
    api.signal(Signal::HUP);
    eventually("it is reloaded", || reloads(&api) > 0);
    assert_eq!(ended.read(&mut [0; 1]).expect("no abort"), 0);
    assert_eq!(elsewhere.read(&mut [0; 1]).expect("no abort"), 0);
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, gone)).is_err());
    round_trip(&kept, b"after").unwrap();
    let started = Instant::now();
    round_trip(&slow, b"after").unwrap();
    assert!(started.elapsed() >= Duration::from_millis(300));
    round_trip(&connect(moved), b"after").unwrap();
    round_trip(&connect(new), b"after").unwrap();
    assert_eq!(api.get("/proxies/proxy-2")["toxics"][0]["name"], "mine");
    assert_eq!(api.get("/proxies/moved")["upstream"], other.addr().to_string());

    // By itself, too.
    config.write(&entry(same, echo.addr(), ""));
    eventually("one is left", || api.get("/proxies").as_object().map(|all| all.len()) == Some(1));
    round_trip(&kept, b"still").unwrap();
    kept.set_nonblocking(true).unwrap();
    assert!(kept.read(&mut [0; 1]).is_err(), "it is open");
}

#[test]
fn a_bad_file_changes_nothing_and_says_why() {
    let echo = FarEnd::echo();
    let port = free_port();
    let good = entry(port, echo.addr(), "");
    let config = Config::new(&good);
    let api = config.run();
    let client = connect(port);
    round_trip(&client, b"before").unwrap();
    let bad = [
        ("[[proxies]]\nproxy = 'nonsense'\n".to_owned(), "proxies"),
        (entry(port, echo.addr(), "[[proxies.faults]]\ntype = 'latency'"), "mean"),
        ("proxies = [".to_owned(), "fault-proxy.toml"),
    ];
    for (count, (text, expected)) in bad.into_iter().enumerate() {
        config.write(&text);
        api.signal(Signal::HUP);
        eventually("it is refused", || api.stderr().matches("not reloaded, nothing changes").count() > count);
        let log = api.stderr();
        let refused = log.split("not reloaded, nothing changes: ").nth(count + 1).expect("it was refused");
        assert!(refused.contains(expected), "{refused}");
        round_trip(&client, b"after").unwrap();
    }
    // Settings that are of the whole run are named, and the rest is followed.
    config.write(&format!("max-sessions = 7\n{}", entry(port, echo.addr(), SLOW)));
    api.signal(Signal::HUP);
    let line = api.wait_for_line("only the next start follows");
    assert!(line.contains("max-sessions"), "{line}");
    eventually("it is slow", || {
        let started = Instant::now();
        round_trip(&client, b"slow").unwrap();
        started.elapsed() >= Duration::from_millis(300)
    });
}

#[test]
fn a_proxy_whose_port_was_taken_is_made_at_the_next_reload() {
    let echo = FarEnd::echo();
    let [first, second] = [(); 2].map(|()| free_port());
    let config = Config::new(&entry(first, echo.addr(), ""));
    let api = config.run();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, second)).expect("it is free");
    config.write(&[entry(first, echo.addr(), ""), entry(second, echo.addr(), "")].concat());
    api.signal(Signal::HUP);
    let line = api.wait_for_line("cannot listen on");
    assert!(line.contains(&format!("127.0.0.1:{second}")), "{line}");
    drop(taken);
    eventually("it listens", || {
        api.signal(Signal::HUP);
        TcpStream::connect((Ipv4Addr::LOCALHOST, second)).is_ok()
    });
    round_trip(&connect(second), b"hello").unwrap();
}
