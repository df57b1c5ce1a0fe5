//! NATS servers, over raw sockets.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    thread,
    time::Duration,
};
use testkit::session::{PATIENCE, eventually};
use testkit::{NatsCluster, NatsServer, nats_servers};

fn connect(server: &NatsServer) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(server.addr()).expect("the server accepts");
    stream.set_read_timeout(Some(PATIENCE)).expect("the timeout is not zero");
    BufReader::new(stream)
}

fn line(client: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    client.read_line(&mut line).expect("the server sends a line");
    line
}

/// Returns a client with `subscriptions`, after the server has processed them.
fn client(server: &NatsServer, subscriptions: usize) -> BufReader<TcpStream> {
    let mut client = connect(server);
    assert!(line(&mut client).starts_with("INFO "));
    let subs: String = (0..subscriptions).map(|sid| format!("SUB a.{sid} {sid}\r\n")).collect();
    write!(client.get_mut(), "CONNECT {{\"verbose\":false,\"protocol\":1}}\r\n{subs}PING\r\n")
        .expect("the server reads");
    assert_eq!(line(&mut client), "PONG\r\n");
    client
}

#[test]
fn each_version_says_which_it_is() {
    for program in nats_servers() {
        let output = std::process::Command::new(&program).arg("--version").output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        let (_, version) = printed.trim().split_once(": v").expect("it prints its version");
        let server = NatsServer::start_with(&program, "");
        let info = line(&mut connect(&server));
        assert!(info.contains(&format!("\"version\":\"{version}\"")), "{info}");
    }
}

#[test]
fn it_is_configured() {
    let server = NatsServer::with_config("max_payload: 4321");
    assert!(line(&mut connect(&server)).contains("\"max_payload\":4321"));
    assert_eq!(server.url(), format!("nats://{}", server.addr()));
    assert!(server.output().contains("Server is ready"));
}

#[test]
fn it_counts_clients_and_their_subscriptions() {
    for program in nats_servers() {
        let server = NatsServer::start_with(&program, "");
        let clients = [client(&server, 2), client(&server, 3)];
        eventually("both are counted", || (server.connections(), server.subscriptions()) == (2, 5));
        drop(clients);
        eventually("the clients are gone", || server.connections() == 0);
        assert_eq!(server.subscriptions(), 0);
    }
}

#[test]
fn it_restarts_on_its_port_from_a_thread_that_ends() {
    let server = NatsServer::start();
    let (addr, pid) = (server.addr(), server.pid());
    let mut before = client(&server, 0);
    server.kill();
    assert!(TcpStream::connect(addr).is_err());
    assert_eq!(before.read(&mut [0]).unwrap_or(0), 0);
    thread::scope(|scope| scope.spawn(|| server.restart()).join()).unwrap();
    // The kernel stops the server shortly after the thread has ended.
    thread::sleep(Duration::from_millis(200));
    client(&server, 0);
    assert_eq!(server.addr(), addr);
    assert_ne!(server.pid(), pid);
}

#[test]
fn it_answers_nothing_while_it_is_paused() {
    let server = NatsServer::start();
    let mut client = client(&server, 0);
    server.pause();
    client.get_mut().write_all(b"PING\r\n").unwrap();
    client.get_mut().set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    client.read_line(&mut String::new()).expect_err("nothing is answered");
    server.resume();
    client.get_mut().set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(line(&mut client), "PONG\r\n");
}

#[test]
fn a_paused_server_ends_with_its_guard() {
    let server = NatsServer::start();
    let process = format!("/proc/{}", server.pid());
    server.pause();
    drop(server);
    assert!(!Path::new(&process).exists());
}

#[test]
fn a_lame_duck_says_so_and_ends() {
    for program in nats_servers() {
        let server = NatsServer::start_with(&program, "");
        let mut client = client(&server, 0);
        server.lame_duck();
        let mut rest = String::new();
        client.read_to_string(&mut rest).unwrap();
        assert!(rest.starts_with("INFO ") && rest.contains("\"ldm\":true"), "{rest}");
        eventually("nobody listens", || TcpStream::connect(server.addr()).is_err());
        server.restart();
        eventually("nobody is connected", || server.connections() == 0);
    }
}

#[test]
fn a_cluster_of_three_comes_up() {
    for program in nats_servers() {
        let cluster = NatsCluster::start_with(&program, 3);
        let urls: Vec<String> = cluster.nodes.iter().map(NatsServer::url).collect();
        assert_eq!(cluster.urls(), urls.join(","));
        cluster.nodes[1].kill();
        cluster.nodes[1].restart();
        cluster.wait_until_routed();
    }
}
