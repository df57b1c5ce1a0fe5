use super::*;

fn name_of(length: usize) -> String {
    let labels = [&"a".repeat(63), &"b".repeat(63), &"c".repeat(63), &"d".repeat(length - 192)];
    labels.map(String::as_str).join(".")
}

#[test]
fn takes_names() {
    let longest = name_of(253);
    let longest_with_dot = format!("{longest}.");
    for text in [
        "a",
        "3com.com",
        "a-b.c",
        "my_db",
        "_tcp.a_",
        "xn--mnchen-3ya.de",
        "h.",
        "1.2.3.4.com",
        "X.Y",
        &longest,
        &longest_with_dot,
    ] {
        let host: Host = text.parse().unwrap();
        assert!(matches!(&host, Host::Name(name) if name.as_str() == text), "{text}");
        assert_eq!(host.to_string(), text);
    }
}

#[test]
fn takes_addresses() {
    assert_eq!("127.0.0.1".parse::<Host>().unwrap(), Host::from(IpAddr::from([127, 0, 0, 1])));
    let local: Host = "0:0::1".parse().unwrap();
    assert_eq!(local, Host::from(IpAddr::from(Ipv6Addr::LOCALHOST)));
    assert_eq!(local.to_string(), "::1");
}

#[test]
fn refuses_what_can_be_no_host() {
    let long_name = name_of(254);
    let long_label = "a".repeat(64);
    for (text, kind, span) in [
        ("", ErrorKind::EmptyHost, 0..0),
        (".", ErrorKind::EmptyLabel, 0..0),
        ("a..b", ErrorKind::EmptyLabel, 2..2),
        (".a", ErrorKind::EmptyLabel, 0..0),
        ("a.b..", ErrorKind::EmptyLabel, 4..4),
        ("a.-b", ErrorKind::LabelHyphen, 2..4),
        ("a-.b", ErrorKind::LabelHyphen, 0..2),
        (&long_label, ErrorKind::LabelTooLong, 0..64),
        (&long_name, ErrorKind::NameTooLong, 0..254),
        ("256.1.1.1", ErrorKind::InvalidIpv4, 0..9),
        ("1234", ErrorKind::InvalidIpv4, 0..4),
        ("127.0.0.01", ErrorKind::InvalidIpv4, 0..10),
        ("1.2.3.4.", ErrorKind::InvalidIpv4, 0..8),
        ("münchen.de", ErrorKind::NonAscii, 1..3),
        ("a*", ErrorKind::HostCharacter, 1..2),
        ("a\0", ErrorKind::HostCharacter, 1..2),
        ("[::1]", ErrorKind::HostCharacter, 0..1),
        ("a b", ErrorKind::Whitespace, 1..2),
        ("a\u{a0}\t", ErrorKind::Whitespace, 1..4),
        ("user@h", ErrorKind::UserInfo, 0..5),
        ("u@v@h/p", ErrorKind::UserInfo, 0..4),
        ("h/u@v", ErrorKind::TrailingPath, 1..5),
        ("h?q", ErrorKind::TrailingPath, 1..3),
    ] {
        let error = text.parse::<Host>().unwrap_err();
        assert_eq!((error.kind(), error.span()), (kind, span), "{text}");
    }
}
