//! Resets, as both ends of a session see them on the wire.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    sync::mpsc::{self, Receiver},
    time::Instant,
};

use crate::fault_support::{Scheduled, ms};
use crate::support::{PATIENCE, Proxy, ending, eventually, receive, round_trip, tls_before, utf8};
use testkit::{Certificates, Pattern, TcpServer};

type End = Result<(), ErrorKind>;
const RESET: End = Err(ErrorKind::ConnectionReset);

/// An upstream that echoes eight bytes at a time, and tells how its sessions end.
fn witness() -> (TcpServer, Receiver<End>) {
    let (outcome, outcomes) = mpsc::channel();
    let far_end = TcpServer::start(move |mut stream| {
        let mut bytes = [0; 8];
        let end = loop {
            match stream.read_exact(&mut bytes).and_then(|()| stream.write_all(&bytes)) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => break Ok(()),
                Err(error) => break Err(error.kind()),
            }
        };
        outcome.send(end).ok();
    });
    (far_end, outcomes)
}

fn open(proxy: &Proxy) -> TcpStream {
    let client = proxy.connect();
    round_trip(&client, b"are you?").expect("it is not reset yet");
    client
}

#[test]
fn each_side_is_reset_or_ends_cleanly_as_asked() {
    for (sides, at_client, at_upstream) in [
        (None, RESET, RESET),
        (Some("both"), RESET, RESET),
        (Some("client"), RESET, Ok(())),
        (Some("server"), Ok(()), RESET),
    ] {
        let (far_end, outcomes) = witness();
        let mut options = vec!["--with-reset", "--reset-after", "300ms"];
        options.extend(sides.iter().flat_map(|side| ["--reset-side", side]));
        let proxy = Proxy::with(far_end.addr(), &options);
        let started = Instant::now();
        let client = open(&proxy);
        let ends = (ending(&client), outcomes.recv_timeout(PATIENCE).unwrap());
        assert_eq!(ends, (at_client, at_upstream), "{sides:?}: {}", proxy.stderr());
        assert!(started.elapsed() >= ms(300), "{sides:?}");
    }
}

#[test]
fn a_schedule_resets_all_live_sessions_and_new_ones_while_it_is_on() {
    const SESSIONS: usize = 20;
    let (far_end, outcomes) = witness();
    let scheduled =
        Scheduled::with(far_end.addr(), &["--with-reset", "--reset-sched", "start:1500ms,duration:2s"]);
    let clients: Vec<_> = (0..SESSIONS).map(|_| open(&scheduled.proxy)).collect();
    for client in &clients {
        assert_eq!(ending(client), RESET);
        assert_eq!(outcomes.recv_timeout(PATIENCE).unwrap(), RESET);
    }
    assert!(!scheduled.is_before(Instant::now(), ms(1500)));
    assert_eq!(ending(&scheduled.proxy.connect()), RESET, "a new session");
    assert!(scheduled.is_before(Instant::now(), ms(3500)), "the sessions that were silent are reset at once");
    scheduled.sleep_until(ms(3600));
    open(&scheduled.proxy);
}

#[test]
fn a_reset_after_some_bytes_comes_behind_them() {
    let (far_end, outcomes) = witness();
    let proxy = Proxy::with(
        far_end.addr(),
        &[
            "--with-reset",
            "--reset-after-bytes",
            "80",
            "--reset-direction",
            "egress",
            "--reset-side",
            "client",
        ],
    );
    let client = proxy.connect();
    for _ in 0..9 {
        round_trip(&client, b"72 pass.").unwrap();
    }
    (&client).write_all(b"the last").unwrap();
    let mut last = Vec::new();
    let end = (&client).read_to_end(&mut last).map_err(|error| error.kind());
    assert_eq!((last.as_slice(), end), (&b"the last"[..], Err(ErrorKind::ConnectionReset)));
    assert_eq!(outcomes.recv_timeout(PATIENCE).unwrap(), Ok(()));
}

#[test]
fn what_comes_before_a_reset_is_what_was_sent() {
    let (ended, ends) = mpsc::channel();
    let far_end = TcpServer::start(move |mut stream| {
        let (pattern, mut bytes, mut sent) = (Pattern::new(7), [0; 10_000], 0);
        let end = loop {
            pattern.fill(sent, &mut bytes);
            match stream.write_all(&bytes) {
                Ok(()) => sent += bytes.len() as u64,
                Err(error) => break error.kind(),
            }
        };
        ended.send(end).ok();
    });
    let proxy = Proxy::with(far_end.addr(), &["--with-reset", "--reset-after-bytes", "1MB"]);
    let client = proxy.connect();
    assert_eq!(receive(&client, &Pattern::new(7), 0).unwrap_err().kind(), ErrorKind::ConnectionReset);
    let end = ends.recv_timeout(PATIENCE).unwrap();
    assert!([ErrorKind::ConnectionReset, ErrorKind::BrokenPipe].contains(&end), "{end}");
}

#[test]
fn a_session_that_was_busy_and_is_silent_is_reset_on_either_data_path() {
    for data_path in ["copy", "splice"] {
        let (ended, ends) = mpsc::channel();
        let far_end = TcpServer::start(move |mut stream| {
            let mut block = vec![0; 1 << 20];
            (0..32).try_for_each(|_| stream.write_all(&block)).expect("the client reads");
            ended.send(stream.read(&mut block).map(drop).map_err(|error| error.kind())).ok();
        });
        let scheduled = Scheduled::with(
            far_end.addr(),
            &["--data-path", data_path, "--with-reset", "--reset-sched", "start:2s"],
        );
        let mut client = scheduled.proxy.connect();
        client.read_exact(&mut vec![0; 32 << 20]).unwrap();
        assert_eq!((ending(&client), ends.recv_timeout(PATIENCE).unwrap()), (RESET, RESET), "{data_path}");
        assert!(!scheduled.is_before(Instant::now(), ms(2000)), "{data_path}");
    }
}

#[test]
fn a_client_of_an_upstream_over_tls_is_reset() {
    let certificates = Certificates::generate();
    let (far_end, _outcomes) = witness();
    let (_tls, port) = tls_before(far_end.addr(), &certificates);
    let ca = ["--upstream-ca", utf8(certificates.ca_file())];
    let reset = ["--with-reset", "--reset-after", "500ms"];
    let proxy = Proxy::with(format!("tls://localhost:{port}"), &[&ca[..], &reset].concat());
    assert_eq!(ending(&open(&proxy)), RESET);
}

#[test]
fn a_probability_spares_some_sessions() {
    let (far_end, _outcomes) = witness();
    let proxy = Proxy::with(far_end.addr(), &["--with-reset", "--reset-probability", "50%"]);
    let spared = (0..40).filter(|_| round_trip(&proxy.connect(), b"am I on?").is_ok()).count();
    assert!((6..=34).contains(&spared), "{spared} of 40");
    eventually("the reset sessions are logged", || proxy.count("session ended") + spared >= 40);
}
