//! Schedules reach sessions that are open.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::fault_support::{RedisSession, Scheduled, ms};
use crate::support::{Proxy, run};
use testkit::{Pattern, Postgres, Redis, TcpServer, free_port, require};

/// One session of psql that is asked one statement after another.
struct Psql {
    child: Child,
    statements: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Psql {
    fn open(proxy: &Proxy) -> Self {
        let settings = format!(
            "host=127.0.0.1 port={} user=postgres dbname=postgres sslmode=disable gssencmode=disable",
            proxy.port()
        );
        let mut child = Command::new(require("psql", "postgresql-client"))
            .env_clear()
            .envs([("PATH", "/usr/bin:/bin"), ("HOME", "/nonexistent")])
            .args(["-X", "-A", "-t", "-q", &settings])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("psql is executable");
        Self {
            statements: child.stdin.take().expect("it is piped"),
            answers: BufReader::new(child.stdout.take().expect("it is piped")),
            child,
        }
    }

    /// The process that serves it.
    fn backend(&mut self) -> u32 {
        self.statements.write_all(b"select pg_backend_pid();\n").expect("psql runs");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("psql answers");
        answer.trim().parse().expect("a process id")
    }
}

impl Drop for Psql {
    fn drop(&mut self) {
        // Either fails only if it has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[derive(Debug)]
struct Statement {
    asked: Instant,
    answered: Instant,
}

#[test]
fn one_psql_session_is_slow_while_the_schedule_says_so() {
    let (on, off) = (ms(2000), ms(4000));
    let server = Postgres::start();
    let scheduled = Scheduled::with(
        format!("psql://localhost:{}", server.port()),
        &["--with-latency", "--latency-mean", "300", "--latency-sched", "start:2s,duration:2s"],
    );
    let mut psql = Psql::open(&scheduled.proxy);
    let backend = psql.backend();
    let mut statements = Vec::new();
    while !scheduled.is_after(Instant::now(), off + ms(1000)) {
        let asked = Instant::now();
        assert_eq!(psql.backend(), backend, "it is one session");
        statements.push(Statement { asked, answered: Instant::now() });
        thread::sleep(ms(20));
    }
    let least = |phase: &str, is_in: &dyn Fn(&Statement) -> bool| {
        let took = statements.iter().filter(|&it| is_in(it)).map(|it| it.answered - it.asked).min();
        took.unwrap_or_else(|| panic!("no statement {phase}: {statements:?}"))
    };
    let before = least("before", &|it| scheduled.is_before(it.answered, on));
    let during =
        least("during", &|it| scheduled.is_after(it.asked, on) && scheduled.is_before(it.answered, off));
    let after = least("after", &|it| scheduled.is_after(it.asked, off));
    assert!(during >= ms(300), "{during:?} during");
    assert!(before < ms(150) && after < ms(150), "{before:?} before, {after:?} after");
}

#[test]
fn what_is_sent_into_a_blackhole_is_answered_when_it_ends() {
    let server = Redis::start();
    let scheduled = Scheduled::with(
        format!("localhost:{}", server.port()),
        &["--with-blackhole", "--blackhole-sched", "start:1s,duration:2s"],
    );
    let mut session = RedisSession::open(&scheduled.proxy);
    assert_eq!(session.ask("INCR counter"), ":1");
    scheduled.sleep_until(ms(1200));
    assert_eq!(session.ask("INCR counter"), ":2");
    assert!(!scheduled.is_before(Instant::now(), ms(3000)), "answered while nothing passes");
    assert_eq!(session.ask("INCR counter"), ":3");
}

#[test]
fn two_windows_are_on_one_after_the_other() {
    let server = Redis::start();
    let scheduled = Scheduled::with(
        format!("localhost:{}", server.port()),
        &["--with-blackhole", "--blackhole-sched", "start:500ms,duration:1s;start:2500ms,duration:1s"],
    );
    let mut session = RedisSession::open(&scheduled.proxy);
    for (asked, answered) in [(ms(600), ms(1500)), (ms(2600), ms(3500))] {
        scheduled.sleep_until(asked);
        session.ping();
        assert!(!scheduled.is_before(Instant::now(), answered), "asked at {asked:?}");
    }
    session.ping();
}

/// The longest time in which a client that reads all the time gets nothing, until `end` of the run.
fn longest_silence(scheduled: &Scheduled, end: Duration) -> Duration {
    let pattern = Pattern::new(6);
    let (mut client, mut buffer) = (scheduled.proxy.connect(), vec![0; 1 << 16]);
    let (mut received, mut last, mut longest) = (0, Instant::now(), Duration::ZERO);
    while !scheduled.is_after(Instant::now(), end) {
        let length = client.read(&mut buffer).expect("the upstream sends on and on");
        assert_eq!(pattern.first_difference(received, &buffer[..length]), None, "behind {received} bytes");
        received += length as u64;
        longest = longest.max(last.elapsed());
        last = Instant::now();
    }
    longest
}

#[test]
fn busy_sessions_follow_a_schedule_on_either_data_path() {
    let far_end = TcpServer::start(|mut stream| {
        let (pattern, mut buffer, mut sent) = (Pattern::new(6), vec![0; 1 << 16], 0);
        loop {
            pattern.fill(sent, &mut buffer);
            match stream.write(&buffer) {
                Ok(written) => sent += written as u64,
                Err(_) => break,
            }
        }
    });
    for data_path in ["copy", "splice"] {
        let scheduled = Scheduled::with(
            far_end.addr(),
            &[
                "--data-path",
                data_path,
                "--with-blackhole",
                "--blackhole-sched",
                "start:500ms,duration:1500ms",
            ],
        );
        let silence = longest_silence(&scheduled, ms(2300));
        assert!(silence >= ms(1000), "{data_path}: {silence:?}");
    }
}

fn with_schedule(schedule: &str, options: &[&str]) -> Proxy {
    let far_end = TcpServer::echo();
    let latency = ["--with-latency", "--latency-mean", "300", "--latency-sched", schedule];
    Proxy::with(far_end.addr(), &[&latency, options].concat())
}

#[test]
fn a_start_and_a_duration_apart_are_one_window_and_warned_of_once() {
    const TRAP: &str = "start:1s;duration:2s";
    let proxy = with_schedule(TRAP, &["--duration", "8s"]);
    assert!(proxy.wait_for_line("latency  ").ends_with("1s–3s"), "{}", proxy.stderr());
    let warnings = |proxy: &Proxy| {
        proxy.stderr().lines().filter(|line| line.contains("WARN") && line.contains(TRAP)).count()
    };
    assert_eq!(warnings(&proxy), 1, "{}", proxy.stderr());

    let strict = with_schedule(TRAP, &["--strict-schedules", "--duration", "8s"]);
    assert!(strict.wait_for_line("latency  ").ends_with("always"), "{}", strict.stderr());
    assert_eq!(warnings(&strict), 0, "{}", strict.stderr());
}

#[test]
fn the_timeline_is_drawn_at_the_start() {
    let proxy = with_schedule("start:25%,duration:50%", &["--duration", "40s"]);
    let bar = ["·".repeat(10), "█".repeat(20), "·".repeat(10)].concat();
    assert_eq!(proxy.wait_for_line("latency  "), format!("latency  {bar}  10s–30s"));
    proxy.wait_for_line("         0 ");
}

#[test]
fn a_share_of_a_run_without_an_end_is_refused() {
    let mapping = format!("{}=localhost:1", free_port());
    let latency = ["--with-latency", "--latency-mean", "300", "--latency-sched", "start:25%"];
    let ended = run(&[&["run", "--proxy", &mapping][..], &latency].concat());
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("25%") && ended.stderr.contains("--duration"), "{}", ended.stderr);
}
