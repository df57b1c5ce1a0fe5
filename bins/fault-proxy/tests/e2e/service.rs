//! Running under a service manager or a container engine.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::api::Api;
use crate::support::{BINARY, PATIENCE, Proxy, patient, round_trip, utf8};
use testkit::{Certificates, Daemon, ServiceManager, Signal, TcpServer, free_port};

#[test]
fn the_service_manager_hears_when_it_listens_and_when_it_stops() {
    let (echo, manager, port) = (TcpServer::echo(), ServiceManager::new(), free_port());
    let args = ["run", "--control", "off", "--proxy", &format!("{port}={}", echo.addr())];
    let proxy = Daemon::spawn(Path::new(BINARY), &args, &[("NOTIFY_SOCKET", utf8(&manager.socket()))]);
    assert_eq!(manager.next_notification(), "READY=1");
    let client = patient(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens"));
    round_trip(&client, b"hello").unwrap();
    proxy.signal(Signal::TERM);
    assert_eq!(manager.next_notification(), "STOPPING=1");
    drop(client);
    assert!(proxy.wait(PATIENCE).success());
}

fn health(addr: &str) -> Output {
    Command::new(BINARY).args(["health", addr]).output().expect("it starts")
}

/// Runs `health` with the address from the variable.
fn health_by_variable(control: &str) -> Output {
    Command::new(BINARY).arg("health").env("FAULT_CONTROL", control).output().expect("it starts")
}

#[test]
fn health_is_an_exit_code() {
    let api = Api::alone();
    assert!(health(&api.addr).status.success());
    let nobody = format!("127.0.0.1:{}", free_port());
    let unhealthy = health(&nobody);
    assert_eq!(unhealthy.status.code(), Some(1));
    let told = String::from_utf8_lossy(&unhealthy.stderr).into_owned();
    assert!(told.contains(&format!("no response from http://{nobody}/readyz")), "{told}");
}

#[test]
fn health_of_an_ipv6_address() {
    let api = Api::on("[::1]:0", &[]);
    let healthy = health(&api.addr);
    assert!(healthy.status.success(), "{healthy:?}");
    let all = api.addr.replace("[::1]", "[::]");
    let healthy = health_by_variable(&all);
    assert!(healthy.status.success(), "{healthy:?}");
}

#[test]
fn health_is_asked_where_the_variable_puts_the_control_api() {
    let api = Api::alone();
    let all = api.addr.replace("127.0.0.1", "0.0.0.0");
    for control in [&api.addr, &all] {
        let healthy = health_by_variable(control);
        assert!(healthy.status.success(), "{control}: {healthy:?}");
    }
    let off = health_by_variable("off");
    assert_eq!(off.status.code(), Some(1));
    let told = String::from_utf8_lossy(&off.stderr).into_owned();
    assert!(told.contains("the HTTP endpoint of the program is off"), "{told}");
    let mut given = Command::new(BINARY);
    let given = given.args(["health", &api.addr]).env("FAULT_CONTROL", "off").output().expect("it starts");
    assert!(given.status.success(), "{given:?}");
}

#[test]
fn a_key_that_everybody_may_read_is_used_with_a_warning() {
    let (echo, certificates) = (TcpServer::echo(), Certificates::generate());
    let [cert, key] = [certificates.server_cert(), certificates.server_key()].map(utf8);
    let args = ["--tls-cert", cert, "--tls-key", key];
    let warning = "every user of this machine may read this secret";
    assert!(!Proxy::with(echo.addr(), &args).stderr().contains(warning));
    fs::set_permissions(key, fs::Permissions::from_mode(0o644)).unwrap();
    let line = Proxy::with(echo.addr(), &args).wait_for_line(warning);
    assert!(line.contains(key), "{line}");
}
