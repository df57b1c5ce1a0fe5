//! The command line of Toxiproxy's client.

use serde_json::{Value, json};
use testkit::free_port;

use crate::support::Ended;
use crate::support::api::Api;
use crate::toxiproxy_server::Renamed;

/// The client of an API.
struct Client {
    program: Renamed,
    api: Api,
}

impl Client {
    fn new() -> Self {
        Self { program: Renamed::to("toxiproxy-cli"), api: Api::alone() }
    }

    fn run(&self, args: &[&str]) -> Ended {
        self.program.run(args, &[("TOXIPROXY_URL", &format!("http://{}", self.api.addr))])
    }

    /// Runs a command, which succeeds. Returns what it prints.
    fn says(&self, args: &str) -> String {
        let ended = self.run(&args.split(' ').collect::<Vec<_>>());
        assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{args}: {ended:?}");
        ended.stdout
    }

    fn create(&self, name: &str) {
        self.api.post("/proxies", &json!({"name": name, "listen": "127.0.0.1:0", "upstream": "127.0.0.1:1"}));
    }
}

#[test]
fn proxies_are_managed_by_its_commands_and_their_aliases() {
    let client = Client::new();
    for alias in ["list", "l", "li", "ls"] {
        assert_eq!(client.says(alias), "", "{alias}");
    }
    let ports = [free_port(), free_port(), free_port()];
    for ((command, name), port) in
        [("create -l", "a"), ("c -listen", "b"), ("new --listen", "c")].into_iter().zip(ports)
    {
        let said = client.says(&format!("{command} 127.0.0.1:{port} -u=127.0.0.1:1 {name}"));
        assert_eq!(said, format!("Created new proxy {name}\n"));
    }
    assert_eq!(client.says("toggle b"), "Proxy b is now disabled\n");
    assert_eq!(client.says("tog c"), "Proxy c is now disabled\n");
    assert_eq!(client.says("tog c"), "Proxy c is now enabled\n");
    let [a, b, c] = ports;
    let line = |name, port, state| format!("{name}\t127.0.0.1:{port}\t127.0.0.1:1\t{state}\t0\n");
    let lines = [line("a", a, "enabled"), line("b", b, "disabled"), line("c", c, "enabled")].concat();
    assert_eq!(client.says("list"), lines);
    assert_eq!(client.says("d a"), "Deleted proxy a\n");
    assert_eq!(client.says("delete b"), "Deleted proxy b\n");
    assert_eq!(client.says("ls"), line("c", c, "enabled"));
}

#[test]
fn toxics_are_managed_by_its_commands_and_their_aliases() {
    let client = Client::new();
    client.create("db");
    for (args, said) in [
        (
            "toxic add -t latency -n slow -tox 0.5 -a latency=100 -a jitter=50 db",
            "Added downstream latency toxic 'slow' on proxy 'db'\n",
        ),
        (
            "t a --type bandwidth -u -attribute rate=0 db",
            "Added upstream bandwidth toxic 'bandwidth_upstream' on proxy 'db'\n",
        ),
        (
            "t add db -type=slicer -d -toxicity=1 -a average_size=64,delay=5",
            "Added downstream slicer toxic 'slicer_downstream' on proxy 'db'\n",
        ),
        ("toxic update -n slow -a latency=2000 db", "Updated toxic 'slow' on proxy 'db'\n"),
        (
            "t u --toxicName slicer_downstream -tox 0.25 db",
            "Updated toxic 'slicer_downstream' on proxy 'db'\n",
        ),
    ] {
        assert_eq!(client.says(args), said, "{args}");
    }
    let lines = "bandwidth_upstream\ttype=bandwidth\tstream=upstream\ttoxicity=1.00\tattributes=[\trate=0\t]\n\
                 slow\ttype=latency\tstream=downstream\ttoxicity=0.50\tattributes=[\tjitter=50\tlatency=2000\t]\n\
                 slicer_downstream\ttype=slicer\tstream=downstream\ttoxicity=0.25\tattributes=[\taverage_size=64\tdelay=5\tsize_variation=0\t]\n";
    for alias in ["inspect", "i", "ins"] {
        assert_eq!(client.says(&format!("{alias} db")), lines);
    }
    for (alias, toxic) in [("remove", "slow"), ("d", "bandwidth_upstream"), ("delete", "slicer_downstream")] {
        assert_eq!(
            client.says(&format!("toxic {alias} -n {toxic} db")),
            format!("Removed toxic '{toxic}' on proxy 'db'\n")
        );
    }
    assert_eq!(client.says("inspect db"), "");
}

#[test]
fn help_and_unknown_flags_show_what_the_program_is_and_does() {
    let client = Client::new();
    for args in [&["-h"][..], &["-help"], &["--help"], &["list", "-h"]] {
        let help = client.says(&args.join(" "));
        assert!(help.contains("--host <URL>") && help.contains("Usage: toxiproxy-cli"), "{args:?}: {help}");
    }
    let help = client.says("-h");
    for part in ["command line of Toxiproxy's client", "inspect", "toxic"] {
        assert!(help.contains(part), "{part}: {help}");
    }
    let ended = client.run(&["-bogus"]);
    assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{ended:?}");
    for part in
        ["'-bogus'", "fault-proxy with the command line of Toxiproxy's client", "list, inspect, create"]
    {
        assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
    }
    let ended = client.run(&["-hots=a:1", "list"]);
    assert!(ended.stderr.contains("a similar argument exists: '--host'"), "{ended:?}");
}

#[test]
fn attributes_of_toxics_are_numbers_for_clients_that_cast_them() {
    let client = Client::new();
    client.create("db");
    for toxic in [
        "latency -a latency=5",
        "bandwidth -a rate=5",
        "slow_close -a delay=5",
        "timeout -a timeout=5",
        "reset_peer -a timeout=5",
        "slicer -a average_size=5",
        "limit_data -a bytes=5",
        "noop",
        "latency -u",
        "bandwidth -u",
        "slow_close -u",
        "limit_data -u",
    ] {
        client.says(&format!("toxic add db -t {toxic}"));
    }
    let ctl = [
        "ctl",
        "--addr",
        &client.api.addr,
        "fault",
        "add",
        "db",
        "latency",
        "latency=500ms",
        "--name",
        "units",
    ];
    assert_eq!(crate::support::run(&ctl).code, Some(0));
    let toxics = client.api.get("/proxies/db/toxics");
    let toxics = toxics.as_array().expect("an array");
    assert_eq!(toxics.len(), 13);
    for toxic in toxics {
        let attributes = toxic["attributes"].as_object().expect("attributes");
        assert!(attributes.values().all(Value::is_u64), "{toxic}");
    }
}

#[test]
fn mistakes_are_named_and_fail() {
    let client = Client::new();
    client.create("database");
    for (args, code, part) in [
        (&["inspect", "databse"][..], 1, "proxy not found: `databse`; did you mean `database`?"),
        (&["delete", "none"], 1, "proxy not found: `none`"),
        (&["create", "-l", "127.0.0.1:0", "-u", "127.0.0.1:1", "database"], 1, "proxy already exists"),
        (
            &["toxic", "add", "-t", "laten", "database"],
            1,
            "invalid toxic type: \"laten\" is not a type of fault: use latency",
        ),
        (&["toxic", "remove", "-n", "slow", "database"], 1, "toxic not found: `slow`"),
        (&["toxic", "add", "database"], 2, "--type"),
        (&["toxic", "add", "-t", "latency", "-u", "-d", "database"], 2, "--downstream"),
        (&["toxic", "add", "-t", "latency", "-tox", "2", "database"], 2, "between 0 and 1"),
        (&["toxic", "add", "-t", "latency", "-a", "latency", "database"], 2, "KEY=VALUE"),
        (&["inspect"], 2, "<PROXY>"),
        (&["lst"], 2, "'list'"),
        (&[], 2, "list"),
        (&["toxic"], 2, "add"),
    ] {
        let ended = client.run(args);
        assert_eq!((ended.code, &*ended.stdout), (Some(code), ""), "{args:?}: {ended:?}");
        assert!(ended.stderr.contains(part), "{args:?}: {}", ended.stderr);
    }
    let nobody = format!("localhost:{}", free_port());
    for host in ["-h", "--host"] {
        let ended = client.run(&[host, &nobody, "list"]);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.stderr.contains(&nobody) && ended.stderr.contains("set --host"), "{}", ended.stderr);
    }
    let version = client.says("-version");
    assert_eq!(version, concat!("toxiproxy-cli version ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn the_hidden_subcommand_is_the_same_program() {
    let api = Api::alone();
    let ended = crate::support::run(&["toxiproxy-cli", "-h", &api.addr, "list"]);
    assert_eq!((ended.code, &*ended.stdout), (Some(0), ""), "{ended:?}");
}
