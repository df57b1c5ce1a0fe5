//! The record of who changed what through the control API.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::{Daemon, Signal, free_addr, free_port};

use crate::fault_support::script::end;
use crate::support::api::Api;
use crate::support::{BINARY, PATIENCE, eventually, run, utf8};

#[test]
fn each_change_is_kept_and_logged_with_its_client_and_what_it_changed() {
    let api = Api::alone();
    assert_eq!(api.get("/changes"), json!([]));
    let listen = free_addr().to_string();
    let made = api.post("/proxies", &json!({"name": "db", "listen": listen, "upstream": "up:1"}));
    let added =
        ["ctl", "--addr", &api.addr, "fault", "add", "db", "latency", "latency=500ms", "--name", "slow"];
    assert_eq!(run(&added).code, Some(0));
    api.post("/proxies/db/toxics/slow", &json!({"attributes": {"latency": 700}}));
    api.post("/proxies/db", &json!({"enabled": false}));
    assert_eq!(api.ask("POST", "/reset", &Value::Null).0, 204);
    api.delete("/proxies/db");
    // Neither is a change.
    assert_eq!(api.ask("POST", "/proxies/db/toxics", &json!({"type": "latency"})).0, 404);
    assert_eq!(api.ask("POST", "/reset", &Value::Null).0, 204);

    let changes = api.get("/changes");
    let changes = changes.as_array().expect("an array");
    let of = |field: &str| changes.iter().map(|change| change[field].clone()).collect::<Vec<_>>();
    assert_eq!(of("action"), ["create", "change faults", "change faults", "update", "reset", "delete"]);
    assert_eq!(of("number"), [1, 2, 3, 4, 5, 6]);
    assert!(of("proxy").iter().all(|proxy| proxy == "db"));
    assert!(
        of("client").iter().all(|client| client.as_str().is_some_and(|addr| addr.starts_with("127.0.0.1:")))
    );
    let agent = of("user_agent")[1].clone();
    assert!(agent.as_str().is_some_and(|agent| agent.starts_with("fault-proxy/")), "{agent}");
    let times: Vec<_> = of("at_ms").iter().map(|at| at.as_u64().expect("milliseconds")).collect();
    assert!(times.is_sorted(), "{times:?}");

    let latency = |latency: u64| {
        json!({
            "name": "slow", "type": "latency", "stream": "downstream", "toxicity": 1.0,
            "attributes": {"latency": latency, "jitter": 0}
        })
    };
    let shown = |enabled: bool, toxics: Value| {
        let mut proxy = made.clone();
        (proxy["enabled"], proxy["toxics"]) = (enabled.into(), toxics);
        proxy
    };
    let (before, after) = (of("before"), of("after"));
    assert_eq!((&before[0], &after[0]), (&Value::Null, &made));
    assert_eq!((&before[1], &after[1]), (&json!([]), &json!([latency(500)])));
    assert_eq!((&before[2], &after[2]), (&json!([latency(500)]), &json!([latency(700)])));
    let slow = json!([latency(700)]);
    assert_eq!((&before[3], &after[3]), (&shown(true, slow.clone()), &shown(false, slow.clone())));
    assert_eq!((&before[4], &after[4]), (&shown(false, slow), &shown(true, json!([]))));
    assert_eq!((&before[5], &after[5]), (&shown(true, json!([])), &Value::Null));

    api.wait_for_line("action=\"delete\"");
    let stderr = api.stderr();
    let logged: Vec<_> = stderr.lines().filter(|line| line.contains("changed by the control API")).collect();
    assert_eq!(logged.len(), 6, "{stderr}");
    for part in
        ["INFO", "client=127.0.0.1:", "user_agent=\"fault-proxy/", "action=\"change faults\"", "proxy=\"db\""]
    {
        assert!(logged[1].contains(part), "{part}: {}", logged[1]);
    }
    assert!(logged[1].contains("before=[]") && logged[1].contains(r#""latency":500"#), "{}", logged[1]);
}

#[test]
fn a_time_to_live_that_starts_again_is_a_change() {
    let api = Api::alone();
    api.post("/proxies", &json!({"name": "db", "listen": "127.0.0.1:0", "upstream": "up:1"}));
    api.post("/proxies/db/toxics", &json!({"type": "latency", "name": "slow", "ttl": "1h"}));
    // The first one changes nothing.
    api.post("/proxies/db/toxics/slow", &json!({"attributes": {"latency": 0}}));
    api.post("/proxies/db/toxics/slow", &json!({"ttl": "1h"}));
    let changes = api.get("/changes");
    assert_eq!(changes.as_array().map(Vec::len), Some(3), "{changes}");
    assert_eq!(changes[2]["action"], "change faults");
    assert_eq!(
        (&changes[2]["before"][0]["ttl"], &changes[2]["after"][0]["ttl"]),
        (&json!(3_600_000), &json!(3_600_000))
    );
}

#[test]
fn populate_records_what_it_creates_and_replaces() {
    let api = Api::alone();
    let proxy =
        |name: &str, upstream: &str| json!({"name": name, "listen": "127.0.0.1:0", "upstream": upstream});
    api.post("/populate", &json!([proxy("a", "up:1"), proxy("b", "up:1")]));
    api.post("/populate", &json!([proxy("a", "up:2")]));
    let changes = api.get("/changes");
    let shown = |index: usize| (changes[index]["action"].clone(), changes[index]["proxy"].clone());
    assert_eq!(shown(0), (json!("create"), json!("a")));
    assert_eq!(shown(1), (json!("create"), json!("b")));
    assert_eq!(shown(2), (json!("replace"), json!("a")));
    assert_eq!(changes[2]["before"]["upstream"], "up:1");
    assert_eq!(changes[2]["after"]["upstream"], "up:2");
    assert_eq!(changes[3], Value::Null);
}

#[test]
fn the_journal_has_the_changes_and_a_replay_says_that_it_cannot_repeat_them() {
    let directory = TempDir::new().expect("a directory");
    let journal = directory.path().join("run.jsonl");
    let mapping = format!("db@{}=127.0.0.1:1", free_port());
    let api = Api::with(&["--proxy", &mapping, "--journal", utf8(&journal)]);
    api.post("/proxies/db/toxics", &json!({"type": "latency"}));
    let recorded = || -> Vec<Value> {
        let text = fs::read_to_string(&journal).expect("it is text");
        text.lines().skip(1).map(|line| serde_json::from_str(line).expect("JSON")).collect()
    };
    eventually("a change is written while the run goes on", || recorded().len() == 1);
    // The end of the run comes right behind these.
    for _ in 0..5 {
        api.post("/proxies/db", &json!({"enabled": false}));
        api.post("/proxies/db", &json!({"enabled": true}));
    }
    let changes = api.get("/changes");
    assert_eq!(end(&api), Some(0), "{}", api.stderr());
    let recorded: Vec<_> = recorded().into_iter().map(|line| line["change"].clone()).collect();
    assert_eq!(json!(recorded), changes);
    assert_eq!(recorded.len(), 11);

    let replay = Daemon::spawn(Path::new(BINARY), &["replay", utf8(&journal), "--json"], &[]);
    replay.wait_for_line("listening on");
    replay.signal(Signal::TERM);
    assert_eq!(replay.wait(PATIENCE).code(), Some(0), "{}", replay.stderr());
    assert!(replay.stdout().contains("\"changes\": 11"), "{}", replay.stdout());
}
