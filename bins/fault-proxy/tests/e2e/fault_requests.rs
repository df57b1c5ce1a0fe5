//! Faults that act on requests, with real servers and clients.

mod bytes;
mod counts;
mod http;
mod psql;
mod redis;

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::path::Path;
use std::process::Command;

use crate::support::{BINARY, printed, run, utf8};
use testkit::{Daemon, Postgres, Redis, TcpServer, clients, free_port, require};

/// A server that responds to each request with its number.
fn counting() -> TcpServer {
    TcpServer::start(|stream| {
        let mut reader = BufReader::new(&stream);
        for number in 1.. {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if reader.read_line(&mut head).map_or(true, |len| len == 0) {
                    return;
                }
            }
            let length = head
                .lines()
                .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            let mut body = vec![0; length.unwrap_or(0)];
            let body_of_response = if head.starts_with("HEAD") { String::new() } else { number.to_string() };
            let response = format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{body_of_response}");
            if reader.read_exact(&mut body).and_then(|()| (&stream).write_all(response.as_bytes())).is_err() {
                return;
            }
        }
    })
}

fn ask(mut client: &std::net::TcpStream, method: &str, path: &str) -> Result<String, ErrorKind> {
    let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    client.write_all(request.as_bytes()).map_err(|error| error.kind())?;
    let mut buffer = [0; 4096];
    let len = client.read(&mut buffer).map_err(|error| error.kind())?;
    Ok(String::from_utf8_lossy(&buffer[..len]).into_owned())
}

const RESPONSES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/python/responses.py");

/// PostgreSQL fails the transaction of a failed statement, and ends that of a failed commit. Redis fails a transaction with a failed command.
const SEEN: &str = "insert ok INTRANS\nupdate 40P01 INERROR\nafter the error 25P02 INERROR\n\
    prepared update 40P01 INERROR\ninsert ok INTRANS\ncommit 40001 IDLE\ninsert ok INTRANS\ncommit ok IDLE\n\
    rows [(2,)]\ndelete 57P01 UNKNOWN\nclosed True\n\
    GET 200 None 1\nPOST 503 2 busy\nHEAD 200 None \nPOST 503 2 busy\nGET 200 None 3\n\
    True ReadOnlyError b'1'\nReadOnlyError\nb'1' None\n";

#[test]
fn clients_see_the_responses_of_the_proxy_as_those_of_the_server() {
    let (postgres, http, redis) = (Postgres::start(), counting(), Redis::start());
    let ports = [(); 3].map(|()| free_port());
    let upstreams = [
        format!("psql://127.0.0.1:{}", postgres.port()),
        format!("http://{}", http.addr()),
        format!("redis://127.0.0.1:{}", redis.port()),
    ];
    let proxies = ports
        .iter()
        .zip(&upstreams)
        .map(|(port, upstream)| format!("[[proxies]]\nproxy = \"{port}={upstream}\"\n"));
    let faults = [
        &[
            r#"on = "update", sqlstate = "40P01""#,
            r#"on = "commit", sqlstate = "40001", times = 1, skip = 1, name = "b""#,
            r#"on = "delete", sqlstate = "57P01", name = "c""#,
        ][..],
        &[r#"on = "POST", status = 503, retry-after = "1.5s", body = "busy""#],
        &[r#"on = "SET session:*", error = "READONLY""#],
    ];
    let faults = faults.map(|faults| {
        faults.iter().map(|fault| format!("{{ type = \"respond\", {fault} }},")).collect::<String>()
    });
    let file: String =
        proxies.zip(&faults).map(|(proxy, faults)| format!("{proxy}faults = [{faults}]\n")).collect();
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("fault-proxy.toml");
    std::fs::write(&path, file).expect("the directory is writable");
    let args = ["run", "--config", utf8(&path), "--control", "off"];
    let daemon = Daemon::spawn(Path::new(BINARY), &args, &[]);
    ports.iter().for_each(|port| drop(daemon.wait_for_line(&format!("listening on 127.0.0.1:{port}"))));
    let mut python = Command::new(require("python3", "python3"));
    python
        .env("PYTHONPATH", clients::python_modules("redis"))
        .arg(RESPONSES)
        .args(ports.map(|port| port.to_string()));
    let seen = printed(&python.output().expect("python is executable"));
    assert_eq!(seen, SEEN);
}

#[test]
fn faults_that_cannot_act_are_refused() {
    for (upstream, args, expected) in [
        ("127.0.0.1:1", "--with-lose-response --lose-response-on commit", "use the scheme psql, psqls, http"),
        (
            "psql://127.0.0.1:1",
            "--with-lose-response --lose-response-on comit",
            "'comit' is not a kind of statement",
        ),
        ("psql://127.0.0.1:1", "--with-lose-response", "--lose-response-on: is required"),
        ("psql://127.0.0.1:1", "--with-reset --reset-at end", "--reset-at: end needs --reset-on"),
        (
            "http://127.0.0.1:1",
            "--with-reset --reset-on GET --reset-rows 1",
            "--reset-rows: counts rows of PostgreSQL",
        ),
        (
            "psql://127.0.0.1:1",
            "--with-reset --reset-on select --reset-direction egress",
            "--reset-direction: does not apply",
        ),
    ] {
        let mapping = format!("{}={upstream}", free_port());
        let args: Vec<_> = ["run", "--proxy", &mapping].into_iter().chain(args.split(' ')).collect();
        let ended = run(&args);
        assert_eq!(ended.code, Some(2), "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(expected), "{args:?}: {}", ended.stderr);
    }
}
