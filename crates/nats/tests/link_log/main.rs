//! Log lines of the link. This is a separate program, because threads of other tests, which do not have a subscriber, would turn log lines off.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fault_proxy_nats::{Config, Credential, NatsConnection, NatsOptions, Tunnels};
use nkeys::KeyPair;
use testkit::NatsServer;
use tokio::time::timeout;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt as _;

use self::jwt::Account;

#[path = "../link/jwt.rs"]
#[allow(dead_code, reason = "the other tests of the link use the rest")]
mod jwt;

/// How long a test waits for what has to happen.
const LONG: Duration = Duration::from_secs(60);

fn user(user: &str, password: &str) -> Credential {
    Credential::UserPassword { user: user.to_owned(), password: password.to_owned() }
}

fn options(url: &str, credential: Credential) -> NatsOptions {
    let mut options = NatsOptions::new([url.parse().expect("it is a URL")], "link test");
    options.credential = credential;
    options
}

/// What is logged on this thread, with all that async-nats has to say.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl Logged {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("no writer failed").clone()).expect("logs are text")
    }

    fn count(&self, text: &str) -> usize {
        self.text().matches(text).count()
    }
}

impl Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no writer failed").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Logged {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn logged() -> (Logged, tracing::subscriber::DefaultGuard) {
    let logged = Logged::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(logged.clone())
        .finish();
    (logged, subscriber.set_default())
}

/// Connects, loses the connection, and connects again, in view of the log.
async fn life(config: &str, credential: Credential, url_credentials: &str) -> String {
    let server = NatsServer::with_config(config);
    let (logged, _guard) = logged();
    let mut options = options(&server.url().replace("://", &format!("://{url_credentials}")), credential);
    options.first_connect_timeout = Duration::ZERO;
    if let Ok(link) = NatsConnection::connect(&options).await {
        let mut status = link.status();
        server.kill();
        let lost =
            timeout(LONG, status.wait_for(|status| !status.is_up)).await.is_ok_and(|lost| lost.is_ok());
        server.restart();
        let found =
            timeout(LONG, status.wait_for(|status| status.is_up)).await.is_ok_and(|found| found.is_ok());
        assert!(lost && found);
    }
    assert!(logged.count("async_nats") > 0, "the log is that of async-nats too");
    logged.text()
}

#[tokio::test]
async fn no_secret_is_logged_at_any_level() {
    let account = Account::new();
    let (creds, seed) = account.creds(None);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &creds).unwrap();
    let nkey = KeyPair::new_user();
    let nkeys = format!("authorization {{ users: [ {{ nkey: {} }} ] }}", nkey.public_key());
    let password = r#"authorization { user: "ann", password: "sesame" }"#;
    let token = r#"authorization { token: "s3cr3t" }"#;
    let jwt = creds.lines().nth(1).unwrap();
    for (config, credential, url_credentials, secrets) in [
        (password, user("ann", "sesame"), "", ["sesame", "sesame"]),
        (password, Credential::None, "ann:sesame@", ["sesame", "sesame"]),
        (password, user("ann", "swordfish"), "", ["swordfish", "sesame"]),
        (password, Credential::None, "ann:swordfish@", ["swordfish", "sesame"]),
        (token, Credential::Token("s3cr3t".into()), "", ["s3cr3t", "s3cr3t"]),
        (token, Credential::None, "s3cr3t@", ["s3cr3t", "s3cr3t"]),
        (&nkeys, Credential::Nkey(nkey.seed().unwrap()), "", [&nkey.seed().unwrap(); 2]),
        (&account.config(), Credential::CredsFile(file.path().to_owned()), "", [&seed, jwt]),
    ] {
        let text = life(config, credential, url_credentials).await;
        for secret in secrets {
            assert!(!text.contains(secret), "{secret} is in\n{text}");
        }
    }
}

#[tokio::test]
async fn a_loss_and_the_return_are_told_once() {
    let text = life("", Credential::None, "").await;
    for (line, times) in [
        (" INFO fault_proxy_nats::link: connected to NATS ", 1),
        (" WARN fault_proxy_nats::link::events: the connection to NATS is lost", 1),
        (" INFO fault_proxy_nats::link::events: connected to NATS again", 1),
    ] {
        assert_eq!(text.matches(line).count(), times, "{line} in\n{text}");
    }
}

/// NATS ends the connection at each message that is longer than the account's limit.
#[tokio::test]
async fn refused_messages_and_losses_in_a_row_are_told_once() {
    let account = Account::with_payload(300);
    let server = NatsServer::with_config(&account.config());
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), account.creds(None).0).unwrap();
    let (logged, _guard) = logged();
    let link =
        NatsConnection::connect(&options(&server.url(), Credential::CredsFile(file.path().to_owned()))).await;
    let tunnels = Tunnels::new(link.unwrap(), Config::default(), [7; 32]);
    tunnels.listen(&[], |_| Err("not at all".to_owned())).await.unwrap_err();
    for line in [
        "WARN fault_proxy_nats::link::events: the connection to NATS is lost",
        "NATS refused a message as too long",
    ] {
        assert_eq!(logged.count(line), 1, "{line} in\n{}", logged.text());
    }
}

#[tokio::test]
async fn what_the_server_refuses_is_told_with_its_subject_and_not_each_time() {
    let server = NatsServer::with_config(
        r#"authorization { users: [ { user: "ann", password: "-", permissions: { subscribe: "a", publish: "a" } } ] }"#,
    );
    let (logged, _guard) = logged();
    let link = NatsConnection::connect(&options(&server.url(), user("ann", "-"))).await.unwrap();
    for _ in 0..20 {
        assert!(!link.flush_confirmed("b.c".into(), "a".into(), Duration::from_millis(20)).await);
    }
    let refusals = || logged.count("WARN fault_proxy_nats::link::events: NATS reports");
    timeout(LONG, async {
        while refusals() == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .unwrap();
    assert!(logged.text().contains(r#"Publish to "b.c""#), "{}", logged.text());
    assert!(refusals() < 20);
}
