//! A test of a service that has fault-proxy in front of its upstream: a guard starts the program, guards switch faults on and off,
//! and the program ends with its guard. It requires fault-proxy at `FAULT_PROXY_BIN`, or on the path.
#![allow(clippy::print_stdout, reason = "it shows what it does")]

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use fault_proxy_testing::{FaultProxy, json};

fn main() -> Result<(), Box<dyn Error>> {
    let upstream = TcpListener::bind("127.0.0.1:0")?;
    let faults = FaultProxy::start()?;
    let cache = faults.proxy("cache", upstream.local_addr()?)?;
    thread::spawn(move || {
        for stream in upstream.incoming().flatten() {
            io::copy(&mut &stream, &mut &stream).ok();
        }
    });

    let mut client = TcpStream::connect(cache.addr())?;
    let mut round_trip = || {
        let started = Instant::now();
        client.write_all(b"hello")?;
        client.read_exact(&mut [0; 5])?;
        io::Result::Ok(started.elapsed())
    };
    round_trip()?;
    let slow = cache.fault("latency", json!({"mean": "200ms"}))?;
    let took = round_trip()?;
    println!("with 200 ms of latency: {took:?}");
    assert!(took >= Duration::from_millis(200));
    drop(slow);
    println!("without: {:?}", round_trip()?);
    Ok(())
}
