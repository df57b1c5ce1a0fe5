//! A configuration file that changes while the program runs.

use std::fs;
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::api::Api;
use crate::support::reload::{Config, REFUSED, SOME_LOOKS, connect, entry, named, reloads};
use crate::support::{ANY_CONTROL_PORT, BINARY, PATIENCE, eventually, round_trip, run, utf8};
use serde_json::json;
use testkit::{Daemon, Signal, TcpServer, free_port};

const SLOW: &str = "[[proxies.faults]]\ntype = 'latency'\nmean = '300ms'";

#[test]
fn unchanged_proxies_keep_their_sessions_and_others_follow_the_file() {
    let (echo, other) = (TcpServer::echo(), TcpServer::echo());
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
    let echo = TcpServer::echo();
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
        eventually("it is refused", || api.stderr().matches(REFUSED).count() > count);
        let log = api.stderr();
        let refused = log.split(REFUSED).nth(count + 1).expect("it was refused");
        assert!(refused.starts_with(&format!(" path={} error=", config.file.display())), "{refused}");
        assert!(refused.contains(expected), "{refused}");
        round_trip(&client, b"after").unwrap();
    }
    // Settings that are of the whole run are named, and the rest is followed.
    config.write(&format!("max-sessions = 7\n{}", entry(port, echo.addr(), SLOW)));
    api.signal(Signal::HUP);
    let line = api.wait_for_line("changed settings take effect at the next start");
    assert!(line.ends_with("settings=max-sessions"), "{line}");
    eventually("it is slow", || {
        let started = Instant::now();
        round_trip(&client, b"slow").unwrap();
        started.elapsed() >= Duration::from_millis(300)
    });
}

#[test]
fn a_file_that_is_gone_is_logged_once_and_again_when_it_is_back() {
    let (echo, port) = (TcpServer::echo(), free_port());
    let config = Config::new(&entry(port, echo.addr(), ""));
    let away = config.file.with_file_name("away.toml");
    let api = config.run();
    let client = connect(port);
    let (to_nothing, to_directory) =
        (|| symlink("nowhere.toml", &config.file), || fs::create_dir(&config.file));
    let in_its_place: [(&dyn Fn() -> io::Result<()>, _); 3] =
        [(&|| Ok(()), "No such file"), (&to_nothing, "No such file"), (&to_directory, "Is a directory")];
    for (count, (replace, reason)) in in_its_place.into_iter().enumerate() {
        fs::rename(&config.file, &away).unwrap();
        replace().unwrap();
        eventually("it is logged", || api.stderr().matches(REFUSED).count() > count);
        thread::sleep(SOME_LOOKS);
        let log = api.stderr();
        let refused = log.split(REFUSED).nth(count + 1).expect("it was refused");
        assert!(refused.starts_with(&format!(" path={} error=", config.file.display())), "{refused}");
        assert!(refused.contains(reason), "{refused}");
        assert_eq!(log.matches(REFUSED).count(), count + 1, "{log}");
        round_trip(&client, b"still here").unwrap();
        // The file is the same as before, and the log has to tell that it is there again.
        fs::remove_file(&config.file).or_else(|_| fs::remove_dir(&config.file)).ok();
        fs::rename(&away, &config.file).unwrap();
        eventually("it is reloaded", || reloads(&api) > count);
    }
    round_trip(&client, b"still here").unwrap();
}

#[test]
fn a_name_that_the_api_has_given_is_not_taken_away() {
    let echo = TcpServer::echo();
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
    let echo = TcpServer::echo();
    let [gone, unnamed, new] = [(); 3].map(|()| free_port());
    let config = Config::new(&[entry(gone, echo.addr(), ""), entry(unnamed, echo.addr(), "")].concat());
    let api = config.run();
    assert_eq!(api.get("/proxies/proxy-2")["listen"], format!("127.0.0.1:{unnamed}"));
    config.write(&[entry(unnamed, echo.addr(), ""), named("proxy-2", new, echo.addr())].concat());
    api.signal(Signal::HUP);
    let line = api.wait_for_line("configuration reloaded");
    let expected = format!("INFO configuration reloaded path={}", config.file.display());
    assert!(line.ends_with(&expected), "{}", api.stderr());
    for (name, port) in [("proxy-1", unnamed), ("proxy-2", new)] {
        assert_eq!(api.get(&format!("/proxies/{name}"))["listen"], format!("127.0.0.1:{port}"));
        round_trip(&connect(port), b"hello").unwrap();
    }
}

#[test]
fn a_pipe_is_read_once_and_holds_nothing_up() {
    let echo = TcpServer::echo();
    let port = free_port();
    let text = entry(port, echo.addr(), "");
    let config = Config::new(&text);

    let pipe = config.pipe("pipe.toml", text);
    let api = Api::with(&["--config", utf8(&pipe)]);
    thread::sleep(SOME_LOOKS);
    api.signal(Signal::HUP);
    api.wait_for_line("not a regular file");
    round_trip(&connect(port), b"hello").unwrap();
    api.signal(Signal::INT);
    assert!(api.wait(PATIENCE).success(), "{}", api.stderr());

    let pipe = config.pipe("toxiproxy.json", "[]".to_owned());
    let api = Api::with(&["--config", utf8(&config.file), "--toxiproxy-config", utf8(&pipe)]);
    api.signal(Signal::HUP);
    api.wait_for_line("configuration reloaded");
}

#[test]
fn the_run_keeps_the_address_it_binds() {
    let echo = TcpServer::echo();
    let [old, new] = [(); 2].map(|()| free_port());
    let config = Config::new(&format!("bind = '127.0.0.1'\n{}", entry(old, echo.addr(), "")));
    let api = config.run();
    let of_both = [entry(old, echo.addr(), ""), entry(new, echo.addr(), "")].concat();
    config.write(&format!("bind = '127.0.0.2'\n{of_both}"));
    api.signal(Signal::HUP);
    let line = api.wait_for_line("changed settings take effect at the next start");
    assert!(line.contains("bind"), "{line}");
    api.wait_for_line(&format!("listening on 127.0.0.1:{new}"));
}

#[test]
fn a_file_that_changes_while_the_run_starts_is_read_again() {
    let echo = TcpServer::echo();
    let [old, new] = [(); 2].map(|()| free_port());
    let config = Config::new(&entry(old, echo.addr(), SLOW));
    // The run blocks until the pipe has a reader.
    let journal = config.file.with_file_name("journal");
    assert!(Command::new("mkfifo").arg(&journal).status().expect("mkfifo runs").success());
    let args = ["run", "--config", utf8(&config.file), "--journal", utf8(&journal)];
    let run = Daemon::spawn(Path::new(BINARY), &args, &[ANY_CONTROL_PORT]);
    run.wait_for_line("seed");
    config.write(&entry(new, echo.addr(), ""));
    let reader = thread::spawn(move || fs::read(journal));
    run.wait_for_line("configuration reloaded");
    round_trip(&connect(new), b"hello").unwrap();
    run.signal(Signal::TERM);
    reader.join().expect("it only reads").expect("a journal");
}

#[test]
fn the_log_follows_faults_that_change() {
    let echo = TcpServer::echo();
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
fn a_file_with_a_loop_ends_no_session_and_is_told_without_a_word_of_requests() {
    let (echo, port) = (TcpServer::echo(), free_port());
    let config = Config::new(&entry(port, echo.addr(), ""));
    let program = config.run();
    let session = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    round_trip(&session, b"before").unwrap();
    config.write(&entry(port, SocketAddr::from((Ipv4Addr::LOCALHOST, port)), ""));
    let line = program.wait_for_line("the proxies form a loop");
    round_trip(&session, b"the session goes on").unwrap();
    assert!(line.contains(&format!("path={} ", config.file.display())), "{line}");
    assert!(!line.contains("request"), "{line}");
    let at_start = run(&["check", "--config", utf8(&config.file)]);
    assert!(
        at_start.stderr.contains(&format!("{}: the proxies form a loop", config.file.display())),
        "{at_start:?}"
    );
}
