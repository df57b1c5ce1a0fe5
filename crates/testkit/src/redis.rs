//! A Redis server.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};
use tempfile::TempDir;

use crate::{
    ports::free_port,
    process::{ServerProcess, Stop, require},
};

/// A Redis server on 127.0.0.1 that keeps nothing on disk.
#[derive(Debug)]
pub struct Redis {
    process: ServerProcess,
    port: u16,
}

impl Redis {
    /// Starts a server and waits until it answers PING.
    pub fn start() -> Self {
        let port = free_port();
        let number = port.to_string();
        let args = ["--port", &number, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
        let directory = TempDir::new().expect("the temporary directory is writable");
        let program = require("redis-server", "redis-server");
        let mut process = ServerProcess::spawn(directory, &program, &args, Stop::Kill);
        process.wait_until(|| answers_ping(SocketAddr::from((Ipv4Addr::LOCALHOST, port))));
        Self { process, port }
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The server's processes, for accounting.
    pub fn pids(&self) -> Vec<u32> {
        self.process.pids()
    }

    /// What Redis has reported so far.
    pub fn output(&self) -> String {
        self.process.output()
    }
}

fn answers_ping(server: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect_timeout(&server, Duration::from_secs(1)) else { return false };
    let mut reply = [0; 7];
    stream.set_read_timeout(Some(Duration::from_secs(1))).is_ok()
        && stream.write_all(b"PING\r\n").is_ok()
        && stream.read_exact(&mut reply).is_ok()
        && reply == *b"+PONG\r\n"
}
