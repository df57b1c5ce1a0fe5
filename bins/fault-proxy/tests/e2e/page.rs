//! The page of the control address, in a real browser.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::api::Api;
use crate::support::{patient, round_trip, utf8};
use testkit::{FarEnd, clients, free_port, require};

/// Goes through the proxy all the time; keeps the latest round trip, in milliseconds. Ends with the proxy.
fn run_client(port: u16) -> Arc<AtomicU64> {
    let latest = Arc::new(AtomicU64::new(0));
    let told = Arc::clone(&latest);
    let stream = patient(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens"));
    thread::spawn(move || {
        loop {
            let started = Instant::now();
            if round_trip(&stream, b"are you there?").is_err() {
                return;
            }
            told.store(u64::try_from(started.elapsed().as_millis()).expect("not so long"), Ordering::Relaxed);
            thread::sleep(Duration::from_millis(20));
        }
    });
    latest
}

/// Answers every request with the latest round trip; returns where.
fn publish(latest: Arc<AtomicU64>) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let addr = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let _ = stream.read(&mut [0; 4096]);
            let body = latest.load(Ordering::Relaxed).to_string();
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            let _ = stream.write_all((head + &body).as_bytes());
        }
    });
    format!("http://{addr}/")
}

#[test]
fn a_latency_is_added_changed_and_removed_by_the_form() {
    let echo = FarEnd::echo();
    let port = free_port();
    let http = free_port();
    let mappings = [
        format!("{port}={}", echo.addr()),
        format!("api@{http}={}", publish(Arc::default()).trim_end_matches('/')),
    ];
    let api = Api::with(&["--proxy", &mappings[0], "--proxy", &mappings[1]]);
    let round_trips = publish(run_client(port));
    let screenshots = clients::target_directory().join("screenshots");
    fs::create_dir_all(&screenshots).expect("target is ours");
    let names = ["page-light.png", "page-dark.png", "page-narrow.png"];
    names.iter().for_each(|name| drop(fs::remove_file(screenshots.join(name))));

    let mut browser = Command::new(require("node", "nodejs"));
    browser
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page/browser.mjs"))
        .args([&format!("http://{}/", api.addr), &round_trips, utf8(&screenshots)])
        .arg(format!("http://127.0.0.1:{http}/"))
        .env("NODE_PATH", clients::npm_modules("playwright-core"))
        .env("CHROMIUM", require("chromium", "chromium"));
    let output = browser.output().expect("node starts");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.ends_with("done\n"), "{told}");
    for name in names {
        assert!(fs::metadata(screenshots.join(name)).is_ok_and(|file| file.len() > 10_000), "{name}");
    }
}
