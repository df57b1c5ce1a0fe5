//! Credentials and permissions.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::bytes::round_trip;
use crate::support::{Client, PATIENCE, Server, client_binary, free_addr, server_binary, spawn};
use testkit::{Daemon, NatsServer, TcpServer, nats_servers};

/// The blocks of the documentation marked `nats`, in order.
fn blocks() -> Vec<&'static str> {
    let document = include_str!("../../../../docs/nats-security.md");
    let rest = document.split("```nats\n").skip(1);
    rest.map(|rest| rest.split("```").next().expect("a block has an end")).collect()
}

/// The user of `role` in those blocks.
fn variables(role: &str) -> [(&'static str, String); 2] {
    [("NATS_USER", format!("proxy-{role}")), ("NATS_PASSWORD", format!("change-me-{role}"))]
}

#[test]
fn the_documented_permissions_are_enough_for_both() {
    let upstream = TcpServer::echo();
    let prefix = ["--nats-inbox-prefix", "_INBOX_nats_proxy"];
    for program in nats_servers() {
        for (block, of_client) in [(blocks()[0], &prefix[..]), (blocks()[1], &[])] {
            let nats = NatsServer::start_with(&program, block);
            let (url, service) = (nats.url(), format!("echo={}", upstream.addr()));
            let args =
                ["--listen-addr", "off", "--nats-url", &url, "--service", &service, "--log-level", "trace"];
            let of_server = variables("server");
            let server = Server::run(&args, &of_server.each_ref().map(|(name, value)| (*name, &**value)));
            let check = [&["check"], &args[..], of_client].concat();
            spawn(&server_binary(), &check, &of_server.each_ref().map(|(name, value)| (*name, &**value)))
                .wait_for_line("ok       publish to _INBOX");
            let mut clients = Vec::new();
            for target in ["nats-service:echo".to_owned(), upstream.addr().to_string()] {
                let (addr, variables) = (free_addr(), variables("client"));
                let listen = addr.to_string();
                let args = ["--nats-url", &url, "--listen-addr", &listen, "--remote-addr", &target];
                let args = [&args, &["--log-level", "trace"][..], of_client].concat();
                let variables = variables.each_ref().map(|(name, value)| (*name, &**value));
                let client = Client::run(addr, &args, &variables);
                round_trip(&client.connect(), b"permitted").unwrap();
                clients.push(client);
            }
            nats.kill();
            nats.restart();
            for client in &clients {
                client.wait_for_line("connected to NATS again");
                server.wait_for_line("connected to NATS again");
                round_trip(&client.connect(), b"still permitted").unwrap();
            }
            for log in clients.iter().map(|client| &**client).chain([&*server]) {
                let text = log.stderr();
                assert!(text.contains("TRACE") && !text.contains("change-me"), "{text}");
                assert!(!text.contains("NATS reports") && !text.contains("NATS refuses"), "{text}");
            }
        }
    }
}

/// Checks that the program ends without waiting, with an error about the credentials that does not contain them.
fn assert_refused(program: &Path, url: &str, args: &[&str], variables: &[(&str, &str)], names: &str) {
    let started = Instant::now();
    let args = [&["--nats-url", url, "--log-level", "trace"], args].concat();
    let ended: Daemon = spawn(program, &args, variables);
    assert_eq!(ended.wait(PATIENCE).code(), Some(1), "{}", ended.stderr());
    // Not after the half minute for which a NATS that is not there is tried.
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    let text = ended.stderr();
    let complaint = text.lines().find(|line| line.starts_with("nats-proxy-")).expect("a complaint");
    assert!(complaint.contains("refuses") && complaint.contains(names), "{complaint}");
    assert!(!text.contains("s3cr3t"), "{text}");
}

#[test]
fn wrong_credentials_end_the_start_with_a_complaint_that_shows_none() {
    let nats = NatsServer::with_config("authorization { user: me, password: right }");
    let with_user = nats.url().replace("nats://", "nats://me:s3cr3t@");
    let server = server_binary();
    let no_http = ["--listen-addr", "off"];
    let listen = free_addr().to_string();
    let to_nowhere = ["--listen-addr", &*listen, "--remote-addr", "localhost:1"];
    for (program, args) in [(&*server, &no_http[..]), (client_binary(), &to_nowhere)] {
        let password = [("NATS_USER", "me"), ("NATS_PASSWORD", "s3cr3t")];
        assert_refused(program, &nats.url(), args, &password, "user and password");
        assert_refused(program, &nats.url(), args, &[("NATS_TOKEN", "s3cr3t")], "the token");
        assert_refused(program, &with_user, args, &[], "user and password");
        assert_refused(program, &nats.url(), args, &[], "without credentials");
    }
}
