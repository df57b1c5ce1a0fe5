//! A configuration file that changes while the program runs.

mod support;
#[path = "support/api.rs"]
mod support_api;

use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use support::{ANY_CONTROL_PORT, BINARY, PATIENCE, eventually, patient, round_trip, run, utf8};
use support_api::Api;
use tempfile::TempDir;
use testkit::{Daemon, FarEnd, Signal, free_port};

/// In which the file is looked at more than once.
const SOME_LOOKS: Duration = Duration::from_millis(2500);

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

    /// Beside the file; gives its text to the first who reads it.
    fn pipe(&self, name: &str, text: String) -> PathBuf {
        let pipe = self.file.with_file_name(name);
        assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs").success());
        let there = pipe.clone();
        thread::spawn(move || fs::write(there, text));
        pipe
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

fn named(name: &str, port: u16, upstream: SocketAddr) -> String {
    format!("[[proxies]]\nname = '{name}'\nproxy = '{port}={upstream}'\n")
}

fn take(port: u16) -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("it is free")
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
        named("moved", moved, echo.addr()),
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
        named("moved", moved, other.addr()),
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
fn a_proxy_whose_port_was_taken_is_made_when_it_is_free() {
    let echo = FarEnd::echo();
    let [first, second] = [(); 2].map(|()| free_port());
    let config = Config::new(&entry(first, echo.addr(), ""));
    let api = config.run();
    let taken = take(second);
    config.write(&[entry(first, echo.addr(), ""), entry(second, echo.addr(), "")].concat());
    api.signal(Signal::HUP);
    let line = api.wait_for_line("cannot listen on");
    assert!(line.contains(&format!("127.0.0.1:{second}")), "{line}");
    let line = api.wait_for_line("is reloaded");
    assert!(line.ends_with("is reloaded in part: proxies that are not as it says: 1"), "{line}");
    drop(taken);
    eventually("it listens", || TcpStream::connect((Ipv4Addr::LOCALHOST, second)).is_ok());
    round_trip(&connect(second), b"hello").unwrap();
}

#[test]
fn proxies_take_ports_that_others_give_up() {
    let (echo, other) = (FarEnd::echo(), FarEnd::start(|_| ()));
    let [one, two, three] = [(); 3].map(|()| free_port());
    let config = Config::new(&[named("a", one, echo.addr()), named("b", two, other.addr())].concat());
    let api = config.run();
    config.write(&[named("a", two, echo.addr()), named("b", one, other.addr())].concat());
    api.signal(Signal::HUP);
    eventually("it is reloaded", || reloads(&api) == 1);
    round_trip(&connect(two), b"exchanged").unwrap();
    assert_eq!(connect(one).read(&mut [0; 1]).expect("no abort"), 0);

    let new_first = [named("c", two, other.addr()), named("a", three, echo.addr())];
    config.write(&[new_first.concat(), named("b", one, other.addr())].concat());
    api.signal(Signal::HUP);
    eventually("it is reloaded", || reloads(&api) == 2);
    round_trip(&connect(three), b"moved on").unwrap();
    assert_eq!(connect(two).read(&mut [0; 1]).expect("no abort"), 0);
    assert!(!api.stderr().contains("cannot listen"), "{}", api.stderr());
}

#[test]
fn a_proxy_that_could_not_move_moves_when_it_can_unless_somebody_else_has_seen_to_it() {
    const NAMES: [&str; 6] = ["left", "off", "enabled", "disabled", "moved", "remade"];
    let (echo, other) = (FarEnd::echo(), FarEnd::echo());
    let (old, new) = ([(); 6].map(|()| free_port()), [(); 6].map(|()| free_port()));
    let [elsewhere, elsewhere_too] = [(); 2].map(|()| free_port());
    let all = |ports: [u16; 6]| -> String {
        NAMES.iter().zip(ports).map(|(name, port)| named(name, port, echo.addr())).collect()
    };
    let config = Config::new(&all(old));
    let api = config.run();
    let (disabled, at) = (json!({"enabled": false}), |port: u16| format!("127.0.0.1:{port}"));
    api.post("/proxies/off", &disabled);
    let [of_left, of_others @ ..] = new.map(take);
    config.write(&all(new));
    api.signal(Signal::HUP);
    eventually("it is reloaded", || reloads(&api) == 1);
    for (name, port) in NAMES.into_iter().zip(old).filter(|(name, _)| *name != "off") {
        let proxy = api.get(&format!("/proxies/{name}"));
        assert_eq!((&proxy["enabled"], &proxy["listen"]), (&json!(true), &json!(at(port))), "{name}");
    }
    assert_eq!(api.get("/proxies/off")["enabled"], false);
    api.post("/proxies/enabled", &json!({"listen": at(elsewhere), "enabled": true}));
    api.post("/proxies/disabled", &disabled);
    api.post("/proxies/moved", &json!({"listen": at(elsewhere_too), "enabled": false}));
    api.delete("/proxies/remade");
    let upstream = other.addr().to_string();
    let remade = json!({"name": "remade", "listen": at(new[5]), "upstream": upstream, "enabled": false});
    api.post("/proxies", &remade);

    drop(of_others);
    thread::sleep(SOME_LOOKS);
    assert_eq!(api.stderr().matches("cannot listen on").count(), 5, "{}", api.stderr());
    round_trip(&connect(elsewhere), b"seen to").unwrap();
    for port in new {
        assert!(!api.stderr().contains(&format!("listening on {}", at(port))), "{}", api.stderr());
    }
    let all = [("off", new[1]), ("disabled", old[3]), ("moved", elsewhere_too), ("remade", new[5])];
    for (name, port) in all {
        let proxy = api.get(&format!("/proxies/{name}"));
        assert_eq!((&proxy["enabled"], &proxy["listen"]), (&json!(false), &json!(at(port))), "{name}");
    }
    assert_eq!(api.get("/proxies/remade")["upstream"], upstream);
    drop(of_left);
    api.wait_for_line(&format!("listening on {}", at(new[0])));
    round_trip(&connect(new[0]), b"moved").unwrap();
}

#[test]
fn a_proxy_that_cannot_move_goes_on_with_its_sessions() {
    let echo = FarEnd::echo();
    let proxy_of = |name: &str, port: u16| match name {
        "" => entry(port, echo.addr(), ""),
        name => named(name, port, echo.addr()),
    };
    for name in ["", "a"] {
        let [old, new] = [(); 2].map(|()| free_port());
        let config = Config::new(&proxy_of(name, old));
        let api = config.run();
        let session = connect(old);
        round_trip(&session, b"before").unwrap();
        let taken = take(new);
        config.write(&proxy_of(name, new));
        let line = api.wait_for_line("cannot listen on");
        assert!(line.contains(&format!("{}: ", config.file.display())), "{line}");
        assert!(line.ends_with(&format!("until then it goes on listening on 127.0.0.1:{old}")), "{line}");
        round_trip(&session, b"after").unwrap();
        round_trip(&connect(old), b"new").unwrap();
        drop(taken);
        api.wait_for_line(&format!("listening on 127.0.0.1:{new}"));
        round_trip(&connect(new), b"moved").unwrap();
        eventually("the old port is free", || TcpStream::connect((Ipv4Addr::LOCALHOST, old)).is_err());
        let all = api.get("/proxies");
        assert_eq!(all.as_object().map(|all| all.len()), Some(1), "{all}");
        assert_eq!(api.stderr().matches("cannot listen on").count(), 1, "{}", api.stderr());
    }
}

#[test]
fn proxies_that_cannot_exchange_ports_listen_as_before() {
    let echo = FarEnd::echo();
    let [one, two, three] = [(); 3].map(|()| free_port());
    let config = Config::new(&[named("a", one, echo.addr()), named("b", two, echo.addr())].concat());
    let api = config.run();
    let (in_b, taken) = (connect(two), take(three));
    round_trip(&in_b, b"before").unwrap();
    config.write(&[named("a", two, echo.addr()), named("b", three, echo.addr())].concat());
    api.signal(Signal::HUP);
    eventually("it is reloaded", || reloads(&api) == 1);
    round_trip(&in_b, b"after").unwrap();
    for port in [one, two] {
        round_trip(&connect(port), b"new").unwrap();
    }
    drop(taken);
    api.wait_for_line(&format!("listening on 127.0.0.1:{two} for"));
    eventually("a has moved", || api.get("/proxies/a")["listen"] == format!("127.0.0.1:{two}"));
    eventually("b has moved", || api.get("/proxies/b")["listen"] == format!("127.0.0.1:{three}"));
}

#[test]
fn a_name_that_the_api_has_given_is_not_taken_away() {
    let echo = FarEnd::echo();
    let [a, of_api, of_file] = [(); 3].map(|()| free_port());
    let config = Config::new(&named("a", a, echo.addr()));
    let api = config.run();
    let listen = format!("127.0.0.1:{of_api}");
    api.post("/proxies", &json!({"name": "x", "listen": listen, "upstream": echo.addr().to_string()}));
    config.write(&[named("a", a, echo.addr()), named("x", of_file, echo.addr())].concat());
    api.signal(Signal::HUP);
    let line = api.wait_for_line("`x`");
    assert!(line.contains("ERROR") && line.contains("another name"), "{line}");
    eventually("it is reloaded", || reloads(&api) == 1);
    round_trip(&connect(of_api), b"hello").unwrap();
    assert_eq!(api.get("/proxies").as_object().map(|all| all.len()), Some(2), "{}", api.get("/proxies"));

    api.delete("/proxies/x");
    eventually("it listens", || TcpStream::connect((Ipv4Addr::LOCALHOST, of_file)).is_ok());
    assert_eq!(api.get("/proxies/x")["listen"], format!("127.0.0.1:{of_file}"));
}

#[test]
fn a_name_of_the_file_is_free_for_it_although_an_unnamed_proxy_was_called_so() {
    let echo = FarEnd::echo();
    let [gone, unnamed, new] = [(); 3].map(|()| free_port());
    let config = Config::new(&[entry(gone, echo.addr(), ""), entry(unnamed, echo.addr(), "")].concat());
    let api = config.run();
    assert_eq!(api.get("/proxies/proxy-2")["listen"], format!("127.0.0.1:{unnamed}"));
    config.write(&[entry(unnamed, echo.addr(), ""), named("proxy-2", new, echo.addr())].concat());
    api.signal(Signal::HUP);
    let line = api.wait_for_line("is reloaded");
    assert!(line.ends_with("is reloaded"), "{}", api.stderr());
    for (name, port) in [("proxy-1", unnamed), ("proxy-2", new)] {
        assert_eq!(api.get(&format!("/proxies/{name}"))["listen"], format!("127.0.0.1:{port}"));
        round_trip(&connect(port), b"hello").unwrap();
    }
}

#[test]
fn a_pipe_is_read_once_and_holds_nothing_up() {
    let echo = FarEnd::echo();
    let port = free_port();
    let text = entry(port, echo.addr(), "");
    let config = Config::new(&text);

    let pipe = config.pipe("pipe.toml", text);
    let api = Api::with(&["--config", utf8(&pipe)]);
    thread::sleep(SOME_LOOKS);
    api.signal(Signal::HUP);
    api.wait_for_line("no regular file");
    round_trip(&connect(port), b"hello").unwrap();
    api.signal(Signal::INT);
    assert!(api.wait(PATIENCE).success(), "{}", api.stderr());

    let pipe = config.pipe("toxiproxy.json", "[]".to_owned());
    let api = Api::with(&["--config", utf8(&config.file), "--toxiproxy-config", utf8(&pipe)]);
    api.signal(Signal::HUP);
    api.wait_for_line("is reloaded");
}

#[test]
fn the_run_keeps_the_address_it_binds() {
    let echo = FarEnd::echo();
    let [old, new] = [(); 2].map(|()| free_port());
    let config = Config::new(&format!("bind = '127.0.0.1'\n{}", entry(old, echo.addr(), "")));
    let api = config.run();
    let of_both = [entry(old, echo.addr(), ""), entry(new, echo.addr(), "")].concat();
    config.write(&format!("bind = '127.0.0.2'\n{of_both}"));
    api.signal(Signal::HUP);
    let line = api.wait_for_line("only the next start follows");
    assert!(line.contains("bind"), "{line}");
    api.wait_for_line(&format!("listening on 127.0.0.1:{new}"));
}

#[test]
fn a_file_that_changes_while_the_run_starts_is_read_again() {
    let echo = FarEnd::echo();
    let [old, new] = [(); 2].map(|()| free_port());
    let config = Config::new(&entry(old, echo.addr(), SLOW));
    // Until somebody reads it, the run does not get on.
    let journal = config.file.with_file_name("journal");
    assert!(Command::new("mkfifo").arg(&journal).status().expect("mkfifo runs").success());
    let args = ["run", "--config", utf8(&config.file), "--journal", utf8(&journal)];
    let run = Daemon::spawn(Path::new(BINARY), &args, &[ANY_CONTROL_PORT]);
    run.wait_for_line("seed");
    config.write(&entry(new, echo.addr(), ""));
    let reader = thread::spawn(move || fs::read(journal));
    run.wait_for_line("is reloaded");
    round_trip(&connect(new), b"hello").unwrap();
    run.signal(Signal::TERM);
    reader.join().expect("it only reads").expect("a journal");
}

#[test]
fn the_log_follows_faults_that_change() {
    let echo = FarEnd::echo();
    let latency = "[[proxies.faults]]\ntype = 'latency'\nmean = 1\nschedule = 'start:1h'";
    let config = Config::new(&format!("tail = true\n{}", entry(free_port(), echo.addr(), latency)));
    let before = Instant::now();
    let api = config.run();
    // far enough for a machine that is busy
    let start = before.elapsed() + Duration::from_secs(3);
    let schedule = format!("start:{}ms", start.as_millis());
    api.post("/proxies/proxy-1/toxics", &json!({"type": "jitter", "attributes": {"schedule": schedule}}));
    let line = api.wait_for_line("fault jitter");
    assert!(line.contains(": on"), "{line}");
}

#[test]
fn a_file_with_a_loop_is_told_without_a_word_of_requests() {
    let (echo, port) = (FarEnd::echo(), free_port());
    let config = Config::new(&entry(port, echo.addr(), ""));
    let program = config.run();
    config.write(&entry(port, SocketAddr::from((Ipv4Addr::LOCALHOST, port)), ""));
    let line = program.wait_for_line("connections would come back");
    assert!(line.contains(&format!("{}: --proxy {port}=", config.file.display())), "{line}");
    assert!(!line.contains("request"), "{line}");
    let at_start = run(&["check", "--config", utf8(&config.file)]);
    assert!(
        at_start.stderr.contains(&format!("{}: connections would", config.file.display())),
        "{at_start:?}"
    );
}
