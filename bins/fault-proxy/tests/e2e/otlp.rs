//! Traces over OTLP, received by a collector. `cargo xtask test` enables the feature.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;

use serde_json::{Value, json};
use testkit::{Daemon, Redis, TcpServer, clients, free_port, require};

use crate::fault_support::script::end;
use crate::support::{ANY_CONTROL_PORT, BINARY, PATIENCE, eventually};

const COLLECTOR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/python/otlp.py");

/// A collector, and its URL.
fn collector() -> (Daemon, String) {
    let modules = clients::python_modules("opentelemetry");
    let path = modules.to_str().expect("UTF-8");
    let daemon = Daemon::spawn(&require("python3", "python3"), &[COLLECTOR], &[("PYTHONPATH", path)]);
    let line = daemon.wait_for_line("collector on ");
    let port = line.rsplit(' ').next().expect("a port").to_owned();
    (daemon, format!("http://127.0.0.1:{port}"))
}

fn ping(port: u16) {
    let mut redis = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens");
    redis.write_all(b"PING\r\n").expect("it is open");
    redis.read_exact(&mut [0; 7]).expect("it answers");
}

#[test]
fn a_session_is_a_span_with_the_decisions_of_its_faults() {
    let server = Redis::start();
    let (collector, url) = collector();
    let port = free_port();
    let mapping = format!("cache@{port}=localhost:{}", server.port());
    let args =
        ["run", "--proxy", &mapping, "--with-latency", "--latency-mean", "20ms", "--log-level", "error"];
    let variables = [
        ANY_CONTROL_PORT,
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &*url),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer abc"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test"),
    ];
    let proxy = Daemon::spawn(Path::new(BINARY), &args, &variables);
    eventually("it listens", || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
    ping(port);
    assert_eq!(end(&proxy), Some(0), "{}", proxy.stderr());

    // The end of the run exports the last spans.
    collector.wait_for_line("fault decision");
    let spans = collector.stdout();
    let spans = spans.lines().filter_map(|line| line.strip_prefix("span "));
    let spans: Vec<Value> = spans.map(|span| serde_json::from_str(span).expect("JSON")).collect();
    let is_of_ping = |span: &&Value| span["events"].to_string().contains("fault decision");
    let span = spans.iter().find(is_of_ping).unwrap_or_else(|| panic!("{spans:?}"));
    assert_eq!((&span["name"], &span["path"]), (&json!("session"), &json!("/v1/traces")));
    assert_eq!(span["authorization"], "Bearer abc");
    assert_eq!(span["resource"]["service.name"], "fault-proxy");
    assert_eq!(span["resource"]["deployment.environment.name"], "test");
    assert_eq!(span["attributes"]["proxy"], "cache");
    assert!(span["nanoseconds"].as_u64() >= Some(20_000_000), "{span}");
    let events = span["events"].as_array().expect("events");
    let hold = events.iter().find(|event| event["name"] == "fault decision").expect("a decision");
    let expected = ["latency", "to-downstream", "hold", "{\"delay_ns\":20000000}"];
    assert_eq!(
        ["fault", "direction", "decision", "detail"].map(|field| hold[field].as_str()),
        expected.map(Some)
    );
    assert!(events.iter().any(|event| event["name"] == "session ended"), "{span}");
}

#[test]
fn a_collector_that_is_gone_or_silent_does_not_delay_sessions_or_the_end() {
    let gone = format!("http://127.0.0.1:{}", free_port());
    let silent = TcpServer::start(|mut stream| drop(io::copy(&mut stream, &mut io::sink())));
    for url in [gone, format!("http://{}", silent.addr())] {
        let server = Redis::start();
        let port = free_port();
        let mapping = format!("{port}=localhost:{}", server.port());
        let args = ["run", "--proxy", &mapping, "--with-latency", "--latency-mean", "1ms"];
        let variables = [ANY_CONTROL_PORT, ("OTEL_EXPORTER_OTLP_ENDPOINT", &*url)];
        let proxy = Daemon::spawn(Path::new(BINARY), &args, &variables);
        proxy.wait_for_line("listening on");
        for _ in 0..10 {
            ping(port);
        }
        assert_eq!(end(&proxy), Some(0), "{}", proxy.stderr());
    }
}

#[test]
fn without_an_endpoint_nothing_is_exported_and_a_wrong_one_is_refused() {
    let mapping = format!("{}=localhost:1", free_port());
    let args = ["run", "--proxy", &mapping, "--duration", "100ms"];
    let ended = |variables: &[(&str, &str)]| {
        let daemon = Daemon::spawn(Path::new(BINARY), &args, &[&[ANY_CONTROL_PORT], variables].concat());
        (daemon.wait(PATIENCE).code(), daemon.stderr())
    };
    for variables in [&[][..], &[("OTEL_EXPORTER_OTLP_ENDPOINT", "")]] {
        let (code, said) = ended(variables);
        assert!(code == Some(0) && !said.to_lowercase().contains("otel"), "{said}");
    }
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "not a url");
    let (code, said) = ended(&[endpoint]);
    assert!(code == Some(2) && said.contains("OTEL_EXPORTER_OTLP_ENDPOINT"), "{code:?} {said}");
    let grpc = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    let (code, said) = ended(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"), grpc]);
    assert!(code == Some(2) && said.contains("expected http/protobuf"), "{code:?} {said}");
}
