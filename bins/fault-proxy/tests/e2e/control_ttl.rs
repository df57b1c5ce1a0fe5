//! Faults that are removed after their time to live.

use std::io::{Read, Write};
use std::time::Instant;

use crate::fault_support::ms;
use crate::support::api::{Api, connect, create, is_refused};
use crate::support::{eventually, round_trip, run};
use serde_json::json;
use tempfile::NamedTempFile;
use testkit::{TcpServer, free_port};

/// Returns the output of `ctl` with these arguments.
fn ctl(api: &Api, args: &[&str]) -> String {
    let ended = run(&[&["ctl", "--addr", &api.addr], args].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.stdout
}

#[test]
fn a_fault_that_its_client_leaves_behind_is_removed() {
    let (far_end, api) = (TcpServer::echo(), Api::alone());
    let addr = create(&api, "db", far_end.addr());
    let started = Instant::now();
    let said = ctl(&api, &["fault", "add", "db", "blackhole", "direction=both", "--ttl", "1500ms"]);
    assert_eq!(said, "db has blackhole_both: direction=both ttl=1500ms\n");
    assert!(ctl(&api, &["inspect", "db"]).contains("ttl=1500ms"));
    // A toxic of Toxiproxy. A change without a time to live does not prolong it.
    let toxic = json!({"type": "latency", "attributes": {"latency": 1}, "ttl": 1500});
    assert_eq!(api.post("/proxies/db/toxics", &toxic)["ttl"], 1500);
    let changed = api.post("/proxies/db/toxics/latency_downstream", &json!({"attributes": {"latency": 2}}));
    assert_eq!(changed["ttl"], 1500);
    let stays = api.post("/proxies/db/toxics", &json!({"type": "slicer", "attributes": {"size": 1000}}));
    assert_eq!(stays.get("ttl"), None);

    let mut client = connect(addr);
    client.write_all(b"held").unwrap();
    client.read_exact(&mut [0; 4]).unwrap();
    assert!(started.elapsed() >= ms(1500), "{:?}", started.elapsed());
    eventually("only one fault is left", || {
        api.get("/proxies/db/toxics").as_array().is_some_and(|faults| faults.len() == 1)
    });
    let changes = api.get("/changes");
    let expired = changes.as_array().into_iter().flatten().filter(|change| change["action"] == "expire");
    let expired: Vec<_> = expired.collect();
    let names = expired.iter().flat_map(|change| change["before"].as_array().expect("an array"));
    assert_eq!(names.count(), 2, "{changes}");
    assert!(expired.iter().all(|change| change["client"] == "ttl" && change["proxy"] == "db"), "{changes}");
    let line = api.wait_for_line("action=\"expire\"");
    assert!(line.contains("client=ttl") && line.contains("proxy=\"db\""), "{line}");
}

#[test]
fn a_port_that_a_fault_closes_opens_again_and_a_new_time_counts_from_the_change() {
    let (far_end, api) = (TcpServer::echo(), Api::alone());
    let addr = create(&api, "db", far_end.addr());
    ctl(&api, &["fault", "add", "db", "refuse", "--name", "down", "--ttl", "1h"]);
    assert!(is_refused(addr));
    let said = ctl(&api, &["fault", "update", "db", "down", "--ttl", "200ms"]);
    assert_eq!(said, "down of db is changed: ttl=200ms\n");
    eventually("it listens again", || !is_refused(addr));
    round_trip(&connect(addr), b"it is up").unwrap();
}

#[test]
fn what_has_no_time_to_live_names_the_way_out() {
    let api = Api::alone();
    create(&api, "db", ([127, 0, 0, 1], 1).into());
    let mapping = format!("{}=localhost:1", free_port());
    let mut file = NamedTempFile::with_suffix(".toml").unwrap();
    write!(file, "[[proxies]]\nproxy = \"{mapping}\"\n[[proxies.faults]]\ntype = \"reset\"\nttl = \"30s\"\n")
        .unwrap();
    let file = file.path().to_str().unwrap();
    let mut toxiproxy = NamedTempFile::new().unwrap();
    let proxies = json!([{"name": "db", "listen": "127.0.0.1:0", "upstream": "up:1", "toxics": [{"type": "latency", "ttl": 5}]}]);
    write!(toxiproxy, "{proxies}").unwrap();
    let toxiproxy = toxiproxy.path().to_str().unwrap();
    let add = ["ctl", "--addr", &api.addr, "fault", "add", "db", "latency", "mean=1s"];
    for (args, way_out) in [
        (vec!["check", "--config", file], "schedule = \"duration:30s\""),
        (
            vec!["check", "--proxy", &mapping, "--with-reset", "--reset-ttl", "30s"],
            "--latency-sched duration:30s",
        ),
        (
            vec!["run", "--toxiproxy-config", toxiproxy],
            "ttl of a toxic of `db`: a file has no faults that are removed",
        ),
        ([&add[..], &["ttl=30s"]].concat(), "set ttl at the top level of the request (ctl: --ttl)"),
        ([&add[..], &["--ttl", "30"]].concat(), "no unit: use 30s for seconds"),
        ([&add[..], &["--ttl", "0s"]].concat(), "ttl: is 0: use a time such as 30s"),
        ([&add[..], &["--ttl", "200h"]].concat(), "200h is too long: use 168h (a week) at most"),
    ] {
        let ended = run(&args);
        assert!(ended.code != Some(0) && ended.stderr.contains(way_out), "{args:?}: {ended:?}");
    }
    assert_eq!(api.get("/proxies/db/toxics"), json!([]));
}
