//! The guards of the crate, with the real program in front of a real Redis.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs};

use fault_proxy_testing::{Error, FaultProxy, Proxy, json};
use testkit::Redis;
use testkit::session::eventually;

const LATENCY: Duration = Duration::from_millis(300);

/// Returns the path of the program of this build. `cargo test` builds it with the tests of the whole
/// workspace.
fn program() -> PathBuf {
    let test = env::current_exe().expect("a running program has a path");
    let program =
        test.parent().and_then(Path::parent).expect("a running program has a path").join("fault-proxy");
    assert!(program.is_file(), "{} is missing: run `cargo build -p fault-proxy`", program.display());
    program
}

fn start() -> FaultProxy {
    FaultProxy::builder().program(program()).start().expect("it starts")
}

/// Sends PING to a Redis on a new connection.
fn ping(server: SocketAddr) -> io::Result<Duration> {
    let mut client = TcpStream::connect(server)?;
    let started = Instant::now();
    client.write_all(b"PING\r\n")?;
    let mut answer = [0; 7];
    client.read_exact(&mut answer)?;
    assert_eq!(&answer, b"+PONG\r\n");
    Ok(started.elapsed())
}

fn is_refused(proxy: &Proxy) -> bool {
    ping(proxy.addr()).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

#[test]
fn a_fault_acts_until_its_guard_is_dropped() {
    let (redis, faults) = (Redis::start(), start());
    let cache = faults.proxy("a/b c?", format_args!("127.0.0.1:{}", redis.port())).unwrap();
    let slow = cache.fault("latency", json!({"mean": "300ms"})).unwrap();
    assert!(ping(cache.addr()).unwrap() >= LATENCY);
    drop(slow);
    // The name can be used again.
    let slow = cache.fault("latency", json!({"mean": "0ms"})).unwrap();
    ping(cache.addr()).unwrap();
    drop(slow);
}

#[test]
fn a_fault_has_all_settings_of_the_api() {
    let (redis, faults) = (Redis::start(), start());
    let cache = faults.proxy("cache", format_args!("127.0.0.1:{}", redis.port())).unwrap();
    let settings =
        json!({"type": "latency", "name": "slow", "stream": "upstream", "attributes": {"latency": 300}});
    let _slow = cache.fault_with(settings).unwrap();
    let _slower = cache.fault("latency", json!({"mean": "300ms"})).unwrap();
    assert!(ping(cache.addr()).unwrap() >= 2 * LATENCY);
}

#[test]
fn an_outage_ends_with_its_guard_or_a_reset() {
    let (redis, faults) = (Redis::start(), start());
    let cache = faults.proxy("cache", format_args!("127.0.0.1:{}", redis.port())).unwrap();
    let outage = cache.down().unwrap();
    assert!(is_refused(&cache));
    drop(outage);
    ping(cache.addr()).unwrap();
    let _outage = cache.down().unwrap();
    let _held = cache.fault("blackhole", json!({})).unwrap();
    assert!(is_refused(&cache));
    faults.reset().unwrap();
    ping(cache.addr()).unwrap();
}

#[test]
fn an_error_has_the_message_of_the_api() {
    let faults = start();
    let cache = faults.proxy("cache", "127.0.0.1:1").unwrap();
    let error = cache.fault("latency", json!({"men": "300ms"})).unwrap_err();
    assert!(matches!(&error, Error::Refused { status: 400, .. }), "{error:?}");
    assert!(error.to_string().contains("men is not an attribute of latency; its attributes are"), "{error}");
    let error = faults.proxy("cache", "127.0.0.1:1").unwrap_err();
    assert_eq!(error.to_string(), "proxy already exists");
}

#[test]
fn a_program_that_does_not_start_says_why() {
    let error = FaultProxy::builder().program(program()).args(["--no-such-flag"]).start().unwrap_err();
    assert!(matches!(&error, Error::NotReady { reason: "it ended", .. }), "{error:?}");
    assert!(error.to_string().contains("--no-such-flag"), "{error}");
}

#[test]
fn a_program_that_hangs_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let (script, pid) = (directory.path().join("hangs"), directory.path().join("pid"));
    let text = "trap '' TERM; echo $$ > \"$(dirname \"$0\")/pid\"; echo control API on http://127.0.0.1:1 >&2; exec sleep 600";
    fs::write(&script, format!("#!/bin/sh\n{text}\n")).unwrap();
    assert!(Command::new("chmod").arg("755").arg(&script).status().unwrap().success());
    let started = Instant::now();
    drop(FaultProxy::builder().program(&script).start().unwrap());
    assert!(started.elapsed() >= Duration::from_secs(5));
    let pid = fs::read_to_string(pid).unwrap();
    eventually("its end", || has_ended(pid.trim()));
}

/// Run by other tests in a separate process.
#[test]
#[ignore = "run by other tests"]
#[allow(clippy::print_stdout, reason = "other tests read it")]
fn helper() {
    let faults = start();
    faults.proxy("cache", "127.0.0.1:1").unwrap();
    println!("API {}", faults.url());
    if env::var_os("PANIC").is_some() {
        panic!("as a failed test does");
    }
    // Like a value in a `static`, it is not dropped.
    std::mem::forget(faults);
}

/// Runs `helper`. Returns what it printed and the address of its control API.
fn helped(variables: &[(&str, &str)]) -> (String, SocketAddr) {
    let mut test = Command::new(env::current_exe().expect("it is running"));
    test.args(["helper", "--exact", "--ignored", "--nocapture"]).envs(variables.iter().copied());
    let output = test.output().expect("it starts");
    let printed = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let (_, api) = printed.split_once("API http://").expect(&printed);
    let api = api.split_whitespace().next().and_then(|api| api.parse().ok()).expect("an address");
    (printed, api)
}

#[test]
fn a_failed_test_shows_its_proxies_and_log() {
    let (printed, api) = helped(&[("PANIC", "1")]);
    assert!(
        printed.contains(r#"fault-proxy: {"cache":{"#) && printed.contains("INFO control API on"),
        "{printed}"
    );
    assert!(TcpStream::connect(api).is_err());
}

#[test]
fn the_program_ends_with_tests_that_do_not_drop_it() {
    let directory = tempfile::tempdir().unwrap();
    let summary = directory.path().join("summary");
    // The program must ignore these variables.
    let (_, api) =
        helped(&[("FAULT_PROXY", "not a mapping"), ("GITHUB_STEP_SUMMARY", summary.to_str().unwrap())]);
    eventually("the end of the program", || TcpStream::connect(api).is_err());
    assert!(!summary.exists());
}

/// Returns true if the process does not exist or is not yet reaped.
fn has_ended(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
        || !Path::new("/proc").join(pid).exists()
}
