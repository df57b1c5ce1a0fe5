//! Bandwidth.

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr},
    process::Command,
    sync::mpsc,
    thread,
};

use crate::fault_support::{ms, timed};
use crate::support::{PATIENCE, Proxy, receive, run, send};
use tempfile::TempDir;
use testkit::{Nginx, Pattern, Signal, TcpServer, free_port, require};

/// nginx that serves `size` bytes as `/file`.
struct Site {
    addr: SocketAddr,
    content: Vec<u8>,
    _directory: TempDir,
    _server: Nginx,
}

impl Site {
    fn of(size: usize) -> Self {
        let directory = TempDir::new().expect("the temporary directory is writable");
        let mut content = vec![0; size];
        Pattern::new(4).fill(0, &mut content);
        fs::write(directory.path().join("file"), &content).expect("the directory is ours");
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let root = directory.path().display();
        let server =
            Nginx::start(&format!("events {{}} http {{ server {{ listen {addr}; root '{root}'; }} }}"), addr);
        Self { addr, content, _directory: directory, _server: server }
    }

    fn with_bandwidth(&self, options: &[&str]) -> Proxy {
        Proxy::with(self.addr, &[&["--with-bandwidth"], options].concat())
    }

    /// Downloads the file with curl.
    fn assert_comes_through(&self, proxy: &Proxy) {
        let output = Command::new(require("curl", "curl"))
            .args(["-q", "--noproxy", "*", "-sS", "-f", "--max-time", "60"])
            .arg(format!("http://{}/file", proxy.addr))
            .output()
            .expect("curl is executable");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stdout == self.content, "{} bytes", output.stdout.len());
    }
}

#[test]
fn a_download_takes_its_time_and_is_the_same() {
    let site = Site::of(1_000_000);
    for options in
        [["--bandwidth-rate", "2", "--bandwidth-unit", "MBps"].as_slice(), &["--bandwidth-rate", "2MBps"]]
    {
        let proxy = site.with_bandwidth(options);
        let ((), took) = timed(|| site.assert_comes_through(&proxy));
        assert!(took >= ms(450), "{options:?}: {took:?}");
    }
}

#[test]
fn bits_are_an_eighth() {
    let site = Site::of(100_000);
    for options in [
        ["--bandwidth-rate", "800", "--bandwidth-unit", "kbit/s"].as_slice(),
        &["--bandwidth-rate", "800kbit/s"],
    ] {
        let proxy = site.with_bandwidth(options);
        let ((), took) = timed(|| site.assert_comes_through(&proxy));
        assert!(took >= ms(950), "{options:?}: {took:?}");
    }
}

#[test]
fn the_sessions_of_a_proxy_share_a_bandwidth_of_its_scope() {
    let site = Site::of(500_000);
    let proxy = site.with_bandwidth(&["--bandwidth-rate", "2MBps", "--bandwidth-scope", "proxy"]);
    let ((), took) = timed(|| {
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| site.assert_comes_through(&proxy));
            }
        });
    });
    assert!(took >= ms(950), "{took:?}");
}

#[test]
fn an_upload_is_limited_by_what_is_read_from_the_client() {
    const SIZE: u64 = 1_000_000;
    let (outcome, outcomes) = mpsc::channel();
    let far_end = TcpServer::start(move |stream| {
        outcome.send(receive(&stream, &Pattern::new(5), 0)).ok();
    });
    let options = ["--with-bandwidth", "--bandwidth-rate", "1MBps", "--bandwidth-side", "client"];
    let proxy = Proxy::with(far_end.addr(), &options);
    let (received, took) = timed(|| {
        send(&proxy.connect(), &Pattern::new(5), 0, SIZE).unwrap();
        outcomes.recv_timeout(PATIENCE).unwrap()
    });
    assert_eq!(received.unwrap(), SIZE);
    assert!(took >= ms(950), "{took:?}");
}

#[test]
fn a_rate_does_not_limit_the_other_direction() {
    let (outcome, outcomes) = mpsc::channel();
    let far_end = TcpServer::start(move |stream| {
        outcome.send(receive(&stream, &Pattern::new(5), 0)).ok();
    });
    // The limit applies to responses. The upload would take more than an hour and a half.
    let proxy = Proxy::with(far_end.addr(), &["--with-bandwidth", "--bandwidth-rate", "1000"]);
    send(&proxy.connect(), &Pattern::new(5), 0, 6_000_000).unwrap();
    assert_eq!(outcomes.recv_timeout(PATIENCE).unwrap().unwrap(), 6_000_000);
}

/// 100 bytes every 5 ms, and 12,000 bytes after a hundred of them, through 1 mbit/s; the result of a run with this expectation.
fn light_load(expectation: &str) -> (Option<i32>, String) {
    let far_end = TcpServer::start(|mut stream| {
        for number in 1.. {
            let len = if number % 50 == 0 { 12_000 } else { 100 };
            if stream.write_all(&vec![7; len]).is_err() {
                return;
            }
            thread::sleep(ms(5));
        }
    });
    let options = ["--with-bandwidth", "--bandwidth-rate", "1mbit/s", "--expect", expectation];
    let proxy = Proxy::with(far_end.addr(), &options);
    let mut client = proxy.connect();
    client.read_exact(&mut [0; 100_000]).expect("the far end sends");
    drop(client);
    proxy.signal(Signal::TERM);
    let code = proxy.wait(PATIENCE).code();
    (code, proxy.stdout() + &proxy.stderr())
}

#[test]
fn the_rate_under_light_load_is_that_of_the_time_in_which_bytes_waited() {
    let (code, output) = light_load("bandwidth.rate<140KBps");
    assert_eq!(code, Some(0), "{output}");
    assert!(output.contains(" B/s (") && output.contains("while bytes waited"), "{output}");
    let (code, output) = light_load("bandwidth.rate>140KBps");
    assert_eq!(code, Some(3), "{output}");
}

#[test]
fn a_bandwidth_that_is_never_the_limit_has_no_rate() {
    let far_end = TcpServer::echo();
    let expectation = |text| ["--with-bandwidth", "--bandwidth-rate", "1GBps", "--expect", text];
    for (text, code) in [("bandwidth.rate<1MBps", 0), ("bandwidth.rate>1MBps", 3)] {
        let proxy = Proxy::with(far_end.addr(), &expectation(text));
        let mut client = proxy.connect();
        client.write_all(b"ping").expect("the proxy relays");
        client.read_exact(&mut [0; 4]).expect("the far end answers");
        drop(client);
        proxy.signal(Signal::TERM);
        assert_eq!(proxy.wait(PATIENCE).code(), Some(code), "{text}: {}", proxy.stderr());
        assert!(proxy.stdout().contains("never acted"), "{}", proxy.stdout());
    }
}

#[test]
fn kbps_is_refused_because_it_may_mean_either() {
    let mapping = format!("{}=localhost:1", free_port());
    for rate in
        [["--bandwidth-rate", "500kbps"].as_slice(), &["--bandwidth-rate", "500", "--bandwidth-unit", "kbps"]]
    {
        let ended = run(&[&["run", "--proxy", &mapping, "--with-bandwidth"], rate].concat());
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains("KBps") && ended.stderr.contains("kbit/s"), "{}", ended.stderr);
    }
}
