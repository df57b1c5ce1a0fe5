//! The client libraries of the compatible API, as they are published, drive a run, and a Redis session feels it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{BINARY, utf8};
use testkit::{Daemon, Redis, clients, free_port, require};

/// A run with nothing but its API, and a Redis to proxy.
pub(crate) struct Api {
    _daemon: Daemon,
    redis: Redis,
    addr: String,
}

impl Api {
    fn start() -> Self {
        Self::of(Daemon::spawn(Path::new(BINARY), &["run", "--control", "127.0.0.1:0"], &[]))
    }

    pub(crate) fn of(daemon: Daemon) -> Self {
        let line = daemon.wait_for_line("control API on http://");
        let addr = line
            .split_once("http://")
            .and_then(|(_, rest)| rest.split_whitespace().next())
            .expect("an address");
        Self { addr: addr.to_owned(), _daemon: daemon, redis: Redis::start() }
    }
}

/// Runs a scenario to its end, which tells each of its steps.
fn run(mut scenario: Command) {
    let output = scenario.output().expect("the scenario starts");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.lines().count() >= 10 && told.trim_end().ends_with("delete"), "{told}");
}

fn here(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(file)
}

#[test]
fn toxiproxy_node_client() {
    drive_with_node(Api::start());
}

/// Drives a program with Toxiproxy's client for Node.js.
pub(crate) fn drive_with_node(api: Api) {
    let mut node = Command::new(require("node", "nodejs"));
    node.arg(here("node/scenario.cjs")).args([format!("http://{}", api.addr), api.redis.port().to_string()]);
    node.env("NODE_PATH", clients::npm_modules("toxiproxy-node-client"));
    run(node);
}

#[test]
fn toxiproxy_python() {
    let api = Api::start();
    let (host, port) = api.addr.split_once(':').expect("host and port");
    let mut python = Command::new(require("python3", "python3"));
    python.arg(here("python/scenario.py")).args([host, port, &api.redis.port().to_string()]);
    python.env("PYTHONPATH", clients::python_modules("toxiproxy"));
    run(python);
}

#[test]
fn noxious_client() {
    rust("noxious");
}

#[test]
fn toxiproxy_rust() {
    rust("toxiproxy");
}

fn rust(client: &str) {
    let api = Api::start();
    let target = clients::target_directory().join("clients");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--manifest-path", utf8(&here("rust/Cargo.toml"))])
        .args(["--target-dir", utf8(&target)])
        .output()
        .expect("cargo starts");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let mut scenario = Command::new(target.join("debug/clients"));
    scenario.args([client, &api.addr, &api.redis.port().to_string(), &free_port().to_string()]);
    run(scenario);
}
