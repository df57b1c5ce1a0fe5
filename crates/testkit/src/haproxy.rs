//! A HAProxy server.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
};
use tempfile::TempDir;

use crate::{
    certs::Certificates,
    process::{ServerProcess, Stop, require},
};

/// A running HAProxy.
#[derive(Debug)]
pub struct Haproxy {
    process: ServerProcess,
}

impl Haproxy {
    /// Starts HAProxy with this configuration and waits until `ready` accepts connections.
    pub fn start(config: &str, ready: SocketAddr) -> Self {
        Self::start_in(new_directory(), config, ready)
    }

    /// Starts HAProxy in front of PostgreSQL, to add the direct TLS of PostgreSQL 17. It listens on
    /// 127.0.0.1:`listen` and forwards cleartext to 127.0.0.1:`postgres`. Like PostgreSQL 17, it refuses
    /// clients that do not request the protocol `postgresql` by ALPN.
    pub fn pg_direct_tls(certificates: &Certificates, listen: u16, postgres: u16) -> Self {
        let directory = new_directory();
        let pem = directory.path().join("server.pem");
        let parts = [certificates.server_cert(), certificates.server_key()]
            .map(|file| fs::read_to_string(file).expect("the certificates exist"));
        fs::write(&pem, parts.concat()).expect("the directory is ours");
        let config = format!(
            "defaults\n\
             \x20 mode tcp\n\
             \x20 timeout connect 10s\n\
             \x20 timeout client 1h\n\
             \x20 timeout server 1h\n\
             listen postgresql\n\
             \x20 bind 127.0.0.1:{listen} ssl crt {} alpn postgresql\n\
             \x20 tcp-request session reject unless {{ ssl_fc_alpn -m str postgresql }}\n\
             \x20 server postgresql 127.0.0.1:{postgres}\n",
            pem.display()
        );
        Self::start_in(directory, &config, SocketAddr::from((Ipv4Addr::LOCALHOST, listen)))
    }

    fn start_in(directory: TempDir, config: &str, ready: SocketAddr) -> Self {
        fs::write(directory.path().join("haproxy.cfg"), config).expect("the directory is ours");
        let program = require("haproxy", "haproxy");
        let args = ["-db", "-f", "haproxy.cfg"];
        let mut process = ServerProcess::spawn(directory, &program, &args, Stop::Kill);
        process.wait_until_accepting(ready);
        Self { process }
    }

    /// Returns the ids of HAProxy's processes, to measure their resource usage.
    pub fn pids(&self) -> Vec<u32> {
        self.process.pids()
    }

    /// Returns what HAProxy has reported so far.
    pub fn output(&self) -> String {
        self.process.output()
    }
}

fn new_directory() -> TempDir {
    TempDir::new().expect("the temporary directory is writable")
}
