//! Runs the commands on the pages of the documentation (see [`Reader`]), and checks their links.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::api::Api;
use crate::support::{BINARY, printed};
use crate::{npm_package, python_package};
use serde_json::json;
use testkit::manual::{self, Reader};
use testkit::{Certificates, Postgres, Redis, RedisCluster, clients, free_port};

/// A reader with the programs of this build.
fn reader(page: &str) -> Reader {
    Reader::of(page, programs())
}

fn programs() -> &'static Path {
    Path::new(BINARY).parent().expect("it is in a directory")
}

fn assert_more_than(least: usize, commands: usize) {
    assert!(commands > least, "{commands} commands");
}

#[test]
fn the_tutorial_goes_as_it_says() {
    // It shows what lost packets cost, so that there have to be some.
    assert_more_than(25, reader("tutorial.md").with_variable("FAULT_SEED", 7).follow());
}

#[test]
fn a_test_suite_switches_faults() {
    let python = python_package::python().parent().expect("it is in a directory");
    let reader = Reader::of("how-to/test-suite.md", python);
    let reader = reader.with_directory("node_modules", &npm_package::installed().join("node_modules"));
    assert_more_than(8, reader.follow());
}

#[test]
fn an_outage_is_rehearsed() {
    assert_more_than(4, reader("how-to/rehearse-an-outage.md").follow());
}

#[test]
fn a_suite_reports_its_results() {
    assert_more_than(3, reader("reports.md").follow());
}

#[test]
fn a_margin_is_measured() {
    assert_more_than(4, reader("how-to/margin.md").follow());
}

#[test]
fn a_lost_commit_is_committed_twice() {
    let server = Postgres::start();
    let reader = Reader::of_section("../README.md", "A lost COMMIT", programs());
    let reader = reader.with_variable("PYTHONPATH", clients::python_modules("psycopg").display());
    assert_eq!(reader.with_server(5432, server.port()).follow(), 5);
}

#[test]
fn a_first_fault_takes_seconds() {
    assert_eq!(Reader::of_section("../README.md", "A first fault in 20 seconds", programs()).follow(), 8);
}

#[test]
fn lost_packets_cost_timeouts() {
    assert_eq!(reader("packet-loss.md").follow(), 3);
}

#[test]
fn faults_have_a_time_to_live_and_select_sessions() {
    let (api, server) = (Api::alone(), Redis::start());
    api.post("/proxies", &json!({"name": "cache", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:1"}));
    let reader = reader("faults.md").with_server(6379, server.port());
    assert_eq!(reader.with_variable("FAULT_CONTROL_ADDR", &api.addr).follow(), 4);
}

#[test]
fn commits_are_proved_to_be_exactly_once() {
    let server = Postgres::start();
    let python = python_package::python().parent().expect("it is in a directory");
    let reader = Reader::of("how-to/exactly-once.md", python).with_server(5432, server.port());
    assert_more_than(10, reader.follow());
}

#[test]
fn metrics_are_scraped() {
    assert_more_than(2, reader("how-to/prometheus.md").follow());
}

#[test]
fn a_fault_is_found_for_a_failure() {
    assert_more_than(10, reader("how-to/which-fault.md").follow());
}

#[test]
fn the_page_follows_faults() {
    assert_eq!(reader("how-to/page.md").follow(), 5);
}

#[test]
fn a_preset_is_added() {
    assert_eq!(reader("how-to/presets.md").follow(), 6);
}

#[test]
fn a_server_with_tls_is_put_behind_it() {
    let certificates = Certificates::generate();
    let server = Postgres::start_tls(&certificates);
    let reader = reader("how-to/tls-upstream.md").with_server(5432, server.port());
    assert_more_than(5, reader.with_file("ca.pem", certificates.ca_file()).follow());
}

#[test]
fn the_demo_starts_with_the_arguments_of_the_readme() {
    let shown = manual::commands("cargo").into_iter().filter(|shown| shown.args[0] == "run");
    let mut demos = 0;
    for shown in shown {
        let (_, args) = shown.args.split_at(shown.args.iter().position(|arg| arg == "--").expect("--") + 1);
        let mut demo = Command::new(BINARY);
        let ended = demo.args(args).args(["--duration", "2s"]).output().expect("it starts");
        assert!(printed(&ended).contains("#1 "), "{ended:?}");
        demos += 1;
    }
    assert_eq!(demos, 1);
}

#[test]
fn requests_get_responses_of_the_proxy() {
    let (postgres, redis) = (Postgres::start(), Redis::start());
    let reader = reader("requests.md").with_server(5432, postgres.port()).with_server(6379, redis.port());
    assert_eq!(reader.follow(), 8);
}

#[test]
fn the_requests_of_a_client_are_found() {
    let server = Postgres::start();
    assert_eq!(reader("troubleshooting.md").with_server(5432, server.port()).follow(), 3);
}

#[test]
fn a_node_of_a_cluster_is_slow() {
    let [nodes, proxies] = [(); 2].map(|()| [free_port(), free_port()]);
    // The nodes already announce their proxies, because it takes them seconds to tell each other.
    let _cluster = RedisCluster::start(nodes, proxies);
    let reader = reader("how-to/clusters.md").with_server(7000, nodes[0]).with_server(7001, nodes[1]);
    let reader = reader.with_server(27000, proxies[0]).with_server(27001, proxies[1]);
    assert_eq!(reader.follow(), 6);
}

#[test]
fn flags_of_fault_and_variables_of_traces_start_a_run() {
    assert_eq!(reader("how-to/coming-from-fault.md").follow(), 1);
    assert_eq!(reader("how-to/traces.md").follow(), 1);
}

/// `fault-proxy ctl` with these arguments.
fn ctl(api: &Api, args: &[String]) -> Output {
    let mut command = Command::new(BINARY);
    command.arg("ctl").args(args).env("FAULT_CONTROL_ADDR", &api.addr);
    command.output().expect("it starts")
}

#[test]
fn faults_for_failures_are_faults() {
    let api = Api::alone();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/how-to/which-fault.md");
    let page = fs::read_to_string(page).expect("it is there");
    let cells = page.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").nth(1));
    let faults: Vec<&str> = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    assert!(faults.len() > 12, "{faults:?}");
    for (number, fault) in faults.into_iter().enumerate() {
        let (name, upstream) = (format!("proxy-{number}"), json!("127.0.0.1:1"));
        api.post("/proxies", &json!({"name": name, "listen": "127.0.0.1:0", "upstream": upstream}));
        let args = format!("fault add {name} {fault}").split(' ').map(str::to_owned).collect::<Vec<_>>();
        let said = printed(&ctl(&api, &args));
        assert!(said.starts_with(&format!("{name} has ")), "{said}");
    }
}

#[test]
fn the_reference_shows_calls_of_ctl_that_work() {
    let api = Api::alone();
    let shown = manual::commands("fault-proxy").into_iter();
    let shown = shown.filter(|shown| shown.file.ends_with("control-api.md"));
    let calls: Vec<_> = shown.filter(|shown| shown.args[0] == "ctl").collect();
    assert!(calls.len() >= 9, "{calls:?}");
    let listen = format!("127.0.0.1:{}", free_port());
    for call in calls {
        let here = call.args[1..].iter().map(|word| word.replace("127.0.0.1:26379", &listen));
        printed(&ctl(&api, &here.collect::<Vec<_>>()));
    }
}

#[test]
fn the_contents_have_every_page() {
    assert_eq!(manual::left_out_of_contents(), Vec::<PathBuf>::new());
}

#[test]
fn the_commands_of_every_page_are_run() {
    // The test programs of fault-proxy and of the NATS programs follow pages. One test reads a page itself.
    let tests = ["../fault-proxy/tests/e2e", "../nats-proxy-client/tests/e2e"];
    let tests = tests.map(|tests| Path::new(env!("CARGO_MANIFEST_DIR")).join(tests));
    let files = tests.iter().flat_map(|tests| fs::read_dir(tests).expect("it is there"));
    let files = files.map(|file| file.expect("a file").path()).filter(|file| file.is_file());
    let tests: String = files.map(|file| fs::read_to_string(file).expect("it is Rust")).collect();
    // Measurements, and a view that needs a terminal.
    const OTHERS: [&str; 2] = ["benchmarks.md", "how-to/top.md"];
    let pages = manual::pages_with_commands().into_iter();
    let left_out = |page: &String| {
        !OTHERS.contains(&&**page)
            && ![format!("\"{page}\""), format!("/docs/{page}\"")].iter().any(|name| tests.contains(name))
    };
    assert_eq!(pages.filter(left_out).collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn links_lead_somewhere() {
    manual::check_links();
}
