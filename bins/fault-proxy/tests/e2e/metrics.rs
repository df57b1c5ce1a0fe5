//! `--metrics`, scraped by Prometheus, and the dashboard that shows them.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::time::SystemTime;

use serde_json::Value;
use tempfile::TempDir;
use testkit::{Daemon, Redis, free_port, packaging, require};

use crate::support::{BINARY, eventually, run, utf8};

/// A run with `--metrics` on a free port, and the address.
fn with_metrics(options: &[&str]) -> (Daemon, String) {
    let args = [&["run", "--control", "off", "--metrics", "127.0.0.1:0"], options].concat();
    let daemon = Daemon::spawn(Path::new(BINARY), &args, &[]);
    let line = daemon.wait_for_line("metrics on http://");
    let addr = line.split_once("http://").and_then(|(_, rest)| rest.split_once('/')).expect("an address");
    (daemon, addr.0.to_owned())
}

fn get(addr: &str, path: &str, accept: &str) -> (u16, String, String) {
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let mut answer =
        agent.get(format!("http://{addr}{path}")).header("Accept", accept).call().expect("it answers");
    let kind = answer.headers().get("Content-Type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let (status, kind) = (answer.status().as_u16(), kind.to_owned());
    (status, kind, answer.body_mut().read_to_string().expect("it is whole"))
}

#[test]
fn the_listener_of_metrics_has_nothing_else() {
    let mapping = format!("{}=localhost:1", free_port());
    let (daemon, addr) = with_metrics(&["--proxy", &mapping]);
    for (path, status, text) in [
        ("/livez", 200, "ok\n"),
        ("/readyz", 200, "ok\n"),
        ("/", 404, ""),
        ("/health", 404, ""),
        ("/version", 404, ""),
        ("/proxies", 404, ""),
        ("/events", 404, ""),
        ("/changes", 404, ""),
    ] {
        let (answered, _, body) = get(&addr, path, "*/*");
        assert_eq!((answered, &*body), (status, text), "{path}");
    }
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    for path in ["/reset", "/populate", "/metrics"] {
        let status = agent.post(format!("http://{addr}{path}")).send("").expect("it answers").status();
        assert!([404, 405].contains(&status.as_u16()), "{path}: {status}");
    }
    for (accept, kind) in [
        ("application/openmetrics-text;version=1.0.0", "application/openmetrics-text"),
        ("text/plain;version=0.0.4", "text/plain"),
    ] {
        let (_, answered, body) = get(&addr, "/metrics", accept);
        assert!(answered.starts_with(kind), "{answered}");
        assert!(body.contains("fault_proxy_proxy_enabled{proxy=\"proxy-1\"} 1"), "{body}");
        let value = |name: &str| -> f64 {
            let line = body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.unwrap_or_else(|| panic!("{name}: {body}")).parse().expect("a number")
        };
        assert!(value("process_resident_memory_bytes") > 1e6 && value("process_open_fds") > 5.0);
        assert!(value("process_max_fds") > value("process_open_fds"));
        assert!(value("process_cpu_seconds_total") >= 0.0 && value("process_threads") > 1.0);
        let now = SystemTime::UNIX_EPOCH.elapsed().expect("it is after 1970").as_secs_f64();
        // The kernel counts the time since the boot in steps, and apart from the clock.
        assert!((now - value("process_start_time_seconds")).abs() < 60.0);
    }
    drop(daemon);
}

#[test]
fn a_port_of_metrics_that_is_taken_ends_the_run_before_it_starts() {
    let port = free_port();
    let addr = format!("127.0.0.1:{port}");
    let proxy = format!("{port}=localhost:1");
    let shared = run(&["run", "--proxy", &proxy, "--metrics", &addr]);
    assert_eq!(shared.code, Some(2), "{shared:?}");
    assert!(shared.stderr.contains("--metrics 127.0.0.1:"), "{}", shared.stderr);
    let _taken = TcpListener::bind(&addr).expect("it is free");
    let proxy = format!("{}=localhost:1", free_port());
    let taken = run(&["run", "--proxy", &proxy, "--control", "off", "--metrics", &addr]);
    assert_eq!(taken.code, Some(1), "{taken:?}");
    assert!(taken.stderr.contains(&format!("cannot listen on {addr} for --metrics")), "{}", taken.stderr);
    let checked = run(&["check", "--proxy", &proxy, "--control", "off", "--metrics", &addr]);
    assert!(checked.code == Some(1) && checked.stderr.contains("--metrics would not work"), "{checked:?}");
}

/// The queries of a dashboard, with values for its variables.
fn queries(dashboard: &Value) -> Vec<String> {
    let panels = dashboard["panels"].as_array().expect("panels").iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().expect("targets"));
    let queries = targets.map(|target| {
        let query = target["expr"].as_str().expect("a query");
        query.replace("$__rate_interval", "1m").replace("$proxy", ".*").replace("$job", ".*")
    });
    queries.collect()
}

#[test]
fn prometheus_answers_each_query_of_the_dashboard() {
    let server = Redis::start();
    let [cache, dead] = [free_port(), free_port()];
    let mappings = [
        format!("cache@{cache}=redis://localhost:{}", server.port()),
        format!("dead@{dead}=localhost:{}", free_port()),
    ];
    let faults = ["--count-requests", "--with-latency", "--latency-mean", "5ms"];
    let (daemon, addr) =
        with_metrics(&[&["--proxy", &mappings[0], "--proxy", &mappings[1]][..], &faults].concat());

    let directory = TempDir::new().expect("a directory");
    let config = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs: [{{job_name: fault-proxy, static_configs: [{{targets: ['{addr}']}}]}}]\n"
    );
    let file = directory.path().join("prometheus.yml");
    fs::write(&file, config).expect("the directory is ours");
    let own = format!("127.0.0.1:{}", free_port());
    let args = [
        format!("--config.file={}", utf8(&file)),
        format!("--storage.tsdb.path={}", utf8(&directory.path().join("data"))),
        format!("--web.listen-address={own}"),
    ];
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    let prometheus = Daemon::spawn(&require("prometheus", "prometheus"), &args, &[]);
    prometheus.wait_for_line("Server is ready to receive web requests");

    TcpStream::connect((Ipv4Addr::LOCALHOST, dead)).expect("it listens");
    let dashboard =
        fs::read_to_string(packaging::directory().join("grafana/fault-proxy.json")).expect("it is there");
    let queries = queries(&serde_json::from_str(&dashboard).expect("JSON"));
    assert!(queries.len() > 12, "{queries:?}");
    for query in queries {
        eventually(&query, || {
            let mut redis = TcpStream::connect((Ipv4Addr::LOCALHOST, cache)).expect("it listens");
            redis.write_all(b"PING\r\n").expect("it is open");
            redis.read_exact(&mut [0; 7]).expect("it answers");
            let url = format!("http://{own}/api/v1/query");
            let answer = ureq::get(&url).query("query", &query).call().expect("it answers");
            let answer: Value = serde_json::from_reader(answer.into_body().into_reader()).expect("JSON");
            assert_eq!(answer["status"], "success", "{query}: {answer}");
            let values = answer["data"]["result"].as_array().expect("a vector");
            values.iter().any(|series| series["value"][1].as_str().is_some_and(|value| value != "NaN"))
        });
    }
    drop(daemon);
}

#[test]
fn the_pod_monitor_scrapes_a_port_of_the_manifest() {
    let read = |name: &str| {
        let file = packaging::directory().join("kubernetes").join(name);
        fs::read_to_string(file).expect("it is there")
    };
    let (monitor, manifest) = (read("pod-monitor.yaml"), read("fault-proxy.yaml"));
    for text in ["app: fault-proxy", "port: metrics"] {
        assert!(monitor.contains(text) && manifest.contains(text), "{text}");
    }
    assert!(
        manifest.contains("--metrics, \":8475\"") && manifest.contains("name: metrics, containerPort: 8475")
    );
}
