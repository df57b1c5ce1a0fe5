//! `fault-proxy ctl`, as people type it.

mod support;
#[path = "support/api.rs"]
mod support_api;

use serde_json::{Value, json};
use support::{Ended, run};
use support_api::Api;
use testkit::FarEnd;

struct Ctl<'a>(&'a Api);

impl Ctl<'_> {
    fn run(&self, args: &[&str]) -> Ended {
        run(&[&["ctl", "--addr", &self.0.addr], args].concat())
    }

    /// What a command that succeeds prints.
    fn says(&self, args: &[&str]) -> String {
        let ended = self.run(args);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{args:?}");
        ended.stdout
    }

    fn json(&self, args: &[&str]) -> Value {
        let said = self.says(&[args, &["--json"]].concat());
        serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}"))
    }

    /// What a command that fails says of it.
    fn complains(&self, args: &[&str]) -> String {
        let ended = self.run(args);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{args:?}");
        ended.stderr
    }
}

#[test]
fn a_proxy_and_its_faults_are_managed() {
    let (api, echo) = (Api::alone(), FarEnd::echo());
    let ctl = Ctl(&api);
    assert_eq!(ctl.says(&["list"]), "there are no proxies\n");
    let upstream = echo.addr().to_string();
    let made = ctl.says(&["create", "my db", "--upstream", &upstream]);
    assert!(
        made.starts_with("my db listens on 127.0.0.1:") && made.trim_end().ends_with(&upstream),
        "{made}"
    );
    let listed = ctl.says(&["list"]);
    assert!(listed.contains("my db") && listed.contains("yes") && listed.contains("none"), "{listed}");

    let added =
        ctl.says(&["fault", "add", "my db", "latency", "mean=300ms", "stddev=40", "--toxicity", "0.5"]);
    assert_eq!(added, "my db has latency_downstream: mean=300 stddev=40\n");
    ctl.says(&[
        "fault",
        "add",
        "my db",
        "packet_loss",
        "rate=0.01",
        "--name",
        "loss",
        "--stream",
        "upstream",
    ]);
    let expected = json!({
        "type": "packet_loss", "name": "loss", "stream": "upstream", "toxicity": 1.0, "attributes": {"rate": 0.01}
    });
    assert_eq!(ctl.json(&["inspect", "my db"])["toxics"][0], expected);
    ctl.says(&["fault", "update", "my db", "loss", "rate=0.02", "--toxicity", "0.25"]);
    let shown = ctl.says(&["inspect", "my db"]);
    assert!(shown.contains("rate=0.02") && shown.contains("0.25") && shown.contains("loss"), "{shown}");
    assert!(ctl.says(&["list"]).contains("loss, latency_downstream"));
    assert_eq!(ctl.says(&["fault", "remove", "my db", "loss"]), "loss of my db is removed\n");

    assert_eq!(ctl.says(&["toggle", "my db"]), "my db is disabled\n");
    assert!(ctl.says(&["inspect", "my db"]).contains(", disabled"));
    assert!(ctl.says(&["toggle", "my db"]).starts_with("my db is enabled: it listens on "));
    ctl.says(&["toggle", "my db"]);
    ctl.says(&["reset"]);
    let proxy = &ctl.json(&["list"])["my db"];
    assert_eq!((&proxy["enabled"], &proxy["toxics"]), (&json!(true), &json!([])));
    assert_eq!(ctl.says(&["delete", "my db"]), "my db is deleted\n");
    assert_eq!(ctl.json(&["list"]), json!({}));
}

#[test]
fn what_goes_wrong_is_named_with_the_way_out() {
    let api = Api::with(&["--control-token", "s3cr3t"]);
    let ctl = Ctl(&api);
    let refused = ctl.complains(&["list"]);
    assert!(refused.contains("give --token"), "{refused}");
    let with_token = |args: &[&str]| ctl.run(&[&["--token", "s3cr3t"], args].concat());
    with_token(&["create", "database", "--upstream", "a:1"]);
    for (args, expected) in [
        (&["inspect", "databas"][..], "proxy not found: `databas`; did you mean `database`?"),
        (&["fault", "remove", "database", "x"], "toxic not found: `x`"),
        (&["create", "b", "--upstream", "ftp://a"], "write HOST:PORT"),
        (
            &["fault", "add", "database", "earthquake"],
            "invalid toxic type: \"earthquake\" is not a type of fault: say latency",
        ),
    ] {
        let ended = with_token(args);
        assert_eq!(ended.code, Some(1), "{args:?}");
        assert!(ended.stderr.contains(expected), "{}", ended.stderr);
    }
    let nobody = run(&["ctl", "--addr", "127.0.0.1:1", "list"]);
    assert!(
        nobody.stderr.contains("nobody listens on http://127.0.0.1:1: start `fault-proxy run"),
        "{}",
        nobody.stderr
    );
    assert_eq!(run(&["ctl", "fault", "add", "database", "latency", "mean"]).code, Some(2));
}
