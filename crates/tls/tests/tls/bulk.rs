//! Bulk data in both directions at the same time: no data is lost, duplicated or changed.

use fault_proxy_tls::TlsNegotiation;
use testkit::{Certificates, Pattern};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, duplex, split};

use crate::endings::Leg;
use crate::support::{VERSIONS, accepted, client_config, handshake, in_time, open_tls};

/// Sends the first `length` bytes of the pattern in pieces of all sizes, then half-closes.
pub(crate) async fn send(to: &mut (impl AsyncWrite + Unpin), pattern: &Pattern, length: u64) {
    let mut piece = vec![0; 70_001];
    let mut sent = 0;
    let mut size = 1;
    while sent < length {
        let room = usize::try_from(length - sent).map_or(size, |left| size.min(left));
        pattern.fill(sent, &mut piece[..room]);
        to.write_all(&piece[..room]).await.expect("open");
        sent += room as u64;
        size = size * 5 % 70_001 + 1;
    }
    to.shutdown().await.expect("open");
}

/// Reads to the end; how much of the pattern it was.
pub(crate) async fn receive(from: &mut (impl AsyncRead + Unpin), pattern: &Pattern) -> u64 {
    let mut buffer = vec![0; 1 << 18];
    let mut received = 0;
    loop {
        let got = in_time("more", from.read(&mut buffer)).await.expect("no abort");
        if got == 0 {
            return received;
        }
        assert_eq!(pattern.first_difference(received, &buffer[..got]), None);
        received += got as u64;
    }
}

/// What the legs say, and what the far ends say.
const OURS: u64 = 1;
const THEIRS: u64 = 2;

/// Sends one pattern while it receives the other.
async fn talk(stream: impl AsyncRead + AsyncWrite, own: u64, other: u64, length: u64) {
    let (own, other) = (Pattern::new(own), Pattern::new(other));
    let (mut from, mut to) = split(stream);
    let (received, ()) = tokio::join!(receive(&mut from, &other), send(&mut to, &own, length));
    assert_eq!(received, length);
}

async fn exchange(Leg { ours, theirs }: Leg) {
    const LENGTH: u64 = 32 << 20;
    tokio::join!(talk(ours, OURS, THEIRS, LENGTH), talk(theirs, THEIRS, OURS, LENGTH));
}

#[tokio::test]
async fn the_upstream_leg_keeps_32_mib_each_way_over_tcp() {
    let certificates = Certificates::generate();
    for version in VERSIONS {
        exchange(Leg::upstream(&certificates, version).await).await;
    }
}

#[tokio::test]
async fn the_downstream_leg_keeps_32_mib_each_way_over_tcp() {
    let certificates = Certificates::generate();
    for version in VERSIONS {
        exchange(Leg::downstream(&certificates, version).await).await;
    }
}

async fn through_a_pipe(room: usize, length: u64) {
    let certificates = Certificates::generate();
    let leg = handshake(&certificates, TlsNegotiation::Direct);
    let (ours, theirs) = duplex(room);
    tokio::join!(
        async {
            let ours = accepted(&leg, Box::new(ours)).await.expect("TLS");
            talk(ours, OURS, THEIRS, length).await;
        },
        async {
            let config = client_config(&certificates, VERSIONS[1]);
            talk(open_tls(theirs, config).await.expect("TLS"), THEIRS, OURS, length).await;
        }
    );
}

#[tokio::test]
async fn nothing_is_lost_through_a_pipe_of_64_kib() {
    through_a_pipe(64 << 10, 32 << 20).await;
}

#[tokio::test]
async fn nothing_is_lost_through_a_pipe_of_1_kib() {
    through_a_pipe(1 << 10, 2 << 20).await;
}

/// No more than rustls buffers: beyond that it makes a record of every eight bytes.
#[tokio::test]
async fn nothing_is_lost_through_a_pipe_of_8_bytes() {
    through_a_pipe(8, 64 << 10).await;
}

#[tokio::test]
async fn what_is_flushed_arrives_without_another_word() {
    let certificates = Certificates::generate();
    for version in VERSIONS {
        let leg = handshake(&certificates, TlsNegotiation::Direct);
        let (ours, theirs) = duplex(8);
        let speak = async {
            let mut ours = accepted(&leg, Box::new(ours)).await.expect("TLS");
            ours.write_all(&[7; 1000]).await.expect("open");
            ours.flush().await.expect("open");
            ours
        };
        let hear = async {
            let mut theirs = open_tls(theirs, client_config(&certificates, version)).await.expect("TLS");
            let mut words = [0; 1000];
            in_time("the words", theirs.read_exact(&mut words)).await.expect("open");
            words
        };
        let (_open, words) = tokio::join!(speak, hear);
        assert_eq!(words, [7; 1000]);
    }
}
