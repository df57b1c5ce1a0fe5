//! Scripts with the client libraries of Python and Node. In each, `port` is the port of the relay.

use std::process::Command;

use testkit::clients::{npm_modules, python_modules};
use testkit::require;
use testkit::session::printed;

use crate::relay::Relay;

/// Runs a script that uses this module, and returns what it prints.
pub(crate) fn python(relay: &Relay, module: &str, script: &str) -> String {
    let mut command = Command::new(require("python3", "python3"));
    command.env("PYTHONPATH", python_modules(module)).arg("-c");
    run(command, format!("port = {}\n{script}", relay.port))
}

/// Runs a script that may use this package, as the body of an asynchronous function, and returns what it prints.
pub(crate) fn node(relay: &Relay, package: &str, script: &str) -> String {
    let mut command = Command::new(require("node", "nodejs"));
    command.env("NODE_PATH", npm_modules(package)).arg("-e");
    let main = format!("const port = {}; (async () => {{\n{script}\n}})()", relay.port);
    run(command, format!("{main}.catch((error) => {{ console.error(error); process.exit(1); }});"))
}

fn run(mut command: Command, script: String) -> String {
    printed(&command.arg(script).output().expect("it is executable"))
}
