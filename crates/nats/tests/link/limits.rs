//! Limits of messages that NATS announces late, or that differ between the ends.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use fault_proxy_nats::{Credential, Encoding, LinkError, NatsConnection, NatsOptions, Target};
use fault_proxy_relay::{Stream, error_chain};
use futures_util::StreamExt as _;
use testkit::{NatsServer, TcpServer, nats_servers};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};

use crate::ends::{Ends, LENGTH, connects, echo, tunnels};
use crate::jwt::Account;
use crate::{LONG, connect, options};

pub(crate) fn with_creds(
    server: &NatsServer,
    directory: &Path,
    account: &Account,
    payload: i64,
) -> NatsOptions {
    let path = directory.join(format!("{payload}.creds"));
    fs::write(&path, account.creds_with_payload(None, payload).0).expect("a writable directory");
    options(&server.url(), Credential::CredsFile(path))
}

#[tokio::test]
async fn a_limit_of_the_user_is_read_from_its_jwt() {
    let directory = tempfile::tempdir().expect("a directory");
    for program in nats_servers() {
        let account = Account::new();
        let server = NatsServer::start_with(&program, &account.config());
        let of = |payload| with_creds(&server, directory.path(), &account, payload);
        for encoding in [Encoding::Binary, Encoding::Json] {
            assert_eq!(connects(&of(8192), &of(8192), encoding).await, 2);
        }
        assert_eq!(connects(&of(1024), &of(-1), Encoding::Binary).await, 2);
        assert_eq!(connects(&of(-1), &of(1024), Encoding::Binary).await, 2);
    }
}

#[tokio::test]
async fn a_limit_of_the_account_costs_the_server_few_connections_and_the_client_none() {
    let directory = tempfile::tempdir().expect("a directory");
    for program in nats_servers() {
        for (payload, refusals) in [(4096, 1), (1024, 2), (384, 3)] {
            let account = Account::with_payload(payload);
            let server = NatsServer::start_with(&program, &account.config());
            let options = with_creds(&server, directory.path(), &account, -1);
            for encoding in [Encoding::Binary, Encoding::Json] {
                assert_eq!(connects(&options, &options, encoding).await, 2 + refusals);
            }
        }
    }
}

#[tokio::test]
async fn an_account_with_too_small_a_limit_is_refused_with_the_reason() {
    let directory = tempfile::tempdir().expect("a directory");
    let account = Account::with_payload(300);
    let server = NatsServer::with_config(&account.config());
    let (tunnels, _) = tunnels(&with_creds(&server, directory.path(), &account, -1), Encoding::Binary).await;
    let error = tunnels.listen(&[], |_| Err("not at all".to_owned())).await.expect_err("too little");
    assert!(error.to_string().contains("384"), "{error}");
    let user = with_creds(&server, directory.path(), &account, 300);
    let error = NatsConnection::connect(&user).await.expect_err("too little");
    assert!(matches!(error, LinkError::MaxPayload { max_payload: 300, .. }), "{error}");
}

/// A peer that only speaks the plain protocol loses what NATS refuses, so the limit must be known before.
#[tokio::test]
async fn a_plain_session_is_as_its_account_allows() {
    let directory = tempfile::tempdir().expect("a directory");
    let account = Account::with_payload(4096);
    let server = NatsServer::with_config(&account.config());
    let options = with_creds(&server, directory.path(), &account, -1);
    let ends = Ends::start(&options, &options, Encoding::Binary).await;
    let target = TcpServer::start(|mut stream| stream.write_all(&[7; 200_000]).expect("it is open"));
    let Credential::CredsFile(creds) = &options.credential else { unreachable!("it has creds") };
    let client = async_nats::ConnectOptions::with_credentials_file(creds).await.expect("a creds file");
    let client = client.connect(server.url()).await.expect("nats-server runs");
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("remote_host", "127.0.0.1");
    headers.insert("remote_port", target.addr().port().to_string());
    let body = r#"{"ID":"","Reply":"","Data":null,"Metadata":null}"#;
    let reply = client.request_with_headers("proxy.request", headers, body.into()).await.expect("a reply");
    let id = String::from_utf8(data_of(&reply.payload)).expect("an ID");
    let mut messages = client.subscribe(format!("p.data.to_client.{id}")).await.expect("subscribed");
    let mut bytes = 0;
    while bytes < 200_000 {
        let message = timeout(LONG, messages.next()).await.expect("in time").expect("subscribed");
        bytes += data_of(&message.payload).len();
    }
    assert_eq!(ends.end().await, 3);
}

/// Returns the data of a message of the plain protocol.
fn data_of(message: &[u8]) -> Vec<u8> {
    let message: serde_json::Value = serde_json::from_slice(message).expect("JSON");
    base64_simd::STANDARD.decode_to_vec(message["Data"].as_str().unwrap_or_default()).expect("base64")
}

#[tokio::test]
async fn a_request_that_nats_would_refuse_fails_with_the_reason() {
    let server = NatsServer::start();
    let mut options = options(&server.url(), Credential::None);
    options.max_message = 384;
    let (client, _) = tunnels(&options, Encoding::Binary).await;
    let host = "a".repeat(250);
    let error = client.connector(Target::Host { host, port: 1 }).open().await.expect_err("too long");
    let source = std::error::Error::source(&error).expect("a reason").to_string();
    assert!(source.contains("NATS accepts at most 384"), "{source}");
}

/// The test does not run the retries of the programs, which notice free subscriptions within 2 s.
#[tokio::test]
async fn at_the_limit_of_subscriptions_each_session_that_ends_admits_another_one() {
    for program in nats_servers() {
        let server = NatsServer::start_with(&program, "max_subscriptions: 6");
        let options = options(&server.url(), Credential::None);
        let ends = Ends::start(&options, &options, Encoding::Binary).await;
        let upstream = TcpServer::echo();
        let mut open = Vec::new();
        while let Some(stream) = admitted(&ends, &upstream).await {
            open.push(stream);
        }
        let link = &ends.links[0];
        let errors = link.errors();
        assert!(open.len() >= 2 && link.is_out_of_subscriptions(), "{} sessions", open.len());
        for _ in 0..3 {
            drop(open.pop());
            open.push(admitted_soon(&ends, &upstream).await);
            for _ in 0..5 {
                assert!(admitted(&ends, &upstream).await.is_none(), "one too many");
            }
        }
        // A failed dial leaves its place to the next request.
        drop(open.pop());
        let refused = async {
            loop {
                let error = ends.to(([127, 0, 0, 1], 1).into()).open().await.expect_err("nobody listens");
                if error_chain(&error).contains("Connection refused") {
                    break;
                }
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(LONG, refused).await.expect("the server dials");
        admitted_soon(&ends, &upstream).await;
        assert_eq!(link.errors(), errors, "NATS refused another subscription");
        ends.end().await;
    }
}

/// Returns a session once one is [admitted].
async fn admitted_soon(ends: &Ends, upstream: &TcpServer) -> Box<dyn Stream> {
    let next = async {
        loop {
            match admitted(ends, upstream).await {
                Some(stream) => break stream,
                None => sleep(Duration::from_millis(10)).await,
            }
        }
    };
    timeout(LONG, next).await.expect("a session has ended")
}

/// Returns a session that has carried a byte in both directions, unless it was refused.
async fn admitted(ends: &Ends, upstream: &TcpServer) -> Option<Box<dyn Stream>> {
    let mut stream = ends.to(upstream.addr()).open().await.ok()?.stream;
    let mut byte = [7];
    stream.write_all(&byte).await.ok()?;
    stream.read_exact(&mut byte).await.ok()?;
    Some(stream)
}

#[tokio::test]
async fn a_given_limit_needs_no_reconnect() {
    let directory = tempfile::tempdir().expect("a directory");
    let account = Account::with_payload(1024);
    let server = NatsServer::with_config(&account.config());
    let mut options = with_creds(&server, directory.path(), &account, -1);
    options.max_message = 1024;
    assert_eq!(connects(&options, &options, Encoding::Binary).await, 2);
}

/// Servers with these limits in a row, each a leaf node of the one before.
async fn row(program: &Path, limits: &[usize]) -> Vec<NatsServer> {
    let mut servers: Vec<NatsServer> = Vec::new();
    let mut hub = String::new();
    for limit in limits {
        let port = testkit::free_port();
        let leaf_nodes = format!("leafnodes {{ host: 127.0.0.1, port: {port}, remotes: [ {hub} ] }}");
        servers.push(NatsServer::start_with(program, &format!("max_payload: {limit}\n{leaf_nodes}")));
        hub = format!("{{ url: \"nats://127.0.0.1:{port}\" }}");
    }
    let connected = async {
        while servers[1..].iter().any(|leaf| links_of(leaf) == 0) {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LONG, connected).await.expect("the leaf nodes connect");
    servers
}

/// How many links of leaf nodes a server has had.
fn links_of(server: &NatsServer) -> usize {
    server.output().matches("Leafnode connection created").count()
}

#[tokio::test]
async fn the_smaller_limit_of_both_ends_counts() {
    for program in nats_servers() {
        for limits in [[1 << 20, 4096], [1024, 1 << 20]] {
            let servers = row(&program, &limits).await;
            let [hub, leaf] = [0, 1].map(|place| options(&servers[place].url(), Credential::None));
            for (of_server, of_client) in [(&hub, &leaf), (&leaf, &hub)] {
                assert_eq!(connects(of_server, of_client, Encoding::Binary).await, 2);
            }
            assert_eq!(links_of(&servers[1]), 1, "{}", servers[1].output());
        }
    }
}

/// NATS notifies neither end of the limit of a server between them, which ends its link at a longer message.
#[tokio::test]
async fn a_limit_between_both_ends_costs_each_link_few_losses() {
    for program in nats_servers() {
        for limit in [4096, 2048, 512] {
            let servers = row(&program, &[1 << 20, limit, 1 << 20]).await;
            let [hub, leaf] = [0, 2].map(|place| options(&servers[place].url(), Credential::None));
            let ends = Ends::start(&hub, &leaf, Encoding::Binary).await;
            // The later sessions know what the first has learned.
            for _ in 0..3 {
                echo(&ends, LENGTH).await;
            }
            assert_eq!(ends.end().await, 2);
            // A trial has no result, and is repeated, if a message before it is lost because the other direction ended its link at
            // the same time.
            for server in [&servers[0], &servers[2]] {
                assert!(links_of(server) <= 3, "{limit}: {}", server.output());
            }
        }
    }
}

#[tokio::test]
async fn a_server_that_takes_too_little_is_refused_with_the_reason() {
    for max_payload in [200, 256, 320, 383] {
        let server = NatsServer::with_config(&format!("max_payload: {max_payload}"));
        let error = connect(&server, Credential::None).await.expect_err("too little");
        assert!(matches!(error, LinkError::MaxPayload { .. }), "{error}");
    }
    let server = NatsServer::with_config("max_payload: 384");
    let options = options(&server.url(), Credential::None);
    for encoding in [Encoding::Binary, Encoding::Json] {
        let ends = Ends::start(&options, &options, encoding).await;
        echo(&ends, 64 << 10).await;
        assert_eq!(ends.end().await, 2);
    }
}
