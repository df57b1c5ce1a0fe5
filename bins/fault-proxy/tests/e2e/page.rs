//! The page of the control address, in a real browser. The scripts start the servers that they look at.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{BINARY, utf8};
use testkit::{clients, free_port, require};

/// Proxies that a script may create.
const MAX_PROXIES: usize = 40;

/// Runs a script of `tests/page`, which takes the screenshots with these names.
fn browse(script: &str, screenshots: &[&str]) {
    let directory = clients::target_directory().join("screenshots");
    fs::create_dir_all(&directory).expect("target is ours");
    let files = screenshots.iter().flat_map(|name| {
        let directory = &directory;
        ["light", "dark", "narrow"].map(|kind| directory.join(format!("{name}-{kind}.png")))
    });
    let files: Vec<_> = files.collect();
    files.iter().for_each(|file| drop(fs::remove_file(file)));

    // No other test takes these ports while their proxies are disabled.
    let ports: Vec<_> = (0..MAX_PROXIES).map(|_| free_port().to_string()).collect();
    let mut browser = Command::new(require("node", "nodejs"));
    browser
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page").join(script))
        .args([BINARY, utf8(&directory)])
        .env("PORTS", ports.join(" "))
        .env("NODE_PATH", clients::npm_modules("axe-core"))
        .env("CHROMIUM", require("chromium", "chromium"));
    let output = browser.output().expect("node starts");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.ends_with("done\n"), "{told}");
    for file in files {
        let len = fs::metadata(&file).map(|file| file.len());
        assert!(len.is_ok_and(|len| len > 5000), "{}", file.display());
    }
}

#[test]
fn a_server_without_proxies_shows_the_first_command_and_asks_for_its_token() {
    browse("empty.mjs", &["empty", "new-proxy", "delete", "token"]);
}

#[test]
fn the_list_shows_failures_and_faults_of_thirty_proxies_on_two_screens() {
    browse("overview.mjs", &["overview", "overview-30", "reconnecting", "reconnecting-detail"]);
}

#[test]
fn a_proxy_has_charts_with_marks_and_keeps_a_fault_that_is_switched_off() {
    browse("detail.mjs", &["detail-idle", "detail", "detail-failed", "detail-requests"]);
}

#[test]
fn messages_are_beside_their_control_and_disappear() {
    browse("messages.mjs", &["message", "message-problem"]);
}

#[test]
fn odd_names_and_two_hundred_proxies_are_shown() {
    browse("names.mjs", &["names", "names-detail"]);
}
