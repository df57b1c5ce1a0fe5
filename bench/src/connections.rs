//! Short connections: connect, send one byte back and forth, close.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use socket2::{Domain, Socket, Type};

use super::far_end::ECHO;
use super::load::prepare;
use super::peers::{Peer, PeerKind, SETTLE_TIME};
use super::report::Target;
use super::rounds::Comparison;
use super::scale::Scale;

/// Result of one measurement of short connections.
#[derive(Debug, Default)]
pub(super) struct Rate {
    /// Connections per second that succeeded.
    pub(super) per_second: f64,
    /// Number of connections that failed.
    pub(super) errors: f64,
    /// Processor time of the proxy per successful connection, in microseconds. `None` without a proxy.
    pub(super) cpu_micros: Option<f64>,
}

/// Source ports of the load. The system does not assign these ports (it assigns ports from 32768), so the
/// load and the connections of the proxy to the far end do not take ports from each other.
const SOURCE_PORTS: std::ops::Range<u16> = 10_000..32_000;

/// `cpu_goal` is the maximum processor time of a connection through fault-proxy, as a multiple of nginx's.
pub(super) fn run(comparison: &Comparison<'_>, scale: &Scale, cpu_goal: Option<f64>) -> Result<Vec<Target>> {
    let mut rows = Vec::new();
    let mut targets = Vec::new();
    for (case, workers) in [("1 worker", 1), ("16 workers", 16)] {
        let labels = ["connections/s", "CPU µs/connection", "errors"].map(|label| format!("{case}, {label}"));
        let [per_second, cpu, errors] =
            comparison.measured(case, scale.rounds, labels.each_ref().map(String::as_str), |peer| {
                let rate = rate(peer, workers, scale.connecting);
                Ok([Some(rate.per_second), rate.cpu_micros, Some(rate.errors)])
            })?;
        targets.push(Target::at_least(&per_second, "nginx", per_second.value(PeerKind::Nginx)));
        if let Some(goal) = cpu_goal {
            targets.push(Target::at_most(
                &cpu,
                &format!("{goal} × nginx"),
                goal * cpu.value(PeerKind::Nginx),
            ));
        }
        rows.extend([per_second, cpu, errors.summed()]);
    }
    comparison.print("Short connections", &rows);
    Ok(targets)
}

/// Opens connections for `duration`. Each worker opens one after the other.
pub(super) fn rate(peer: &Peer, workers: u8, duration: Duration) -> Rate {
    let (begin, cpu_before) = (Instant::now(), peer.cpu_seconds());
    let counts: Vec<(u32, u32)> = thread::scope(|scope| {
        let workers: Vec<_> = (1..=workers)
            .map(|worker| scope.spawn(move || connect_until(peer, worker, begin + duration)))
            .collect();
        workers.into_iter().map(|worker| worker.join().expect("a worker only counts")).collect()
    });
    let seconds = begin.elapsed().as_secs_f64();
    let (connections, errors) =
        counts.into_iter().fold((0, 0), |total, count| (total.0 + count.0, total.1 + count.1));
    // The proxy closes the last sessions after their clients.
    thread::sleep(SETTLE_TIME);
    let cpu = peer.cpu_seconds().zip(cpu_before).map(|(after, before)| after - before);
    Rate {
        per_second: f64::from(connections) / seconds,
        errors: f64::from(errors),
        cpu_micros: cpu.map(|cpu| cpu / f64::from(connections) * 1e6),
    }
}

/// Returns the numbers of connections that succeeded and that failed.
fn connect_until(peer: &Peer, worker: u8, end: Instant) -> (u32, u32) {
    let (mut connections, mut errors) = (0, 0);
    let mut sources = sources(worker);
    while Instant::now() < end {
        let source = sources.next().expect("there are millions of sources");
        match connect_from(source, peer.addr()).and_then(|stream| prepare(stream, ECHO)) {
            Ok(_) => connections += 1,
            // A listener of this machine uses the port on all addresses.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => {
                eprintln!("{}: {error}", peer.kind());
                errors += 1;
            }
        }
    }
    (connections, errors)
}

/// Returns source addresses that only this worker uses, so that they do not collide with connections in
/// TIME_WAIT.
fn sources(worker: u8) -> impl Iterator<Item = SocketAddr> {
    (1..=u8::MAX).flat_map(move |host| {
        SOURCE_PORTS.map(move |port| (Ipv4Addr::new(127, 0, worker, host), port).into())
    })
}

fn connect_from(source: SocketAddr, target: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&source.into())?;
    socket.connect(&target.into())?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_connections_of_a_measurement_share_a_source() {
        let sources: Vec<_> = [1, 16].into_iter().flat_map(|worker| sources(worker).take(50_000)).collect();
        assert_eq!(sources.iter().collect::<HashSet<_>>().len(), sources.len());
        assert!(sources.iter().all(|source| source.ip().is_loopback() && source.port() < 32_768));
    }
}
