//! Faults on requests, as the drivers of applications see them.

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::postgres::pgbench;
use crate::support::{Proxy, printed};
use testkit::{Postgres, Redis, RedisCluster, TcpServer, clients, free_port, psql, require};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients");

pub(crate) const LOST_COMMIT: [&str; 5] =
    ["--with-lose-response", "--lose-response-on", "commit", "--lose-response-times", "1"];

/// Returns the output of a script that uses a package.
pub(crate) fn python(package: &str, script: &str, ports: &[u16]) -> String {
    let mut python = Command::new(require("python3", "python3"));
    python.env("PYTHONPATH", clients::python_modules(package));
    output(python, &format!("python/{script}"), ports)
}

/// Returns the output of a script that uses a package.
pub(crate) fn node(package: &str, script: &str, ports: &[u16]) -> String {
    let mut node = Command::new(require("node", "nodejs"));
    node.env("NODE_PATH", clients::npm_modules(package));
    output(node, &format!("node/{script}"), ports)
}

fn output(mut interpreter: Command, script: &str, ports: &[u16]) -> String {
    interpreter.arg(Path::new(SCRIPTS).join(script)).args(ports.iter().map(u16::to_string));
    printed(&interpreter.output().expect("the interpreter is executable"))
}

pub(crate) fn postgres_with(server: &Postgres, options: &[&str]) -> Proxy {
    Proxy::with(format!("psql://127.0.0.1:{}", server.port()), options)
}

#[test]
fn sqlalchemy_repeats_a_transaction_that_fails_to_serialize() {
    let server = Postgres::start();
    let fault = ["--with-respond", "--respond-on", "commit", "--respond-sqlstate", "40001"];
    let proxy = postgres_with(&server, &[&fault[..], &["--respond-times", "2"]].concat());
    let seen = python("sqlalchemy", "sqlalchemy_retry.py", &[proxy.port(), server.port()]);
    assert_eq!(seen, "40001 False 0\n40001 False 0\nok 1\nkept\n");
}

#[test]
fn sqlalchemy_repeats_a_transaction_that_was_committed() {
    let server = Postgres::start();
    let proxy = postgres_with(&server, &LOST_COMMIT);
    let seen = python("sqlalchemy", "sqlalchemy_retry.py", &[proxy.port(), server.port()]);
    assert_eq!(seen, "None True 1\nok 2\nreplaced\n");
}

#[test]
fn asyncpg_sees_a_lost_commit_and_a_deadlock_with_prepared_statements() {
    let server = Postgres::start();
    let lossy = postgres_with(&server, &LOST_COMMIT);
    let fault = ["--with-respond", "--respond-on", "update", "--respond-sqlstate", "40P01"];
    let failing = postgres_with(&server, &[&fault[..], &["--respond-times", "1"]].concat());
    let ports = [lossy.port(), failing.port(), server.port()];
    let seen = python("asyncpg", "asyncpg_transactions.py", &ports);
    let expected = "commit lost closed 3\ncommit ok open 6\n\
        40P01\nrows 6\nok\nok\nrows 7\nsame connection\n";
    assert_eq!(seen, expected);
}

/// The pipeline is one group of messages. The server executes all of it although a response is lost. If the proxy responds to a statement,
/// the server executes nothing behind it.
const SEEN_BY_PIPELINES: &str = "OperationalError [1, 10, 2] [1, 2, 3] unusable\n\
    40001 [1, 10, 2] [] IDLE 30\n\
    OperationalError [1] [1, 2, 3] unusable\n\
    40001 [1] [] INERROR 30\n";

#[test]
fn pipelines_of_psycopg_lose_or_fail_what_is_in_their_middle() {
    let server = Postgres::start();
    let faults = ["commit", "sql=select 10"].map(|on| {
        [
            ["--with-lose-response", "--lose-response-on", on].to_vec(),
            ["--with-respond", "--respond-sqlstate", "40001", "--respond-on", on].to_vec(),
        ]
    });
    let proxies: Vec<_> = faults.iter().flatten().map(|fault| postgres_with(&server, fault)).collect();
    let ports: Vec<_> = proxies.iter().map(Proxy::port).chain([server.port()]).collect();
    assert_eq!(python("psycopg", "psycopg_pipeline.py", &ports), SEEN_BY_PIPELINES);
}

#[test]
fn psycopg_keeps_a_prepared_statement_that_has_failed() {
    let server = Postgres::start();
    let fault = ["--with-respond", "--respond-on", "update", "--respond-sqlstate", "40P01"];
    let proxy = postgres_with(&server, &[&fault[..], &["--respond-times", "1"]].concat());
    let run = |port: u16, words: &[&str]| {
        let mut python = Command::new(require("python3", "python3"));
        python.env("PYTHONPATH", clients::python_modules("psycopg"));
        python.arg(Path::new(SCRIPTS).join("python/psycopg_prepared.py")).arg(port.to_string()).args(words);
        printed(&python.output().expect("python is executable"))
    };
    let seen = run(proxy.port(), &[]);
    assert!(seen.starts_with("40P01 INERROR\n") && seen.ends_with("same connection True\n"), "{seen}");
    assert_eq!(seen, run(server.port(), &["trigger"]), "the state is that after an error of the server");
}

#[test]
fn psycopg_gets_asynchronous_messages_behind_an_error_of_the_proxy() {
    let server = Postgres::start();
    let fault = ["--with-respond", "--respond-on", "commit", "--respond-sqlstate", "40001"];
    let proxy = postgres_with(&server, &fault);
    let seen = python("psycopg", "psycopg_asynchronous.py", &[proxy.port(), server.port()]);
    let mut seen: Vec<_> = seen.lines().collect();
    // The driver calls handlers before or after it raises the error.
    seen.sort_unstable();
    assert_eq!(seen, ["40001", "True", "notified paid"]);
}

#[test]
fn a_session_with_thousands_of_cursors_of_asyncpg_is_read_to_its_end() {
    let server = Postgres::start();
    let fault = ["--with-respond", "--respond-on", "sql=select 2", "--respond-sqlstate", "40001"];
    let proxy = postgres_with(&server, &fault);
    assert_eq!(python("asyncpg", "asyncpg_cursors.py", &[proxy.port()]), "40001\n");
}

#[test]
fn a_pool_of_node_postgres_replaces_the_connection_of_a_lost_commit() {
    let server = Postgres::start();
    let proxy = postgres_with(&server, &LOST_COMMIT);
    let seen = node("pg", "pg_pool.cjs", &[proxy.port(), server.port()]);
    assert_eq!(seen, "ECONNRESET 1 0\nok 2 1\nok 3 1\n");
}

/// A transaction has three updates, so no two of the failures are in one transaction.
#[test]
fn pgbench_repeats_the_transactions_whose_update_fails() {
    const SUMS: &str = "select count(*), sum(delta) = (select sum(abalance) from pgbench_accounts), \
        sum(delta) = (select sum(bbalance) from pgbench_branches), \
        sum(delta) = (select sum(tbalance) from pgbench_tellers) from pgbench_history";
    let fault = ["--with-respond", "--respond-on", "update", "--respond-sqlstate", "40001"];
    let fault = [&fault[..], &["--respond-every", "7", "--respond-times", "5"]].concat();
    for mode in ["simple", "prepared"] {
        let server = Postgres::start();
        let proxy = postgres_with(&server, &fault);
        pgbench(&proxy, "disable", &["-i", "-q"]);
        let options = ["-n", "-M", mode, "-c", "1", "--max-tries=10", "-t", "50"];
        let report = pgbench(&proxy, "disable", &options);
        for line in [
            "transactions actually processed: 50/50",
            "number of failed transactions: 0 ",
            "number of transactions retried: 5 ",
            "total number of retries: 5\n",
        ] {
            assert!(report.contains(line), "{mode}: {line:?} is missing: {report}");
        }
        let sums = printed(&psql(server.port(), "disable", SUMS));
        assert_eq!(sums, "50|t|t|t\n", "{mode}: each transaction is executed once");
    }
}

#[test]
fn ioredis_sees_a_read_only_replica_in_pipelines_transactions_and_failovers() {
    let server = Redis::start();
    let fault = ["--with-respond", "--respond-on", "SET session:*", "--respond-error", "READONLY"];
    let upstream = format!("redis://127.0.0.1:{}", server.port());
    let readonly = Proxy::with(&upstream, &fault);
    let once = Proxy::with(&upstream, &[&fault[..], &["--respond-times", "1"]].concat());
    let ports = [readonly.port(), once.port(), server.port()];
    let expected = "set OK READONLY\npipeline OK READONLY 2\nmulti EXECABORT\nafter 2 null\n\
        failover OK 2\nserver 2 null 4\n";
    assert_eq!(node("ioredis", "ioredis_readonly.cjs", &ports), expected);
}

/// The second node redirects the client back to the first, which has the slot of `bar`. Only ASK makes the client send ASKING.
#[test]
fn ioredis_follows_a_redirect_of_the_proxy_in_a_cluster() {
    for (redirect, asking) in [("MOVED", 0), ("ASK", 1)] {
        let nodes = [free_port(), free_port()];
        let [first, second] = nodes.map(|port| format!("redis://127.0.0.1:{port}"));
        let second = Proxy::to(second);
        let place = format!("{redirect} 5061 {}", second.addr);
        let fault = ["--with-respond", "--respond-on", "GET bar", "--respond-times", "1", "--respond-error"];
        let first = Proxy::with(first, &[&fault[..], &[&place]].concat());
        let _cluster = RedisCluster::start(nodes, [first.port(), second.port()]);
        let seen = node("ioredis", "ioredis_moved.cjs", &[first.port(), nodes[1]]);
        assert_eq!(seen, format!("value\nvalue\nerrorstat_MOVED:count=1\nASKING {asking}\n"), "{redirect}");
    }
}

const REPORT: usize = 10_000;

/// A server that responds to each request with the number of orders (POST) that it has executed.
pub(crate) fn orders() -> TcpServer {
    let (orders, connections) = (AtomicUsize::new(0), AtomicUsize::new(0));
    TcpServer::start(move |stream| {
        let connection = connections.fetch_add(1, Ordering::SeqCst) + 1;
        let mut requests = BufReader::new(&stream);
        while let Some(request) = read_request(&mut requests) {
            let order = usize::from(request.starts_with("POST "));
            let executed = orders.fetch_add(order, Ordering::SeqCst) + order;
            let written = match request.split(' ').nth(1) {
                Some("/events") => write_events(&stream),
                Some("/report") => respond(&stream, connection, &"x".repeat(REPORT)),
                _ => respond(&stream, connection, &executed.to_string()),
            };
            if written.is_err() {
                return;
            }
        }
    })
}

/// Reads a request with its body, and returns its first line.
fn read_request(requests: &mut impl BufRead) -> Option<String> {
    let head: Vec<String> =
        requests.lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let length = head.iter().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    requests.read_exact(&mut vec![0; length.unwrap_or(0)]).ok()?;
    head.into_iter().next()
}

fn respond(mut stream: &TcpStream, connection: usize, body: &str) -> io::Result<()> {
    let (number, length) = (format!("Connection-Number: {connection}"), body.len());
    let response = format!("HTTP/1.1 200 OK\r\n{number}\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.write_all(response.as_bytes())
}

fn write_events(mut stream: &TcpStream) -> io::Result<()> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes())?;
    for number in 1..=5 {
        let event = format!("data: {number}\n\n");
        stream.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes())?;
    }
    stream.write_all(b"0\r\n\r\n")
}

/// The first connection ends with the lost order, the second with the report, whose head has 64 bytes, and the third with the events.
const SEEN_BY_HTTPX: &str = "GET /count 0 on connection 1\nPOST /other 1 on connection 1\n\
    POST /orders/1 ReadError\nGET /count 2 on connection 2\nPOST /orders/1 3 on connection 2\n\
    GET /report peer closed connection without sending complete message body (received 4936 bytes, expected 10000)\n\
    data: 1\ndata: 2\nReadError\nGET /count 3 on connection 4\n";

const SEEN_BY_REQUESTS: &str = "GET /count 0 on connection 1\nPOST /other 1 on connection 1\n\
    POST /orders/1 ConnectionError\nGET /count 2 on connection 2\nPOST /orders/1 3 on connection 2\n\
    GET /report ChunkedEncodingError\n\
    data: 1\ndata: 2\nChunkedEncodingError\nGET /count 3 on connection 4\n";

const SEEN_BY_FETCH: &str = "GET /count 0\nPOST /other 1\n\
    POST /orders/1 TypeError: fetch failed (ECONNRESET)\nGET /count 2\nPOST /orders/1 3\n\
    GET /report TypeError: terminated (UND_ERR_SOCKET)\n";

#[test]
fn http_clients_with_pools_see_lost_truncated_and_reset_responses() {
    let faults = [
        &["--with-lose-response", "--lose-response-on", "POST /orders/*", "--lose-response-times", "1"][..],
        &["--with-truncate", "--truncate-on", "GET /report", "--truncate-bytes", "5000"],
        &["--with-reset", "--reset-on", "GET /events", "--reset-at", "mid-response", "--reset-events", "2"],
    ]
    .concat();
    let with_faults = |server: &TcpServer| Proxy::with(format!("http://{}", server.addr()), &faults);
    let server = orders();
    let proxy = with_faults(&server);
    assert_eq!(python("httpx", "httpx_orders.py", &[proxy.port()]), SEEN_BY_HTTPX);

    let server = orders();
    let proxy = with_faults(&server);
    assert_eq!(python("requests", "requests_orders.py", &[proxy.port()]), SEEN_BY_REQUESTS);

    let server = orders();
    let proxy = with_faults(&server);
    let fetch = Command::new(require("node", "nodejs"));
    assert_eq!(output(fetch, "node/fetch_orders.cjs", &[proxy.port()]), SEEN_BY_FETCH);
}
