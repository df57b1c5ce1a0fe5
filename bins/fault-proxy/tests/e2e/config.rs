//! The configuration file: its formats, and what takes precedence over it.

use crate::support::setup::Setup;
use crate::support::{self, utf8};

/// The line of a table whose cells have these words, in this order.
#[track_caller]
fn row<'a>(stdout: &'a str, words: &[&str]) -> &'a str {
    let has = |line: &&str| {
        let mut rest = *line;
        words.iter().all(|word| rest.split_once(word).map(|(_, after)| rest = after).is_some())
    };
    stdout.lines().find(has).unwrap_or_else(|| panic!("no row {words:?} in {stdout}"))
}

#[test]
fn a_flag_comes_before_a_variable_before_the_file() {
    let setup = Setup::new();
    let file = format!(
        "seed = 71\nduration = '1m'\nbind = '127.0.0.1'\n[[proxies]]\nproxy = '{}'\nname = 'db'\n\
         [[proxies.faults]]\ntype = 'latency'\nmean = 111.5\n",
        setup.proxy()
    );
    let of_file = setup.resolved(&file, &[], &[]);
    row(&of_file, &["seed", "71"]);
    row(&of_file, &["db", "latency", "111.5"]);

    let variables = [("FAULT_SEED", "72"), ("FAULT_WITH_LATENCY", "true"), ("FAULT_LATENCY_MEAN", "222.5")];
    let of_variables = setup.resolved(&file, &variables, &[]);
    row(&of_variables, &["seed", "72"]);
    row(&of_variables, &["db", "latency", "222.5"]);
    row(&of_variables, &["duration", "1m"]);

    let of_flags = setup.resolved(&file, &variables, &["--seed", "73", "--latency-mean", "333.5"]);
    row(&of_flags, &["seed", "73"]);
    row(&of_flags, &["db", "latency", "333.5"]);
    for gone in ["111.5", "222.5"] {
        assert!(!of_flags.contains(gone), "{of_flags}");
    }
}

#[test]
fn a_switch_of_the_file_can_be_taken_back() {
    let setup = Setup::new();
    let file = format!(
        "strict-schedules = true\n[[faults]]\ntype = 'jitter'\nschedule = 'start:8s;duration:3s'\n\
         [[proxies]]\nproxy = '{}'\n",
        setup.proxy()
    );
    row(&setup.resolved(&file, &[], &[]), &["jitter", "0s to 3s, from 8s"]);
    row(&setup.resolved(&file, &[], &["--strict-schedules=no"]), &["jitter", "8s to 11s"]);
}

#[test]
fn faults_of_flags_replace_those_of_their_name_and_join_the_others() {
    let setup = Setup::new();
    let file = format!(
        "[[faults]]\ntype = 'jitter'\namplitude = 11\n[[proxies]]\nproxy = '{}'\nname = 'one'\n\
         [[proxies]]\nproxy = '{}'\nname = 'two'\n[[proxies.faults]]\ntype = 'jitter'\nname = 'second'\n",
        setup.proxy(),
        setup.proxy()
    );
    let options = ["--with-jitter", "--jitter-amplitude", "77", "--with-refuse"];
    let stdout = setup.resolved(&file, &[], &options);
    for proxy in ["one", "two"] {
        row(&stdout, &[proxy, "jitter", "77"]);
        row(&stdout, &[proxy, "refuse"]);
    }
    row(&stdout, &["two", "second", "20"]);
}

#[test]
fn proxies_of_flags_replace_those_of_the_file() {
    let setup = Setup::new();
    let file =
        format!("[[faults]]\ntype = 'jitter'\n[[proxies]]\nproxy = '{}'\nname = 'db'\n", setup.proxy());
    let mapping = setup.proxy();
    let stdout = setup.resolved(&file, &[], &["--proxy", &mapping]);
    row(&stdout, &[&mapping, "jitter"]);
    assert!(!stdout.contains("db"), "{stdout}");
}

#[test]
fn a_proxy_of_the_file_can_have_its_addresses_in_two_keys() {
    let setup = Setup::new();
    let mapping = setup.proxy();
    let (listen, upstream) = mapping.split_once('=').expect("a mapping");
    let port = listen.rsplit(':').next().expect("a port");
    for listen in [format!("'{listen}'"), port.to_owned()] {
        let file = format!("[[proxies]]\nname = 'db'\nlisten = {listen}\nupstream = '{upstream}'\n");
        row(&setup.resolved(&file, &[], &[]), &["db", &format!(":{port}"), upstream, "connected"]);
    }
}

#[test]
fn all_formats_say_the_same() {
    let setup = Setup::new();
    let mapping = setup.proxy();
    let toml = format!(
        "seed = 7\nduration = '10m'\nmax-in-flight = '1MiB'\n[[proxies]]\nproxy = '{mapping}'\nname = 'db'\n\
         [[proxies.faults]]\ntype = 'latency'\nmean = '300ms'\nschedule = 'start:10%,duration:2s'\n"
    );
    let yaml = format!(
        "seed: 7\nduration: 10m\nmax-in-flight: 1MiB\nproxies:\n- proxy: {mapping}\n  name: db\n  faults:\n  \
         - type: latency\n    mean: 300ms\n    schedule: start:10%,duration:2s\n"
    );
    let json = format!(
        r#"{{"seed": 7, "duration": 600, "max-in-flight": 1048576, "proxies": [{{"proxy": "{mapping}",
        "name": "db", "faults": [{{"type": "latency", "mean": 300, "schedule": "start:10%,duration:2s"}}]}}]}}"#
    );
    let tables = [("a.toml", toml), ("a.yaml", yaml.clone()), ("a.yml", yaml), ("a.json", json)].map(
        |(name, text)| {
            let ended = setup.check(name, &text, &[], &[]);
            assert_eq!(ended.code, Some(0), "{name}: {ended:?}");
            // how long connecting took differs
            ended
                .stdout
                .lines()
                .filter(|line| !line.contains("connected in"))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        },
    );
    row(&tables[0].join("\n"), &["db", "latency", "300", "1m to 1m 2s"]);
    for table in &tables[1..] {
        assert_eq!(*table, tables[0]);
    }
}

#[test]
fn check_tries_the_control_api_and_proxies_from_everywhere() {
    let setup = Setup::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let taken = taken.local_addr().expect("it is bound");
    let mapping = setup.proxy();
    let file = setup.directory.path().join("toxiproxy.json");
    let text =
        format!(r#"[{{"name": "db", "listen": "127.0.0.1:0", "upstream": "{}"}}]"#, setup.far_end.addr());
    std::fs::write(&file, text).expect("the directory is ours");
    let check = |control: &str| {
        let toxiproxy = ["--toxiproxy-config", utf8(&file)];
        support::run(&[&["check", "--proxy", &mapping, "--control", control], &toxiproxy[..]].concat())
    };
    let ended = check("127.0.0.1:0");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    row(&ended.stdout, &["db", "127.0.0.1:", "connected in"]);
    row(&ended.stdout, &["control API", "127.0.0.1:"]);
    let ended = check(&taken.to_string());
    assert_eq!(ended.code, Some(1), "{ended:?}");
    row(&ended.stdout, &["control API", "FAILED"]);
    let same = ["check", "--proxy", &mapping, "--proxy", &mapping.replace('=', "=tcp://")];
    let ended = support::run(&same);
    assert_eq!(ended.code, Some(2), "one port for two: {ended:?}");
}

#[test]
fn phases_follow_one_another_and_make_the_duration() {
    let setup = Setup::new();
    let file = format!(
        "[[faults]]\ntype = 'jitter'\nschedule = 'start:50%'\n\
         [[proxies]]\nproxy = '{}'\nname = 'db'\n[[proxies]]\nproxy = '{}'\nname = 'web'\n\
         [[phases]]\nname = 'calm'\nduration = '30s'\n\
         [[phases]]\nname = 'storm'\nduration = '20s'\n\
         [[phases.faults]]\nproxy = 'db'\ntype = 'packet-loss'\nrate = '1%'\n\
         [[phases.faults]]\ntype = 'latency'\nmean = 5\nschedule = 'start:5s,duration:10m'\n",
        setup.proxy(),
        setup.proxy()
    );
    let stdout = setup.resolved(&file, &[], &[]);
    row(&stdout, &["duration", "50s"]);
    row(&stdout, &["db", "storm/packet-loss", "30s to 50s"]);
    row(&stdout, &["web", "storm/latency", "35s to 50s"]);
    row(&stdout, &["web", "jitter", "from 25s"]);
    assert!(
        !stdout.lines().any(|line| line.contains("web") && line.contains("storm/packet-loss")),
        "{stdout}"
    );
    row(&setup.resolved(&file, &[], &["--duration", "2m"]), &["duration", "2m"]);
}

#[test]
fn settings_of_all_sorts_can_stand_in_the_file() {
    let setup = Setup::new();
    let log = setup.directory.path().join("run.log");
    let file = format!(
        "bind = '127.0.0.2'\nconnect-timeout = 3\ndrain-timeout = '4s'\nmax-sessions = 5\ndata-path = 'splice'\n\
         max-in-flight = '6KiB'\nmax-in-flight-total = '7KiB'\njournal = 'j.log'\nexpect = ['jitter.p99<1s', 'jitter.sessions>=2']\n\
         strict-schedules = true\nlog-level = 'debug'\nlog-format = 'json'\nlog-file = '{}'\n\
         tls-self-signed = true\ntls-alpn = ['h2', 'http/1.1']\nno-ui = true\ntail = true\ncount-requests = true\npsqls-direct = false\n\
         [[faults]]\ntype = 'jitter'\nschedule = 'start:8s;duration:3s'\n\
         [[proxies]]\nproxy = '{}'\n",
        log.display(),
        setup.proxy()
    );
    let stdout = setup.resolved(&file, &[], &[]);
    for words in [
        &["127.0.0.2:"][..],
        &["connect-timeout", "3s"],
        &["drain-timeout", "4s"],
        &["max-sessions", "5"],
        &["data-path", "splice"],
        &["max-in-flight", "6144"],
        &["max-in-flight-total", "7168"],
        &["journal", "j.log"],
        &["expect", "jitter.p99<1s"],
        &["expect", "jitter.sessions>=2"],
        &["count-requests", "true"],
        &["jitter", "0s to 3s, from 8s"],
    ] {
        row(&stdout, words);
    }
    let logged = std::fs::read_to_string(&log).unwrap();
    assert!(logged.contains("--tls-self-signed=FILE"), "{logged}");
    assert!(logged.lines().all(|line| line.starts_with('{')), "{logged}");
}

#[test]
fn the_examples_of_the_documentation_are_right() {
    const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
    let setup = Setup::new();
    let text = std::fs::read_to_string(DOCUMENT).unwrap();
    let mut formats = Vec::new();
    let mut tables = Vec::new();
    for block in text.split("\n```").filter(|block| !block.starts_with('\n')) {
        let (format, example) = block.split_once('\n').unwrap_or((block, ""));
        if !["toml", "yaml", "json"].contains(&format) {
            continue;
        }
        // The upstreams of the examples are not there: what was tried is the first table, what was read the others.
        let ended = setup.check(&format!("fault.{format}"), example, &[], &["--connect-timeout", "1"]);
        assert_eq!(ended.code, Some(1), "{example}\n{ended:?}");
        let (_, resolved) = ended.stdout.split_once("\n\n").expect("more than one table");
        tables.push(resolved.to_owned());
        formats.push(format);
    }
    assert_eq!(formats, ["toml", "yaml", "json"]);
    assert!(tables.iter().all(|table| *table == tables[0]), "{tables:#?}");
}
