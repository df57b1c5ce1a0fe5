//! NATS servers with routes among them.

use std::{
    io::{BufRead, BufReader, ErrorKind, Write},
    net::TcpStream,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use super::{NatsServer, local, nats_server};
use crate::ports::free_port;

const ROUTES_TIMEOUT: Duration = Duration::from_secs(60);

/// Servers that route messages to each other.
#[derive(Debug)]
pub struct NatsCluster {
    /// The servers. Each can be killed and paused separately.
    pub nodes: Vec<NatsServer>,
}

impl NatsCluster {
    /// Starts `count` servers with [`nats_server`] and waits until all of them are connected to each other.
    pub fn start(count: usize) -> Self {
        Self::start_with(&nats_server(), count)
    }

    /// Starts `count` servers with this nats-server and waits until all of them are connected to each other.
    pub fn start_with(program: &Path, count: usize) -> Self {
        let ports: Vec<u16> = (0..count).map(|_| free_port()).collect();
        // A node connects to those before it only. If two connect to each other at the same time, each may close the route that the
        // other keeps, as a duplicate, and never connect again.
        let nodes: Vec<NatsServer> = ports
            .iter()
            .enumerate()
            .map(|(place, &port)| {
                let listen = local(port);
                let before = ports[..place].iter();
                let routes: Vec<_> = before.map(|&port| format!("\"nats://{}\"", local(port))).collect();
                let routes = routes.join(", ");
                let cluster =
                    format!("cluster {{ name: testkit, listen: \"{listen}\", routes: [{routes}] }}");
                NatsServer::spawn(program, &cluster)
            })
            .collect();
        for node in &nodes {
            node.wait_until_accepting(&mut node.process());
        }
        let cluster = Self { nodes };
        cluster.wait_until_routed();
        cluster
    }

    /// Returns the URLs of the nodes, separated by commas.
    pub fn urls(&self) -> String {
        self.nodes.iter().map(NatsServer::url).collect::<Vec<_>>().join(",")
    }

    /// Waits until messages that are published at any node reach subscribers at all other nodes. All nodes
    /// must be running.
    ///
    /// # Panics
    ///
    /// Panics if that takes longer than a minute.
    pub fn wait_until_routed(&self) {
        let deadline = Instant::now() + ROUTES_TIMEOUT;
        for (place, to) in self.nodes.iter().enumerate() {
            for from in
                self.nodes.iter().enumerate().filter(|(other, _)| *other != place).map(|(_, node)| node)
            {
                wait_for_route(from, to, deadline);
            }
        }
    }
}

/// Waits until messages pass between the servers. The number of routes is not a criterion: newer servers have several
/// routes to each other, and distribute accounts over them.
fn wait_for_route(from: &NatsServer, to: &NatsServer, deadline: Instant) {
    let mut subscriber = connect(to);
    subscriber.write_all(b"SUB testkit.route 1\r\n").expect("the server takes subscriptions");
    subscriber.set_read_timeout(Some(Duration::from_millis(50))).expect("the timeout is not zero");
    let mut publisher = connect(from);
    let mut received = BufReader::new(subscriber);
    let mut line = String::new();
    loop {
        publisher.write_all(b"PUB testkit.route 0\r\n\r\n").expect("the server takes messages");
        match received.read_line(&mut line) {
            Ok(0) => panic!("{} closed the connection", to.url()),
            Ok(_) if line.starts_with("MSG testkit.route ") => return,
            Ok(_) => line.clear(),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => panic!("cannot read from {}: {error}", to.url()),
        }
        assert!(Instant::now() < deadline, "no message arrived from {} at {}", from.url(), to.url());
        thread::sleep(Duration::from_millis(5));
    }
}

fn connect(node: &NatsServer) -> TcpStream {
    let mut stream = TcpStream::connect(node.addr()).expect("the node accepts");
    stream.write_all(b"CONNECT {\"verbose\":false,\"pedantic\":false}\r\n").expect("the node reads");
    stream
}
