//! NATS goes away and comes back.

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use fault_proxy_nats::Encoding;
use support::{Tunnel, in_time};
use testkit::{NatsServer, Pattern, TcpServer};
use tokio::task::spawn_blocking;

const BYTES: usize = 64 << 20;

/// Sends a pattern through an echo, and checks what comes back.
fn echo_all(addr: SocketAddr) {
    let stream = TcpStream::connect(addr).expect("listening");
    stream.set_read_timeout(Some(support::FOREVER)).expect("not zero");
    let mut writer = stream.try_clone().expect("a descriptor");
    let sending = thread::spawn(move || {
        let (pattern, mut buffer, mut sent) = (Pattern::new(1), vec![0; 256 << 10], 0);
        while sent < BYTES {
            pattern.fill(sent as u64, &mut buffer);
            writer.write_all(&buffer).expect("open");
            sent += buffer.len();
        }
        writer.shutdown(Shutdown::Write).expect("open");
    });
    let (pattern, mut buffer, mut received) = (Pattern::new(1), vec![0; 256 << 10], 0);
    loop {
        let got = (&stream).read(&mut buffer).expect("open");
        if got == 0 {
            break;
        }
        assert_eq!(pattern.first_difference(received as u64, &buffer[..got]), None);
        received += got;
    }
    sending.join().expect("sent");
    assert_eq!(received, BYTES);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_again_and_again_loses_no_byte() {
    for encodings in [vec![Encoding::Binary], vec![Encoding::Json]] {
        let (nats, upstream) = (NatsServer::start(), TcpServer::echo());
        let tunnel = Tunnel::to_with(&nats, upstream.addr(), &encodings).await;
        let addr = tunnel.addr;
        let transfer = spawn_blocking(move || echo_all(addr));
        let nats = spawn_blocking(move || {
            for _ in 0..3 {
                thread::sleep(Duration::from_millis(150));
                nats.kill();
                thread::sleep(Duration::from_millis(50));
                nats.restart();
            }
            nats
        });
        in_time("the transfer", transfer).await.expect("no byte differs");
        let nats = nats.await.expect("restarted");
        tunnel.end().await;
        drop(nats);
    }
}
