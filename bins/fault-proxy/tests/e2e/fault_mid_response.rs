//! Faults that begin in the middle of a response.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use crate::fault_support::ms;
use crate::support::api::{Api, connect, create};
use crate::support::{PATIENCE, Proxy, run, tls_before, utf8};
use serde_json::json;
use testkit::{Certificates, TcpServer, free_port};
use ureq::Agent;

const REQUEST: &[u8] = b"GET /events HTTP/1.1\r\nHost: events\r\n\r\n";
const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";

fn event(number: usize) -> String {
    format!("id: {number}\ndata: a part of the answer\n\n")
}

/// A whole response.
fn response() -> String {
    HEAD.to_owned() + &(0..50).map(event).collect::<String>()
}

/// Bytes up to the middle of an event.
fn middle() -> usize {
    HEAD.len() + event(0).len() * 3 + 7
}

/// A server that streams events, one write for each.
fn events() -> TcpServer {
    TcpServer::start(|mut stream| {
        let mut lines = BufReader::new(stream.try_clone().expect("a second handle")).lines();
        while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
        let events = (0..50).map(event);
        let _ = [HEAD.to_owned()]
            .into_iter()
            .chain(events)
            .try_for_each(|part| stream.write_all(part.as_bytes()));
    })
}

/// Sends a request, and returns the first `len` bytes of the response.
fn begin(mut client: &TcpStream, len: usize) -> String {
    client.write_all(REQUEST).expect("the proxy reads");
    let mut begun = vec![0; len];
    client.read_exact(&mut begun).expect("the response begins");
    String::from_utf8(begun).expect("it is text")
}

/// Asserts that nothing follows for a while.
fn assert_stalled(mut client: &TcpStream) {
    client.set_read_timeout(Some(ms(300))).expect("not zero");
    let read = client.read(&mut [0]).map_err(|error| error.kind());
    assert!(matches!(read, Err(ErrorKind::WouldBlock | ErrorKind::TimedOut)), "{read:?}");
    client.set_read_timeout(Some(PATIENCE)).expect("not zero");
}

fn rest(mut client: &TcpStream) -> (String, Result<(), ErrorKind>) {
    let mut rest = Vec::new();
    let end = client.read_to_end(&mut rest).map(drop).map_err(|error| error.kind());
    (String::from_utf8(rest).expect("it is text"), end)
}

#[test]
fn a_response_stalls_in_its_middle_and_goes_on_without_the_fault() {
    for data_path in ["copy", "splice"] {
        let (far_end, api) = (events(), Api::with(&["--data-path", data_path]));
        let addr = create(&api, "events", far_end.addr());
        let fault = json!({"type": "blackhole", "name": "stall", "attributes": {"after_bytes": middle()}});
        let added = api.post("/proxies/events/toxics", &fault);
        assert_eq!(added["stream"], "downstream");
        let client = connect(addr);
        let begun = begin(&client, middle());
        assert_stalled(&client);
        api.delete("/proxies/events/toxics/stall");
        let (rest, end) = rest(&client);
        assert_eq!((begun + &rest, end), (response(), Ok(())), "{data_path}");
    }
}

#[test]
fn an_http_client_has_the_status_and_waits_for_the_body() {
    let far_end = events();
    let bytes = middle().to_string();
    let proxy = Proxy::with(far_end.addr(), &["--with-blackhole", "--blackhole-after-bytes", &bytes]);
    let agent =
        Agent::config_builder().timeout_recv_response(Some(PATIENCE)).timeout_recv_body(Some(ms(500)));
    let agent = agent.build().new_agent();
    let mut response = agent.get(format!("http://{}/events", proxy.addr)).call().expect("it begins");
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut lines = BufReader::new(response.body_mut().as_reader()).lines();
    let begun: Vec<_> = lines.by_ref().map_while(Result::ok).collect();
    assert!(begun.len() >= 9 && begun[6] == "id: 2", "{begun:?}");
    drop(lines);
}

#[test]
fn the_first_byte_passes_and_the_clock_of_a_timeout_starts() {
    for (fault, end) in [("timeout", Ok(())), ("reset", Err(ErrorKind::ConnectionReset))] {
        let far_end = events();
        let options = [format!("--with-{fault}"), format!("--{fault}-at"), format!("--{fault}-after")];
        let proxy =
            Proxy::with(far_end.addr(), &[&options[0], &options[1], "first-byte", &options[2], "400ms"]);
        let client = proxy.connect();
        // Longer than the time: the clock does not start with the session.
        std::thread::sleep(ms(600));
        let started = Instant::now();
        assert_eq!(begin(&client, 1), "H", "{fault}");
        assert_eq!(rest(&client), (String::new(), end), "{fault}");
        assert!(started.elapsed() >= ms(400), "{fault}");
    }
}

#[test]
fn a_reset_comes_behind_the_last_byte_on_either_data_path_and_through_tls() {
    let (far_end, certificates) = (events(), Certificates::generate());
    let (_tls, port) = tls_before(far_end.addr(), &certificates);
    let bytes = middle().to_string();
    let reset = ["--with-reset", "--reset-side", "client", "--reset-after-bytes", &bytes];
    let splice = ["--data-path", "splice"];
    let tls = ["--upstream-ca", utf8(certificates.ca_file())];
    for (upstream, options) in [
        (far_end.addr().to_string(), &[][..]),
        (far_end.addr().to_string(), &splice),
        (format!("tls://localhost:{port}"), &tls),
    ] {
        let proxy = Proxy::with(&upstream, &[&reset, options].concat());
        let client = proxy.connect();
        (&client).write_all(REQUEST).expect("the proxy reads");
        let expected = response()[..middle()].to_owned();
        assert_eq!(rest(&client), (expected, Err(ErrorKind::ConnectionReset)), "{upstream}");
    }
}

/// An upstream that responds with a greeting, and tells how many bytes it has when nothing comes for a while.
#[test]
fn a_reset_of_responses_does_not_wait_for_an_upload_that_the_upstream_does_not_read() {
    const BEFORE: usize = 64 << 10;
    let (release, released) = mpsc::channel::<()>();
    let released = std::sync::Mutex::new(released);
    let far_end = TcpServer::start(move |mut stream| {
        // It responds once the upload is stalled, and reads nothing.
        std::thread::sleep(Duration::from_secs(1));
        let _ = stream.write_all(&vec![b'r'; 2 * BEFORE]);
        let _ = released.lock().expect("no holder panics").recv();
    });
    let proxy = Proxy::with(far_end.addr(), &["--with-reset", "--reset-after-bytes", "64KiB"]);
    let mut client = proxy.connect();
    let mut upload = client.try_clone().expect("a second handle");
    let uploading = std::thread::spawn(move || while upload.write_all(&[b'u'; 64 << 10]).is_ok() {});
    let (began, mut received) = (Instant::now(), Vec::new());
    // The system reports the reset to the upload or to the reader.
    let _ = client.read_to_end(&mut received);
    assert_eq!(received.len(), BEFORE);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    drop(release);
    uploading.join().expect("it ends with the connection");
}

#[test]
fn all_bytes_before_a_reset_arrive_although_the_sockets_hold_megabytes() {
    const BEFORE: usize = 5 << 20;
    let far_end = TcpServer::start(|mut stream| {
        let _ = stream.write_all(&vec![b'r'; 4 * BEFORE]);
    });
    for data_path in ["copy", "splice"] {
        let options = ["--with-reset", "--reset-after-bytes", "5MiB", "--data-path", data_path];
        let proxy = Proxy::with(far_end.addr(), &options);
        for _ in 0..10 {
            let mut client = proxy.connect();
            let mut received = Vec::new();
            let ended = client.read_to_end(&mut received).map_err(|error| error.kind());
            assert_eq!((received.len(), ended), (BEFORE, Err(ErrorKind::ConnectionReset)), "{data_path}");
        }
    }
}

fn counter() -> (TcpServer, Receiver<usize>) {
    let (count, counts) = mpsc::channel();
    let far_end = TcpServer::start(move |mut stream| {
        stream.write_all(b"hello").expect("the proxy reads");
        stream.set_read_timeout(Some(Duration::from_secs(1))).expect("not zero");
        let (mut bytes, mut buffer) = (0, [0; 4096]);
        while let Ok(len @ 1..) = stream.read(&mut buffer) {
            bytes += len;
        }
        count.send(bytes).ok();
    });
    (far_end, counts)
}

#[test]
fn requests_stall_in_their_middle_and_responses_pass() {
    let (far_end, counts) = counter();
    let options = ["--with-blackhole", "--blackhole-direction", "egress", "--blackhole-after-bytes", "10001"];
    let proxy = Proxy::with(far_end.addr(), &options);
    let mut client = proxy.connect();
    for _ in 0..30 {
        client.write_all(&[b'x'; 1000]).expect("the proxy reads");
    }
    client.read_exact(&mut [0; 5]).expect("a greeting");
    assert_eq!(counts.recv_timeout(PATIENCE), Ok(10_001));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let mapping = format!("{}=localhost:1", free_port());
    for (options, problem) in [
        (
            ["--blackhole-after-bytes", "5", "--blackhole-at", "first-byte"],
            "is given with --blackhole-after-bytes",
        ),
        (
            ["--blackhole-after-bytes", "0", "--blackhole-mode", "stall"],
            "--blackhole-after-bytes: is 0: leave it out",
        ),
        (
            ["--blackhole-at", "noon", "--blackhole-mode", "stall"],
            "\"noon\" is not a moment: use before-forward, after-forward, first-byte,",
        ),
    ] {
        let ended = run(&[&["check", "--proxy", &mapping, "--with-blackhole"][..], &options].concat());
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(problem), "{problem}: {}", ended.stderr);
    }
}
