//! Code that tests and benchmarks share: guards of real servers, certificates, byte patterns and small TCP
//! servers.
//!
//! All functions block and use threads, so that tests and measurements do not depend on a runtime of this
//! crate. They panic with a message that describes the problem. They do not skip tests: a program that is not
//! installed is a failure.
//!
//! | module | content |
//! |---|---|
//! | [`packages`] | the Debian packages that tests and benchmarks need |
//! | [`ports`] | a free TCP port |
//! | [`process`] | finding a program, and the guard of a running server |
//! | [`postgres`], [`redis`], [`nginx`], [`haproxy`] | those servers, on free ports |
//! | [`nats`] | NATS servers and clusters, which can be killed, restarted and paused |
//! | [`certs`] | certificate authorities and signed certificates, as PEM files |
//! | [`pattern`] | a byte stream in which each byte shows its offset |
//! | [`session`] | what both ends of a session send and receive |
//! | [`tcp_server`] | small TCP servers on threads |
//! | [`api`] | calls to a control API |
//! | [`daemon`] | the programs of this project, with their output |
//! | [`clients`] | directories of client libraries and tools |
//! | [`service_manager`] | the notifications that systemd would receive |
//! | [`pipelines`] | random sessions of pipelined requests, with the expected responses |
//! | [`pipes`] | pipes that do not accept data |
//! | [`manual`] | the commands that the documentation shows |
//! | [`packaging`] | the arguments with which compose file and manifests start programs |
//! | [`usage`] | memory, processor time and descriptors of a process |
//!
//! ```
//! use std::{io::{Read, Write}, net::{Shutdown, TcpStream}};
//!
//! let upstream = testkit::TcpServer::echo();
//! let mut client = TcpStream::connect(upstream.addr()).expect("the server listens");
//! client.write_all(b"there and back").expect("the server reads");
//! client.shutdown(Shutdown::Write).expect("the client is connected");
//! let mut reply = String::new();
//! client.read_to_string(&mut reply).expect("the server answers");
//! assert_eq!(reply, "there and back");
//! ```

pub mod api;
pub mod certs;
pub mod clients;
pub mod daemon;
pub mod defaults;
pub mod haproxy;
pub mod manual;
pub mod nats;
pub mod nginx;
pub mod packages;
pub mod packaging;
pub mod pattern;
pub mod pipelines;
pub mod pipes;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod redis;
pub mod service_manager;
pub mod session;
pub mod tcp_server;
pub mod usage;

pub use api::Api;
pub use certs::Certificates;
pub use daemon::Daemon;
pub use haproxy::Haproxy;
pub use nats::{NatsCluster, NatsServer, nats_server, nats_servers};
pub use nginx::Nginx;
pub use pattern::Pattern;
pub use ports::{free_addr, free_port};
pub use postgres::{Postgres, psql};
pub use process::{ServerProcess, Stop, require};
pub use redis::{Redis, RedisCluster};
pub use rustix::process::Signal;
pub use service_manager::ServiceManager;
pub use tcp_server::{TcpServer, abort};
pub use usage::{cpu_seconds, open_descriptors, resident_bytes, threads};
