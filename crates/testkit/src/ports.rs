//! Ports for servers that cannot choose a free one, and for proxies that a test disables. The system gives an
//! ephemeral port to another test while nothing listens on it.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

/// First port. The ports are below the ephemeral range of Linux (32768 and up), so that no outgoing
/// connection takes a port before the server does.
const FIRST: u16 = 10_000;
const COUNT: u16 = 20_000;

/// Large, so that test processes with neighboring ids try different ports.
const PROCESS_STRIDE: u32 = 7_919;

/// Returns a free TCP port on 127.0.0.1. Within a process, it returns each port once before it repeats any.
pub fn free_port() -> u16 {
    static ATTEMPTS: AtomicU32 = AtomicU32::new(0);
    let base = process::id().wrapping_mul(PROCESS_STRIDE);
    for _ in 0..COUNT {
        let slot = base.wrapping_add(ATTEMPTS.fetch_add(1, Ordering::Relaxed)) % u32::from(COUNT);
        let port = FIRST + u16::try_from(slot).expect("a slot is below COUNT");
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no free TCP port on 127.0.0.1 from {FIRST} to {}", FIRST + COUNT - 1);
}

/// Returns an address on 127.0.0.1 on which nothing listens yet.
pub fn free_addr() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::HashSet, thread};

    #[test]
    fn threads_get_different_free_ports() {
        let threads: Vec<_> =
            (0..8).map(|_| thread::spawn(|| (0..20).map(|_| free_port()).collect::<Vec<_>>())).collect();
        let ports: Vec<u16> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert_eq!(ports.iter().collect::<HashSet<_>>().len(), 160);
        assert!(ports.iter().all(|port| (10_000..30_000).contains(port)));
    }

    #[test]
    fn a_port_in_use_is_passed_over() {
        let first = free_port();
        let taken: Vec<u16> = (first + 1..first + 500).collect();
        let _listeners: Vec<_> =
            taken.iter().map(|&port| TcpListener::bind((Ipv4Addr::LOCALHOST, port))).collect();
        assert!(!taken.contains(&free_port()));
    }
}
