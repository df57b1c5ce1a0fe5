//! Configurations that are refused, and the errors about them.

use crate::support::setup::{Setup, assert_has};
use crate::support::{self, utf8};

#[test]
fn what_is_wrong_is_named_by_its_path_and_file() {
    let setup = Setup::new();
    let proxy = format!("[[proxies]]\nproxy = '{}'\nname = 'db'\n", setup.proxy());
    let with = |rest: &str| format!("{proxy}{rest}\n");
    for (text, parts) in [
        ("sed = 7".to_owned(), &["sed in ", "fault.toml: unknown key; did you mean `seed`?"][..]),
        ("connect_timeout = 7".to_owned(), &["did you mean `connect-timeout`?"]),
        ("seed = 'seven'".to_owned(), &["seed in ", "fault.toml: ", "seven"]),
        ("drain-timeout = 'later'".to_owned(), &["drain-timeout in ", "write 90s"]),
        ("[[proxies]]\nproxy = '9090=example.com'".to_owned(), &["proxies[0].proxy in ", "missing port"]),
        ("[[proxies]]\nname = 'db'".to_owned(), &["proxies[0] in ", "`proxy` is missing"]),
        (
            with("[[proxies.faults]]\ntype = 'latency'\nmaen = 1"),
            &["proxies[0].faults[0].maen in ", "did you mean `mean`?"],
        ),
        (
            with("[[proxies.faults]]\ntype = 'latency'\nmean = true"),
            &["proxies[0].faults[0].mean in ", "bool"],
        ),
        (
            with("[[proxies.faults]]\ntype = 'latency'\nmean = 'soon'"),
            &["proxies[0].faults[0].mean in ", "\"soon\""],
        ),
        (with("[[proxies.faults]]\ntype = 'latency'"), &["proxies[0].faults[0].mean in ", "is required"]),
        (
            with("[[proxies.faults]]\ntype = 'refuse'\n[[proxies.faults]]\ntype = 'jitter'\nname = 'refuse'"),
            &["proxies[0].faults[1] in ", "`db` already has a fault named `refuse`"],
        ),
        (
            with("[[proxies.faults]]\ntype = 'refuse'\n[[faults]]\ntype = 'refuse'"),
            &["proxies[0].faults[0] in ", "`db` already has a fault named `refuse`"],
        ),
        (format!("{proxy}{proxy}"), &["duplicate proxy name `db`"]),
        (
            "[[proxies]]\nproxy = '1=a:1'\n[[proxies]]\nproxy = '2=b:2'\nname = 'proxy-1'\n".to_owned(),
            &["name `proxy-1`", "1=a:1", "2=b:2", "different name"],
        ),
        (with("[[phases]]\nname = 'a'\n[[phases]]\nname = 'b'"), &["phases[0] in ", "`duration` is missing"]),
        (
            with("[[phases]]\nduration = 1\n[[phases.faults]]\nproxy = 'dbb'\ntype = 'refuse'"),
            &["phases[0].faults[0].proxy in ", "no proxy is called `dbb`; did you mean `db`?"],
        ),
        (
            with("[[phases]]\n[[phases.faults]]\nporxy = 'db'\ntype = 'refuse'"),
            &["phases[0].faults[0].porxy in ", "did you mean `proxy`?"],
        ),
        (with("[[phases]]\n[[phases.faults]]\ntype = 'latency'"), &["phases[0].faults[0].mean in "]),
        ("seed 7".to_owned(), &["fault.toml: "]),
        (
            "seed = 18446744073709551616".to_owned(),
            &[
                "fault.toml: ",
                "line 1, column 8",
                "expected a number from -9223372036854775808 to 18446744073709551615",
            ],
        ),
        ("bind = 'localhost'".to_owned(), &["bind in ", "expected an IP address, for example 127.0.0.1"]),
        ("bind = 3".to_owned(), &["bind in ", "expected an IP address, for example 127.0.0.1"]),
        ("expect = 'latency.p50<1'".to_owned(), &["expect in ", "expected a list ([…]"]),
        ("faults = [3]".to_owned(), &["faults[0] in ", "expected a table of keys and values, found 3"]),
        (with("[[faults]]\ntype = 3"), &["faults[0].type in ", "use latency, "]),
        (with("[[faults]]\ntype = 'refuse'\nschedule = 5"), &["faults[0].schedule in ", "put it in quotes"]),
        (
            with("[[faults]]\ntype = 'refuse'\nside = 5"),
            &["faults[0].side in ", "use client, server or both"],
        ),
        (String::new(), &["--proxy <MAPPING>", "[[proxies]]"]),
    ] {
        let ended = setup.check("fault.toml", &text, &[], &[]);
        assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{text}: {ended:?}");
        assert_has(&ended.stderr, parts);
    }
}

#[test]
fn what_no_run_could_start_with_is_refused_by_both_commands() {
    let setup = Setup::new();
    let mapping = setup.proxy();
    let file = setup.directory.path().join("toxiproxy.json");
    let toxiproxy = |name: &str, listen: &str, upstream: &str| {
        let text = format!(r#"[{{"name": "{name}", "listen": "{listen}", "upstream": "{upstream}"}}]"#);
        std::fs::write(&file, text).expect("the directory is ours");
    };
    for command in ["check", "run"] {
        let refused = |options: &[&str], parts: &[&str]| {
            let args = [&[command, "--proxy", &mapping], options].concat();
            let ended = support::run(&args);
            assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{args:?}: {ended:?}");
            assert_has(&ended.stderr, parts);
        };
        for control in ["0.0.0.0:0", ":0"] {
            let parts = [&format!("--control {control}"), "--control-token", "--control-insecure"];
            refused(&["--control", control], &parts);
        }
        for flag in ["--max-in-flight", "--max-in-flight-total"] {
            refused(&[flag, "0"], &[flag, "must be greater than 0"]);
        }
        refused(&["--connect-timeout", "0"], &["--connect-timeout", "must be greater than 0"]);
        toxiproxy("proxy-1", "127.0.0.1:0", "a:1");
        refused(&["--toxiproxy-config", utf8(&file)], &["--toxiproxy-config", "`proxy-1`", &mapping]);
        toxiproxy("db", "bad", "a:1");
        refused(&["--toxiproxy-config", utf8(&file)], &["--toxiproxy-config", "listen `bad`", "at proxy 1"]);
        toxiproxy("db", "127.0.0.1:0", "bad");
        refused(
            &["--toxiproxy-config", utf8(&file)],
            &["--toxiproxy-config", "upstream `bad`", "at proxy 1"],
        );
    }
}

#[test]
fn files_of_other_kinds_and_missing_ones_are_refused() {
    let setup = Setup::new();
    let ended = setup.check("fault.ini", "", &[], &[]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert_has(&ended.stderr, &["fault.ini", ".toml, .yaml, .yml or .json"]);
    let ended = support::run(&["check", "--config", "/nowhere/fault.toml"]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert_has(&ended.stderr, &["/nowhere/fault.toml"]);
}

#[test]
fn files_without_proxies_or_with_keys_of_other_programs_are_explained() {
    let setup = Setup::new();
    for (text, expected) in [
        ("", "fault.toml has no [[proxies]]; add one with proxy ="),
        (
            "[[proxies]]\ntarget = 'a:1'\n",
            "fault.toml: unknown key; use [[proxies]] with proxy = \"PORT=HOST:PORT\"",
        ),
        ("[[proxies]]\nlistn = 1\n", "fault.toml: unknown key; did you mean `listen`?"),
        ("[[proxies]]\nlisten = 1\n", "fault.toml: `listen` needs `upstream`"),
        ("[[proxies]]\nupstream = 'a:1'\n", "fault.toml: `upstream` needs `listen`"),
        ("[[proxies]]\nproxy = '1=a:1'\nlisten = 1\n", "fault.toml: `proxy` has both addresses"),
        ("[[proxies]]\nlisten = 99999\nupstream = 'a:1'\n", "fault.toml: the port is out of range"),
        ("[[proxies]]\nlisten = true\nupstream = 'a:1'\n", "fault.toml: expected an address"),
        ("[[proxies]]\nlisten = 1\nupstream = 'a'\n", "fault.toml: missing port"),
        ("upstream = 'a:1'\n", "fault.toml: unknown key; use [[proxies]] with proxy = \"PORT=HOST:PORT\""),
        ("proxies = ['1=a:1']\n", "expected a table such as { proxy ="),
        ("[proxies]\nproxy = '1=a:1'\n", "expected a list ([…], or [[…]] for tables in TOML), found a table"),
        ("[[proxies]]\nproxy = '1=a:1'\nseed = 3\n", "move it to the top of the file, as `seed`"),
        ("data-path = 'splce'\n", "unknown value `splce`: expected copy, splice; did you mean `splice`?"),
        ("data-path = false\n", "data-path in "),
        ("data-path = false\n", "expected one of the words that --help lists, found false"),
        ("seed = -1\n", "expected a whole number from 0 to 18446744073709551615, found -1"),
        ("max-sessions = 0\n", "expected a whole number from 1 to 4294967295, found 0"),
        ("max-sessions = 5000000000\n", "expected a whole number from 1 to 4294967295, found 5000000000"),
        ("duration = 'soon'\n", "fault.toml: not a time; write 90s, "),
    ] {
        let ended = setup.check("fault.toml", text, &[], &[]);
        assert_eq!(ended.code, Some(2), "{text}: {ended:?}");
        assert!(ended.stderr.contains(expected), "{text}: {}", ended.stderr);
    }
}
