//! A test of a service that has fault-proxy in front of its upstream: a guard starts the program, a fault is switched on and off
//! over HTTP, and the program ends with the guard. Wants fault-proxy at `FAULT_PROXY_PROGRAM`, or on the path.
#![allow(clippy::print_stdout, reason = "it shows what it does")]

use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// fault-proxy with one proxy; ends when it is dropped.
struct FaultProxy {
    process: Child,
    control: String,
    /// Where the service under test is to connect.
    addr: SocketAddr,
}

impl FaultProxy {
    fn before(upstream: SocketAddr) -> io::Result<Self> {
        let program = env::var_os("FAULT_PROXY_PROGRAM").unwrap_or_else(|| "fault-proxy".into());
        let mut process = Command::new(program)
            .args(["run", "--control", "127.0.0.1:0"])
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        let mut log = BufReader::new(process.stderr.take().expect("it is piped"));
        let mut line = String::new();
        let control = loop {
            line.clear();
            if log.read_line(&mut line)? == 0 {
                return Err(io::Error::other("fault-proxy ended"));
            }
            if let Some((_, rest)) = line.split_once("control API on http://") {
                break rest.split_whitespace().next().unwrap_or_default().to_owned();
            }
        };
        // so that it never waits for a reader
        thread::spawn(move || io::copy(&mut log, &mut io::sink()));
        let mut proxy = Self { process, control, addr: upstream };
        let spec = format!(r#"{{"name": "cache", "listen": "127.0.0.1:0", "upstream": "{upstream}"}}"#);
        let made = proxy.ask("POST", "/proxies", &spec)?;
        let listen = made.split(r#""listen":""#).nth(1).and_then(|rest| rest.split('"').next());
        proxy.addr = listen.unwrap_or_default().parse().map_err(io::Error::other)?;
        Ok(proxy)
    }

    /// Adds a fault; it acts on open connections too. Any HTTP client does.
    fn add(&self, name: &'static str, kind: &str, attributes: &str) -> io::Result<Fault<'_>> {
        let fault = format!(r#"{{"name": "{name}", "type": "{kind}", "attributes": {attributes}}}"#);
        self.ask("POST", "/proxies/cache/toxics", &fault)?;
        Ok(Fault { proxy: self, name })
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(&self.control)?;
        let (host, len) = (&self.control, body.len());
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len}\r\n")?;
        write!(stream, "Connection: close\r\n\r\n{body}")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        if answer.starts_with("HTTP/1.1 2") { Ok(answer) } else { Err(io::Error::other(answer)) }
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// On until it is dropped.
struct Fault<'a> {
    proxy: &'a FaultProxy,
    name: &'static str,
}

impl Drop for Fault<'_> {
    fn drop(&mut self) {
        self.proxy.ask("DELETE", &format!("/proxies/cache/toxics/{}", self.name), "").ok();
    }
}

fn main() -> io::Result<()> {
    let upstream = TcpListener::bind("127.0.0.1:0")?;
    let proxy = FaultProxy::before(upstream.local_addr()?)?;
    thread::spawn(move || {
        for stream in upstream.incoming().flatten() {
            io::copy(&mut &stream, &mut &stream).ok();
        }
    });

    let mut client = TcpStream::connect(proxy.addr)?;
    let mut round_trip = || {
        let started = Instant::now();
        client.write_all(b"hello")?;
        client.read_exact(&mut [0; 5])?;
        io::Result::Ok(started.elapsed())
    };
    round_trip()?;
    let slow = proxy.add("slow", "latency", r#"{"latency": 200}"#)?;
    let took = round_trip()?;
    println!("with 200 ms of latency: {took:?}");
    assert!(took >= Duration::from_millis(200));
    drop(slow);
    println!("without: {:?}", round_trip()?);
    Ok(())
}
