//! Clients of an upstream that cannot be reached: they connect, and then read an end of file, or a reset where that is
//! set.

use std::{
    fs,
    io::{ErrorKind, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::Path,
    process::Command,
    thread,
    time::Duration,
};

use crate::support::api::Api;
use crate::support::{ANY_CONTROL_PORT, BINARY, Proxy, ending, eventually, patient, run, utf8};
use serde_json::json;
use socket2::{Domain, Socket, Type};
use testkit::{Daemon, free_port, require};

/// An upstream that refuses.
fn nobody() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()))
}

/// Connects without blocking, as most runtimes do, and returns what connecting and reading led to.
fn visit(proxy: SocketAddr, request: &[u8]) -> Result<(), ErrorKind> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_nonblocking(true).expect("a socket");
    let _ = socket.connect(&proxy.into());
    // Time for a reset to come before the client looks.
    thread::sleep(Duration::from_millis(2));
    eventually("connected or failed", || {
        socket.peer_addr().is_ok() || socket.take_error().is_ok_and(|error| error.is_some())
    });
    socket.set_nonblocking(false).expect("a socket");
    socket.peer_addr().map_err(|_| ErrorKind::ConnectionReset)?;
    let mut stream = patient(TcpStream::from(socket));
    stream.write_all(request).map_err(|error| error.kind())?;
    ending(&stream)
}

/// Also a client that has sent something reads no reset: not even when it sends after the end.
#[test]
fn a_client_connects_and_reads_the_end() {
    let unresolvable = "nowhere.invalid:9".to_owned();
    for upstream in [nobody().to_string(), unresolvable, format!("https://localhost:{}", free_port())] {
        let proxy = Proxy::to(&upstream);
        for request in [&b""[..], b"GET / HTTP/1.0\r\n\r\n", &[7; 200_000]] {
            for _ in 0..5 {
                assert_eq!(visit(proxy.addr, request), Ok(()), "{upstream}, {} bytes", request.len());
            }
        }
    }
}

#[test]
fn a_client_is_reset_where_the_flag_the_variable_or_the_file_sets_that() {
    let flag = ["--on-upstream-failure", "reset"];
    let proxy = Proxy::with(nobody(), &flag);
    assert_eq!(visit(proxy.addr, b""), Err(ErrorKind::ConnectionReset));
    proxy.wait_for_line("client reset, no upstream");

    let directory = tempfile::tempdir().expect("the temporary directory is writable");
    let file = directory.path().join("run.toml");
    fs::write(&file, "on-upstream-failure = \"reset\"\n").expect("the directory is ours");
    for (args, variable) in
        [(&[][..], ("FAULT_ON_UPSTREAM_FAILURE", "reset")), (&["--config", utf8(&file)], ("FAULT_SEED", "1"))]
    {
        let addr = nobody();
        let mapping = format!("{}={}", addr.port(), nobody());
        let args = [&["run", "--proxy", &mapping][..], args].concat();
        let daemon = Daemon::spawn(Path::new(BINARY), &args, &[ANY_CONTROL_PORT, variable]);
        daemon.wait_for_line("listening on");
        assert_eq!(visit(addr, b""), Err(ErrorKind::ConnectionReset), "{args:?}");
    }
}

#[test]
fn a_misspelt_value_is_an_error_that_names_the_values() {
    let ended = run(&["run", "--proxy", "9000=localhost:9", "--on-upstream-failure", "rst"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("'rst'") && ended.stderr.contains("close, reset"), "{}", ended.stderr);
}

#[test]
fn a_proxy_of_the_control_api_closes_its_clients_too() {
    let api = Api::alone();
    let addr = nobody();
    let listen = addr.to_string();
    api.post("/proxies", &json!({"name": "a", "listen": listen, "upstream": nobody().to_string()}));
    assert_eq!(visit(addr, b"x"), Ok(()));
}

/// A close_notify and an end: a client that checks for truncation is content.
#[test]
fn a_tls_client_reads_a_close_notify() {
    let proxy = Proxy::with(nobody(), &["--tls-self-signed"]);
    let openssl = Command::new(require("openssl", "openssl"))
        .args(["s_client", "-connect", &proxy.addr.to_string(), "-ign_eof"])
        .stdin(std::process::Stdio::null())
        .output()
        .expect("openssl runs");
    let errors = String::from_utf8_lossy(&openssl.stderr).into_owned();
    assert!(!errors.contains("unexpected eof") && !errors.contains("reset"), "{errors}");
    assert!(String::from_utf8_lossy(&openssl.stdout).contains("closed"), "{openssl:?}");
}
