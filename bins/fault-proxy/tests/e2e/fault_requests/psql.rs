//! Requests of PostgreSQL.

use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::process::Command;

use crate::fault_support::script::end;
use crate::support::api::{Api, connect, listen_of};
use crate::support::{BINARY, PATIENCE, Proxy, ending, eventually, printed, utf8};
use serde_json::json;
use testkit::{Daemon, Postgres, clients, require};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/python/lost_commit.py");

const LOSE: [&str; 5] =
    ["--with-lose-response", "--lose-response-every", "2", "--lose-response-on", "commit"];

fn commits(proxy: u16, server: u16) -> String {
    let mut python = Command::new(require("python3", "python3"));
    python.env("PYTHONPATH", clients::python_modules("psycopg"));
    python.arg(Path::new(SCRIPT)).args([proxy, server].map(|port| port.to_string()));
    printed(&python.output().expect("python is executable"))
}

/// The server commits twice, and the client learns of the second commit only.
const EVERY_OTHER: &str = "in_transaction lost 1\nin_transaction ok 2\nin_one_query lost 1\nin_one_query ok 2\n\
    prepared lost 1\nprepared ok 2\n";

#[test]
fn a_lost_commit_is_committed() {
    let server = Postgres::start();
    let proxy = Proxy::with(format!("psql://127.0.0.1:{}", server.port()), &LOSE);
    assert_eq!(commits(proxy.port(), server.port()), EVERY_OTHER);
}

#[test]
fn a_replay_hits_the_same_requests() {
    let (server, directory) = (Postgres::start(), tempfile::tempdir().expect("a directory"));
    let journal = directory.path().join("journal");
    let draws = ["--seed", "5", "--journal", utf8(&journal), "--lose-response-probability", "0.6"];
    let options = ["--with-lose-response", "--lose-response-on", "commit"];
    let proxy = Proxy::with(format!("psql://127.0.0.1:{}", server.port()), &[&options[..], &draws].concat());
    let seen = commits(proxy.port(), server.port());
    assert!(seen.contains("lost") && seen.contains("ok"), "the seed draws both: {seen}");
    assert_eq!(end(&proxy), Some(0), "{}", proxy.stderr());

    let replay = Daemon::spawn(Path::new(BINARY), &["replay", utf8(&journal)], &[]);
    replay.wait_for_line("listening on");
    assert_eq!(commits(proxy.port(), server.port()), seen);
    assert_eq!(end(&replay), Some(0), "{}", replay.stderr());
    let all = "0 were not made again, 0 were not in the journal";
    assert!(replay.stdout().contains(all), "{}", replay.stdout());
}

#[test]
fn commits_of_clients_without_tls_are_lost_behind_psqls() {
    let certificates = testkit::Certificates::generate();
    let server = Postgres::start_tls(&certificates);
    let options = [&LOSE[..], &["--upstream-ca", utf8(certificates.ca_file())]].concat();
    let proxy = Proxy::with(format!("psqls://localhost:{}", server.port()), &options);
    assert_eq!(commits(proxy.port(), server.port()), EVERY_OTHER);
}

#[test]
fn a_session_that_is_encrypted_is_left_alone_and_logged_once() {
    let certificates = testkit::Certificates::generate();
    let server = Postgres::start_tls(&certificates);
    let proxy = Proxy::with(format!("psql://localhost:{}", server.port()), &LOSE);
    for _ in 0..3 {
        let rows = testkit::psql(proxy.port(), "require", "begin; commit; select 42");
        assert!(printed(&rows).contains("42"));
    }
    let line = proxy.wait_for_line("the session is encrypted");
    assert!(line.contains("WARN") && line.contains("without TLS"), "it names the way out: {line}");
    assert_eq!(proxy.count_to_the_end("the session is encrypted"), 1, "{}", proxy.stderr());
}

/// Reads messages of PostgreSQL up to ReadyForQuery. Returns the tags, and the payload of ReadyForQuery.
fn read_group(mut client: &std::net::TcpStream) -> (String, Vec<u8>) {
    let mut tags = String::new();
    loop {
        let mut head = [0; 5];
        client.read_exact(&mut head).expect("a message");
        let [tag, len @ ..] = head;
        let mut payload = vec![0; usize::try_from(u32::from_be_bytes(len)).expect("short") - 4];
        client.read_exact(&mut payload).expect("it is whole");
        tags.push(char::from(tag));
        if tag == b'Z' {
            return (tags, payload);
        }
    }
}

pub(super) fn message(tag: u8, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len() + 4).expect("short");
    [&[tag], &len.to_be_bytes()[..], payload].concat()
}

pub(super) fn query(text: &str) -> Vec<u8> {
    message(b'Q', format!("{text}\0").as_bytes())
}

#[test]
fn a_commit_that_is_sent_together_with_its_begin_fails_with_its_transaction() {
    let server = Postgres::start();
    let fault = ["--with-respond", "--respond-on", "commit", "--respond-sqlstate", "40001"];
    let proxy = Proxy::with(format!("psql://127.0.0.1:{}", server.port()), &fault);
    let mut client = connect(([127, 0, 0, 1], proxy.port()).into());
    client.set_read_timeout(Some(PATIENCE)).expect("not zero");
    client.write_all(b"\0\0\0\x17\0\x03\0\0user\0postgres\0\0").expect("it is open");
    assert!(read_group(&client).0.ends_with('Z'));
    let execute = |text: &str| {
        let parse = message(b'P', format!("\0{text}\0\0\0").as_bytes());
        [parse, message(b'B', &[0; 8]), message(b'E', &[0; 5]), message(b'S', b"")].concat()
    };
    for send in [&query as &dyn Fn(&str) -> Vec<u8>, &execute] {
        let pipeline = ["begin", "create table orders ()", "commit", "select 1"].map(send).concat();
        client.write_all(&pipeline).expect("it is open");
        let groups = [(); 4].map(|()| read_group(&client));
        assert!(groups[2].0.ends_with("EZ"), "{groups:?}");
        let statuses = groups.map(|(_, status)| status);
        assert_eq!(statuses, [b"T", b"T", b"I", b"I"], "the transaction is over");
    }
    // Without Sync in between, and with a statement behind.
    let in_group = |statements: &[&str]| {
        let each = statements.iter().map(|text| {
            let whole = execute(text);
            whole[..whole.len() - 5].to_vec()
        });
        [each.collect::<Vec<_>>().concat(), message(b'S', b"")].concat()
    };
    let expected = [
        (vec!["begin", "create table orders ()", "commit"], "12C12C12EZ", b"I"),
        (vec!["begin", "create table orders ()", "commit", "create table orders ()"], "12C12C12EZ", b"I"),
        (vec!["begin", "bad", "commit"], "12CEZ", b"E"),
        (vec!["begin; bad", "commit"], "EZ", b"I"),
    ];
    for (statements, tags, status) in expected {
        client.write_all(&[in_group(&statements), query("rollback; select 1")].concat()).expect("it is open");
        assert_eq!(read_group(&client), (tags.to_owned(), status.to_vec()), "{statements:?}");
        assert_eq!(read_group(&client).0.replace('N', ""), "CTDCZ", "{statements:?}");
    }
    // The transaction has failed before.
    let failed = ["begin", "bad", "commit"];
    for send in [&query as &dyn Fn(&str) -> Vec<u8>, &execute] {
        client.write_all(&failed.map(send).concat()).expect("it is open");
        let groups = [(); 3].map(|()| read_group(&client));
        assert!(groups[2].0.ends_with("EZ") && !groups[2].0.contains('C'), "{groups:?}");
        assert_eq!(groups[2].1, b"I", "{groups:?}");
    }
    // Parse of the commit fails, because its name is in use.
    let parse = message(b'P', b"name\0commit\0\0\0");
    let rest = [message(b'B', b"\0name\0\0\0\0\0\0\0"), message(b'E', &[0; 5]), message(b'S', b"")].concat();
    client.write_all(&[parse.clone(), query("begin"), parse, rest].concat()).expect("it is open");
    assert_eq!(read_group(&client).0, "1CZ");
    assert_eq!(read_group(&client), ("EZ".to_owned(), b"E".to_vec()));
    let tables =
        testkit::psql(server.port(), "disable", "select count(*) from pg_class where relname = 'orders'");
    assert!(printed(&tables).contains('0'), "{tables:?}");
}

#[test]
fn a_statement_is_committed_whose_response_a_fault_after_forward_drops() {
    let (server, api) = (Postgres::start(), Api::alone());
    printed(&testkit::psql(server.port(), "disable", "create table t (id int)"));
    let insert = "insert into t values (1)";
    let (parse, sync) = (message(b'P', format!("\0{insert}\0\0\0").as_bytes()), message(b'S', b""));
    let execute = [parse, message(b'B', &[0; 8]), message(b'E', &[0; 5])].concat();
    let groups = [query(insert), [&execute[..], &sync].concat()];
    for (number, (fault, group)) in [
        ("timeout", json!({"on": "insert", "after": "200ms"})),
        ("reset", json!({"on": "insert", "after": "200ms"})),
        ("blackhole", json!({"on": "insert", "at": "after-forward"})),
    ]
    .iter()
    .flat_map(|fault| groups.iter().map(move |group| (fault, group)))
    .enumerate()
    {
        let (name, upstream) = (format!("db{number}"), format!("psql://127.0.0.1:{}", server.port()));
        let proxy =
            api.post("/proxies", &json!({"name": name, "listen": "127.0.0.1:0", "upstream": upstream}));
        let toxics = format!("/proxies/{name}/toxics");
        api.post(&toxics, &json!({"type": fault.0, "attributes": fault.1}));
        let mut client = connect(listen_of(&proxy));
        client.write_all(b"\0\0\0\x17\0\x03\0\0user\0postgres\0\0").expect("it is open");
        read_group(&client);
        client.write_all(group).expect("it is open");
        let counts = || {
            let counts = api.get(&format!("/proxies/{name}/requests"));
            let insert = &counts["requests"][0];
            ["forwarded", "answered", "delivered", "unconfirmed"].map(|count| insert[count].as_u64())
        };
        let expected = [1, 1, 0, 1].map(Some);
        eventually(&format!("{fault:?} on {group:?}"), || counts() == expected);
        let rows = testkit::psql(
            server.port(),
            "disable",
            "with d as (delete from t returning id) select count(*) from d",
        );
        assert_eq!(printed(&rows), "1\n", "{fault:?} on {group:?}");
    }
}

/// A query with several statements whose response is lost.
struct LostQuery {
    before: &'static str,
    text: &'static str,
    /// Kinds that count as unconfirmed.
    unconfirmed: &'static [&'static str],
    /// Whether the server has committed a row.
    is_committed: bool,
}

#[test]
fn a_lost_query_counts_the_statements_that_the_server_has_executed() {
    let (server, api) = (Postgres::start(), Api::alone());
    printed(&testkit::psql(server.port(), "disable", "create table t (id int)"));
    let (insert, bad) = ("begin; insert into t values (0)", "begin; insert into t values (0); select 1/0");
    let lost =
        |before, text, unconfirmed, is_committed| LostQuery { before, text, unconfirmed, is_committed };
    for (number, lost) in [
        lost(insert, "commit; select 1/0", &["commit"], true),
        lost("", "insert into t values (0); commit; select 1/0", &["commit"], true),
        lost(insert, "select 1/0; commit", &[], false),
        lost(insert, "select 1; commit; rollback", &["commit", "rollback", "select"], true),
        lost(bad, "commit; rollback", &["rollback"], false),
        lost(bad, "commit; insert into t values (0)", &["insert"], true),
    ]
    .iter()
    .enumerate()
    {
        let upstream = format!("psql://127.0.0.1:{}", server.port());
        let name = format!("db{number}");
        let proxy =
            api.post("/proxies", &json!({"name": name, "listen": "127.0.0.1:0", "upstream": upstream}));
        let attributes = json!({"on": "commit"});
        let toxics = format!("/proxies/{name}/toxics");
        api.post(&toxics, &json!({"type": "lose-response", "attributes": attributes}));
        let mut client = connect(listen_of(&proxy));
        client.write_all(b"\0\0\0\x17\0\x03\0\0user\0postgres\0\0").expect("it is open");
        read_group(&client);
        client.write_all(&query(lost.before)).expect("it is open");
        read_group(&client);
        client.write_all(&query(lost.text)).expect("it is open");
        assert_eq!(ending(&client), Err(ErrorKind::ConnectionReset), "{}", lost.text);
        let unconfirmed = || -> Vec<String> {
            let counts = api.get(&format!("/proxies/{name}/requests"));
            let kinds = counts["requests"].as_array().expect("counts").iter();
            let lost = kinds.filter(|kind| kind["unconfirmed"] != 0);
            lost.map(|kind| kind["kind"].as_str().expect("a name").to_owned()).collect()
        };
        eventually(&format!("{}: {:?}", lost.text, lost.unconfirmed), || unconfirmed() == lost.unconfirmed);
        let rows = testkit::psql(
            server.port(),
            "disable",
            "with d as (delete from t returning id) select count(*) from d",
        );
        assert_eq!(printed(&rows), format!("{}\n", u8::from(lost.is_committed)), "{}", lost.text);
    }
}
