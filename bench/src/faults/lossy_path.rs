//! A path on which the kernel itself loses packets: three network namespaces in a row.
//!
//! `client` and `server` are connected through `middle`, which delays every packet by half the round-trip
//! time ([`delay_line`]). nftables at the server drops packets of requests at random. Offloading is disabled,
//! so that a packet is not larger than a segment and each drop loses one segment. The TCP of the client is
//! Reno if the kernel has it, which is the algorithm that Mathis et al. model.

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use socket2::{Domain, Socket, Type};
use testkit::packages;

use super::super::load::PATIENCE;
use super::delay_line::{self, DelayLine};
use super::namespace::Namespace;
use super::path::listen;

const SERVER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 231, 2, 2), 5001);

/// The path. Dropping the value removes all its namespaces.
#[derive(Debug)]
pub(super) struct LossyPath {
    pub(super) listener: TcpListener,
    _delay_line: DelayLine,
    client: Namespace,
    middle: Namespace,
    _server: Namespace,
}

/// Installs the programs that a lossy path needs.
///
/// # Errors
/// Returns an error that states what this machine lacks.
pub(super) fn prepare() -> Result<()> {
    ensure!(rustix::process::geteuid().is_root(), "network namespaces need root");
    packages::install_missing(packages::LOSSY_PATH)
}

impl LossyPath {
    /// Creates a path that loses `per_mille` of the packets to the server.
    pub(super) fn make(round_trip: Duration, per_mille: u16) -> Result<Self> {
        let client = Namespace::create("client")?;
        let middle = Namespace::create("middle")?;
        let server = Namespace::create("server")?;
        join(&client, &middle, 1)?;
        join(&server, &middle, 2)?;
        let delay_line = DelayLine::start(&middle, ["to1", "to2"], round_trip / 2)?;
        for end in [&client, &server] {
            // The timestamp option would take 12 bytes of each segment.
            end.enter(|| Ok(fs::write("/proc/sys/net/ipv4/tcp_timestamps", "0")?))
                .context("cannot turn TCP timestamps off")?;
        }
        server.run("nft add table ip loss")?;
        server.run("nft add chain ip loss in { type filter hook input priority 0 ; }")?;
        server.run(&format!(
            "nft add rule ip loss in tcp dport {} numgen random mod 1000 < {per_mille} drop",
            SERVER.port()
        ))?;
        let listener = server.enter(|| Ok(listen(SERVER.into())?))?;
        Ok(Self { listener, _delay_line: delay_line, client, middle, _server: server })
    }

    pub(super) fn connect(&self) -> Result<TcpStream> {
        self.client.enter(|| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
            // Without Reno, the kernel's default is used.
            socket.set_tcp_congestion(b"reno").ok();
            socket
                .connect_timeout(&SERVER.into(), PATIENCE)
                .context("cannot connect through the lossy path")?;
            Ok(socket.into())
        })
    }

    /// Returns the shortest time of several TCP handshakes.
    pub(super) fn round_trip(&self) -> Result<Duration> {
        let mut shortest = Duration::MAX;
        for _ in 0..5 {
            let begin = Instant::now();
            drop(self.connect()?);
            shortest = shortest.min(begin.elapsed());
        }
        Ok(shortest)
    }

    /// Returns the number of packets lost in `middle` in addition to the configured losses.
    pub(super) fn further_losses(&self) -> Result<u64> {
        delay_line::overflowed(&self.middle)
    }
}

/// Returns the name of the congestion control of a connection.
pub(super) fn congestion_control(stream: &TcpStream) -> Result<String> {
    let name = socket2::SockRef::from(stream).tcp_congestion()?;
    Ok(String::from_utf8_lossy(&name).trim_end_matches('\0').to_owned())
}

/// Connects `end` with the address 10.231.`net`.2 to `middle` with the address 10.231.`net`.1, which uses the
/// interface `to<net>`.
fn join(end: &Namespace, middle: &Namespace, net: u8) -> Result<()> {
    let (here, there) = ("eth0".to_owned(), format!("to{net}"));
    end.ip(&format!("link add {here} type veth peer name {there} netns {}", middle.name()))?;
    for (namespace, interface, host) in [(end, &here, 2), (middle, &there, 1)] {
        namespace.ip(&format!("address add 10.231.{net}.{host}/24 dev {interface}"))?;
        namespace.ip(&format!("link set {interface} up"))?;
        namespace.run(&format!("ethtool -K {interface} tx off tso off gso off gro off"))?;
    }
    end.ip(&format!("route add default via 10.231.{net}.1"))
}
