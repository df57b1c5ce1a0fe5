//! Redis servers and clusters.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};
use tempfile::TempDir;

use crate::{
    ports::free_port,
    process::{ServerProcess, Stop, require},
    session::{eventually, patient},
};

/// A Redis server on 127.0.0.1 that does not store data on disk.
#[derive(Debug)]
pub struct Redis {
    process: ServerProcess,
    port: u16,
}

impl Redis {
    /// Starts a server and waits until it responds to PING.
    pub fn start() -> Self {
        Self::start_on(free_port(), &[])
    }

    /// Starts a server on this port with additional options.
    fn start_on(port: u16, options: &[&str]) -> Self {
        let number = port.to_string();
        let args = ["--port", &number, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
        let args = [&args[..], options].concat();
        let directory = TempDir::new().expect("the temporary directory is writable");
        let program = require("redis-server", "redis-server");
        let mut process = ServerProcess::spawn(directory, &program, &args, Stop::Kill);
        process.wait_until(|| answers_ping(SocketAddr::from((Ipv4Addr::LOCALHOST, port))));
        Self { process, port }
    }

    /// Returns the port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the process ids of the server, to measure their resource usage.
    pub fn pids(&self) -> Vec<u32> {
        self.process.pids()
    }

    /// Returns what Redis has reported so far.
    pub fn output(&self) -> String {
        self.process.output()
    }
}

/// A cluster of two nodes on 127.0.0.1. The first one has the slots 0 to 8191.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: [Redis; 2],
}

impl RedisCluster {
    /// Starts the nodes on these ports, and waits until each knows the slots of the other. Clients are redirected to `announced`.
    ///
    /// # Panics
    ///
    /// Panics if a node refuses its slots or the other node.
    pub fn start(ports: [u16; 2], announced: [u16; 2]) -> Self {
        let buses = [free_port(), free_port()];
        let node = |index: usize| {
            let [bus, announced] = [buses[index], announced[index]].map(|port| port.to_string());
            let options =
                ["--cluster-enabled", "yes", "--cluster-port", &bus, "--cluster-announce-port", &announced];
            Redis::start_on(ports[index], &options)
        };
        let cluster = Self { nodes: [node(0), node(1)] };
        let [first, second] = ports;
        assert_eq!(call(first, "CLUSTER ADDSLOTSRANGE 0 8191"), "+OK");
        assert_eq!(call(second, "CLUSTER ADDSLOTSRANGE 8192 16383"), "+OK");
        // Nodes with the same epoch would first have to agree on a new one.
        assert_eq!(call(second, "CLUSTER SET-CONFIG-EPOCH 2"), "+OK");
        assert_eq!(call(second, &format!("CLUSTER MEET 127.0.0.1 {first} {}", buses[0])), "+OK");
        // The slot of `foo` belongs to the second node, and the slot of `bar` to the first. An incomplete
        // cluster returns another error.
        let redirects = |port, key| call(port, &format!("GET {key}")).starts_with("-MOVED");
        eventually("the nodes know each other", || redirects(first, "foo") && redirects(second, "bar"));
        cluster
    }

    /// Returns the nodes.
    pub fn nodes(&self) -> &[Redis; 2] {
        &self.nodes
    }
}

/// Returns the first line of the reply to an inline command.
fn call(port: u16, command: &str) -> String {
    let mut stream = patient(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("the server listens"));
    stream.write_all(format!("{command}\r\n").as_bytes()).expect("the server reads");
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).expect("the server replies");
    line.trim_end().to_owned()
}

fn answers_ping(server: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect_timeout(&server, Duration::from_secs(1)) else { return false };
    let mut reply = [0; 7];
    stream.set_read_timeout(Some(Duration::from_secs(1))).is_ok()
        && stream.write_all(b"PING\r\n").is_ok()
        && stream.read_exact(&mut reply).is_ok()
        && reply == *b"+PONG\r\n"
}
