//! Start and end of a server without clients. Its sessions are tested with `nats-proxy-client`. Cargo builds this program
//! for those tests too, because this package has tests itself.

use std::path::Path;

use testkit::pipes::{fill, unread_fifo};
use testkit::session::PATIENCE;
use testkit::{Daemon, NatsServer, Signal, free_port};

fn server(url: &str) -> Daemon {
    let binary = Path::new(env!("CARGO_BIN_EXE_nats-proxy-server"));
    Daemon::spawn(binary, &["--nats-url", url, "--listen-addr", "off"], &[])
}

#[test]
fn a_signal_ends_it_with_a_table_of_what_there_was() {
    for signal in [Signal::TERM, Signal::INT] {
        let nats = NatsServer::start();
        let server = server(&nats.url());
        server.wait_for_line("listening on proxy.request");
        server.signal(signal);
        assert_eq!(server.wait(PATIENCE).code(), Some(0));
        assert!(server.stdout().contains("requests") && server.stdout().contains("sessions"));
    }
}

#[test]
fn it_waits_for_nats_and_a_signal_ends_that_too() {
    let server = server(&format!("nats://127.0.0.1:{}", free_port()));
    server.wait_for_line("no NATS yet");
    server.signal(Signal::TERM);
    assert_eq!(server.wait(PATIENCE).code(), Some(0));
    assert_eq!(server.stdout(), "");
}

#[test]
fn it_warns_that_everything_may_be_reached_unless_there_is_a_rule() {
    let nats = NatsServer::start();
    server(&nats.url()).wait_for_line("clients can reach every target that this server can reach");
    let binary = Path::new(env!("CARGO_BIN_EXE_nats-proxy-server"));
    let args = ["--nats-url", &nats.url(), "--listen-addr", "off", "--allow", "127.0.0.1"];
    let ruled = Daemon::spawn(binary, &args, &[]);
    ruled.wait_for_line("listening on proxy.request");
    assert!(!ruled.stderr().contains("whatever"));
}

#[test]
fn a_stdout_that_takes_nothing_does_not_survive_a_second_signal() {
    let nats = NatsServer::start();
    let directory = tempfile::TempDir::new().unwrap();
    let (stdout, reader) = unread_fifo(directory.path());
    fill(&reader);
    let command = format!("exec \"$0\" --nats-url {} --listen-addr off > {}", nats.url(), stdout.display());
    let args = ["-c", &command, env!("CARGO_BIN_EXE_nats-proxy-server")];
    let server = Daemon::spawn(Path::new("/bin/sh"), &args, &[]);
    server.wait_for_line("listening on proxy.request");
    server.signal(Signal::TERM);
    server.wait_for_line("draining");
    server.signal(Signal::INT);
    assert_eq!(server.wait(PATIENCE).code(), Some(1));
    server.wait_for_line("nats-proxy-server: ended while its report was being written");
}
