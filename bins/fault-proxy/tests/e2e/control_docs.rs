//! The calls in docs/control-api.md, in order, return the documented responses.

use std::path::Path;
use std::process::Command;

use crate::support::api::Api;
use testkit::{free_port, require};

#[test]
fn the_calls_of_the_documentation_answer_as_it_says() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/control-api.md");
    let docs = std::fs::read_to_string(docs).expect("the documentation is there");
    let api = Api::alone();
    require("curl", "curl");
    // Ports that this machine has free.
    let ports =
        ["127.0.0.1:26379", "127.0.0.1:26380"].map(|port| (port, format!("127.0.0.1:{}", free_port())));
    let here = |text: &str| {
        let text = text.replace("127.0.0.1:8474", &api.addr);
        ports.iter().fold(text, |text, (port, free)| text.replace(port, free))
    };
    let mut calls = 0;
    for block in docs.split("```console\n").skip(1) {
        let block = block.split("```").next().expect("it ends");
        for call in block.split("$ ").skip(1) {
            let (command, expected) = call.split_once('\n').expect("a command and its answer");
            let output = Command::new("sh").args(["-c", &here(command)]).output().expect("sh runs");
            let answer = String::from_utf8_lossy(&output.stdout);
            assert_eq!(answer, here(expected).as_str(), "{command}");
            calls += 1;
        }
    }
    assert!(calls >= 15, "{calls} calls");
}
