//! Delays all packets that pass a namespace by a fixed time, because not all kernels have netem.
//!
//! Routing rules of the namespace deliver the packets of its two interfaces to the namespace itself. A raw
//! socket reads the packets and sends them on unchanged after the delay. The kernel does not have a socket
//! for these packets and responds with resets, which a filter drops.

use std::fs;
use std::io::{self, Read as _};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use socket2::{Domain, Protocol, Socket, Type};

use super::namespace::Namespace;

/// A running delay line. Dropping the value stops it.
#[derive(Debug)]
pub(super) struct DelayLine {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// A packet and the time to forward it.
type Held = (Instant, Vec<u8>);

/// Maximum number of held packets, which is more than a flow has in flight.
const HELD_PACKETS: usize = 100_000;
const RECEIVE_BUFFER: usize = 4 << 20;
const MAX_PACKET: usize = 1 << 16;
/// Interval at which the reader checks whether it must end.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

impl DelayLine {
    /// Delays TCP packets between `interfaces` of `namespace` in both directions.
    pub(super) fn start(namespace: &Namespace, interfaces: [&str; 2], delay: Duration) -> Result<Self> {
        for interface in interfaces {
            namespace.ip(&format!("rule add iif {interface} lookup 100"))?;
        }
        namespace.ip("route add local default dev lo table 100")?;
        namespace.run("nft add table ip delay")?;
        namespace.run("nft add chain ip delay out { type filter hook output priority 0 ; }")?;
        namespace.run("nft add rule ip delay out tcp flags & rst == rst drop")?;
        let socket = Arc::new(namespace.enter(|| raw_socket().context("cannot open a raw socket"))?);
        let stop = Arc::new(AtomicBool::new(false));
        let (hold, held) = sync_channel(HELD_PACKETS);
        let reader = {
            let (socket, stop) = (Arc::clone(&socket), Arc::clone(&stop));
            thread::spawn(move || read(&socket, delay, &hold, &stop))
        };
        let writer = thread::spawn(move || write(&socket, &held));
        Ok(Self { stop, threads: vec![reader, writer] })
    }
}

/// Returns the number of packets that `namespace` lost because its delay line was too slow.
pub(super) fn overflowed(namespace: &Namespace) -> Result<u64> {
    let sockets = namespace.enter(|| Ok(fs::read_to_string("/proc/thread-self/net/raw")?))?;
    Ok(drops(&sockets))
}

/// Returns the sum of the last column without its header.
fn drops(sockets: &str) -> u64 {
    sockets.lines().skip(1).filter_map(|line| line.split_whitespace().last()?.parse::<u64>().ok()).sum()
}

impl Drop for DelayLine {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().ok();
        }
    }
}

fn raw_socket() -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::TCP))?;
    socket.set_header_included_v4(true)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.set_read_timeout(Some(POLL_INTERVAL))?;
    Ok(socket)
}

fn read(mut socket: &Socket, delay: Duration, hold: &SyncSender<Held>, stop: &AtomicBool) {
    let mut buffer = vec![0; MAX_PACKET];
    while !stop.load(Ordering::Relaxed) {
        // The other error is a timeout of the read.
        let Ok(read) = socket.read(&mut buffer) else { continue };
        if hold.send((Instant::now() + delay, buffer[..read].to_vec())).is_err() {
            return;
        }
    }
}

fn write(socket: &Socket, held: &Receiver<Held>) {
    for (due, packet) in held {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if let Some(destination) = destination(&packet) {
            // A packet that cannot be sent is lost, as on any path.
            socket.send_to(&packet, &SocketAddrV4::new(destination, 0).into()).ok();
        }
    }
}

/// Returns the destination of an IPv4 packet (RFC 791, section 3.1).
fn destination(packet: &[u8]) -> Option<Ipv4Addr> {
    let octets: [u8; 4] = packet.get(16..20)?.try_into().ok()?;
    Some(octets.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_packets_are_the_last_column() {
        let sockets = "  sl  local_address rem_address st tx_queue rx_queue inode ref pointer drops\n\
              6: 00000000:0006 00000000:0000 07 00000000:00000000 4711 2 0000000000000000 12\n\
             17: 00000000:0006 00000000:0000 07 00000000:00000000 4712 2 0000000000000000 5\n";
        assert_eq!(drops(sockets), 17);
    }

    #[test]
    fn the_destination_of_a_packet_is_where_its_header_says() {
        let mut packet = [0; 40];
        packet[12..20].copy_from_slice(&[10, 0, 0, 1, 192, 0, 2, 7]);
        assert_eq!(destination(&packet), Some(Ipv4Addr::new(192, 0, 2, 7)));
        assert_eq!(destination(&packet[..19]), None);
    }
}
