//! A configuration file that is not whole for a moment, and ways to exchange it.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::support::api::Api;
use crate::support::reload::REFUSED;
use crate::support::{ANY_CONTROL_PORT, BINARY, eventually, patient, round_trip, utf8};
use tempfile::TempDir;
use testkit::{Daemon, Signal, TcpServer, free_port};

fn entry(port: u16, far_end: &TcpServer) -> String {
    format!("[[proxies]]\nproxy = '{port}={}'\n", far_end.addr())
}

fn connect(port: u16) -> TcpStream {
    patient(TcpStream::connect(("127.0.0.1", port)).expect("it listens"))
}

#[test]
fn a_file_without_proxies_keeps_those_there_are() {
    let echo = TcpServer::echo();
    let port = free_port();
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("c.toml");
    for control in [&["--control", "127.0.0.1:0"][..], &[]] {
        fs::write(&file, entry(port, &echo)).unwrap();
        let args = [&["run", "--config", utf8(&file)], control].concat();
        let daemon = Daemon::spawn(Path::new(BINARY), &args, &[ANY_CONTROL_PORT]);
        daemon.wait_for_line("listening on ");
        let client = connect(port);
        round_trip(&client, b"before").unwrap();
        for (count, text) in
            ["", " \n\n", "max-sessions = 9\n", "[[faults]]\ntype = 'noop'\n"].iter().enumerate()
        {
            fs::write(&file, text).unwrap();
            daemon.signal(Signal::HUP);
            eventually("it is refused", || daemon.stderr().matches(REFUSED).count() > count);
            round_trip(&client, b"after").unwrap();
            round_trip(&connect(port), b"new").unwrap();
        }
        // and by itself
        let refused = daemon.stderr().matches(REFUSED).count();
        fs::write(&file, "").unwrap();
        eventually("it is refused", || daemon.stderr().matches(REFUSED).count() > refused);
        round_trip(&client, b"still").unwrap();
    }
}

#[test]
fn a_file_that_is_exchanged_is_followed() {
    let echo = TcpServer::echo();
    let ports = [(); 3].map(|()| free_port());
    let directory = TempDir::new().unwrap();
    let at = |name: &str| directory.path().join(name);
    for (name, port) in ["a.toml", "b.toml", "c.toml"].into_iter().zip(ports) {
        fs::write(at(name), entry(port, &echo)).unwrap();
    }
    symlink(at("a.toml"), at("link.toml")).unwrap();
    let api = Api::with(&["--config", utf8(&at("link.toml"))]);
    round_trip(&connect(ports[0]), b"first").unwrap();
    symlink(at("b.toml"), at("new")).unwrap();
    fs::rename(at("new"), at("link.toml")).unwrap();
    eventually("the link is followed", || TcpStream::connect(("127.0.0.1", ports[1])).is_ok());
    fs::rename(at("c.toml"), at("b.toml")).unwrap();
    eventually("the file is followed", || TcpStream::connect(("127.0.0.1", ports[2])).is_ok());
    assert!(!api.stderr().contains(REFUSED), "{}", api.stderr());
}
