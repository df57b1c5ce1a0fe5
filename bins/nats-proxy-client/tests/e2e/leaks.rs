//! Sessions leave nothing behind.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::thread;

use crate::support::bytes::{ending, round_trip};
use crate::support::{MIB, Pair, eventually};
use testkit::{TcpServer, abort, open_descriptors, resident_bytes};

/// The server's, for requests and for repeated ones, and the client's, for notices.
const IDLE: u64 = 3;
/// Number of concurrent sessions.
const ABREAST: usize = 16;

/// One in ten ends by the client's reset, one by its upstream's, the others cleanly.
fn visit(pair: &Pair, number: usize) {
    let mut client = pair.connect();
    round_trip(&client, b"....").expect("an echo");
    match number % 10 {
        0 => abort(client),
        1 => {
            client.write_all(b"!").expect("open");
            assert_eq!(ending(&client), Err(ErrorKind::ConnectionReset));
        }
        _ => {
            client.shutdown(Shutdown::Write).expect("open");
            assert_eq!(ending(&client), Ok(()));
        }
    }
}

fn visits(pair: &Pair, total: usize) {
    thread::scope(|scope| {
        for _ in 0..ABREAST {
            scope.spawn(|| (0..total / ABREAST).for_each(|number| visit(pair, number)));
        }
    });
}

/// Echoes, until a byte asks for a reset.
fn upstream() -> TcpServer {
    TcpServer::start(|mut stream| {
        let mut buffer = [0; 64];
        while let Ok(got) = stream.read(&mut buffer)
            && got > 0
        {
            if buffer[..got].contains(&b'!') {
                abort(stream);
                return;
            }
            stream.write_all(&buffer[..got]).ok();
        }
    })
}

#[test]
fn ten_thousand_sessions_leave_no_subscription_no_descriptor_and_no_memory() {
    let upstream = upstream();
    let pair = Pair::to(upstream.addr());
    let processes = [pair.client.pid(), pair.server.pid()];
    let descriptors = processes.map(open_descriptors);
    visits(&pair, 1_600);
    let has_left = |what: &str| {
        eventually(&format!("{what}: no subscription is left"), || pair.nats.subscriptions() == IDLE);
        eventually(&format!("{what}: no descriptor is left"), || {
            processes.map(open_descriptors) == descriptors
        });
    };
    has_left("after the first");
    let memory = processes.map(resident_bytes);
    visits(&pair, 10_000);
    has_left("after all");
    for (pid, before) in std::iter::zip(processes, memory) {
        let growth = resident_bytes(pid).saturating_sub(before);
        assert!(growth < 32 * MIB, "{growth} bytes more than {before}");
    }
}
