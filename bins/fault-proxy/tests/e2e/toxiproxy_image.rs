//! The images start with the commands of their Dockerfile, in the ways that the modules of Testcontainers start Toxiproxy.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use testkit::{Daemon, TcpServer, free_port, packaging, require};

use crate::control_clients::{self, drive_with_node};
use crate::support::api::{Api, connect, is_refused};
use crate::support::{BINARY, PATIENCE, round_trip};
use crate::toxiproxy_server::Renamed;

/// A stage of the Dockerfile.
struct Image {
    instructions: Vec<String>,
}

impl Image {
    fn of(target: &str) -> Self {
        let dockerfile = fs::read_to_string(packaging::directory().join("Dockerfile")).expect("it is there");
        let lines = dockerfile.lines().skip_while(|line| !line.ends_with(&format!(" AS {target}"))).skip(1);
        Self {
            instructions: lines.take_while(|line| !line.starts_with("FROM ")).map(str::to_owned).collect(),
        }
    }

    fn values<'a>(&'a self, instruction: &'a str) -> impl Iterator<Item = &'a str> {
        self.instructions.iter().filter_map(move |line| line.strip_prefix(instruction)?.strip_prefix(' '))
    }

    /// Returns a value that is a JSON array.
    fn words(&self, instruction: &str) -> Vec<String> {
        let value = self.values(instruction).next().expect("the instruction is there");
        serde_json::from_str(value).expect("an array of texts")
    }
}

/// Starts the image on a free port, with its own command or another one. `program` is its file /toxiproxy.
fn start(program: &Renamed, command: Option<&[&str]>) -> Daemon {
    let image = Image::of("toxiproxy");
    assert_eq!(image.words("ENTRYPOINT"), ["/toxiproxy"]);
    let own = image.words("CMD");
    let own: Vec<_> = own.iter().map(String::as_str).collect();
    program.start(&[command.unwrap_or(&own), &["-port=0"]].concat(), &[])
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

#[test]
fn the_image_has_the_files_command_and_port_of_toxiproxy() {
    let image = Image::of("toxiproxy");
    assert_eq!(image.words("CMD"), ["-host=0.0.0.0"]);
    assert_eq!(image.values("EXPOSE").collect::<Vec<_>>(), ["8474"]);
    assert_eq!(image.values("COPY").collect::<Vec<_>>(), ["--from=build /out/toxiproxy/ /"]);
    let dockerfile = fs::read_to_string(packaging::directory().join("Dockerfile")).unwrap();
    for part in ["/fault-proxy /out/toxiproxy/toxiproxy ", "ln -s toxiproxy /out/toxiproxy/toxiproxy-cli"] {
        assert!(dockerfile.contains(part), "{dockerfile}");
    }
}

#[test]
fn modules_for_java_dotnet_and_node_wait_for_the_version_and_create_proxies() {
    let (program, far_end) = (Renamed::to("toxiproxy"), TcpServer::echo());
    let api = Api::of(start(&program, None));
    assert_eq!(api.ask("GET", "/version", &Value::Null).0, 200);
    assert_eq!(api.get("/proxies"), json!({}));
    let port = free_port();
    let listen = format!("0.0.0.0:{port}");
    let upstream = far_end.addr().to_string();
    let made = api.post("/proxies", &json!({"name": "redis", "listen": listen, "upstream": upstream}));
    assert_eq!(made["listen"], *listen);
    round_trip(&connect(loopback(port)), b"data").expect("it is up");
    // How their deprecated methods cut a connection, and how the one for Node.js does.
    api.post(
        "/proxies/redis/toxics",
        &json!({"name": "CUT", "type": "bandwidth", "stream": "downstream", "attributes": {"rate": 0}}),
    );
    api.delete("/proxies/redis/toxics/CUT");
    api.post("/proxies/redis", &json!({"enabled": false, "listen": listen, "upstream": upstream}));
    assert!(is_refused(loopback(port)));
    api.post("/proxies/redis", &json!({"enabled": true, "listen": listen, "upstream": upstream}));
    round_trip(&connect(loopback(port)), b"data").expect("it is up");
}

#[test]
fn the_module_for_go_copies_a_file_and_replaces_the_command() {
    let (far_end, port) = (TcpServer::echo(), free_port());
    let program = Renamed::to("toxiproxy");
    let proxies = json!([{"name": "redis", "upstream": far_end.addr().to_string(), "listen": format!("0.0.0.0:{port}")}]);
    let file = program.file("tc-toxiproxy.json", &format!("{proxies:#}"));
    let api = Api::of(start(&program, Some(&["-host=0.0.0.0", &format!("-config={file}")])));
    assert_eq!(api.ask("GET", "/version", &Value::Null).0, 200);
    assert_eq!(api.get("/proxies/redis")["enabled"], true);
    round_trip(&connect(loopback(port)), b"data").expect("it is up");
}

#[test]
fn a_container_is_ready_when_its_client_lists_proxies() {
    let program = Renamed::to("toxiproxy");
    let api = Api::of(start(&program, None));
    let ended =
        Renamed::to("toxiproxy-cli").run(&["-h", &api.addr.replace("0.0.0.0", "localhost"), "list"], &[]);
    assert_eq!((ended.code, &*ended.stdout), (Some(0), ""), "{ended:?}");
}

#[test]
fn a_client_library_drives_it() {
    let program = Renamed::to("toxiproxy");
    drive_with_node(control_clients::Api::of(start(&program, None)));
}

#[test]
fn the_image_of_fault_proxy_serves_the_api_with_nothing_to_run() {
    let image = Image::of("fault-proxy");
    assert_eq!(image.words("ENTRYPOINT"), ["fault-proxy"]);
    let command = image.words("CMD");
    let command: Vec<_> = command.iter().map(String::as_str).collect();
    let mut envs: Vec<_> = image.values("ENV").map(|env| env.split_once('=').expect("NAME=VALUE")).collect();
    envs.extend([("FAULT_CONTROL", "0.0.0.0:0"), ("FAULT_CONTROL_INSECURE", "true")]);
    let api = Api::of(Daemon::spawn(Path::new(BINARY), &command, &envs));
    assert_eq!(api.get("/proxies"), json!({}));
    api.wait_for_line("without a token");
    let off = crate::support::run(&["run", "--control", "off"]);
    assert_eq!(off.code, Some(2), "{off:?}");
}

#[test]
fn run_with_nothing_to_run_serves_the_api_or_fails() {
    // The default port is free in a separate network. The second process inherits a socket that listens there.
    let network = |python: &str, command: &str| {
        let args = command.split(' ').map(|arg| format!("'{arg}'")).collect::<Vec<_>>().join(", ");
        let python = format!("import os, socket; {python} os.execv('{BINARY}', ['{BINARY}', {args}])");
        let script = "ip link set lo up && exec python3 -c \"$0\"";
        let args = ["--map-root-user", "--net", "sh", "-c", script, &python];
        Daemon::spawn(Path::new("unshare"), &args, &[])
    };
    let served = network("", "run");
    served.wait_for_line("control API on http://127.0.0.1:8474");
    let take = "os.set_inheritable(socket.create_server(('127.0.0.1', 8474)).detach(), True);";
    let checked = network(take, "check");
    assert_eq!(checked.wait(PATIENCE).code(), Some(1));
    assert!(checked.stderr().contains("the control API would not work"), "{}", checked.stderr());
    let warning = "no control API: cannot listen on 127.0.0.1:8474 for --control: Address already in use";
    let server = "127.0.0.1:8474";
    let proxies = network(take, &format!("check --proxy 6380={server}"));
    assert_eq!(proxies.wait(PATIENCE).code(), Some(0), "{}", proxies.stderr());
    assert!(proxies.stderr().contains(warning), "{}", proxies.stderr());
    assert!(!proxies.stdout().contains("control API"), "{}", proxies.stdout());
    let run = network(take, &format!("run --no-ui --proxy 6380={server} --duration 100ms"));
    assert_eq!(run.wait(PATIENCE).code(), Some(0), "{}", run.stderr());
    assert!(run.stderr().contains(warning), "{}", run.stderr());
    let taken = network(take, "run");
    assert_eq!(taken.wait(PATIENCE).code(), Some(1));
    assert!(taken.stderr().contains("cannot listen on 127.0.0.1:8474 for --control"), "{}", taken.stderr());
}

#[test]
fn run_with_nothing_to_run_is_an_error_on_a_terminal() {
    let command = format!("{BINARY} run > /dev/null");
    let ended = Command::new(require("script", "bsdutils"))
        .args(["--quiet", "--return", "--flush", "--command", &command, "/dev/null"])
        .stdin(Stdio::null())
        .output()
        .expect("script starts");
    let shown = String::from_utf8_lossy(&ended.stdout);
    assert_eq!(ended.status.code(), Some(2), "{shown}");
    assert!(shown.contains("no proxies configured: set --proxy <MAPPING>"), "{shown}");
}
