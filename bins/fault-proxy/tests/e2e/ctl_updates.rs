//! `fault-proxy ctl fault update` and `ctl requests`: what they accept and what they answer.

use crate::ctl::Ctl;
use crate::support::api::Api;
use serde_json::json;

#[test]
fn an_update_takes_the_units_that_ctl_shows() {
    let api = Api::alone();
    let ctl = Ctl(&api);
    ctl.says(&["create", "db", "--upstream", "127.0.0.1:9"]);
    for (kind, attribute, shown, changed, sent) in [
        ("bandwidth", "rate=10", "rate=10KBps", "rate=2MBps", json!({"rate": 2000})),
        ("limit_data", "bytes=1000", "bytes=1000B", "bytes=2KiB", json!({"bytes": 2048})),
        ("slow_close", "delay=100", "delay=100ms", "delay=2s", json!({"delay": 2000})),
        ("slow-close", "delay=100ms", "delay=100ms", "delay=0.5ms", json!({"delay": 0.5})),
    ] {
        let name = format!("of-{attribute}");
        ctl.says(&["fault", "add", "db", kind, attribute, "--name", &name, "--stream", "downstream"]);
        let inspected = ctl.says(&["inspect", "db"]);
        assert!(inspected.contains(shown), "{inspected}");
        for given in [shown, changed] {
            let answer = ctl.says(&["fault", "update", "db", &name, given]);
            assert_eq!(answer, format!("{name} of db is changed: {given}\n"), "{kind}");
        }
        assert_eq!(api.get(&format!("/proxies/db/toxics/{name}"))["attributes"], sent, "{kind}");
        ctl.says(&["fault", "remove", "db", &name]);
    }
    ctl.says(&["fault", "add", "db", "bandwidth", "rate=10"]);
    let refused = ctl.run(&["fault", "update", "db", "bandwidth_downstream", "rate=500Bps"]);
    let expected = "`rate=500Bps` is not a whole number, or a whole number of KBps with a unit";
    assert!(refused.code == Some(2) && refused.stderr.contains(expected), "{refused:?}");
}

#[test]
fn a_bare_rate_means_the_same_in_add_and_update() {
    let api = Api::alone();
    let ctl = Ctl(&api);
    ctl.says(&["create", "db", "--upstream", "127.0.0.1:9"]);
    ctl.says(&["fault", "add", "db", "bandwidth", "rate=1MBps", "--name", "slow"]);
    for (given, shown) in [
        (&["rate=500"][..], "rate=500 unit=KBps"),
        (&["rate=1mbit/s"], "rate=1mbit/s"),
        (&["rate=0.5"], "rate=0.5 unit=KBps"),
        // A unit of the fault stays.
        (&["rate=3", "unit=mbit/s"], "rate=3 unit=mbit/s"),
        (&["rate=4"], "rate=4 unit=mbit/s"),
    ] {
        let answer = ctl.says(&[&["fault", "update", "db", "slow"], given].concat());
        assert_eq!(answer, format!("slow of db is changed: {shown}\n"), "{given:?}");
    }
    let added = ctl.says(&["fault", "add", "db", "bandwidth", "rate=500", "scope=proxy", "--name", "shared"]);
    assert_eq!(added, "db has shared: rate=500 scope=proxy unit=KBps\n");
}

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
