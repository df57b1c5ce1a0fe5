//! What ends badly on one side ends badly on the other, and is never taken for an end of file.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Command, Stdio},
    sync::{
        Arc, Barrier, Mutex,
        mpsc::{self, Receiver},
    },
    thread,
    time::Duration,
};

use crate::support::{PATIENCE, Proxy, ending, eventually, fill, round_trip, run, utf8};
use socket2::{Domain, Socket, Type};
use testkit::{Certificates, Pattern, TcpServer, abort, free_port, open_descriptors, require};

/// An upstream that greets, then reads until its client ends, and tells how that was.
fn witness(greeting: &'static [u8]) -> (TcpServer, Receiver<Result<(), ErrorKind>>) {
    let (outcome, outcomes) = mpsc::channel();
    let far_end = TcpServer::start(move |mut stream| {
        stream.write_all(greeting).expect("the proxy has just connected");
        outcome.send(ending(&stream)).ok();
    });
    (far_end, outcomes)
}

fn greeted(proxy: &Proxy, greeting: &[u8]) -> TcpStream {
    let mut stream = proxy.connect();
    let mut got = vec![0; greeting.len()];
    stream.read_exact(&mut got).expect("the upstream greets");
    assert_eq!(got, greeting);
    stream
}

/// Connects without sending data. Returns how the connection ends.
fn visit(proxy: &Proxy) -> Result<(), ErrorKind> {
    TcpStream::connect(proxy.addr).map_err(|error| error.kind()).and_then(|stream| {
        stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
        ending(&stream)
    })
}

#[test]
fn a_client_that_aborts_is_no_end_of_file_to_the_upstream() {
    for data_path in ["copy", "splice"] {
        let (far_end, outcome) = witness(b"hello");
        let proxy = Proxy::with(far_end.addr(), &["--data-path", data_path]);
        abort(greeted(&proxy, b"hello"));
        assert_eq!(outcome.recv_timeout(PATIENCE).unwrap(), Err(ErrorKind::ConnectionReset), "{data_path}");
        let line = proxy.wait_for_line("session ended");
        assert!(line.ends_with("client=aborted upstream=cut"), "{line}");
    }
}

#[test]
fn an_upstream_that_aborts_is_no_end_of_file_to_the_client() {
    static ANSWER: [u8; 100_000] = [7; 100_000];
    for data_path in ["copy", "splice"] {
        let far_end = TcpServer::start(|mut stream| {
            stream.write_all(&ANSWER).expect("the proxy reads");
            // The client confirms that it has the complete response, so that only the abort follows.
            stream.read_exact(&mut [0]).expect("the client confirms");
            abort(stream);
        });
        let proxy = Proxy::with(far_end.addr(), &["--data-path", data_path]);
        let mut stream = greeted(&proxy, &ANSWER);
        stream.write_all(b"!").unwrap();
        assert_eq!(ending(&stream), Err(ErrorKind::ConnectionReset), "{data_path}");
        let line = proxy.wait_for_line("session ended");
        assert!(line.ends_with("client=cut upstream=aborted"), "{line}");
    }
}

#[test]
fn an_upstream_that_aborts_during_an_upload_is_no_end_of_file_to_the_client() {
    for (data_path, last_words) in
        [("copy", ""), ("copy", "too much"), ("splice", ""), ("splice", "too much")]
    {
        let (give_up, told_to_give_up) = mpsc::channel();
        let told_to_give_up = Mutex::new(told_to_give_up);
        let far_end = TcpServer::start(move |mut stream| {
            told_to_give_up.lock().expect("the only client").recv_timeout(PATIENCE).expect("told");
            stream.write_all(last_words.as_bytes()).expect("the proxy is connected");
            abort(stream);
        });
        let proxy = Proxy::with(far_end.addr(), &["--data-path", data_path]);
        let mut client = proxy.connect();
        fill(&client, &Pattern::new(6));
        give_up.send(()).unwrap();
        let mut heard = Vec::new();
        let end = client.read_to_end(&mut heard).map_err(|error| error.kind());
        assert_eq!(end, Err(ErrorKind::ConnectionReset), "{data_path}, {last_words:?}");
        assert_eq!(heard, last_words.as_bytes(), "{data_path}");
    }
}

#[test]
fn a_client_that_aborts_is_noticed_although_its_upstream_does_not_read() {
    for data_path in ["copy", "splice"] {
        let gate = Arc::new(Barrier::new(2));
        let (outcome, outcomes) = mpsc::channel();
        let far_end = {
            let gate = Arc::clone(&gate);
            TcpServer::start(move |stream| {
                gate.wait();
                outcome.send(ending(&stream)).ok();
            })
        };
        let proxy = Proxy::with(far_end.addr(), &["--data-path", data_path]);
        let client = proxy.connect();
        fill(&client, &Pattern::new(6));
        abort(client);
        let line = proxy.wait_for_line("session ended");
        assert!(line.ends_with("client=aborted upstream=cut"), "{line}");
        gate.wait();
        assert_eq!(outcomes.recv_timeout(PATIENCE).unwrap(), Err(ErrorKind::ConnectionReset), "{data_path}");
    }
}

#[test]
fn aborts_go_both_ways_over_tls() {
    let certificates = Certificates::generate();
    let over_tls = |upstream| {
        let (cert, key) = (utf8(certificates.server_cert()), utf8(certificates.server_key()));
        let listener = Proxy::with(upstream, &["--tls-cert", cert, "--tls-key", key]);
        let connector = Proxy::with(
            format!("tls://localhost:{}", listener.port()),
            &["--upstream-ca", utf8(certificates.ca_file())],
        );
        (listener, connector)
    };

    let (far_end, outcome) = witness(b"hello");
    let (_listener, proxy) = over_tls(far_end.addr());
    abort(greeted(&proxy, b"hello"));
    assert_eq!(outcome.recv_timeout(PATIENCE).unwrap(), Err(ErrorKind::ConnectionReset));

    let far_end = TcpServer::start(|mut stream| {
        stream.read_exact(&mut [0]).expect("the client says something");
        abort(stream);
    });
    let (_listener, proxy) = over_tls(far_end.addr());
    let mut client = proxy.connect();
    client.write_all(b"!").unwrap();
    assert_eq!(ending(&client), Err(ErrorKind::ConnectionReset));
}

#[test]
fn a_client_killed_during_its_upload_aborts_the_upstream() {
    let (started, starts) = mpsc::channel();
    let (outcome, outcomes) = mpsc::channel();
    let far_end = TcpServer::start(move |mut stream| {
        stream.write_all(b"go\nleft unread").expect("the proxy has just connected");
        stream.read_exact(&mut vec![0; 1 << 20]).expect("the upload begins");
        started.send(()).ok();
        outcome.send(ending(&stream)).ok();
    });
    let proxy = Proxy::to(far_end.addr());
    let before = open_descriptors(proxy.pid());
    // The kernel sends an RST for a dead process with unread data. `read` does not read beyond the first line.
    let upload =
        format!("exec 3<>/dev/tcp/127.0.0.1/{} && read -r line <&3 && exec cat /dev/zero >&3", proxy.port());
    let mut client = Command::new(require("bash", "bash"))
        .args(["-c", &upload])
        .stdin(Stdio::null())
        .spawn()
        .expect("bash is executable");
    let uploading = starts.recv_timeout(PATIENCE);
    client.kill().unwrap();
    client.wait().unwrap();
    uploading.expect("the upload begins");
    assert_eq!(outcomes.recv_timeout(PATIENCE).unwrap(), Err(ErrorKind::ConnectionReset));
    eventually("its sockets are closed", || open_descriptors(proxy.pid()) <= before);
}

#[test]
fn a_refused_upstream_closes_the_client_and_is_tried_again_for_the_next() {
    let upstream = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let proxy = Proxy::to(format!("localhost:{}", upstream.port()));
    assert_eq!(visit(&proxy), Ok(()));
    let line = proxy.wait_for_line("client closed, no upstream");
    let reason = format!("cannot connect to localhost:{}", upstream.port());
    assert!(line.contains(&reason) && line.contains("Connection refused"), "{line}");
    assert_eq!(proxy.count("session.id=1"), 1, "one line a failed session: {}", proxy.stderr());

    let listener = TcpListener::bind(upstream).unwrap();
    thread::spawn(move || {
        let (stream, _) = listener.accept().expect("the proxy connects");
        io::copy(&mut &stream, &mut &stream)
    });
    round_trip(&proxy.connect(), b"up again").unwrap();
}

#[test]
fn an_unknown_host_closes_the_client_and_the_proxy_goes_on() {
    let proxy = Proxy::to("nowhere.invalid:80");
    for visits in 1..=2 {
        assert_eq!(visit(&proxy), Ok(()));
        eventually("each visit is logged", || proxy.count("client closed, no upstream") == visits);
    }
    let line = proxy.wait_for_line("client closed, no upstream");
    assert!(line.contains("nowhere.invalid"), "{line}");
}

#[test]
fn an_upstream_that_does_not_answer_is_given_up_at_the_time_out() {
    // Without `accept`, this listener queues one connection and ignores all further ones.
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let upstream = listener.local_addr().unwrap().as_socket().unwrap();
    let mut queue = Vec::new();
    eventually("the queue is full", || {
        TcpStream::connect_timeout(&upstream, Duration::from_millis(300))
            .map(|stream| queue.push(stream))
            .is_err()
    });

    let proxy = Proxy::with(upstream, &["--connect-timeout", "500ms"]);
    assert_eq!(visit(&proxy), Ok(()));
    let line = proxy.wait_for_line("client closed, no upstream");
    assert!(line.contains(&format!("no connection to {upstream} within 0.5s")), "{line}");
}

#[test]
fn an_upstream_that_resets_at_once_is_a_reset_for_the_client() {
    let far_end = TcpServer::reset_on_connect();
    let proxy = Proxy::to(far_end.addr());
    assert_eq!(visit(&proxy), Err(ErrorKind::ConnectionReset));
}

#[test]
fn a_port_in_use_ends_the_run_and_is_named_with_its_mapping() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let free = free_port();
    let mapping = format!("{port}=localhost:80");
    let ended = run(&["run", "--proxy", &format!("{free}=localhost:80"), "--proxy", &mapping]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let complaint = format!("cannot listen on 127.0.0.1:{port} for --proxy {mapping}");
    assert!(ended.stderr.contains(&complaint) && ended.stderr.contains("in use"), "{}", ended.stderr);
}
