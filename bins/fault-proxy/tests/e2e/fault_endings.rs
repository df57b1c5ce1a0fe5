//! Faults that end sessions without a reset: timeout, slow close, a limit of data.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    sync::{
        Mutex,
        mpsc::{self, Receiver},
    },
    thread,
    time::Instant,
};

use crate::fault_support::{Scheduled, ms, timed};
use crate::support::{PATIENCE, Proxy, ending, round_trip};
use testkit::{Pattern, TcpServer};

/// An upstream that sends `reply`, and tells all it gets.
fn listener(reply: Vec<u8>) -> (TcpServer, Receiver<io::Result<Vec<u8>>>) {
    let (outcome, outcomes) = mpsc::channel();
    let far_end = TcpServer::start(move |mut stream| {
        stream.write_all(&reply).ok();
        let mut heard = Vec::new();
        outcome.send(stream.read_to_end(&mut heard).map(|_| heard)).ok();
    });
    (far_end, outcomes)
}

fn pattern(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    Pattern::new(11).fill(0, &mut bytes);
    bytes
}

fn read_to_end(mut stream: &TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).map(|_| bytes)
}

#[test]
fn a_timeout_lets_nothing_pass_and_closes_both_ends_when_it_is_over() {
    let (far_end, outcomes) = listener(b"a reply".into());
    let proxy = Proxy::with(far_end.addr(), &["--with-timeout", "--timeout-after", "700ms"]);
    let (heard, took) = timed(|| {
        let mut client = proxy.connect();
        client.write_all(b"a request").unwrap();
        read_to_end(&client).expect("a clean end")
    });
    assert_eq!((heard.as_slice(), took >= ms(700)), (&b""[..], true), "{took:?}");
    assert_eq!(outcomes.recv_timeout(PATIENCE).unwrap().expect("a clean end"), b"");
}

#[test]
fn a_timeout_that_is_switched_on_ends_live_sessions() {
    let far_end = TcpServer::echo();
    let scheduled = Scheduled::with(
        far_end.addr(),
        &["--with-timeout", "--timeout-after", "500ms", "--timeout-sched", "start:1s"],
    );
    let client = scheduled.proxy.connect();
    round_trip(&client, b"alive").unwrap();
    assert_eq!(ending(&client), Ok(()));
    assert!(!scheduled.is_before(Instant::now(), ms(1500)));
}

#[test]
fn a_timeout_without_a_time_never_closes() {
    let (far_end, _outcomes) = listener(b"a reply".into());
    let proxy = Proxy::with(far_end.addr(), &["--with-timeout"]);
    let mut client = proxy.connect();
    client.set_read_timeout(Some(ms(1000))).unwrap();
    let silence = client.read(&mut [0]).unwrap_err().kind();
    assert!([io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut].contains(&silence), "{silence}");
}

#[test]
fn a_slow_close_delays_the_end_and_not_the_bytes() {
    let far_end = TcpServer::start(|mut stream| {
        stream.write_all(b"all of it").ok();
        stream.shutdown(Shutdown::Write).ok();
        ending(&stream).ok();
    });
    let proxy = Proxy::with(far_end.addr(), &["--with-slow-close", "--slow-close-delay", "2s"]);
    let mut client = proxy.connect();
    let mut reply = [0; 9];
    client.read_exact(&mut reply).unwrap();
    let (rest, took) = timed(|| read_to_end(&client).expect("a clean end"));
    assert_eq!((&reply, rest.as_slice()), (b"all of it", &b""[..]));
    assert!(took >= ms(500), "the bytes were held too: the end came {took:?} after them");
}

#[test]
fn a_slow_close_delays_a_clients_half_close() {
    let far_end = TcpServer::reply_after_eof();
    let options = ["--with-slow-close", "--slow-close-delay", "500ms", "--slow-close-side", "client"];
    let proxy = Proxy::with(far_end.addr(), &[&options[..], &["--slow-close-direction", "ingress"]].concat());
    let client = proxy.connect();
    let (reply, took) = timed(|| {
        client.shutdown(Shutdown::Write).unwrap();
        read_to_end(&client).expect("a clean end")
    });
    assert_eq!(reply, TcpServer::REPLY_PREFIX);
    assert!(took >= ms(500), "{took:?}");
}

#[test]
fn a_limit_of_replies_is_exact_and_ends_both_sides() {
    let whole = pattern(20_000);
    let (far_end, outcomes) = listener(whole.clone());
    let options = ["--with-limit-data", "--limit-data-bytes", "5000", "--limit-data-direction", "ingress"];
    let proxy = Proxy::with(far_end.addr(), &options);
    assert_eq!(read_to_end(&proxy.connect()).expect("a clean end"), whole[..5000]);
    assert_eq!(outcomes.recv_timeout(PATIENCE).unwrap().expect("a clean end"), b"");
}

#[test]
fn a_limit_of_requests_is_exact_and_ends_both_sides() {
    let whole = pattern(20_000);
    let (far_end, outcomes) = listener(Vec::new());
    let options = ["--with-limit-data", "--limit-data-bytes", "5000", "--limit-data-side", "client"];
    let proxy = Proxy::with(far_end.addr(), &[&options[..], &["--limit-data-direction", "ingress"]].concat());
    let mut client = proxy.connect();
    client.write_all(&whole).unwrap();
    let heard = outcomes.recv_timeout(PATIENCE).unwrap().expect("a clean end");
    assert_eq!(heard, whole[..5000]);
    assert_eq!(read_to_end(&client).expect("a clean end"), b"");
}

#[test]
fn a_limit_is_exact_although_much_more_is_on_its_way() {
    let whole = pattern(20_000_000);
    let (far_end, _outcomes) = listener(whole.clone());
    let options = ["--with-limit-data", "--limit-data-bytes", "100000"];
    let replies =
        Proxy::with(far_end.addr(), &[&options[..], &["--limit-data-direction", "ingress"]].concat());
    let reply = read_to_end(&replies.connect()).expect("a clean end");
    assert!(reply == whole[..100_000], "{} bytes", reply.len());

    let (far_end, outcomes) = listener(Vec::new());
    let of_requests = ["--limit-data-side", "client", "--limit-data-direction", "ingress"];
    let requests = Proxy::with(far_end.addr(), &[&options[..], &of_requests].concat());
    // It may not get rid of all of it.
    requests.connect().write_all(&whole).ok();
    let heard = outcomes.recv_timeout(PATIENCE).unwrap().expect("a clean end");
    assert!(heard == whole[..100_000], "{} bytes", heard.len());
}

#[test]
fn peers_that_still_send_when_a_fault_closes_read_everything_and_an_end() {
    const LEN: usize = 1 << 20;
    let (outcome, outcomes) = mpsc::channel();
    // It sends twice as much as it may, and reads only then.
    let far_end = TcpServer::start(move |mut stream| {
        stream.read_exact(&mut [0]).ok();
        stream.write_all(&pattern(2 * LEN)).ok();
        outcome.send(io::copy(&mut stream, &mut io::sink())).ok();
    });
    let bytes = LEN.to_string();
    let limit = ["--with-limit-data", "--limit-data-bytes", &bytes, "--limit-data-direction", "ingress"];
    let timeout = ["--with-timeout", "--timeout-after", "1ms", "--timeout-after-bytes", &bytes];
    let whole = pattern(LEN);
    for options in [&limit[..], &timeout] {
        let proxy = Proxy::with(far_end.addr(), options);
        for round in 0..100 {
            let client = proxy.connect();
            let (mut uploading, upload) = (client.try_clone().expect("a socket"), whole.clone());
            uploading.write_all(b"x").expect("it is open");
            let uploading = thread::spawn(move || uploading.write_all(&upload));
            if round % 10 == 0 {
                thread::sleep(ms(100));
            }
            let heard = read_to_end(&client).expect("a clean end");
            assert!(heard == whole, "{options:?}, round {round}: {} bytes", heard.len());
            uploading.join().expect("no panic").expect("what is sent behind the end is discarded");
            drop(client);
            outcomes.recv_timeout(PATIENCE).unwrap().expect("a clean end");
        }
    }
}

#[test]
fn an_upstream_that_still_sends_when_a_fault_resets_the_client_reads_an_end() {
    let (outcome, outcomes) = mpsc::channel();
    let (reset, resets) = mpsc::channel();
    let resets = Mutex::new(resets);
    let far_end = TcpServer::start(move |mut stream| {
        stream.write_all(b"a reply").ok();
        // The client is reset although this side stays open.
        let is_reset = resets.lock().expect("not poisoned").recv_timeout(PATIENCE);
        let sent = stream.write_all(&pattern(1 << 20));
        let end = stream.read_to_end(&mut Vec::new());
        outcome.send((is_reset.is_ok(), sent.and(end).is_ok())).ok();
    });
    let options = ["--with-reset", "--reset-side", "client", "--reset-after-bytes", "7"];
    let proxy = Proxy::with(far_end.addr(), &options);
    for _ in 0..20 {
        let client = proxy.connect();
        assert_eq!(ending(&client), Err(io::ErrorKind::ConnectionReset));
        reset.send(()).expect("the upstream waits");
        assert_eq!(outcomes.recv_timeout(PATIENCE).expect("an end"), (true, true));
    }
}

#[test]
fn a_session_below_the_limit_is_not_touched() {
    let far_end = TcpServer::reply_after_eof();
    let proxy = Proxy::with(far_end.addr(), &["--with-limit-data", "--limit-data-bytes", "64KiB"]);
    let mut client = proxy.connect();
    client.write_all(&pattern(20_000)).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let reply = read_to_end(&client).unwrap();
    assert_eq!(reply, [TcpServer::REPLY_PREFIX, &pattern(20_000)].concat());
}
