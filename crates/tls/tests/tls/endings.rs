//! How a TLS connection ends: each leg against a far end over TCP, with TLS 1.2 and 1.3.

use std::io::ErrorKind;

use fault_proxy_relay::{BoxStream, Connector};
use fault_proxy_tls::TlsNegotiation;
use testkit::Certificates;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

use crate::support::{
    Upstream, VERSIONS, Version, accepted, broken, client_config, handshake, in_time, open_tls, read_all,
    server_config, tcp_pair, trusting,
};

/// A leg's stream, and the other end of its connection.
pub(crate) struct Leg {
    pub(crate) ours: BoxStream,
    pub(crate) theirs: TlsStream<TcpStream>,
}

impl Leg {
    pub(crate) async fn upstream(certificates: &Certificates, version: Version) -> Self {
        let upstream = Upstream::bind().await;
        let connector = upstream.connector("localhost", &trusting(certificates), TlsNegotiation::Direct);
        let config = server_config(certificates, version);
        let (ours, theirs) = tokio::join!(connector.connect(), upstream.accept_tls(config));
        Self { ours: ours.expect("TLS").stream, theirs: theirs.expect("TLS").into() }
    }

    pub(crate) async fn downstream(certificates: &Certificates, version: Version) -> Self {
        let (ours, theirs) = tcp_pair().await;
        let leg = handshake(certificates, TlsNegotiation::Direct);
        let (ours, theirs) = tokio::join!(
            accepted(&leg, Box::new(ours)),
            open_tls(theirs, client_config(certificates, version))
        );
        Self { ours: ours.expect("TLS"), theirs: theirs.expect("TLS").into() }
    }

    async fn all() -> Vec<Self> {
        let certificates = Certificates::generate();
        let mut legs = Vec::new();
        for version in VERSIONS {
            legs.push(Self::upstream(&certificates, version).await);
            legs.push(Self::downstream(&certificates, version).await);
        }
        legs
    }

    /// The far end's socket, under its TLS.
    fn their_tcp(&mut self) -> &mut TcpStream {
        match &mut self.theirs {
            TlsStream::Client(stream) => stream.get_mut().0,
            TlsStream::Server(stream) => stream.get_mut().0,
        }
    }

    async fn they_say(&mut self, words: &[u8]) {
        self.theirs.write_all(words).await.expect("open");
        self.theirs.flush().await.expect("open");
    }

    async fn we_say(&mut self, words: &[u8]) {
        self.ours.write_all(words).await.expect("open");
        self.ours.flush().await.expect("open");
    }

    async fn we_hear(&mut self, length: usize) -> Vec<u8> {
        let mut words = vec![0; length];
        in_time("their words", self.ours.read_exact(&mut words)).await.expect("open");
        words
    }
}

#[tokio::test]
async fn a_leg_never_lends_its_socket() {
    for mut leg in Leg::all().await {
        assert!(leg.ours.as_tcp().is_none());
        leg.we_say(b"x").await;
        assert!(leg.ours.as_tcp().is_none());
    }
}

#[tokio::test]
async fn a_peer_that_half_closes_still_gets_the_whole_reply() {
    let reply = vec![b'r'; 1 << 20];
    for mut leg in Leg::all().await {
        leg.they_say(b"question").await;
        leg.theirs.shutdown().await.unwrap();
        assert_eq!(read_all(&mut leg.ours).await.unwrap(), b"question");
        let answer = async {
            leg.ours.write_all(&reply).await.expect("open");
            leg.ours.shutdown().await.expect("open");
        };
        let (heard, ()) = tokio::join!(read_all(&mut leg.theirs), answer);
        assert!(heard.expect("a clean end") == reply);
    }
}

#[tokio::test]
async fn after_our_half_close_the_whole_reply_is_read() {
    let reply = vec![b'r'; 1 << 20];
    for mut leg in Leg::all().await {
        leg.we_say(b"question").await;
        leg.ours.shutdown().await.unwrap();
        assert_eq!(read_all(&mut leg.theirs).await.expect("a clean end"), b"question");
        let answer = async {
            leg.theirs.write_all(&reply).await.expect("open");
            leg.theirs.shutdown().await.expect("open");
        };
        let (heard, ()) = tokio::join!(read_all(&mut leg.ours), answer);
        assert!(heard.expect("a clean end") == reply);
    }
}

#[tokio::test]
async fn a_close_without_close_notify_is_a_half_close() {
    for mut leg in Leg::all().await {
        leg.they_say(b"last words").await;
        leg.their_tcp().shutdown().await.unwrap();
        assert_eq!(read_all(&mut leg.ours).await.unwrap(), b"last words");
        assert_eq!(leg.ours.read(&mut [0; 1]).await.unwrap(), 0, "the end stays the end");
        leg.we_say(b"reply").await;
        leg.ours.shutdown().await.unwrap();
        assert_eq!(read_all(&mut leg.theirs).await.unwrap(), b"reply");
    }
}

#[tokio::test]
async fn nothing_of_a_record_that_is_cut_off_is_read() {
    for mut leg in Leg::all().await {
        leg.they_say(b"whole").await;
        // 64 bytes of application data are announced.
        leg.their_tcp().write_all(&[0x17, 3, 3, 0, 64, b'p', b'a', b'r', b't']).await.unwrap();
        leg.their_tcp().shutdown().await.unwrap();
        assert_eq!(read_all(&mut leg.ours).await.unwrap(), b"whole");
    }
}

#[tokio::test]
async fn a_reset_underneath_is_an_error() {
    for mut leg in Leg::all().await {
        leg.they_say(b"last words").await;
        assert_eq!(leg.we_hear(10).await, b"last words");
        leg.their_tcp().set_zero_linger().unwrap();
        let Leg { mut ours, theirs } = leg;
        drop(theirs);
        let error = in_time("the reset", ours.read(&mut [0; 1])).await.expect_err("no end of file");
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
}

#[tokio::test]
async fn a_record_that_was_tampered_with_is_an_error() {
    for mut leg in Leg::all().await {
        leg.they_say(b"whole").await;
        assert_eq!(leg.we_hear(5).await, b"whole");
        leg.their_tcp().write_all(&[&[0x17, 3, 3, 0, 64][..], &[7; 64]].concat()).await.unwrap();
        let error = in_time("the error", leg.ours.read(&mut [0; 1])).await.expect_err("no end of file");
        assert_eq!(error.kind(), ErrorKind::InvalidData);
    }
}

#[tokio::test]
async fn an_abort_resets_the_peers_connection() {
    for mut leg in Leg::all().await {
        leg.we_say(b"half a").await;
        let mut words = [0; 6];
        in_time("our words", leg.theirs.read_exact(&mut words)).await.unwrap();
        leg.ours.abort();
        let Leg { ours, mut theirs } = leg;
        drop(ours);
        let error = in_time("the reset", theirs.read(&mut words)).await.expect_err("no end of file");
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
}

#[tokio::test]
async fn a_reset_after_their_half_close_can_be_asked_for() {
    for mut leg in Leg::all().await {
        leg.theirs.shutdown().await.unwrap();
        assert_eq!(read_all(&mut leg.ours).await.unwrap(), b"");
        assert!(leg.ours.take_error().is_none());
        leg.their_tcp().set_zero_linger().unwrap();
        let Leg { mut ours, theirs } = leg;
        drop(theirs);
        // Linux's name for a reset after a FIN.
        assert_eq!(broken(&mut ours).await.kind(), ErrorKind::BrokenPipe);
    }
}
