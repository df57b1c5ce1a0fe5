//! The measured peers. Each is a path to a far end, directly or through a proxy.

use std::env;
use std::fmt;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use testkit::{Certificates, Daemon, Haproxy, Nginx, free_addr};

use super::dist_directory;
use super::far_end::Version;

/// Time for all processes of a proxy to start after it accepts connections.
pub(super) const SETTLE_TIME: Duration = Duration::from_millis(200);

/// The peers, in the order of measurements and of columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PeerKind {
    Direct,
    Ours,
    OursSplice,
    Haproxy,
    Nginx,
}

impl PeerKind {
    pub(super) const ALL: [PeerKind; 5] =
        [PeerKind::Direct, PeerKind::Ours, PeerKind::OursSplice, PeerKind::Haproxy, PeerKind::Nginx];
}

impl fmt::Display for PeerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PeerKind::Direct => "direct",
            PeerKind::Ours => "ours",
            PeerKind::OursSplice => "ours (splice)",
            PeerKind::Haproxy => "HAProxy",
            PeerKind::Nginx => "nginx",
        })
    }
}

/// A running path to a separate far end. Dropping the value stops it.
#[derive(Debug)]
pub(super) struct Peer {
    kind: PeerKind,
    addr: SocketAddr,
    proxy: Proxy,
    _far_end: Daemon,
}

#[derive(Debug)]
enum Proxy {
    None,
    Ours(Daemon),
    Haproxy(Haproxy),
    Nginx(Nginx),
}

impl Peer {
    pub(super) fn start(kind: PeerKind) -> Result<Self> {
        let (far_end, far_end_addr) = start_far_end(&[])?;
        let addr = free_addr();
        let (addr, proxy) = match kind {
            PeerKind::Direct => (far_end_addr, Proxy::None),
            PeerKind::Ours => (addr, Proxy::Ours(start_ours(addr, far_end_addr, "")?)),
            PeerKind::OursSplice => {
                (addr, Proxy::Ours(start_ours(addr, far_end_addr, "--data-path splice")?))
            }
            PeerKind::Haproxy => {
                (addr, Proxy::Haproxy(Haproxy::start(&haproxy_configuration(addr, far_end_addr, ""), addr)))
            }
            PeerKind::Nginx => {
                (addr, Proxy::Nginx(Nginx::start(&nginx_configuration(addr, far_end_addr, ""), addr)))
            }
        };
        thread::sleep(SETTLE_TIME);
        Ok(Self { kind, addr, proxy, _far_end: far_end })
    }

    /// Starts a proxy that uses this version of TLS to the far end.
    pub(super) fn start_tls(kind: PeerKind, version: Version, certificates: &Certificates) -> Result<Self> {
        let [ca, cert, key] =
            [certificates.ca_file(), certificates.server_cert(), certificates.server_key()].map(utf8);
        let version_flag = version.to_string();
        let (far_end, far_end_addr) = start_far_end(&["--tls", &version_flag, "--cert", cert, "--key", key])?;
        let (addr, port) = (free_addr(), far_end_addr.port());
        let proxy = match kind {
            PeerKind::Haproxy => {
                let tls = format!(
                    " ssl verify required ca-file {ca} sni str(localhost) verifyhost localhost \
                     ssl-min-ver TLSv{version} ssl-max-ver TLSv{version}"
                );
                Proxy::Haproxy(Haproxy::start(&haproxy_configuration(addr, far_end_addr, &tls), addr))
            }
            PeerKind::Nginx => {
                let tls = format!(
                    "proxy_ssl on; proxy_ssl_protocols TLSv{version}; proxy_ssl_verify on;
        proxy_ssl_trusted_certificate {ca}; proxy_ssl_name localhost; proxy_ssl_server_name on;"
                );
                Proxy::Nginx(Nginx::start(&nginx_configuration(addr, far_end_addr, &tls), addr))
            }
            PeerKind::Ours => {
                let upstream = format!("tls://localhost:{port}");
                Proxy::Ours(start_ours(addr, &upstream, &format!("--upstream-ca {ca}"))?)
            }
            PeerKind::Direct | PeerKind::OursSplice => bail!("{kind} does not support TLS"),
        };
        thread::sleep(SETTLE_TIME);
        Ok(Self { kind, addr, proxy, _far_end: far_end })
    }

    /// Starts fault-proxy with these flags, separated by spaces.
    pub(super) fn ours(flags: &str) -> Result<Self> {
        let (far_end, far_end_addr) = start_far_end(&[])?;
        let addr = free_addr();
        let proxy = Proxy::Ours(start_ours(addr, far_end_addr, flags)?);
        thread::sleep(SETTLE_TIME);
        Ok(Self { kind: PeerKind::Ours, addr, proxy, _far_end: far_end })
    }

    pub(super) fn kind(&self) -> PeerKind {
        self.kind
    }

    /// Returns the address that the load connects to.
    pub(super) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns the processor time of the proxy so far, in seconds. `None` without a proxy.
    pub(super) fn cpu_seconds(&self) -> Option<f64> {
        let pids = self.pids();
        (!pids.is_empty()).then(|| testkit::cpu_seconds(&pids))
    }

    /// Returns the resident memory of the proxy in bytes. `None` without a proxy.
    pub(super) fn resident_bytes(&self) -> Option<f64> {
        let pids = self.pids();
        (!pids.is_empty()).then(|| pids.iter().map(|&pid| testkit::resident_bytes(pid)).sum::<u64>() as f64)
    }

    /// Returns the process ids of the proxy.
    pub(super) fn pids(&self) -> Vec<u32> {
        match &self.proxy {
            Proxy::None => Vec::new(),
            Proxy::Ours(daemon) => vec![daemon.pid()],
            Proxy::Haproxy(haproxy) => haproxy.pids(),
            Proxy::Nginx(nginx) => nginx.pids(),
        }
    }
}

pub(super) fn start_far_end(flags: &[&str]) -> Result<(Daemon, SocketAddr)> {
    let this = env::current_exe().context("cannot find this program")?;
    let far_end = Daemon::spawn(&this, &[&["far-end"], flags].concat(), &[]);
    let line = far_end.wait_for_line("listening on ");
    let addr = line.rsplit(' ').next().and_then(|addr| addr.trim().parse().ok());
    Ok((far_end, addr.with_context(|| format!("the far end said {line:?}"))?))
}

/// Returns a path for a command line.
fn utf8(path: &Path) -> &str {
    path.to_str().expect("temporary files have UTF-8 names")
}

/// Starts fault-proxy from `addr` to `far_end` with these flags, separated by spaces. Waits until it listens.
pub(super) fn start_ours(addr: SocketAddr, far_end: impl fmt::Display, flags: &str) -> Result<Daemon> {
    let program = dist_directory()?.join("fault-proxy");
    let mapping = format!("{addr}={far_end}");
    let mut args = vec!["run", "--proxy", &mapping, "--log-level", "warn"];
    args.extend(flags.split_whitespace());
    let daemon = Daemon::spawn(&program, &args, &[]);
    let deadline = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(addr).is_err() {
        ensure!(Instant::now() < deadline, "{args:?} does not listen on {addr}: {}", daemon.stderr());
        thread::sleep(Duration::from_millis(10));
    }
    Ok(daemon)
}

/// Returns the configuration. `maxconn` and `maxpipes` allow 9,000 sessions with 20,000 descriptors.
fn haproxy_configuration(addr: SocketAddr, far_end: SocketAddr, tls: &str) -> String {
    format!(
        "global
    maxconn 9500
    maxpipes 400
defaults
    mode tcp
    option splice-auto
    timeout connect 10s
    timeout client 4h
    timeout server 4h
listen bench
    bind {addr}
    server far-end {far_end}{tls}
"
    )
}

fn nginx_configuration(addr: SocketAddr, far_end: SocketAddr, tls: &str) -> String {
    format!(
        "worker_processes 2;
worker_rlimit_nofile 20000;
events {{ worker_connections 20000; }}
stream {{
    access_log off;
    server {{
        listen {addr};
        proxy_timeout 4h;
        proxy_half_close on;
        proxy_pass {far_end};
        {tls}
    }}
}}
"
    )
}
