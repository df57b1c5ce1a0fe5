//! Expectations and the table of requested and measured values.

use std::process::Command;

use crate::fault_support::script::{LATENCY, end, redis_script};
use crate::support::{BINARY, Proxy, eventually, run};
use testkit::{Redis, Signal, free_port};

/// A session with Redis through a latency that is expected to be something.
fn expecting(expectations: &[&str]) -> Proxy {
    let server = Redis::start();
    let expected = expectations.iter().flat_map(|expectation| ["--expect", expectation]);
    let options: Vec<_> = LATENCY.into_iter().chain(expected).collect();
    let proxy = Proxy::with(format!("localhost:{}", server.port()), &options);
    redis_script(&proxy);
    proxy
}

#[test]
fn expectations_decide_the_exit_code() {
    let met = expecting(&["latency.sessions>=3", "latency.p50>5ms", "latency.p50_error<10s"]);
    assert_eq!(end(&met), Some(0), "{}", met.stderr());

    let unmet = expecting(&["latency.sessions>=3", "latency.p50<1ms"]);
    assert_eq!(end(&unmet), Some(3), "{}", unmet.stderr());
    let complaints: Vec<_> =
        unmet.lines().into_iter().filter(|line| line.contains("not as expected")).collect();
    assert!(complaints.len() == 1 && complaints[0].contains("latency.p50<1ms: "), "{complaints:?}");
    let met = unmet.lines().into_iter().find(|line| line.contains("fault-proxy: as expected"));
    assert!(met.as_ref().is_some_and(|line| line.contains("latency.sessions>=3: 3 on")), "{met:?}");
}

#[test]
fn a_run_whose_fault_never_acted_is_not_green() {
    let server = Redis::start();
    let upstream = format!("localhost:{}", server.port());
    for (options, code, is_named) in
        [(&[][..], 0, false), (&["--strict"], 3, true), (&["--expect", "reset.actions<=5"], 3, true)]
    {
        // The requests of the script are shorter, so that no session is reset.
        let reset = ["--with-reset", "--reset-after-bytes", "1GiB"];
        let proxy = Proxy::with(&upstream, &[&LATENCY, &reset[..], options].concat());
        redis_script(&proxy);
        assert_eq!(end(&proxy), Some(code), "{options:?}: {}", proxy.stderr());
        let named: Vec<_> =
            proxy.lines().into_iter().filter(|line| line.contains("not as expected")).collect();
        assert_eq!(named.len(), usize::from(is_named), "{named:?}");
        assert!(
            named.iter().all(|line| line.contains("reset") && line.contains("never acted on")),
            "{named:?}"
        );
        let report = proxy.stdout();
        assert!(report.trim_end().ends_with(&format!("never acted: reset on {}", proxy.mapping)), "{report}");
        assert!(!report.contains("never acted: latency"), "{report}");
    }
}

#[test]
fn an_expectation_of_no_fault_of_the_run_is_refused() {
    let mapping = format!("{}=localhost:1", free_port());
    for (expectation, reason) in [
        ("jitter.p50<1ms", "jitter"),
        ("latencies.p50<1ms", "latency"),
        ("latency.speed<1ms", "`speed`"),
        ("latency.p50!1ms", "does not compare a metric"),
        ("latency.p50=1ms", "almost never equal: use <"),
        (
            "latency.rate<3",
            "no such metric; its metrics are p50, p90, p95, p99, max, p50_error, p90_error, p95_error, p99_error, max_error, sessions, actions",
        ),
        ("latency.loss<3%", "no such metric"),
    ] {
        let ended = run(&[&["run", "--proxy", &mapping][..], &LATENCY, &["--expect", expectation]].concat());
        assert_eq!(ended.code, Some(2), "{expectation}: {ended:?}");
        assert!(ended.stderr.contains(reason), "{expectation}: {}", ended.stderr);
    }
}

#[test]
fn a_variable_has_several_expectations() {
    let mapping = format!("{}=localhost:1", free_port());
    let mut command = Command::new(BINARY);
    let check = command.args(["check", "--proxy", &mapping]).args(LATENCY);
    let ended = check.env("FAULT_EXPECT", "latency.p50<1ms;late.p50<1ms").output().expect("it runs");
    let stderr = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains(" 'late.p50<1ms': no fault or proxy is called `late`"), "{stderr}");
}

#[test]
fn the_fidelity_table_comes_at_a_signal_and_at_the_end() {
    let server = Redis::start();
    let proxy = Proxy::with(format!("localhost:{}", server.port()), &LATENCY);
    redis_script(&proxy);
    eventually("their ends have passed too", || proxy.count("session ended") == 3);
    assert_eq!(proxy.count("held p50 / p99"), 0);
    proxy.signal(Signal::USR1);
    let row = proxy.wait_for_line("held p50 / p99");
    assert!(row.contains("latency") && row.contains("(36)"), "{row}");
    assert_eq!(proxy.count("held p50 / p99"), 1, "on stderr: {}", proxy.stderr());
    redis_script(&proxy);
    eventually("it goes on", || proxy.count("session ended") == 6);
    assert_eq!(end(&proxy), Some(0));
    let stdout = proxy.stdout();
    let row = stdout.lines().find(|line| line.contains("held p50 / p99")).expect("a row of the table");
    assert!(row.contains("(72)"), "{row}");
    assert!(stdout.contains("own overhead: "), "{stdout}");
}
