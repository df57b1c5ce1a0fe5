//! `fault-proxy ctl fault update` and `ctl requests`: what they accept and what they answer.

use crate::ctl::Ctl;
use crate::support::api::Api;
use serde_json::json;

#[test]
fn an_update_shows_what_it_changed() {
    let api = Api::alone();
    let ctl = Ctl(&api);
    ctl.says(&["create", "db", "--upstream", "127.0.0.1:9"]);
    ctl.says(&["fault", "add", "db", "latency", "mean=1s", "--name", "slow"]);
    for (toxicity, shown) in [("0.5", "0.5"), ("1", "1")] {
        let answer = ctl.says(&["fault", "update", "db", "slow", "--toxicity", toxicity]);
        assert_eq!(answer, format!("slow of db is changed: mean=1s toxicity={shown}\n"));
    }
    let unchanged = ctl.run(&["fault", "update", "db", "slow"]);
    let expected = "nothing to change: set KEY=VALUE, --toxicity or --ttl";
    assert!(unchanged.code == Some(2) && unchanged.stderr.contains(expected), "{unchanged:?}");
    assert_eq!(unchanged.stdout, "");
}

#[test]
fn requests_that_are_counted_but_did_not_come_yet_are_told_apart_from_those_that_are_not_counted() {
    for (flags, expected) in [
        (&["--count-requests"][..], "no requests of db were counted: the proxy has not received any yet\n"),
        (
            &[],
            "no requests of db were counted: start fault-proxy with --count-requests, or add a fault on requests\n",
        ),
    ] {
        let api = Api::with(flags);
        let ctl = Ctl(&api);
        ctl.says(&["create", "db", "--upstream", "psql://db"]);
        assert_eq!(ctl.says(&["requests", "db"]), expected, "{flags:?}");
        if flags.is_empty() {
            ctl.says(&["fault", "add", "db", "latency", "mean=1s", "on=commit"]);
            assert_eq!(
                ctl.says(&["requests"]),
                "no requests of db were counted: the proxy has not received any yet\n"
            );
        }
    }
}
