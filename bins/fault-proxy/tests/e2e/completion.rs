//! Completion of the command line in real shells.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use testkit::{TcpServer, require};

use crate::support::api::{Api, create};
use crate::support::terminal::Terminal;
use crate::support::{BINARY, utf8};

/// A shell with the completion script of the program.
struct Shell(Terminal);

impl Shell {
    /// `load` makes the shell evaluate the script.
    fn start(shell: &str, options: &str, load: &str) -> Self {
        let program = require(shell, shell);
        let directory = Path::new(BINARY).parent().expect("it is in a directory");
        // Lines that do not fit would be shown in parts.
        let mut terminal = Terminal::start(&format!(
            "stty cols 300; TERM=dumb PATH={}:$PATH PS1='$ ' HISTFILE= exec {} {options}",
            utf8(directory),
            utf8(&program)
        ));
        // The terminal also shows the typed text, which does not have the result of the arithmetic.
        let ready = if shell == "fish" { "echo loaded-(math 6 x 7)" } else { "echo loaded-$((6*7))" };
        terminal.keys(&format!("{load}\n{ready}\n"));
        terminal.until("loaded-42");
        Self(terminal)
    }

    /// Types a line and the key for completion until `expected` is shown.
    fn completes(&mut self, line: &str, expected: &str) {
        // Ctrl-U removes the line before it.
        self.0.keys(&format!("\x15{line}\t"));
        self.0.until(expected);
    }
}

fn completes_commands_flags_values_and_names(mut shell: Shell) {
    let (api, echo) = (Api::alone(), TcpServer::echo());
    create(&api, "orders-cache", echo.addr());
    api.post("/proxies/orders-cache/toxics", &json!({"name": "slow-night", "type": "latency"}));
    let addr = &api.addr;
    shell.completes("fault-proxy chec", "fault-proxy check");
    shell.completes("fault-proxy run --log-le", "--log-level");
    shell.completes("fault-proxy run --log-level de", "--log-level debug");
    shell.completes("fault-proxy run --log-level=de", "--log-level=debug");
    shell.completes("fault-proxy run --latency-distribution=log-n", "=log-normal");
    shell.completes("fault-proxy run --reset-side ser", "--reset-side server");
    shell.completes("fault-proxy run --blackhole-after-bytes 64Ki", " 64KiB");
    shell.completes(&format!("fault-proxy ctl --addr {addr} inspect ord"), "orders-cache");
    shell.completes(&format!("fault-proxy ctl --addr={addr} toggle ord"), "orders-cache");
    shell.completes(&format!("fault-proxy ctl --addr {addr} requests ord"), "orders-cache");
    shell.completes(&format!("fault-proxy ctl --addr {addr} fault remove orders-cache sl"), "slow-night");
    shell.completes("fault-proxy ctl fault add orders-cache packet-l", "packet-loss");
    shell.completes(
        "fault-proxy ctl fault add orders-cache latency distribution=log",
        "distribution=log-normal",
    );
    shell.completes(
        &format!("fault-proxy ctl --addr {addr} fault update orders-cache slow-night std"),
        "stddev=",
    );
    // The value of a key follows without a space.
    shell.completes("fault-proxy ctl fault add orders-cache latency std\t5", "stddev=5");
    shell.completes("fault-proxy faults slow-c", "slow-close");
    shell.completes("fault-proxy margin --vary slow-open.de", "slow-open.delay=");
}

#[test]
fn bash_completes() {
    let load = "source <(fault-proxy completions bash)";
    completes_commands_flags_values_and_names(Shell::start("bash", "--norc --noprofile -i", load));
}

#[test]
fn zsh_completes() {
    let load = "autoload -Uz compinit; compinit -u -D; source <(fault-proxy completions zsh)";
    completes_commands_flags_values_and_names(Shell::start("zsh", "-f -i", load));
}

#[test]
fn fish_completes() {
    let load = "fault-proxy completions fish | source";
    completes_commands_flags_values_and_names(Shell::start("fish", "--no-config -i", load));
}

/// Returns what the program shows to a completion script that has this line, and on stderr.
fn candidates(words: &[&str]) -> (String, String) {
    let output = Command::new(BINARY)
        .env("PROXY_COMPLETION_SHELL", "bash")
        .env("_CLAP_COMPLETE_INDEX", (words.len() - 1).to_string())
        .arg("--")
        .args(words)
        .output()
        .expect("it starts");
    assert!(output.status.success(), "{output:?}");
    (String::from_utf8(output.stdout).expect("text"), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn completion_without_a_control_api_shows_nothing() {
    let words = ["fault-proxy", "ctl", "--addr", "127.0.0.1:1", "inspect", "x"];
    assert_eq!(candidates(&words), (String::new(), String::new()));
}

#[test]
fn completion_sends_the_token_and_offers_no_name_that_a_shell_interprets() {
    let api = Api::with(&["--control-token", "s3cr3t"]);
    let token = [("authorization", "Bearer s3cr3t")];
    for name in ["plain", "$(touch gone)", "two words"] {
        let body = json!({"name": name, "listen": "127.0.0.1:0", "upstream": "127.0.0.1:1"}).to_string();
        assert_eq!(api.send("POST", "/proxies", &body, &token).0, 201);
    }
    let words = |token| ["fault-proxy", "ctl", "--addr", &api.addr, "--token", token, "delete", ""];
    let shown = candidates(&words("s3cr3t")).0;
    let names =
        |shown: &str| shown.lines().filter(|name| !name.starts_with('-')).collect::<Vec<_>>().join(" ");
    assert_eq!(names(&shown), "plain");
    assert_eq!(names(&candidates(&words("wrong")).0), "");
}

#[test]
fn bash_completes_in_the_middle_of_a_line_and_of_a_word_with_colons() {
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("fault-proxy.bash");
    fs::write(&script, crate::support::run(&["completions", "bash"]).stdout).unwrap();
    // As bash calls the function: pieces split at `=` and `:`, and the piece at the cursor up to the cursor.
    let complete = |line: &str, pieces: &str, index: usize, piece: &str| {
        let call = format!(
            "source {}; COMP_LINE='{line}' COMP_POINT={} COMP_WORDS=({pieces}) COMP_CWORD={index}; \
             _fault_proxy_complete {BINARY} '{piece}' x; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            utf8(&script),
            line.find('|').unwrap_or(line.len()),
        );
        let output = Command::new(require("bash", "bash")).args(["--norc", "-c", &call]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(
        complete("p run --log-level=", "p run --log-level =", 3, ""),
        "off\nerror\nwarn\ninfo\ndebug\ntrace"
    );
    assert_eq!(complete("p run --log-level=d| -h", "p run --log-level = 'd|' -h", 4, "d"), "debug");
    assert_eq!(complete("p   run  --log-level   d", "p run --log-level d", 3, "d"), "debug");
    let split =
        complete("p run --proxy 1=a:2 --data-path=s", "p run --proxy 1 = a : 2 --data-path = s", 10, "s");
    assert_eq!(split, "splice");
}
