//! The command line of Toxiproxy's server.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::{Daemon, Signal, TcpServer, free_port};

use crate::support::api::{Api, connect, listen_of};
use crate::support::{BINARY, Ended, PATIENCE, eventually, round_trip, utf8};

/// The binary under another name.
pub(crate) struct Renamed {
    directory: TempDir,
    program: PathBuf,
}

impl Renamed {
    pub(crate) fn to(name: &str) -> Self {
        let directory = TempDir::new().expect("the temporary directory is writable");
        let program = directory.path().join(name);
        symlink(BINARY, &program).expect("the name is free");
        Self { directory, program }
    }

    /// Writes a file next to the program.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.directory.path().join(name);
        fs::write(&path, text).expect("the temporary directory is writable");
        utf8(&path).to_owned()
    }

    pub(crate) fn start(&self, args: &[&str], envs: &[(&str, &str)]) -> Daemon {
        Daemon::spawn(&self.program, args, envs)
    }

    pub(crate) fn run(&self, args: &[&str], envs: &[(&str, &str)]) -> Ended {
        let daemon = self.start(args, envs);
        let code = daemon.wait(PATIENCE).code();
        Ended { code, stdout: daemon.stdout(), stderr: daemon.stderr() }
    }
}

/// Returns how many lines of the log contain `needle`.
fn count(daemon: &Daemon, needle: &str) -> usize {
    daemon.stderr().lines().filter(|line| line.contains(needle)).count()
}

#[test]
fn proxies_of_the_file_start_except_those_whose_port_is_taken() {
    let (server, far_end) = (Renamed::to("toxiproxy-server"), TcpServer::echo());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = |name: &str, listen: String| json!({"name": name, "listen": listen, "upstream": far_end.addr().to_string()});
    let file = json!([
        proxy("taken", taken.local_addr().unwrap().to_string()),
        proxy("unknown-host", "host.invalid:0".to_owned()),
        proxy("free", "127.0.0.1:0".to_owned()),
    ]);
    let file = server.file("toxiproxy.json", &file.to_string());
    for (host, warnings) in [("-host=0.0.0.0", 1), ("--host=127.0.0.1", 0)] {
        let args =
            [host, "-port", "0", "-config", &file, "-seed=-5", "--proxy-metrics", "-runtime-metrics=false"];
        let api = Api::of(server.start(&args, &[]));
        let proxies = api.get("/proxies");
        assert_eq!(
            proxies.as_object().map(|proxies| proxies.keys().cloned().collect()),
            Some(vec!["free".to_owned()])
        );
        for name in ["taken", "unknown-host"] {
            assert_eq!(count(&api, &format!("ERROR proxy skipped proxy=\"{name}\"")), 1, "{}", api.stderr());
        }
        round_trip(&connect(listen_of(&proxies["free"])), b"data").expect("it is up");
        if warnings > 0 {
            api.wait_for_line("without a token");
        }
        assert_eq!(count(&api, "without a token"), warnings, "{}", api.stderr());
        api.signal(Signal::TERM);
        assert_eq!(api.wait(PATIENCE).code(), Some(0));
    }
}

#[test]
fn a_file_that_cannot_be_used_is_logged_and_the_api_serves() {
    let server = Renamed::to("toxiproxy");
    let missing = "/nowhere/toxiproxy.json".to_owned();
    let files = [
        (missing, "cannot read it: No such file"),
        (server.file("words.json", "no JSON"), "expected"),
        (server.file("empty.json", "\n"), "it is empty: expected a JSON array of proxies"),
        (server.file("unnamed.json", r#"[{"upstream": "a:1"}]"#), "missing required field: name at proxy 1"),
    ];
    for (file, reason) in files {
        let api = Api::of(server.start(&["-port=0", &format!("-config={file}")], &[]));
        let (status, version) = api.ask("GET", "/version", &Value::Null);
        assert_eq!((status, version["version"].as_str()), (200, Some(env!("CARGO_PKG_VERSION"))));
        let line = api.wait_for_line("configuration file ignored");
        assert!(line.contains(&file) && line.contains(reason), "{line}");
        assert_eq!(api.get("/proxies"), json!({}));
    }
}

#[test]
fn the_hidden_subcommand_is_the_same_program() {
    let api = Api::of(Daemon::spawn(Path::new(BINARY), &["toxiproxy-server", "-port=0"], &[]));
    assert_eq!(api.get("/proxies"), json!({}));
}

#[test]
fn log_level_is_that_of_zerolog() {
    let server = Renamed::to("toxiproxy");
    for (level, errors, has_info) in
        [("Error", 1, false), ("disabled", 0, false), ("debug", 1, true), ("loud", 2, true)]
    {
        let port = free_port().to_string();
        let daemon = server.start(&["-port", &port, "-config=/nowhere"], &[("LOG_LEVEL", level)]);
        let addr = format!("127.0.0.1:{port}");
        eventually("the API listens", || TcpStream::connect(&addr).is_ok());
        daemon.signal(Signal::TERM);
        daemon.wait(PATIENCE);
        assert_eq!(
            (count(&daemon, "ERROR"), count(&daemon, "INFO") > 0),
            (errors, has_info),
            "{level}: {}",
            daemon.stderr()
        );
    }
}

#[test]
fn usage_and_version_are_those_of_that_program() {
    let server = Renamed::to("toxiproxy-server");
    let version = concat!("toxiproxy-server version ", env!("CARGO_PKG_VERSION"), "\n");
    for flag in ["-version", "--version", "-version=true"] {
        let ended = server.run(&[flag], &[]);
        assert_eq!((ended.code, &*ended.stdout), (Some(0), version), "{flag}");
    }
    for flag in ["-h", "-help", "--help"] {
        let ended = server.run(&[flag], &[]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        for flag in [
            "--host",
            "--port",
            "--config",
            "--seed",
            "--runtime-metrics",
            "--proxy-metrics",
            "--version",
            "LOG_LEVEL",
        ] {
            assert!(ended.stdout.contains(flag), "{flag}: {}", ended.stdout);
        }
        assert!(!ended.stdout.contains("--proxy <MAPPING>"), "{}", ended.stdout);
    }
    for (args, parts) in [
        (&["-hots=0.0.0.0"][..], &["'-hots'", "'--host'", "Usage: toxiproxy-server"][..]),
        (
            &["-bogus"],
            &["'-bogus'", "fault-proxy with the command line of Toxiproxy's server", "[-config FILE]"],
        ),
        (&["-port=many"], &["'many' for '-port <PORT>'"]),
        (&["--port=many"], &["'many' for '--port <PORT>'"]),
        (&["-port"], &["'-port <PORT>'"]),
        (&["-host=a b"], &["-host a b"]),
        (&["-seed"], &["for '-seed <NUMBER>'"]),
        (&["-proxy-metrics=maybe"], &["'-proxy-metrics", "true or false"]),
    ] {
        let ended = server.run(args, &[]);
        assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{args:?}: {ended:?}");
        for part in parts {
            assert!(ended.stderr.contains(part), "{args:?}: {}", ended.stderr);
        }
    }
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ended = server.run(&["-host=127.0.0.1", "-port", &port], &[]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended.stderr.contains(&format!("cannot listen on 127.0.0.1:{port} for -host and -port")),
        "{ended:?}"
    );
}

#[test]
fn a_token_is_required_where_one_is_set() {
    let server = Renamed::to("toxiproxy");
    let api = Api::of(server.start(&["-host=0.0.0.0", "-port=0"], &[("FAULT_CONTROL_TOKEN", "secret")]));
    assert_eq!(api.send("GET", "/proxies", "", &[]).0, 401);
    assert_eq!(api.send("GET", "/proxies", "", &[("authorization", "Bearer secret")]).0, 200);
    assert_eq!(count(&api, "without a token"), 0, "{}", api.stderr());
}

#[test]
fn its_flags_without_its_name_are_refused_with_the_way_out() {
    for args in [
        &["-host=0.0.0.0", "-config=x"][..],
        &["--host=0.0.0.0"],
        &["-config=x"],
        &["--config", "x"],
        &["-port", "8474"],
        &["-seed=1"],
        &["-proxy-metrics"],
        &["-runtime-metrics"],
        &["-version"],
    ] {
        let flag = args[0].split('=').next().unwrap();
        // Only `run` has these flags with two dashes.
        let commands: &[&[&str]] =
            if flag == "--config" { &[&[]] } else { &[&[], &["run"], &["check"], &["ctl"]] };
        for command in commands {
            let ended = crate::support::run(&[command, args].concat());
            assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{command:?} {args:?}: {ended:?}");
            assert!(
                ended.stderr.contains(flag) && ended.stderr.contains("fault-proxy toxiproxy-server -"),
                "{command:?}: {}",
                ended.stderr
            );
        }
    }
}
