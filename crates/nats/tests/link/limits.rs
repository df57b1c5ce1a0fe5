//! Limits of messages that NATS announces late, that differ between the ends, or that change.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use fault_proxy_nats::{
    Config, Credential, Encoding, LinkError, NatsConnect, NatsConnection, NatsOptions, Target, Tunnels,
};
use fault_proxy_relay::{Connector, Relay, Route, Shutdown, Stream, TcpConnector};
use futures_util::StreamExt as _;
use testkit::{FarEnd, NatsServer, nats_servers};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::select;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;

use crate::jwt::Account;
use crate::{LONG, connect, options};

const LENGTH: usize = 2 << 20;

/// Both ends of tunnels, each with its own NATS connection.
struct Ends {
    links: [NatsConnection; 2],
    client: Tunnels,
    server: Tunnels,
    shutdown: Shutdown,
    relays: TaskTracker,
}

impl Ends {
    async fn start(of_server: &NatsOptions, of_client: &NatsOptions, encoding: Encoding) -> Self {
        let (server, server_link) = tunnels(of_server, encoding).await;
        let (client, client_link) = tunnels(of_client, encoding).await;
        let dial = |target: &Target| match target {
            Target::Host { host, port } => {
                Ok(Arc::new(TcpConnector::new(host.as_str(), *port)) as Arc<dyn Connector>)
            }
            Target::Service(name) => Err(format!("no service {name}")),
        };
        let requests = server.listen(&[], dial).await.expect("subscribed");
        let (relays, shutdown) = (TaskTracker::new(), Shutdown::new());
        let handle = shutdown.clone();
        relays.spawn(async move {
            Relay::new(Default::default()).run(requests, Route::from_accepted(), &handle).await
        });
        Self { links: [server_link, client_link], client, server, shutdown, relays }
    }

    /// Lets both ends learn their limits again while `steps` run.
    async fn watched<T>(&self, steps: impl Future<Output = T>) -> T {
        select! {
            done = steps => done,
            never = self.client.watch_message_limit() => match never {},
            never = self.server.watch_message_limit() => match never {},
        }
    }

    fn to(&self, target: SocketAddr) -> NatsConnect {
        self.client.connector(Target::Host { host: target.ip().to_string(), port: target.port() })
    }

    /// Connections to NATS of both ends so far.
    fn connects(&self) -> u64 {
        self.links.iter().map(|link| link.status().borrow().connects).sum()
    }

    /// Returns how often the ends connected to NATS.
    async fn end(self) -> u64 {
        self.shutdown.abort();
        self.relays.close();
        timeout(LONG, self.relays.wait()).await.expect("in time");
        let connects = self.connects();
        for link in &self.links {
            link.close().await;
        }
        connects
    }
}

async fn tunnels(options: &NatsOptions, encoding: Encoding) -> (Tunnels, NatsConnection) {
    let link = NatsConnection::connect(options).await.expect("nats-server runs");
    let mut config = Config::default();
    config.encodings = vec![encoding];
    (Tunnels::new(link.clone(), config, [7; 32]), link)
}

/// Sends `length` bytes to a target that echoes, and takes them back.
async fn echo(ends: &Ends, length: usize) {
    let far_end = FarEnd::echo();
    let connected = timeout(LONG, ends.to(far_end.addr()).open()).await.expect("in time").expect("it opens");
    let (mut reader, mut writer) = tokio::io::split(connected.stream);
    let sent: Vec<u8> = (0..length).map(|place| u8::try_from(place % 251).expect("a byte")).collect();
    let mut echoed = vec![0; length];
    let all = async {
        tokio::join!(async { writer.write_all(&sent).await.expect("it is open") }, async {
            reader.read_exact(&mut echoed).await.expect("it is open")
        },)
    };
    timeout(LONG, all).await.expect("in time");
    assert!(echoed == sent, "other bytes came back");
}

/// Returns the connections to NATS of both ends of a session that carries bytes in both directions.
async fn connects(of_server: &NatsOptions, of_client: &NatsOptions, encoding: Encoding) -> u64 {
    let ends = Ends::start(of_server, of_client, encoding).await;
    echo(&ends, LENGTH).await;
    ends.end().await
}

fn with_creds(server: &NatsServer, directory: &Path, account: &Account, payload: i64) -> NatsOptions {
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
    let target = FarEnd::start(|mut stream| stream.write_all(&[7; 200_000]).expect("it is open"));
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
    assert!(source.contains("NATS takes 384"), "{source}");
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
async fn a_limit_between_both_ends_costs_each_link_one_loss_at_most() {
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
            for server in [&servers[0], &servers[2]] {
                assert!(links_of(server) <= 2, "{limit}: {}", server.output());
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

/// A server with most of its configuration in a separate file, so that a reload and a restart can both change it.
struct Changing {
    server: NatsServer,
    lines: String,
    directory: tempfile::TempDir,
}

impl Changing {
    fn start(program: &Path, config: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        // nats-server takes the path as relative to its own configuration, which is in a neighboring directory.
        let name = directory.path().file_name().expect("it has one").to_str().expect("it is text");
        let lines = format!("include \"../{name}/changing.conf\"");
        write_config(&directory, config);
        Self { server: NatsServer::start_with(program, &lines), lines, directory }
    }

    fn reload(&self, config: &str) {
        write_config(&self.directory, config);
        self.server.reload(&self.lines);
    }

    fn restart(&self, config: &str) {
        write_config(&self.directory, config);
        self.server.restart();
    }
}

fn write_config(directory: &tempfile::TempDir, config: &str) {
    fs::write(directory.path().join("changing.conf"), config).expect("a writable directory");
}

fn max_payload(limit: usize) -> String {
    format!("max_payload: {limit}\n")
}

/// The limit of a session gets smaller twice, each time with bytes under way in both directions.
async fn lowered(lower: impl Fn(&Changing, &str)) {
    for program in nats_servers() {
        let nats = Changing::start(&program, &max_payload(1 << 20));
        let options = options(&nats.server.url(), Credential::None);
        for encoding in [Encoding::Binary, Encoding::Json] {
            let ends = Ends::start(&options, &options, encoding).await;
            echo_until(&ends, async |mut echoed| {
                for limit in [4096, 1024] {
                    let (before, connects) = (*echoed.borrow(), ends.connects());
                    let _ = echoed.wait_for(|echoed| *echoed >= before + LENGTH).await;
                    lower(&nats, &max_payload(limit));
                    let before = *echoed.borrow();
                    let _ = echoed
                        .wait_for(|echoed| ends.connects() > connects && *echoed >= before + LENGTH)
                        .await;
                }
            })
            .await;
            let connects = ends.end().await;
            // Each end may be refused twice for each of the limits.
            assert!(connects <= 10, "{connects} connections");
            nats.restart(&max_payload(1 << 20));
        }
    }
}

/// Sends bytes to a target that echoes and takes them back, until `steps` is over, which watches how many came back.
async fn echo_until(ends: &Ends, steps: impl AsyncFnOnce(watch::Receiver<usize>)) {
    let pattern: Vec<u8> = (0..251).cycle().take(251 * 256).collect();
    let far_end = FarEnd::echo();
    let connected = timeout(LONG, ends.to(far_end.addr()).open()).await.expect("in time").expect("it opens");
    let (mut reader, mut writer) = tokio::io::split(connected.stream);
    let (echoed, watched) = watch::channel(0);
    let (is_over, mut over) = watch::channel(false);
    let write = async {
        let mut written = 0;
        while !*over.borrow_and_update() {
            writer.write_all(&pattern).await.expect("it is open");
            written += pattern.len();
        }
        writer.shutdown().await.expect("it is open");
        written
    };
    let read = async {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let place = *echoed.borrow();
            let length = reader.read(&mut buffer).await.expect("it is open");
            if length == 0 {
                return place;
            }
            let expected = pattern[place % 251..].iter().chain(&pattern).take(length);
            assert!(buffer[..length].iter().eq(expected), "other bytes came back after {place}");
            echoed.send_replace(place + length);
        }
    };
    let steps = async {
        steps(watched).await;
        is_over.send_replace(true);
    };
    let (written, read, ()) =
        timeout(LONG, async { tokio::join!(write, read, steps) }).await.expect("in time");
    assert_eq!(read, written);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_a_reload_lowers_ends_no_session() {
    lowered(Changing::reload).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_a_restart_lowers_ends_no_session() {
    // What is sent to a paused server is lost when it is killed.
    lowered(|nats, config| {
        nats.server.pause();
        thread::sleep(Duration::from_millis(100));
        nats.restart(config);
    })
    .await;
}

/// Writes through a session that was open before, until it fails. Returns the reason.
async fn failure(stream: Box<dyn Stream>) -> String {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut buffer = vec![0; 64 << 10];
    let error = timeout(LONG, async {
        loop {
            select! {
                written = writer.write_all(&[7; 2000]) => if let Err(error) = written { break error },
                read = reader.read(&mut buffer) => if let Err(error) = read { break error },
            }
        }
    });
    error.await.expect("it does not hang").to_string()
}

/// Returns why no session opens.
async fn refusal(ends: &Ends, target: SocketAddr) -> String {
    // A session may open if the limit has not been noticed yet.
    let refused = async {
        loop {
            match ends.to(target).open().await {
                Ok(connected) => drop(failure(connected.stream).await),
                Err(error) => break error.to_string(),
            }
        }
    };
    timeout(LONG, refused).await.expect("it is refused")
}

#[tokio::test]
async fn a_limit_that_becomes_too_small_ends_sessions_with_the_reason_until_it_is_larger_again() {
    let changes: [fn(&Changing, &str); 2] = [Changing::reload, Changing::restart];
    for (limit, change, encoding) in [
        (200, changes[0], Encoding::Json),
        (300, changes[0], Encoding::Binary),
        (383, changes[1], Encoding::Binary),
    ] {
        for program in nats_servers() {
            let nats = Changing::start(&program, &max_payload(1 << 20));
            let options = options(&nats.server.url(), Credential::None);
            let ends = Ends::start(&options, &options, encoding).await;
            let far_end = FarEnd::echo();
            ends.watched(async {
                let open = ends.to(far_end.addr()).open().await.expect("it opens");
                change(&nats, &max_payload(limit));
                let reason = format!("NATS takes messages of up to {limit} bytes, and 384 are required");
                let failed = failure(open.stream).await;
                assert!(failed.contains(&reason), "{failed}");
                let refused = refusal(&ends, far_end.addr()).await;
                assert!(refused.contains(&reason), "{refused}");
                assert!(ends.links.iter().any(|link| link.message_limit_problem().is_some()));
                change(&nats, &max_payload(1 << 20));
                learned(&ends, 45_056).await;
                echo(&ends, LENGTH).await;
            })
            .await;
            ends.end().await;
        }
    }
}

/// Waits until both ends may publish messages of this length.
async fn learned(ends: &Ends, max_message: usize) {
    let learned = async {
        while ends.links.iter().any(|link| link.max_message() != max_message) {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LONG, learned).await.unwrap_or_else(|_| panic!("not {max_message}: {:?}", ends.links));
}

/// NATS announces neither the limit of an account nor a change of it.
#[tokio::test]
async fn the_limit_of_an_account_is_learned_again() {
    let directory = tempfile::tempdir().expect("a directory");
    for program in nats_servers() {
        let mut account = Account::with_payload(-1);
        let server = NatsServer::start_with(&program, &account.config());
        let options = with_creds(&server, directory.path(), &account, -1);
        let ends = Ends::start(&options, &options, Encoding::Binary).await;
        let far_end = FarEnd::echo();
        let change = |account: &mut Account, payload| {
            account.set_payload(payload);
            server.reload(&account.config());
        };
        ends.watched(async {
            change(&mut account, 4096);
            // Messages are short at first, and again after a reconnect of the peer.
            while ends.links.iter().any(|link| link.max_message() != 4096) {
                echo(&ends, LENGTH).await;
            }
            change(&mut account, -1);
            learned(&ends, 45_056).await;
            change(&mut account, 200);
            let refused = refusal(&ends, far_end.addr()).await;
            assert!(refused.contains("NATS refuses messages of 384 bytes"), "{refused}");
            change(&mut account, -1);
            learned(&ends, 45_056).await;
            echo(&ends, LENGTH).await;
        })
        .await;
        ends.end().await;
    }
}

/// A learned limit does not hold for the next connection if the last one ended for another reason.
#[tokio::test]
async fn a_limit_is_learned_again_after_a_loss() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut account = Account::with_payload(4096);
    let nats = Changing::start(&testkit::nats_server(), &account.config());
    let options = with_creds(&nats.server, directory.path(), &account, -1);
    let ends = Ends::start(&options, &options, Encoding::Binary).await;
    ends.watched(async {
        assert_eq!(ends.links[0].max_message(), 4096);
        account.set_payload(-1);
        nats.restart(&account.config());
        learned(&ends, 45_056).await;
        echo(&ends, LENGTH).await;
        account.set_payload(4096);
        nats.restart(&account.config());
        echo(&ends, LENGTH).await;
        let before = ends.connects();
        nats.server.restart();
        let connected = async {
            while ends.connects() < before + 3 {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(LONG, connected).await.expect("one longer message is tried");
    })
    .await;
    ends.end().await;
}

/// The error of NATS does not name the subscription that is one too many.
#[tokio::test]
async fn subscriptions_to_requests_that_nats_refuses_are_made_again() {
    const SESSIONS: usize = 40;
    for program in nats_servers() {
        let nats = Changing::start(&program, "max_subscriptions: 0");
        let [of_server, of_client] = [(); 2].map(|()| options(&nats.server.url(), Credential::None));
        let ends = Ends::start(&of_server, &of_client, Encoding::Binary).await;
        let far_end = FarEnd::echo();
        let steps = async {
            let mut open = Vec::new();
            for _ in 0..SESSIONS {
                open.push(ends.to(far_end.addr()).open().await.expect("it opens"));
            }
            // All subscriptions are made again in any order, and three of them are accepted: hardly those to requests.
            nats.restart("max_subscriptions: 3");
            drop(open);
            while ends.to(far_end.addr()).open().await.is_err() {
                sleep(Duration::from_millis(100)).await;
            }
        };
        select! {
            done = timeout(LONG, steps) => done.expect("requests arrive again"),
            never = ends.server.watch_rights() => match never {},
        }
        ends.end().await;
    }
}
