//! Ports that a reload of the configuration file moves proxies to.

use std::io::Read;
use std::net::{Ipv4Addr, TcpStream};
use std::thread;

use crate::support::reload::{Config, SOME_LOOKS, connect, entry, named, reloads, take};
use crate::support::{eventually, round_trip};
use serde_json::json;
use testkit::{Signal, TcpServer, free_port};

#[test]
fn a_proxy_whose_port_was_taken_is_made_when_it_is_free() {
    let echo = TcpServer::echo();
    let [first, second] = [(); 2].map(|()| free_port());
    let config = Config::new(&entry(first, echo.addr(), ""));
    let api = config.run();
    let taken = take(second);
    config.write(&[entry(first, echo.addr(), ""), entry(second, echo.addr(), "")].concat());
    api.signal(Signal::HUP);
    let line = api.wait_for_line("cannot listen on");
    assert!(line.contains(&format!("127.0.0.1:{second}")), "{line}");
    let line = api.wait_for_line("configuration reloaded in part");
    assert!(line.ends_with(" failed_proxies=1"), "{line}");
    drop(taken);
    eventually("it listens", || TcpStream::connect((Ipv4Addr::LOCALHOST, second)).is_ok());
    round_trip(&connect(second), b"hello").unwrap();
}

#[test]
fn proxies_take_ports_that_others_give_up() {
    let (echo, other) = (TcpServer::echo(), TcpServer::start(|_| ()));
    let [one, two, three] = [(); 3].map(|()| free_port());
    let config = Config::new(&[named("a", one, echo.addr()), named("b", two, other.addr())].concat());
    let api = config.run();
    config.write(&[named("a", two, echo.addr()), named("b", one, other.addr())].concat());
    api.signal(Signal::HUP);
    eventually("it is reloaded", || reloads(&api) == 1);
    round_trip(&connect(two), b"exchanged").unwrap();
    assert_eq!(connect(one).read(&mut [0; 1]).expect("no abort"), 0);

    let new_first = [named("c", two, other.addr()), named("a", three, echo.addr())];
    config.write(&[new_first.concat(), named("b", one, other.addr())].concat());
    api.signal(Signal::HUP);
    eventually("it is reloaded", || reloads(&api) == 2);
    round_trip(&connect(three), b"moved on").unwrap();
    assert_eq!(connect(two).read(&mut [0; 1]).expect("no abort"), 0);
    assert!(!api.stderr().contains("cannot listen"), "{}", api.stderr());
}

#[test]
fn a_proxy_that_could_not_move_moves_when_it_can_unless_somebody_else_has_seen_to_it() {
    const NAMES: [&str; 6] = ["left", "off", "enabled", "disabled", "moved", "remade"];
    let (echo, other) = (TcpServer::echo(), TcpServer::echo());
    let (old, new) = ([(); 6].map(|()| free_port()), [(); 6].map(|()| free_port()));
    let [elsewhere, elsewhere_too] = [(); 2].map(|()| free_port());
    let all = |ports: [u16; 6]| -> String {
        NAMES.iter().zip(ports).map(|(name, port)| named(name, port, echo.addr())).collect()
    };
    let config = Config::new(&all(old));
    let api = config.run();
    let (disabled, at) = (json!({"enabled": false}), |port: u16| format!("127.0.0.1:{port}"));
    api.post("/proxies/off", &disabled);
    let [of_left, of_others @ ..] = new.map(take);
    config.write(&all(new));
    api.signal(Signal::HUP);
    eventually("it is reloaded", || reloads(&api) == 1);
    for (name, port) in NAMES.into_iter().zip(old).filter(|(name, _)| *name != "off") {
        let proxy = api.get(&format!("/proxies/{name}"));
        assert_eq!((&proxy["enabled"], &proxy["listen"]), (&json!(true), &json!(at(port))), "{name}");
    }
    assert_eq!(api.get("/proxies/off")["enabled"], false);
    api.post("/proxies/enabled", &json!({"listen": at(elsewhere), "enabled": true}));
    api.post("/proxies/disabled", &disabled);
    api.post("/proxies/moved", &json!({"listen": at(elsewhere_too), "enabled": false}));
    api.delete("/proxies/remade");
    let upstream = other.addr().to_string();
    let remade = json!({"name": "remade", "listen": at(new[5]), "upstream": upstream, "enabled": false});
    api.post("/proxies", &remade);

    drop(of_others);
    thread::sleep(SOME_LOOKS);
    assert_eq!(api.stderr().matches("cannot listen on").count(), 5, "{}", api.stderr());
    round_trip(&connect(elsewhere), b"seen to").unwrap();
    for port in new {
        assert!(!api.stderr().contains(&format!("listening on {}", at(port))), "{}", api.stderr());
    }
    let all = [("off", new[1]), ("disabled", old[3]), ("moved", elsewhere_too), ("remade", new[5])];
    for (name, port) in all {
        let proxy = api.get(&format!("/proxies/{name}"));
        assert_eq!((&proxy["enabled"], &proxy["listen"]), (&json!(false), &json!(at(port))), "{name}");
    }
    assert_eq!(api.get("/proxies/remade")["upstream"], upstream);
    drop(of_left);
    api.wait_for_line(&format!("listening on {}", at(new[0])));
    round_trip(&connect(new[0]), b"moved").unwrap();
}

#[test]
fn a_proxy_that_cannot_move_goes_on_with_its_sessions() {
    let echo = TcpServer::echo();
    let proxy_of = |name: &str, port: u16| match name {
        "" => entry(port, echo.addr(), ""),
        name => named(name, port, echo.addr()),
    };
    for name in ["", "a"] {
        let [old, new] = [(); 2].map(|()| free_port());
        let config = Config::new(&proxy_of(name, old));
        let api = config.run();
        let session = connect(old);
        round_trip(&session, b"before").unwrap();
        let taken = take(new);
        config.write(&proxy_of(name, new));
        let line = api.wait_for_line("cannot listen on");
        assert!(line.contains("ERROR cannot apply the configuration of the proxy, trying again"), "{line}");
        let fields = format!(" path={} listen=127.0.0.1:{old} error=cannot listen on", config.file.display());
        assert!(line.contains(&fields), "{line}");
        round_trip(&session, b"after").unwrap();
        round_trip(&connect(old), b"new").unwrap();
        drop(taken);
        api.wait_for_line(&format!("listening on 127.0.0.1:{new}"));
        round_trip(&connect(new), b"moved").unwrap();
        eventually("the old port is free", || TcpStream::connect((Ipv4Addr::LOCALHOST, old)).is_err());
        let all = api.get("/proxies");
        assert_eq!(all.as_object().map(|all| all.len()), Some(1), "{all}");
        assert_eq!(api.stderr().matches("cannot listen on").count(), 1, "{}", api.stderr());
    }
}

#[test]
fn proxies_that_cannot_exchange_ports_listen_as_before() {
    let echo = TcpServer::echo();
    let [one, two, three] = [(); 3].map(|()| free_port());
    let config = Config::new(&[named("a", one, echo.addr()), named("b", two, echo.addr())].concat());
    let api = config.run();
    let (in_b, taken) = (connect(two), take(three));
    round_trip(&in_b, b"before").unwrap();
    config.write(&[named("a", two, echo.addr()), named("b", three, echo.addr())].concat());
    api.signal(Signal::HUP);
    eventually("it is reloaded", || reloads(&api) == 1);
    round_trip(&in_b, b"after").unwrap();
    for port in [one, two] {
        round_trip(&connect(port), b"new").unwrap();
    }
    drop(taken);
    api.wait_for_line(&format!("listening on 127.0.0.1:{two} for"));
    eventually("a has moved", || api.get("/proxies/a")["listen"] == format!("127.0.0.1:{two}"));
    eventually("b has moved", || api.get("/proxies/b")["listen"] == format!("127.0.0.1:{three}"));
}
