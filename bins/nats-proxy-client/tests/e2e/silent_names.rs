//! Requests for names whose name server does not answer, in a separate network namespace.

use std::env;
use std::fs;
use std::process::Command;

use crate::gone_clients::flood;
use crate::support::bytes::round_trip;
use crate::support::{Pair, eventually};
use tempfile::TempDir;
use testkit::{TcpServer, usage};

/// Set in the process that runs a test in that network.
const INSIDE: &str = "TEST_RUNS_WITHOUT_NAME_SERVER";

/// Names to look up. The server has room for 1,024.
const SILENT: usize = 900;

/// A lookup ends after 150 s. That is much longer than any client waits.
const RESOLVER: &str = "nameserver 192.0.2.1\noptions timeout:30 attempts:5\n";

/// Queries to the name server stay on the loopback interface.
const IN_ITS_NETWORK: &str = "ip link set lo up && ip addr add 192.0.2.2/24 dev lo && ip route replace 192.0.2.1 dev lo && \
     mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"";

/// Runs this test again where no name server answers, with its servers and clients.
fn run_inside(test: &str) {
    let directory = TempDir::new().expect("a directory");
    let resolver = directory.path().join("resolv.conf");
    fs::write(&resolver, RESOLVER).expect("the directory is ours");
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--net", "--mount", "sh", "-c", IN_ITS_NETWORK]).arg(&resolver);
    command.arg(env::current_exe().expect("this program")).args(["--exact", test, "--nocapture"]);
    let output = command.env(INSIDE, "1").output().expect("unshare runs");
    let printed =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && printed.contains("1 passed"), "{printed}");
}

/// Each lookup of a silent name takes a thread and a place for as long as the resolver tries.
#[test]
fn silent_names_do_not_delay_a_request_for_another_new_name() {
    if env::var_os(INSIDE).is_none() {
        run_inside("silent_names::silent_names_do_not_delay_a_request_for_another_new_name");
        return;
    }
    let upstream = TcpServer::echo();
    // The name is in the hosts file, which is read in a lookup like any other.
    let pair = Pair::to(format!("localhost:{}", upstream.addr().port()));
    let _flooder = flood(&pair.nats, (0..SILENT).map(|number| (format!("silent-{number}.example"), 80)));
    eventually("all names are being looked up", || usage::threads(pair.server.pid()) > SILENT);
    // The places are not free again before the client has given up.
    round_trip(&pair.connect(), b"another name").expect("it is looked up");
    assert!(usage::threads(pair.server.pid()) > SILENT, "the other lookups go on");
}
