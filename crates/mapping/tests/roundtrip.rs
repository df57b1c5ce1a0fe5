//! What is written parses back to the same, and no text makes the parser panic.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;

use fault_proxy_mapping::{Host, Listen, ListenAddr, Mapping, Scheme, Upstream};
use proptest::prelude::*;

mod check;

const LABEL: &str = "[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?";
/// A last label that no resolver could take for a number.
const LAST_LABEL: &str = "[a-zA-Z]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?";

fn names() -> impl Strategy<Value = String> {
    (prop::collection::vec(LABEL, 0..=2), LAST_LABEL, prop::bool::ANY).prop_map(|(labels, last, rooted)| {
        [labels, vec![last]].concat().join(".") + if rooted { "." } else { "" }
    })
}

fn hosts() -> impl Strategy<Value = Host> {
    prop_oneof![
        names().prop_map(|name| name.parse().expect("a host name")),
        any::<Ipv4Addr>().prop_map(Host::V4),
        any::<Ipv6Addr>().prop_map(Host::V6),
    ]
}

fn schemes() -> impl Strategy<Value = Scheme> {
    prop::sample::select(Scheme::ALL.to_vec())
}

fn upstreams() -> impl Strategy<Value = Upstream> {
    prop_oneof![
        (prop::option::of(schemes()), hosts(), any::<NonZeroU16>())
            .prop_map(|(scheme, host, port)| Upstream::Tcp { scheme, host, port }),
        r"/\PC{0,26}".prop_map(|path| Upstream::Unix { path: path.parse().expect("a socket path") }),
    ]
}

fn listens() -> impl Strategy<Value = Listen> {
    (prop::option::of(hosts()), any::<NonZeroU16>()).prop_map(|(host, port)| Listen { host, port })
}

fn mappings() -> impl Strategy<Value = Mapping> {
    (prop::option::of("[a-zA-Z0-9._-]{1,12}"), listens(), upstreams()).prop_map(|(name, listen, upstream)| {
        let named = name.map(|name| format!("{name}@1=h:1").parse::<Mapping>().expect("a mapping"));
        Mapping { name: named.and_then(|named| named.name), listen, upstream }
    })
}

/// The base grammar, rule by rule, with hosts and ports that exist.
fn base_texts() -> impl Strategy<Value = String> {
    let port = || (1..=u16::MAX, 0..3_usize).prop_map(|(port, zeros)| format!("{}{port}", "0".repeat(zeros)));
    let host = || prop_oneof![names(), any::<Ipv4Addr>().prop_map(|address| address.to_string())];
    let host_port = (host(), port()).prop_map(|(host, port)| format!("{host}:{port}"));
    let optional_port = prop_oneof![Just(String::new()), port().prop_map(|port| format!(":{port}"))];
    let protocol = prop::sample::select(vec!["http", "https", "psql", "psqls", "tls"]);
    let url = (protocol, host(), optional_port)
        .prop_map(|(protocol, host, port)| format!("{protocol}://{host}{port}"));
    (port(), prop_oneof![host_port, url]).prop_map(|(left, right)| format!("{left}={right}"))
}

/// Texts near to a mapping: words and marks of the grammar in any order.
fn near_texts() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec![
        "9090",
        "0",
        "99999",
        "=",
        ":",
        "/",
        "://",
        "https",
        "psql",
        "tcp",
        "TLS",
        "redis",
        "unix:",
        "[",
        "]",
        "::1",
        "h",
        "a_b",
        ".",
        "-",
        "@",
        "?",
        " ",
        "\t",
        "é",
        "日",
        "PORT",
        "127.0.0.1",
    ]);
    prop_oneof![
        prop::collection::vec(token.clone(), 0..12).prop_map(|tokens| tokens.concat()),
        prop::collection::vec(token, 0..8).prop_map(|tokens| format!("9090={}", tokens.concat())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn every_mapping_parses_back(mapping in mappings()) {
        prop_assert_eq!(mapping.to_string().parse::<Mapping>(), Ok(mapping));
    }

    #[test]
    fn every_side_parses_back(listen in listens(), upstream in upstreams(), port in any::<u16>()) {
        prop_assert_eq!(listen.to_string().parse::<Listen>(), Ok(listen.clone()));
        prop_assert_eq!(upstream.to_string().parse::<Upstream>(), Ok(upstream));
        let addr = ListenAddr { host: listen.host, port };
        prop_assert_eq!(addr.to_string().parse::<ListenAddr>(), Ok(addr));
    }

    #[test]
    fn every_host_parses_back(host in hosts()) {
        prop_assert_eq!(host.to_string().parse::<Host>(), Ok(host));
    }

    #[test]
    fn every_mapping_is_serialized_as_its_string(mapping in mappings()) {
        let json = serde_json::to_value(&mapping).unwrap();
        prop_assert_eq!(&json, &serde_json::Value::String(mapping.to_string()));
        prop_assert_eq!(serde_json::from_value::<Mapping>(json).unwrap(), mapping);
    }

    #[test]
    fn everything_the_base_grammar_spells_is_accepted(text in base_texts()) {
        prop_assert!(text.parse::<Mapping>().is_ok(), "{}", text);
        check::check(&text);
    }

    #[test]
    fn any_text_is_a_mapping_or_an_error_with_a_span_inside(text in any::<String>()) {
        check::check(&text);
    }

    #[test]
    fn any_text_near_to_a_mapping_is_one_or_an_error_with_a_span_inside(text in near_texts()) {
        check::check(&text);
    }
}

#[test]
fn a_missing_port_is_the_scheme_s_default() {
    for (text, port) in [
        ("9090=http://h", 80),
        ("9090=https://h", 443),
        ("9090=tls://h", 443),
        ("9090=psql://h", 5432),
        ("9090=psqls://[::1]", 5432),
        ("9090=http://h:8080", 8080),
    ] {
        let mapping: Mapping = text.parse().unwrap();
        let Upstream::Tcp { port: found, .. } = mapping.upstream else { panic!("{text} is not TCP") };
        assert_eq!(found.get(), port, "{text}");
    }
}

#[test]
fn only_https_psqls_and_tls_are_encrypted() {
    let encrypted = |text: &str| match text.parse::<Mapping>().unwrap().upstream {
        Upstream::Tcp { scheme, .. } => scheme.is_some_and(Scheme::is_encrypted),
        Upstream::Unix { .. } => false,
    };
    for scheme in ["https", "psqls", "tls"] {
        assert!(encrypted(&format!("1={scheme}://h")), "{scheme}");
    }
    for upstream in ["http://h", "psql://h", "tcp://h:1", "h:1"] {
        assert!(!encrypted(&format!("1={upstream}")), "{upstream}");
    }
}

#[test]
fn words_of_the_grammar_are_hosts_where_the_grammar_says_so() {
    for (text, name) in [("9090=unix:5432", "unix"), ("9090=https:443", "https"), ("tcp:1=tcp:2", "tcp")] {
        let mapping: Mapping = text.parse().unwrap();
        let host: Host = name.parse().unwrap();
        assert!(
            matches!(&mapping.upstream, Upstream::Tcp { scheme: None, host: found, .. } if *found == host)
        );
        assert_eq!(mapping.to_string(), text);
    }
}

#[test]
fn a_text_that_is_no_mapping_is_not_deserialized() {
    let error = serde_json::from_str::<Mapping>("\"9090=example.com\"").unwrap_err();
    assert!(error.to_string().contains("a host without a scheme needs a port: 9090=example.com:PORT"));
}
