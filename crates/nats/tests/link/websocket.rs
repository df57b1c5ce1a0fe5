use fault_proxy_nats::{Credential, NatsConnection};
use testkit::{Certificates, NatsServer, free_port, nats_servers};
use tokio::time::timeout;

use crate::tls::tls_config;
use crate::{LONG, options};

#[tokio::test]
async fn web_sockets_with_and_without_tls_come_back_after_a_restart() {
    for program in nats_servers() {
        let certificates = Certificates::generate();
        let tls = format!(
            "tls {{ cert_file: {:?}, key_file: {:?} }}",
            certificates.server_cert(),
            certificates.server_key()
        );
        for (scheme, tls) in [("ws", "no_tls: true"), ("wss", &*tls)] {
            let port = free_port();
            let config = format!("websocket {{ listen: \"127.0.0.1:{port}\", {tls} }}");
            let server = NatsServer::start_with(&program, &config);
            let mut options = options(&format!("{scheme}://127.0.0.1:{port}"), Credential::None);
            options.tls.config = (scheme == "wss").then(|| tls_config(certificates.ca_file(), None));
            let link = NatsConnection::connect(&options).await.unwrap();
            assert!(link.flush_confirmed("a.b".into(), "c.d".into(), LONG).await);
            let mut status = link.status();
            let restarting = tokio::task::spawn_blocking(move || {
                server.restart();
                server
            });
            let _server = restarting.await.unwrap();
            let back = status.wait_for(|status| status.is_up && status.connects == 2);
            timeout(LONG, back).await.unwrap().unwrap();
            assert!(link.flush_confirmed("a.b".into(), "e.f".into(), LONG).await);
        }
    }
}
