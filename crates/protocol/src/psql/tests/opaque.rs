//! Sessions without requests that can be read.

use super::*;

#[test]
fn encryption_and_replication_are_opaque() {
    let ssl = [client(&[packet(80_877_103, b"")]), Turn::Server(b"S".to_vec())];
    assert_eq!(events(Protocol::Psql, &ssl, &[1]), ["0: opaque: the session is encrypted"]);
    let refused =
        [&[client(&[packet(80_877_103, b"")]), Turn::Server(b"N".to_vec())], &started()[..]].concat();
    assert_eq!(events(Protocol::Psql, &refused, &[1]), ["10: ready None", "16: ready None Idle"]);
    for (value, is_opaque) in [("database", true), ("true", true), ("off", false)] {
        let turns = [client(&[startup(&format!("user\0a\0replication\0{value}\0\0"))])];
        assert_eq!(!events(Protocol::Psql, &turns, &[3]).is_empty(), is_opaque, "{value}");
    }
    let copy_both = [client(&[query("START_REPLICATION")]), server(&[message(b'W', b"\0\0\0")])];
    assert_eq!(seen(&copy_both).last().expect("events"), "15: opaque: the session replicates a database");
}

#[test]
fn a_cancellation_has_no_events() {
    let turns = [client(&[packet(80_877_102, &[0; 8])])];
    assert!(events(Protocol::Psql, &turns, &[5]).is_empty());
}

#[test]
fn other_protocols_are_opaque() {
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"*1\r\n$4\r\nPING\r\n"] {
        let seen = events(Protocol::Psql, &[Turn::Client(bytes.to_vec())], &[1]);
        assert_eq!(seen, ["8: opaque: the data is not of the protocol"]);
    }
    let turns = [client(&[query("commit")]), Turn::Server(b"HTTP/1.1 200 OK\r\n\r\n".to_vec())];
    assert!(seen(&turns).last().expect("events").contains("opaque"));
}
