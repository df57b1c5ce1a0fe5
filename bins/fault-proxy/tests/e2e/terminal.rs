//! Output to a terminal and to a pipe. The view has its own tests in `top`.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::terminal::Terminal;
use crate::support::{ANY_CONTROL_PORT, BINARY, PATIENCE, Proxy, patient, round_trip, run, utf8};
use tempfile::TempDir;
use testkit::{Daemon, Signal, TcpServer, free_port};

/// Starts `fault-proxy run` on a terminal.
fn run_on_terminal(args: &str) -> Terminal {
    Terminal::start(&format!("exec {BINARY} run {args}"))
}

/// Ends the run, which leaves the view and shows its table.
fn end(terminal: &mut Terminal) {
    terminal.signal("INT");
    terminal.until("aborted  errors");
    terminal.wait();
}

#[test]
fn a_pipe_gets_plain_lines() {
    let echo = TcpServer::echo();
    let proxy = Proxy::to(echo.addr());
    round_trip(&proxy.connect(), b"hello").unwrap();
    proxy.wait_for_line("session ended");
    assert!(!proxy.stderr().contains('\u{1b}') && !proxy.stderr().contains("OPEN/ALL"), "{}", proxy.stderr());
}

#[test]
fn names_cannot_control_the_view() {
    let config = tempfile::NamedTempFile::new().unwrap();
    let proxy =
        r#"[{"name": "evil\u001b]0;\u0007\ntwo", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:1"}]"#;
    fs::write(config.path(), proxy).unwrap();
    let mut terminal = run_on_terminal(&format!("--control off --toxiproxy-config {}", utf8(config.path())));
    terminal.until_shown(r"› evil\u{1b}]0;\u{7}");
    end(&mut terminal);
    assert!(!terminal.all.contains("\u{1b}]0;"), "{}", terminal.all);
}

/// Whether nothing in it moves the cursor, or changes a color.
fn is_plain(said: &str) -> bool {
    !said.contains(|c: char| c.is_control() && !['\n', '\t'].contains(&c))
}

#[test]
fn names_in_a_file_cannot_control_the_terminal() {
    const EVIL: &str = r"evil\u001b[31m\ntwo";
    const SHOWN: &str = r"evil\u{1b}[31m\ntwo";
    let directory = TempDir::new().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        utf8(&path).to_owned()
    };
    let proxy = |name: &str| {
        format!("[[proxies]]\nname = \"{name}\"\nproxy = \"{}=127.0.0.1:{}\"\n", free_port(), free_port())
    };
    let fault = "[[proxies.faults]]\ntype = \"latency\"\nmean = \"1ms\"\nname = \"late\"\n";
    let toxiproxy = |name: &str, listen: &str| {
        format!(r#"[{{"name": "{name}", "listen": "{listen}", "upstream": "127.0.0.1:1"}}]"#)
    };

    let config = file("two.toml", &(proxy("plain") + &proxy(EVIL) + fault));
    let populate = file("evil.json", &toxiproxy(&format!("{EVIL} three"), "127.0.0.1:0"));
    let told = run(&["check", "--config", &config, "--toxiproxy-config", &populate]);
    for row in [format!("\n{SHOWN}\t"), format!("\n{SHOWN} three\t")] {
        assert!(told.stdout.contains(&row) && is_plain(&told.stdout), "{told:?}");
    }
    let told = run(&["run", "--control", "off", "--duration", "1s", "--config", &config]);
    let chart = format!("late on {SHOWN}  ");
    assert!(told.stderr.contains(&chart) && is_plain(&told.stderr), "{}", told.stderr);

    let same = file("same.toml", &(proxy(EVIL) + &proxy(EVIL)));
    let unknown = file("unknown.toml", &(proxy("plain") + r#""evil\u001b[31m" = 1"#));
    let unlistened = file("unlistened.json", &toxiproxy("plain", r"evil\u001b[31m"));
    for args in [["--config", &same], ["--config", &unknown], ["--toxiproxy-config", &unlistened]] {
        let told = run(&["run", args[0], args[1]]);
        assert_eq!(told.code, Some(2), "{told:?}");
        assert!(told.stderr.contains(r"evil\u{1b}[31m") && is_plain(&told.stderr), "{}", told.stderr);
    }
}

#[test]
fn an_unmet_expectation_is_told_even_if_the_tables_cannot_be() {
    let mapping = format!("{}=127.0.0.1:{}", free_port(), free_port());
    let args = ["run", "--control", "off", "--duration", "1s", "--proxy", &mapping, "--with-refuse"];
    let full = File::create("/dev/full").expect("Linux has it");
    let mut command = Command::new(BINARY);
    let ended = command.args(args).args(["--expect", "refuse.sessions>0"]).stdout(full).output().unwrap();
    let told = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(3), "{told}");
    let (_, rest) = told.split_once("fault-proxy: not as expected: refuse.sessions>0: ").expect(&told);
    assert!(rest.contains("\nfault-proxy: cannot write to stdout: No space left"), "{told}");
}

#[test]
fn an_incomplete_journal_is_told_rather_than_a_full_stdout() {
    let echo = TcpServer::echo();
    let directory = TempDir::new().unwrap();
    let journal = directory.path().join("journal");
    assert!(Command::new("mkfifo").arg(&journal).status().expect("mkfifo runs").success());
    // Opening the pipe for both reading and writing does not block.
    let reader = File::options().read(true).write(true).open(&journal).unwrap();
    let port = free_port();
    let options = format!(
        "--proxy {port}={} --with-latency --latency-mean 1ms --journal {}",
        echo.addr(),
        utf8(&journal)
    );
    let command = format!("exec {BINARY} run {options} > /dev/full");
    let daemon = Daemon::spawn(Path::new("/bin/sh"), &["-c", &command], &[ANY_CONTROL_PORT]);
    daemon.wait_for_line("listening on");
    drop(reader);
    let client = patient(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap());
    round_trip(&client, b"hello").unwrap();
    daemon.signal(Signal::INT);
    drop(client);
    assert_eq!(daemon.wait(PATIENCE).code(), Some(1));
    let told = daemon.stderr();
    assert!(told.contains("fault-proxy: the journal is incomplete: Broken pipe"), "{told}");
}

#[test]
fn a_stderr_that_takes_nothing_is_no_panic() {
    let nobody = format!("127.0.0.1:{}", free_port());
    for (args, code) in [
        (&["run", "--config", "nonexistent.toml"][..], 2),
        (&["ctl", "--addr", &nobody, "list"], 1),
        (&["health", &nobody], 1),
    ] {
        let (reader, closed) = io::pipe().expect("a pipe");
        drop(reader);
        for stderr in [Stdio::from(closed), File::create("/dev/full").expect("Linux has it").into()] {
            let ended = Command::new(BINARY).args(args).stderr(stderr).status().expect("it starts");
            assert_eq!(ended.code(), Some(code), "{args:?}");
        }
    }
}

#[test]
fn a_stdout_that_takes_nothing_is_no_panic() {
    let echo = TcpServer::echo();
    let mapping = format!("{}={}", free_port(), echo.addr());
    let commands = [
        &["run", "--control", "off", "--duration", "1s", "--proxy", &mapping, "--with-refuse"][..],
        &["check", "--control", "off", "--proxy", &mapping],
        &["demo", "--duration", "1s"],
        &["completions", "bash"],
        &["man"],
    ];
    for args in commands {
        let ended = |stdout: Stdio| {
            let output = Command::new(BINARY).args(args).stdout(stdout).output().expect("it starts");
            (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
        };
        let (reader, closed) = io::pipe().expect("a pipe");
        drop(reader);
        let (code, told) = ended(closed.into());
        assert!(code == Some(0) && !told.contains("fault-proxy: "), "{args:?}: {code:?} {told}");
        let (code, told) = ended(File::create("/dev/full").expect("Linux has it").into());
        assert!(
            code == Some(1) && told.contains("fault-proxy: cannot write to stdout: No space left"),
            "{args:?}: {code:?} {told}"
        );
    }
}
