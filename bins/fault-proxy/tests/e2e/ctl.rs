//! `fault-proxy ctl`, as people type it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::support::api::Api;
use crate::support::{BINARY, Ended, PATIENCE, printed, run};
use serde_json::{Value, json};
use testkit::{Daemon, Signal, TcpServer, free_addr, free_port};

pub(crate) struct Ctl<'a>(pub(crate) &'a Api);

impl Ctl<'_> {
    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        run(&[&["ctl", "--addr", &self.0.addr], args].concat())
    }

    /// What a command that succeeds prints.
    pub(crate) fn says(&self, args: &[&str]) -> String {
        let ended = self.run(args);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{args:?}");
        ended.stdout
    }

    fn json(&self, args: &[&str]) -> Value {
        let said = self.says(&[args, &["--json"]].concat());
        serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}"))
    }

    /// Returns the error message of a command that must fail.
    fn complains(&self, args: &[&str]) -> String {
        let ended = self.run(args);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{args:?}");
        ended.stderr
    }
}

#[test]
fn an_answer_keeps_the_units_that_were_given() {
    let api = Api::alone();
    let ctl = Ctl(&api);
    let made = ctl.says(&["create", "db", "--upstream", "127.0.0.1:9"]);
    assert!(made.starts_with("db listens on 127.0.0.1:"), "{made}");
    for (fault, expected) in [
        (&["blackhole", "after-bytes=1024B", "--ttl", "60s"][..], "after_bytes=1024B ttl=60s"),
        (&["bandwidth", "rate=1", "unit=mbit/s"], "rate=1 unit=mbit/s"),
        (&["latency", "mean=60000ms", "stddev=1.5s"], "mean=60000ms stddev=1.5s"),
        (&["latency", "latency=2s", "--stream", "upstream"], "jitter=0ms latency=2s"),
        (&["slow-open", "delay=1s", "delay=2s"], "delay=2s"),
    ] {
        let answer = ctl.says(&[&["fault", "add", "db"], fault].concat());
        assert_eq!(answer.trim_end().split_once(": ").map(|(_, shown)| shown), Some(expected), "{answer}");
    }
    let answer = ctl.says(&["fault", "update", "db", "latency_downstream", "mean=0.5s", "--ttl", "120s"]);
    assert_eq!(answer, "latency_downstream of db is changed: mean=0.5s stddev=1500ms ttl=120s\n");
}

#[test]
fn a_proxy_and_its_faults_are_managed() {
    let (api, echo) = (Api::alone(), TcpServer::echo());
    let ctl = Ctl(&api);
    assert_eq!(ctl.says(&["list"]), "there are no proxies\n");
    let upstream = echo.addr().to_string();
    let listen = free_addr().to_string();
    let made = ctl.says(&["create", "my db", "--listen", &listen, "--upstream", &upstream]);
    assert!(
        made.starts_with(&format!("my db listens on {listen}")) && made.trim_end().ends_with(&upstream),
        "{made}"
    );
    let listed = ctl.says(&["list"]);
    assert!(listed.contains("my db") && listed.contains("yes") && listed.contains("none"), "{listed}");

    let added =
        ctl.says(&["fault", "add", "my db", "latency", "mean=300ms", "stddev=40", "--toxicity", "0.5"]);
    assert_eq!(added, "my db has latency_downstream: mean=300ms stddev=40ms toxicity=0.5\n");
    ctl.says(&[
        "fault",
        "add",
        "my db",
        "packet-loss",
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

    ctl.says(&["fault", "add", "my db", "blackhole", "at=first-byte", "--name", "stall"]);
    for (change, shown) in [
        ("after-bytes=1KiB", "after_bytes=1KiB"),
        ("after-bytes=2KiB", "after_bytes=2KiB"),
        ("at=first-byte", "at=first-byte"),
    ] {
        let said = ctl.says(&["fault", "update", "my db", "stall", change]);
        assert_eq!(said, format!("stall of my db is changed: {shown}\n"));
    }
    ctl.says(&["fault", "remove", "my db", "stall"]);

    let slow = ctl.says(&["fault", "add", "my db", "slow-open", "delay=1"]);
    assert_eq!(slow, "my db has slow_open_downstream: delay=1ms\n");
    let down = ctl.says(&["fault", "add", "my db", "refuse", "--toxicity", "0"]);
    assert_eq!(down, "my db has refuse_downstream: toxicity=0\n");

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
    assert!(refused.contains("set --token"), "{refused}");
    let wrong = ctl.complains(&["--token", "wrong", "list"]);
    assert!(wrong.contains("does not accept the token of --token"), "{wrong}");
    let with_token = |args: &[&str]| ctl.run(&[&["--token", "s3cr3t"], args].concat());
    with_token(&["create", "database", "--upstream", "a:1"]);
    for (args, expected) in [
        (&["inspect", "databas"][..], "proxy not found: `databas`; did you mean `database`?"),
        (&["fault", "remove", "database", "x"], "fault not found: `x`"),
        (
            &["fault", "add", "database", "latncy", "mean=1s"],
            "\"latncy\" is not a type of fault; did you mean `latency`?",
        ),
        (
            &["fault", "add", "database", "lose-response", "onn=commit"],
            "unknown attribute `onn` of lose-response; did you mean `on`?",
        ),
        (&["create", "b", "--upstream", "ftp://a"], "write HOST:PORT"),
        (
            &["fault", "add", "database", "refuse", "name=x"],
            "set name at the top level of the request (ctl: --name)",
        ),
        (&["fault", "add", "database", "earthquake"], "\"earthquake\" is not a type of fault: use latency"),
        (
            &["fault", "add", "database", "latency", "latency=1", "times=2"],
            "`times` does not go with `latency`, an attribute of Toxiproxy's latency: set mean",
        ),
        (&["fault", "add", "database", "reset_peer", "timeout=5s", "times=1"], "use the type reset instead"),
        (&["fault", "add", "database", "latency", "latency=-5"], "`latency=-5` is negative"),
        // The error of a schedule has several lines.
        (&["fault", "add", "database", "blackhole", "schedule=foo"], "\n  foo\n  ^^^\nhint: "),
    ] {
        let ended = with_token(args);
        // Attributes that `ctl` refuses itself are wrong usage.
        let code = if ended.stderr.contains("\nUsage: fault-proxy ctl ") { 2 } else { 1 };
        assert_eq!(ended.code, Some(code), "{args:?}");
        assert!(
            ended.stderr.contains(expected) && !ended.stderr.contains("request body"),
            "{}",
            ended.stderr
        );
    }
    let nobody = run(&["ctl", "--addr", "127.0.0.1:1", "list"]);
    assert!(
        nobody.stderr.contains("cannot connect to the control API at http://127.0.0.1:1: connection refused; start it with `fault-proxy run"),
        "{}",
        nobody.stderr
    );
    assert_eq!(run(&["ctl", "fault", "add", "database", "latency", "mean"]).code, Some(2));
    for (option, value, problem) in [
        ("--toxicity", "1.5", "invalid value '1.5' for '--toxicity <SHARE>'"),
        ("--ttl", "-1s", "invalid value '-1s' for '--ttl <TIME>'"),
    ] {
        let ended = run(&["ctl", "fault", "add", "database", "latency", "mean=1s", option, value]);
        assert!(ended.code == Some(2) && ended.stderr.contains(problem), "{ended:?}");
    }
}

/// Answers each request with this.
fn answering(answer: String) -> TcpServer {
    TcpServer::start(move |mut stream| {
        let (mut request, mut byte) = (Vec::new(), [0]);
        while !request.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
            request.extend(byte);
        }
        // It may have gone.
        stream.write_all(answer.as_bytes()).ok();
    })
}

#[test]
fn what_is_no_control_api_is_not_taken_for_one() {
    let api = Api::alone();
    let elsewhere =
        format!("302 Found\r\nlocation: http://{}/proxies\r\ncontent-length: 0\r\n\r\n", api.addr);
    for (answer, status) in [
        ("200 OK\r\ncontent-length: 5\r\n\r\nhello", "200 OK"),
        ("200 OK\r\ncontent-length: 0\r\n\r\n", "200 OK"),
        ("404 Not Found\r\ncontent-length: 5\r\n\r\nhello", "404 Not Found"),
        (&elsewhere, "302 Found"),
    ] {
        let other = answering(format!("HTTP/1.1 {answer}"));
        let addr = other.addr().to_string();
        for command in [&["list"][..], &["list", "--json"], &["reset"]] {
            let ended = run(&[&["ctl", "--addr", &addr], command].concat());
            assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{answer}");
            let expected = format!("http://{addr} is not a control API: it responds with {status}");
            assert!(ended.stderr.contains(&expected), "{}", ended.stderr);
        }
        if status != "200 OK" {
            assert_eq!(run(&["health", &addr]).code, Some(1), "{answer}");
        }
    }
}

#[test]
fn the_proxies_of_the_environment_are_passed_by() {
    let api = Api::with(&["--control-token", "s3cr3t"]);
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let names = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
    let environment: Vec<_> =
        names.map(|name| (name, nobody.as_str())).into_iter().chain([("NO_PROXY", "")]).collect();
    for command in [&["ctl", "--addr", &api.addr, "--token", "s3cr3t", "list"][..], &["health", &api.addr]] {
        let asked = Daemon::spawn(Path::new(BINARY), command, &environment);
        assert!(asked.wait(PATIENCE).success(), "{}", asked.stderr());
    }
}

#[test]
fn names_cannot_control_the_terminal() {
    const EVIL: &str = "evil\u{1b}]0;pwned\u{7}\u{9b}2J\ntwo";
    let api = Api::alone();
    let ctl = Ctl(&api);
    let is_plain = |said: &str| {
        !said.contains(|c: char| c.is_control() && !['\n', '\t'].contains(&c)) && !said.contains("\ntwo")
    };
    ctl.says(&["create", EVIL, "--listen", &free_addr().to_string(), "--upstream", "127.0.0.1:1"]);
    let fault = json!({"name": EVIL, "type": "latency", "attributes": {"latency": 1}});
    api.post("/proxies/evil%1B%5D0%3Bpwned%07%C2%9B2J%0Atwo/toxics", &fault);
    for command in [
        &["list"][..],
        &["list", "--json"],
        &["inspect", EVIL],
        &["fault", "update", EVIL, EVIL, "latency=2"],
        &["toggle", EVIL],
        &["toggle", EVIL],
    ] {
        let said = ctl.says(command);
        assert!(said.contains("evil") && is_plain(&said), "{said:?}");
    }
    assert_eq!(ctl.json(&["inspect", EVIL])["name"], EVIL);
    let complaint = ctl.complains(&["inspect", &EVIL[..EVIL.len() - 1]]);
    assert!(complaint.contains("did you mean `evil\\u{1b}]0;") && is_plain(&complaint), "{complaint:?}");
    api.signal(Signal::USR1);
    api.wait_for_line("achieved");
    api.signal(Signal::INT);
    assert!(api.wait(PATIENCE).success());
    for said in [api.stdout(), api.stderr()] {
        assert!(said.contains("evil") && is_plain(&said), "{said:?}");
    }
}

/// Returns the names of the faults of the only proxy.
fn fault_names(api: &Api) -> Vec<Value> {
    let all = api.get("/proxies");
    let proxies: Vec<_> = all.as_object().into_iter().flat_map(|all| all.values()).collect();
    let [proxy] = proxies[..] else { panic!("{all}") };
    proxy["toxics"].as_array().into_iter().flatten().map(|fault| fault["name"].clone()).collect()
}

#[test]
fn a_fault_without_a_name_has_the_same_one_in_flags_and_files_and_in_the_api_and_ctl() {
    let mapping = format!("{}=psql://db", free_port());
    let with_flags = Api::with(&[
        "--proxy",
        &mapping,
        "--with-lose-response",
        "--lose-response-on",
        "commit",
        "--latency-mean",
        "1s",
        "--with-latency",
    ]);
    let mut file = tempfile::NamedTempFile::with_suffix(".toml").expect("a file");
    let text = format!(
        "[[proxies]]\nproxy = '{}=psql://db'\n\
        [[proxies.faults]]\ntype = 'lose-response'\non = 'commit'\n\
        [[proxies.faults]]\ntype = 'latency'\nmean = '1s'\n",
        free_port()
    );
    file.write_all(text.as_bytes()).expect("room");
    let with_file = Api::with(&["--config", file.path().to_str().expect("UTF-8")]);
    for api in [with_flags, with_file] {
        let mut names = fault_names(&api);
        names.sort_by_key(Value::to_string);
        assert_eq!(names, ["latency", "lose-response"]);
    }

    let api = Api::alone();
    api.post("/proxies", &json!({"name": "db", "listen": "127.0.0.1:0", "upstream": "psql://db"}));
    let ctl = Ctl(&api);
    for spelled in ["lose-response", "lose_response"] {
        api.post("/proxies/db/toxics", &json!({"type": spelled, "attributes": {"on": "commit"}}));
        assert_eq!(fault_names(&api), ["lose_response_downstream"], "{spelled}");
        ctl.says(&["fault", "remove", "db", "lose_response_downstream"]);
        ctl.says(&["fault", "add", "db", spelled, "on=commit"]);
        assert_eq!(fault_names(&api), ["lose_response_downstream"], "{spelled}");
        api.delete("/proxies/db/toxics/lose_response_downstream");
    }
    // Types of Toxiproxy and of fault-proxy.
    for attributes in [json!({"latency": 9}), json!({"mean": "9ms"})] {
        api.post("/proxies/db/toxics", &json!({"type": "latency", "attributes": attributes}));
        assert_eq!(fault_names(&api), ["latency_downstream"], "{attributes}");
        api.delete("/proxies/db/toxics/latency_downstream");
    }
    ctl.says(&["fault", "add", "db", "latency", "mean=9ms", "direction=both"]);
    assert_eq!(fault_names(&api), ["latency_both"]);
}

#[test]
fn a_stdout_that_takes_nothing_is_no_panic() {
    let api = Api::alone();
    let list = |stdout: Stdio| -> Output {
        let mut command = Command::new(BINARY);
        command.args(["ctl", "--addr", &api.addr, "list"]).stdout(stdout).output().expect("it starts")
    };
    let (reader, closed) = io::pipe().expect("a pipe");
    drop(reader);
    let unread = list(closed.into());
    assert_eq!((unread.status.code(), unread.stderr.len()), (Some(0), 0), "{unread:?}");
    let full = list(File::create("/dev/full").expect("Linux has it").into());
    let told = String::from_utf8_lossy(&full.stderr).into_owned();
    assert_eq!(full.status.code(), Some(1), "{told}");
    assert!(told.starts_with("fault-proxy: cannot write to stdout: No space left"), "{told}");
}

#[test]
fn the_address_of_the_proxy_is_that_of_ctl() {
    let api = Api::alone();
    let mut list = Command::new(BINARY);
    list.args(["ctl", "list"]).env("FAULT_CONTROL", &api.addr).env_remove("FAULT_CONTROL_ADDR");
    assert_eq!(printed(&list.output().expect("it starts")), "there are no proxies\n");
    list.env("FAULT_CONTROL", "off").env("FAULT_CONTROL_ADDR", &api.addr);
    assert_eq!(printed(&list.output().expect("it starts")), "there are no proxies\n");
}

#[test]
fn a_name_before_the_mapping_is_what_ctl_and_the_log_call_the_proxy() {
    let far_end = TcpServer::echo();
    let (named, unnamed) = (free_port(), free_port());
    let first = format!("cache@{named}={}", far_end.addr());
    let second = format!("{unnamed}={}", far_end.addr());
    let api = Api::with(&["--proxy", &first, "--proxy", &second]);
    let line = api.wait_for_line(&format!("listening on 127.0.0.1:{named} for {first}"));
    assert!(line.contains("proxy=\"cache\""), "{line}");
    let line = api.wait_for_line(&format!("listening on 127.0.0.1:{unnamed} for {second}"));
    assert!(line.contains("proxy=\"proxy-2\""), "{line}");
    let ctl = Ctl(&api);
    assert!(ctl.says(&["inspect", "cache"]).starts_with(&format!("cache listens on 127.0.0.1:{named} ")));
    assert!(ctl.says(&["inspect", "proxy-2"]).starts_with("proxy-2 listens on"));
    for (mapping, problem) in
        [("my cache@1=h:1", "invalid proxy name before the `@`"), ("cache@1=h", "cache@1=h:PORT")]
    {
        let refused = run(&["check", "--proxy", mapping]);
        assert!(refused.code == Some(2) && refused.stderr.contains(problem), "{refused:?}");
    }
    let twice = run(&["check", "--proxy", "a@1=h:1", "--proxy", "a@2=h:1"]);
    assert!(twice.code == Some(2) && twice.stderr.contains("duplicate proxy name `a`"), "{twice:?}");
}
