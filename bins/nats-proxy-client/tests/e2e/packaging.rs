//! What is shipped, and what is documented, starts the programs that there are.

use std::process::Command;

use crate::support::{client_binary, server_binary};
use testkit::{manual, packaging};

#[test]
fn manifests_use_flags_that_there_are() {
    for (name, program) in [("nats-proxy-server", &*server_binary()), ("nats-proxy-client", client_binary())]
    {
        let shown = manual::commands(name).into_iter().map(|shown| shown.args);
        for args in packaging::arguments(name).into_iter().chain(shown) {
            let output = Command::new(program).args(&args).arg("--help").output().expect("it starts");
            assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}
