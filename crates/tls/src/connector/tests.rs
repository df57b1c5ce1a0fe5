//! The handshake through a pipe of eight bytes, with hosts that no resolver need know.

use testkit::Certificates;
use tokio::io::duplex;

use super::*;
use crate::ServerTls;

/// The error of the connector to `host`, or the name its server was asked for.
async fn asked_for(host: &str, valid_for: &str, opening: TlsNegotiation) -> Result<Option<String>, Error> {
    let certificates = Certificates::for_names(&[valid_for]);
    let tls = ClientTls { ca_file: Some(certificates.ca_file().to_owned()), ..ClientTls::default() };
    let connector = TlsConnector::new(TcpConnector::new(host, 1), &tls, opening)?;
    let tls = ServerTls::from_files(certificates.server_cert(), certificates.server_key())?;
    let acceptor = tokio_rustls::TlsAcceptor::from(tls.config(opening)?);

    let (ours, mut theirs) = duplex(8);
    let server = async {
        if opening == TlsNegotiation::Postgres {
            let mut request = [0; 8];
            theirs.read_exact(&mut request).await.expect("the SSLRequest");
            assert_eq!(request, postgres::SSL_REQUEST);
            theirs.write_u8(postgres::SSL_ACCEPTED).await.expect("open");
        }
        let mut theirs = acceptor.accept(theirs).await.ok()?;
        theirs.shutdown().await.expect("open");
        theirs.get_ref().1.server_name().map(str::to_owned)
    };
    let client = async {
        let mut ours = connector.handshake(Box::new(ours), opening.alpn()).await?;
        assert_eq!(ours.read(&mut [0; 1]).await.expect("a clean end"), 0);
        Ok(())
    };
    let (client, name) = tokio::join!(client, server);
    client.map(|()| name)
}

#[tokio::test]
async fn every_opening_passes_through_a_tiny_pipe() {
    for opening in [TlsNegotiation::Direct, TlsNegotiation::Postgres, TlsNegotiation::PostgresDirect] {
        let name = asked_for("db.example", "db.example", opening).await.unwrap();
        assert_eq!(name.as_deref(), Some("db.example"), "{opening:?}");
    }
}

#[tokio::test]
async fn a_trailing_dot_is_the_resolvers_alone() {
    let name = asked_for("db.example.", "db.example", TlsNegotiation::Direct).await.unwrap();
    assert_eq!(name.as_deref(), Some("db.example"));
}

#[tokio::test]
async fn a_wildcard_is_for_one_label() {
    let name = asked_for("db.example.org", "*.example.org", TlsNegotiation::Direct).await.unwrap();
    assert_eq!(name.as_deref(), Some("db.example.org"));
    asked_for("a.db.example.org", "*.example.org", TlsNegotiation::Direct).await.unwrap_err();
}

#[tokio::test]
async fn an_address_is_checked_as_one_and_not_asked_for() {
    for address in ["192.0.2.1", "2001:db8::1"] {
        assert_eq!(asked_for(address, address, TlsNegotiation::Direct).await.unwrap(), None);
    }
    for other in ["192.0.2.2", "2001:db8::2", "192.0.2.example"] {
        let error = asked_for(other, "192.0.2.1", TlsNegotiation::Direct).await.unwrap_err();
        assert!(matches!(&error, Error::Handshake { name, .. } if name == other), "{error:?}");
    }
}
