//! Faults on requests, as the command line clients of the servers see them.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use crate::fault_requests_drivers::{LOST_COMMIT, orders, postgres_with};
use crate::support::{Proxy, printed};
use testkit::{Postgres, Redis, require};

fn with_input(mut command: Command, input: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut client = command.spawn().expect("it is executable");
    // It may end before it has read everything.
    let _ = client.stdin.take().expect("it is piped").write_all(input.as_bytes());
    client.wait_with_output().expect("it ends")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn psql(port: u16, statements: &str) -> Output {
    let mut psql = Command::new(require("psql", "postgresql-client"));
    psql.env_clear().envs([("HOME", "/nonexistent"), ("PGHOST", "127.0.0.1"), ("PGSSLMODE", "disable")]);
    psql.args(["-X", "-A", "-t", "-q", "-U", "postgres", "-p", &port.to_string(), "postgres"]);
    with_input(psql, statements)
}

#[test]
fn psql_loses_its_connection_with_a_commit_and_goes_on_after_an_error() {
    let server = Postgres::start();
    printed(&psql(server.port(), "create table orders (id int)"));
    let lossy = postgres_with(&server, &LOST_COMMIT);
    let lost = psql(lossy.port(), "begin; insert into orders values (1); commit; select 'not reached'");
    assert_eq!((lost.status.code(), text(&lost.stdout)), (Some(2), String::new()));
    assert!(text(&lost.stderr).contains("connection to server was lost"), "{}", text(&lost.stderr));
    assert_eq!(printed(&psql(server.port(), "select id from orders")), "1\n");

    let update = ["--with-respond", "--respond-on", "update", "--respond-sqlstate", "40P01"];
    let commit =
        ["--with-respond", "--respond-on", "commit", "--respond-sqlstate", "40001", "--respond-times", "1"];
    for (fault, statements, expected) in [
        (
            &update[..],
            "begin; insert into orders values (2); update orders set id = 3;\n\\echo :SQLSTATE\n\
             select 1;\n\\echo :SQLSTATE\nrollback; select id from orders;",
            "40P01\n25P02\n1\n",
        ),
        (
            &commit,
            "begin; insert into orders values (2); commit;\n\\echo :SQLSTATE\n\
             begin; insert into orders values (3); commit; select id from orders;",
            "40001\n1\n3\n",
        ),
    ] {
        let seen = psql(postgres_with(&server, fault).port(), statements);
        assert_eq!(text(&seen.stdout), expected, "{}", text(&seen.stderr));
    }
}

#[test]
fn curl_sees_lost_truncated_and_reset_responses() {
    let server = orders();
    let faults = [
        "--with-lose-response --lose-response-on POST --lose-response-times 1",
        "--with-truncate --truncate-on GET+/report --truncate-bytes 5000",
        "--with-reset --reset-on GET+/events --reset-at mid-response --reset-events 2",
    ];
    let faults = faults.join(" ");
    let faults: Vec<_> = faults.split(' ').map(|option| option.replace('+', " ")).collect();
    let faults: Vec<_> = faults.iter().map(String::as_str).collect();
    let proxy = Proxy::with(format!("http://{}", server.addr()), &faults);
    let curl = |options: &[&str], path: &str| {
        let mut curl = Command::new(require("curl", "curl"));
        curl.args(["-q", "--noproxy", "*", "-sS", "-N", "--max-time", "60"]).args(options);
        let output = curl.arg(format!("http://{}{path}", proxy.addr)).output().expect("curl is executable");
        (output.status.code(), text(&output.stdout))
    };
    let order = ["--data", "one"];
    assert_eq!(curl(&order, "/orders/1"), (Some(56), String::new()), "CURLE_RECV_ERROR");
    assert_eq!(curl(&[], "/count"), (Some(0), "1".to_owned()), "the order was executed");
    assert_eq!(curl(&order, "/orders/1"), (Some(0), "2".to_owned()));
    assert_eq!(curl(&[], "/report"), (Some(18), "x".repeat(4936)), "CURLE_PARTIAL_FILE");
    assert_eq!(curl(&[], "/events"), (Some(56), "data: 1\n\ndata: 2\n\n".to_owned()), "CURLE_RECV_ERROR");
}

const SEEN_BY_REDIS_CLI: &str = "OK\nLOADING Redis is loading the dataset in memory\n\n\
    OK\nQUEUED\nLOADING Redis is loading the dataset in memory\n\n\
    EXECABORT Transaction discarded because of previous errors.\n\n1\n\n";

#[test]
fn redis_cli_sees_errors_and_lost_responses_and_follows_redirects() {
    let (server, second) = (Redis::start(), Redis::start());
    let moved = format!("MOVED 5061 127.0.0.1:{}", second.port());
    let options = [
        ["--with-respond", "--respond-on", "SET session:*", "--respond-error", "LOADING"].to_vec(),
        ["--with-respond", "--respond-on", "GET bar", "--respond-error", &moved].to_vec(),
        ["--with-lose-response", "--lose-response-on", "INCR", "--lose-response-times", "1"].to_vec(),
    ];
    let [loading, moving, lossy] =
        options.map(|fault| Proxy::with(format!("redis://127.0.0.1:{}", server.port()), &fault));
    let redis_cli = |port: u16, options: &[&str], commands: &str| {
        let mut redis_cli = Command::new(require("redis-cli", "redis-tools"));
        redis_cli.args(["-p", &port.to_string()]).args(options);
        let output = with_input(redis_cli, commands);
        text(&output.stdout) + &text(&output.stderr)
    };
    let commands = "SET a 1\nSET session:1 2\nMULTI\nSET a 3\nSET session:1 4\nEXEC\nMGET a session:1\n";
    assert_eq!(redis_cli(loading.port(), &[], commands), SEEN_BY_REDIS_CLI);
    assert_eq!(
        redis_cli(lossy.port(), &[], "INCR orders\nGET orders\n"),
        "1\nError: Connection reset by peer\n"
    );
    redis_cli(second.port(), &[], "SET bar value\n");
    let seen = redis_cli(moving.port(), &["-c"], "GET bar\n");
    assert!(seen.contains("Redirected to slot [5061]") && seen.ends_with("value\n"), "{seen}");
}
