//! Missing NATS rights: sessions end, readiness, and the command `check`.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::bytes::round_trip;
use crate::support::http::{get, metric};
use crate::support::member::{Member, REQUEST};
use crate::support::{Client, Server, client_binary, count, eventually, free_addr, server_binary};
use testkit::{Daemon, NatsServer, TcpServer};

/// A session without this handling is silent for `--max-outage`.
const MAX_OUTAGE: Duration = Duration::from_secs(60);
/// A client waits for the decision of a server until then.
const OPEN_TIMEOUT: Duration = Duration::from_secs(15);
const RIGHTS: [(&str, &[&str]); 4] = [
    ("server publish", &["p.data.to_client.*", "_INBOX.>"]),
    ("server subscribe", &["proxy.>", "p.data.to_server.*", "_INBOX.>"]),
    ("client publish", &["proxy.>", "p.data.to_server.*", "_INBOX.>"]),
    ("client subscribe", &["p.data.to_client.*", "_INBOX.>"]),
];

/// Users `server` and `client` with all rights but `missing`, written like `client publish proxy.>`.
fn users(missing: &str) -> String {
    let list = |rights: &str| {
        let (_, subjects) = RIGHTS.iter().find(|(name, _)| *name == rights).expect("it is one of them");
        let left = subjects.iter().filter(|subject| format!("{rights} {subject}") != missing);
        left.map(|subject| format!("\"{subject}\"")).collect::<Vec<_>>().join(", ")
    };
    let user = |name: &str| {
        let (publish, subscribe) = (list(&format!("{name} publish")), list(&format!("{name} subscribe")));
        format!(
            "{{ user: {name}, password: {name}, \
             permissions: {{ publish: [{publish}], subscribe: [{subscribe}] }} }}"
        )
    };
    format!("authorization {{ users: [ {}, {} ] }}", user("server"), user("client"))
}

fn url(nats: &NatsServer, user: &str) -> String {
    nats.url().replace("nats://", &format!("nats://{user}:{user}@"))
}

fn pair(nats: &NatsServer, upstream: &TcpServer) -> (Server, Client) {
    (Server::at(&url(nats, "server")), Client::to(&url(nats, "client"), upstream.addr()))
}

/// Writing comes after the reset on a busy machine.
fn is_reset(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}

/// The connection is reset long before `--max-outage`.
fn assert_reset(stream: &std::net::TcpStream) {
    let start = Instant::now();
    let kind = round_trip(stream, b"x").expect_err("it is reset").kind();
    assert!(is_reset(kind), "{kind}");
    assert!(start.elapsed() < MAX_OUTAGE / 2, "{:?}", start.elapsed());
}

struct Health {
    server: SocketAddr,
    client: SocketAddr,
}

fn pair_with_health(nats: &NatsServer, upstream: &TcpServer) -> (Server, Client, Health) {
    let health = Health { server: free_addr(), client: free_addr() };
    let (of_server, of_client) = (health.server.to_string(), health.client.to_string());
    let server = Server::with(&url(nats, "server"), &["--listen-addr", &of_server]);
    let client = Client::with(&url(nats, "client"), upstream.addr(), &["--health-addr", &of_client]);
    (server, client, health)
}

#[test]
fn a_program_without_a_right_is_not_ready_and_its_clients_are_reset_with_the_right_in_both_logs() {
    for (missing, at_server, right, knows_other) in [
        ("server subscribe proxy.>", true, "subscribe to proxy.request", false),
        ("client publish proxy.>", false, "publish to proxy.request", false),
        ("client subscribe _INBOX.>", false, "subscribe to _INBOX.>", true),
        ("client subscribe p.data.to_client.*", false, "subscribe to p.data.to_client.*", true),
        ("server subscribe p.data.to_server.*", true, "subscribe to p.data.to_server.*", true),
        ("client publish p.data.to_server.*", false, "publish to p.data.to_server.*", true),
        ("server publish p.data.to_client.*", true, "publish to p.data.to_client.*", true),
    ] {
        let (nats, upstream) = (NatsServer::with_config(&users(missing)), TcpServer::echo());
        let (server, client, health) = pair_with_health(&nats, &upstream);
        let (lacking, whole) =
            if at_server { (health.server, health.client) } else { (health.client, health.server) };
        eventually("it is not ready", || get(lacking, "/readyz").0 == 503);
        let body = get(lacking, "/readyz").1;
        assert!(body.contains(&format!("may not {right}")) && body.contains(" check"), "{missing}: {body}");
        assert_eq!(get(whole, "/readyz"), (200, "ok\n".to_owned()), "{missing}");
        assert_reset(&client.connect());
        let (lacking, other) = if at_server { (&*server, &*client) } else { (&*client, &*server) };
        lacking.wait_for_line(right);
        if knows_other {
            other.wait_for_line(&format!("may not {right}"));
        }
        let refusals = count(lacking, "NATS refuses a right");
        assert_eq!(refusals, 1, "{}", lacking.stderr());
    }
}

#[test]
fn rights_that_are_given_make_both_ready_and_work_without_a_restart() {
    for missing in
        ["server subscribe proxy.>", "server subscribe p.data.to_server.*", "client subscribe _INBOX.>"]
    {
        let (nats, upstream) = (NatsServer::with_config(&users(missing)), TcpServer::echo());
        let (_server, client, health) = pair_with_health(&nats, &upstream);
        eventually("one is not ready", || {
            get(health.server, "/readyz").0 == 503 || get(health.client, "/readyz").0 == 503
        });
        nats.reload(&users(""));
        for endpoint in [health.server, health.client] {
            eventually("it is ready again", || get(endpoint, "/readyz").0 == 200);
        }
        eventually("it works", || round_trip(&client.connect(), b"all rights").is_ok());
        nats.reload(&users(missing));
        eventually("one is not ready again", || {
            let _ = round_trip(&client.connect(), b"x");
            get(health.server, "/readyz").0 == 503 || get(health.client, "/readyz").0 == 503
        });
    }
}

/// Exit code, stdout and stderr of the command `check` of the program that has this user.
fn check(nats: &NatsServer, user: &str) -> (Option<i32>, String, String) {
    let mut command = match user {
        "server" => Command::new(server_binary()),
        _ => Command::new(client_binary()),
    };
    let output = command.args(["check", "--nats-url", &url(nats, user)]).output().expect("it starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn the_command_check_names_the_missing_right_and_nothing_else() {
    for (missing, user, right) in [
        ("server subscribe proxy.>", "server", "subscribe to proxy.request"),
        ("server subscribe p.data.to_server.*", "server", "subscribe to p.data.to_server.*"),
        ("server publish p.data.to_client.*", "server", "publish to p.data.to_client.*"),
        ("server publish _INBOX.>", "server", "publish to _INBOX.>"),
        ("client publish proxy.>", "client", "publish to proxy.request"),
        ("client subscribe _INBOX.>", "client", "subscribe to _INBOX.>"),
        ("client subscribe p.data.to_client.*", "client", "subscribe to p.data.to_client.*"),
        ("client publish p.data.to_server.*", "client", "publish to p.data.to_server.*"),
    ] {
        let nats = NatsServer::with_config(&users(missing));
        let (code, report, complaint) = check(&nats, user);
        let lines: Vec<_> = report.lines().filter(|line| line.starts_with("MISSING")).collect();
        assert_eq!(lines, [format!("MISSING  {right}")], "{report}");
        assert_eq!(code, Some(1), "{report}");
        assert!(complaint.contains("NATS permissions are missing"), "{complaint}");
        let other = if user == "server" { "client" } else { "server" };
        assert_eq!(check(&nats, other).0, Some(0), "{missing}");
    }
}

#[test]
fn the_permissions_that_check_prints_are_enough() {
    let open = NatsServer::with_config(&users(""));
    let block = |user: &str| {
        let (code, report, _) = check(&open, user);
        assert_eq!(code, Some(0), "{report}");
        assert!(report.contains("round trip") && report.contains("45056 bytes"), "{report}");
        assert!(report.contains("32 or more"), "{report}");
        let block = report.split_once("permissions: {").expect("a block").1.trim().to_owned();
        format!("{{ user: {user}, password: {user}, permissions: {{ {block} }}")
    };
    let config = format!("authorization {{ users: [ {}, {} ] }}", block("server"), block("client"));
    let (nats, upstream) = (NatsServer::with_config(&config), TcpServer::echo());
    assert!(check(&nats, "client").1.contains("no server listens"));
    let (_server, client) = pair(&nats, &upstream);
    round_trip(&client.connect(), b"permitted").unwrap();
    assert!(check(&nats, "client").1.contains("answered after"));
    for user in ["server", "client"] {
        assert_eq!(check(&nats, user).0, Some(0));
    }
    nats.kill();
    let (code, _, complaint) = check(&nats, "client");
    assert!(code == Some(1) && complaint.contains("Connection refused"), "{complaint}");
}

#[test]
fn check_tells_the_limits() {
    let nats = NatsServer::with_config("max_subscriptions: 9\nmax_payload: 4096");
    let report = check(&nats, "client").1;
    assert!(report.contains("4096 bytes at most"), "{report}");
    assert!(report.contains("8, limited by the subscriptions of this user"), "{report}");
    let report = check(&nats, "server").1;
    assert!(report.contains("7, limited by the subscriptions of this user"), "{report}");
}

#[test]
fn many_errors_are_a_few_lines_and_a_count() {
    let config = users("client publish p.data.to_server.*");
    let (nats, upstream) = (NatsServer::with_config(&config), TcpServer::echo());
    let (server, client, health) = pair_with_health(&nats, &upstream);
    for _ in 0..200 {
        assert_reset(&client.connect());
    }
    assert!(metric(health.client, "nats_proxy_client_nats_errors_total") >= 1.0);
    for log in [&*server, &*client] {
        let warnings = count(log, " WARN ");
        assert!(warnings < 30, "{warnings}: {}", log.stderr());
    }
}

/// A right to the subjects of sessions, which program lacks it, and how logs name it.
const DATA_RIGHTS: [(&str, bool, &str); 4] = [
    ("client publish p.data.to_server.*", false, "the client may not publish to p.data.to_server.*"),
    ("client subscribe p.data.to_client.*", false, "the client may not subscribe to p.data.to_client.*"),
    ("server publish p.data.to_client.*", true, "the server may not publish to p.data.to_client.*"),
    ("server subscribe p.data.to_server.*", true, "the server may not subscribe to p.data.to_server.*"),
];

fn has_ended(log: &Daemon, right: &str) -> bool {
    log.stderr().lines().any(|line| line.contains("session ended") && line.contains(right))
}

#[test]
fn rights_that_are_taken_away_end_open_sessions_at_both_ends_until_they_are_back() {
    for (missing, at_server, right) in DATA_RIGHTS {
        let (nats, upstream) = (NatsServer::with_config(&users("")), TcpServer::echo());
        let (server, client, health) = pair_with_health(&nats, &upstream);
        let open = client.connect();
        round_trip(&open, b"all rights").unwrap();
        nats.reload(&users(missing));
        assert_reset(&open);
        for log in [&*server, &*client] {
            eventually("it ends the session", || has_ended(log, right));
        }
        let lacking = if at_server { health.server } else { health.client };
        eventually("it is not ready", || {
            let (code, body) = get(lacking, "/readyz");
            code == 503 && body.contains(right.split_once(' ').unwrap().1.split_once(' ').unwrap().1)
        });
        let start = Instant::now();
        assert_reset(&client.connect());
        assert!(start.elapsed() < OPEN_TIMEOUT / 2, "{missing}: {:?}", start.elapsed());
        nats.reload(&users(""));
        for endpoint in [health.server, health.client] {
            eventually("it is ready again", || get(endpoint, "/readyz").0 == 200);
        }
        eventually("it works", || round_trip(&client.connect(), b"all rights").is_ok());
    }
}

#[test]
fn the_first_connection_after_a_right_was_taken_away_is_reset_as_well() {
    for (missing, _, right) in DATA_RIGHTS {
        let (nats, upstream) = (NatsServer::with_config(&users("")), TcpServer::echo());
        let (server, client) = pair(&nats, &upstream);
        round_trip(&client.connect(), b"all rights").unwrap();
        eventually("no session is left", || count(&server, "session ended") == 1);
        nats.reload(&users(missing));
        let start = Instant::now();
        assert_reset(&client.connect());
        assert!(start.elapsed() < MAX_OUTAGE / 4, "{missing}: {:?}", start.elapsed());
        client.wait_for_line(right);
        server.wait_for_line(right);
    }
}

#[test]
fn all_servers_with_sessions_hear_of_a_client_that_may_not_publish() {
    let (nats, upstream) = (NatsServer::with_config(&users("")), TcpServer::echo());
    let endpoints: Vec<_> = (0..4).map(|_| free_addr()).collect();
    let server = |endpoint: &SocketAddr| {
        Server::with(&url(&nats, "server"), &["--listen-addr", &endpoint.to_string()])
    };
    let servers: Vec<_> = endpoints.iter().map(server).collect();
    let client = Client::to(&url(&nats, "client"), upstream.addr());
    let mut open = Vec::new();
    eventually("each server has a session", || {
        let stream = client.connect();
        round_trip(&stream, b"all rights").unwrap();
        open.push(stream);
        endpoints.iter().all(|endpoint| metric(*endpoint, "nats_proxy_server_sessions_active") > 0.0)
    });
    let start = Instant::now();
    nats.reload(&users("client publish p.data.to_server.*"));
    // One session meets the refusal; the others are idle.
    assert_reset(&open[0]);
    for server in &servers {
        eventually("its sessions end", || has_ended(server, DATA_RIGHTS[0].2));
    }
    assert!(start.elapsed() < MAX_OUTAGE / 2, "{:?}", start.elapsed());
}

#[test]
fn a_report_by_a_stranger_ends_no_session() {
    let (nats, upstream) = (NatsServer::start(), TcpServer::echo());
    let (server, client) = (Server::at(&nats.url()), Client::to(&nats.url(), upstream.addr()));
    let mut stranger = Member::at(nats.addr());
    stranger.subscribe("proxy.request");
    // Answered, so NATS has the subscription.
    stranger.ask(1, "proxy-check:\r\n", REQUEST);
    let open = client.connect();
    round_trip(&open, b"before").unwrap();
    let request = stranger.next().payload;
    let instance = request.lines().find_map(|line| line.strip_prefix("proxy-instance: ")).unwrap();
    let headers = format!("proxy-check: the client may not publish\r\nproxy-instance: {instance}\r\n");
    for _ in 0..3 {
        stranger.ask(1, &headers, REQUEST);
        // Longer than the client has to answer.
        thread::sleep(Duration::from_secs(4));
        round_trip(&open, b"after").unwrap();
    }
    server.wait_for_line("reported a client's problem: the client may not publish");
    assert!(!has_ended(&server, ""), "{}", server.stderr());
}

#[test]
fn sessions_beyond_the_limit_of_subscriptions_are_reset_and_the_others_go_on() {
    let (nats, upstream) = (NatsServer::with_config("max_subscriptions: 6"), TcpServer::echo());
    let report = check(&nats, "server").1;
    let (server, client, health) = pair_with_health(&nats, &upstream);
    let mut open = Vec::new();
    let start = Instant::now();
    let refused = loop {
        let stream = client.connect();
        match round_trip(&stream, b"room") {
            Ok(()) => open.push(stream),
            Err(error) => break error,
        }
    };
    let sessions = format!("sessions        {}, limited", open.len());
    assert!(report.contains(&sessions), "{sessions}: {report}");
    assert!(is_reset(refused.kind()), "{refused}");
    assert!(start.elapsed() < MAX_OUTAGE / 2, "{:?}", start.elapsed());
    let reason = "NATS refused a subscription: maximum subscriptions exceeded";
    server.wait_for_line(reason);
    client.wait_for_line(reason);
    let start = Instant::now();
    assert_reset(&client.connect());
    assert!(start.elapsed() < OPEN_TIMEOUT / 2, "{:?}", start.elapsed());
    for program in [&*server, &*client] {
        program.wait_for_line("NATS refuses more subscriptions of this server");
    }
    for stream in &open {
        round_trip(stream, b"still open").unwrap();
    }
    let (code, body) = get(health.server, "/readyz");
    assert!(code == 503 && body.contains("refuses more subscriptions"), "{code}: {body}");
    open.pop();
    eventually("it is ready again", || get(health.server, "/readyz").0 == 200);
    round_trip(&client.connect(), b"next").unwrap();
}

#[test]
fn check_fails_if_no_session_is_possible() {
    for (user, limit) in [("client", 1), ("server", 2)] {
        let nats = NatsServer::with_config(&format!("max_subscriptions: {limit}"));
        let (code, report, complaint) = check(&nats, user);
        assert!(report.contains("sessions        0, limited"), "{user}: {report}");
        assert_eq!(code, Some(1), "{user}: {complaint}");
        assert!(
            complaint.contains("raise the limit of this user, or max_subscriptions"),
            "{user}: {complaint}"
        );
    }
}

#[test]
fn a_reply_that_nats_refuses_is_logged_with_the_permission_and_makes_no_server_unready() {
    let nats = NatsServer::with_config(&users("server publish _INBOX.>"));
    let upstream = TcpServer::echo();
    let (server, client, health) = pair_with_health(&nats, &upstream);
    let waiting: Vec<_> = (0..3).map(|_| client.connect()).collect();
    server.wait_for_line("NATS refused a reply");
    let line = "permission=publish to _INBOX.>";
    server.wait_for_line(line);
    assert_eq!(get(health.server, "/readyz").0, 200);
    waiting.iter().for_each(|stream| drop(round_trip(stream, b"x")));
    // At most every 10 s.
    assert!(count(&server, line) <= 3, "{}", server.stderr());
}
