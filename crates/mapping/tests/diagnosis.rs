//! Each way to get a mapping wrong: what is said, where it points, and what is suggested.

use fault_proxy_mapping::{ErrorKind, Listen, Mapping, ParseError, Upstream};

fn refused(text: &str) -> ParseError {
    text.parse::<Mapping>().expect_err(text)
}

/// A text, its kind of error, the part under the carets and the suggestion.
type Case = (&'static str, ErrorKind, &'static str, Option<&'static str>);

#[track_caller]
fn check(cases: &[Case]) {
    for &(text, kind, span, suggestion) in cases {
        let error = refused(text);
        assert_eq!(error.kind(), kind, "{text}");
        assert_eq!(&text[error.span()], span, "{text}");
        assert_eq!(error.suggestion(), suggestion, "{text}");
    }
}

#[test]
fn shape() {
    check(&[
        ("", ErrorKind::MissingEquals, "", None),
        ("9090", ErrorKind::MissingEquals, "9090", None),
        ("9090:h:80", ErrorKind::MissingEquals, "9090:h:80", None),
        ("9090 h:80", ErrorKind::MissingEquals, "9090 h:80", None),
        ("=", ErrorKind::EmptyListen, "", Some("PORT=HOST:PORT")),
        ("=h:80", ErrorKind::EmptyListen, "", Some("PORT=h:80")),
        (" =h:80", ErrorKind::EmptyListen, " ", Some("PORT=h:80")),
        ("9090=", ErrorKind::EmptyUpstream, "", Some("9090=HOST:PORT")),
        ("9090= ", ErrorKind::EmptyUpstream, " ", Some("9090=HOST:PORT")),
        ("9090=9091=h:80", ErrorKind::MoreThanOneEquals, "=", None),
        ("9090==h:80", ErrorKind::MoreThanOneEquals, "=", None),
        ("9090=https://h=", ErrorKind::MoreThanOneEquals, "=", None),
        ("9090=h:80,9091=g:80", ErrorKind::MoreThanOneEquals, "=", None),
    ]);
}

#[test]
fn whitespace() {
    check(&[
        (" 9090=h:80", ErrorKind::Whitespace, " ", Some("9090=h:80")),
        ("9090=h:80\r\n", ErrorKind::Whitespace, "\r\n", Some("9090=h:80")),
        ("9090 = h:80", ErrorKind::Whitespace, " ", Some("9090=h:80")),
        ("9090=h :80", ErrorKind::Whitespace, " ", Some("9090=h:80")),
        ("9090=https://h h", ErrorKind::Whitespace, " ", Some("9090=https://hh")),
        ("9090=h:\u{2003}80", ErrorKind::Whitespace, "\u{2003}", Some("9090=h:80")),
        (" 9090=unix:/a b", ErrorKind::Whitespace, " ", Some("9090=unix:/a b")),
        ("9090= unix:/a", ErrorKind::Whitespace, " ", Some("9090=unix:/a")),
    ]);
}

#[test]
fn schemes() {
    check(&[
        ("9090=mysql://c:3306", ErrorKind::UnknownScheme, "mysql", Some("9090=tcp://c:3306")),
        ("9090=mysql://c", ErrorKind::UnknownScheme, "mysql", Some("9090=tcp://c:PORT")),
        ("9090=://c:1", ErrorKind::UnknownScheme, "", Some("9090=tcp://c:1")),
        ("9090=HTTPS://h", ErrorKind::SchemeCase, "HTTPS", Some("9090=https://h")),
        ("9090=UNIX:///a b", ErrorKind::SchemeCase, "UNIX", Some("9090=unix:///a b")),
        ("9090=postgresql://h", ErrorKind::PostgresScheme, "postgresql", Some("9090=psql://h")),
        ("9090=postgres://u:p=w@h/db", ErrorKind::PostgresScheme, "postgres", Some("9090=psql://h")),
        ("9090=https:/h", ErrorKind::MissingSlashes, ":/", Some("9090=https://h")),
        ("9090=https:h", ErrorKind::MissingSlashes, ":", Some("9090=https://h")),
        ("http://[::1]:9090=h:80", ErrorKind::ListenScheme, "http://", Some("[::1]:9090=h:80")),
        ("9090=tcp://c", ErrorKind::TcpWithoutPort, "tcp://c", Some("9090=tcp://c:PORT")),
        ("9090=tcp://[::1]", ErrorKind::TcpWithoutPort, "tcp://[::1]", Some("9090=tcp://[::1]:PORT")),
    ]);
}

#[test]
fn what_stands_around_a_host() {
    check(&[
        (
            "9090=https://www.google.com/search",
            ErrorKind::TrailingPath,
            "/search",
            Some("9090=https://www.google.com"),
        ),
        ("9090=https://h:443/a?b=c", ErrorKind::TrailingPath, "/a?b=c", Some("9090=https://h:443")),
        ("9090=https://h/a:b=c", ErrorKind::TrailingPath, "/a:b=c", Some("9090=https://h")),
        ("9090=h:80?q", ErrorKind::TrailingPath, "?q", Some("9090=h:80")),
        ("9090=h#f", ErrorKind::TrailingPath, "#f", Some("9090=h:PORT")),
        ("9090=tcp://h/", ErrorKind::TrailingPath, "/", Some("9090=tcp://h:PORT")),
        ("9090=h/?to=http://g", ErrorKind::TrailingPath, "/?to=http://g", Some("9090=h:PORT")),
        ("my cache@9090=h:1", ErrorKind::InvalidProxyName, "my cache", None),
        ("u:p@9090=h:1", ErrorKind::InvalidProxyName, "u:p", None),
        ("@9090=h:1", ErrorKind::InvalidProxyName, "", None),
        ("a@b@9090=h:1", ErrorKind::PortNotANumber, "b@9090", Some("a@PORT=h:1")),
        ("cache@90=h", ErrorKind::MissingPort, "h", Some("cache@90=h:PORT")),
        ("9090=psql://u:p@h", ErrorKind::UserInfo, "u:p@", Some("9090=psql://h")),
        ("9090=psql://u@h:1/db", ErrorKind::UserInfo, "u@", Some("9090=psql://h:1")),
        ("9090=u@h:1", ErrorKind::UserInfo, "u@", Some("9090=h:1")),
        ("9090=u:p=w@h:1", ErrorKind::UserInfo, "u:p=w@", Some("9090=h:1")),
    ]);
}

#[test]
fn ports() {
    check(&[
        ("9090=h", ErrorKind::MissingPort, "h", Some("9090=h:PORT")),
        ("9090=[::1]", ErrorKind::MissingPort, "[::1]", Some("9090=[::1]:PORT")),
        ("[::1]=h:80", ErrorKind::MissingPort, "[::1]", Some("[::1]:PORT=h:80")),
        ("0.0.0.0=h:80", ErrorKind::MissingPort, "0.0.0.0", Some("0.0.0.0:PORT=h:80")),
        ("9090=PORT", ErrorKind::MissingPort, "PORT", Some("9090=PORT:PORT")),
        ("9090=h:", ErrorKind::EmptyPort, "", Some("9090=h:PORT")),
        ("9090=https://h:", ErrorKind::EmptyPort, "", Some("9090=https://h:PORT")),
        ("9090=https:", ErrorKind::EmptyPort, "", Some("9090=https:PORT")),
        ("localhost:=h:80", ErrorKind::EmptyPort, "", Some("localhost:PORT=h:80")),
        ("9090=h:http", ErrorKind::PortNotANumber, "http", Some("9090=h:PORT")),
        ("9090=h:-1", ErrorKind::PortNotANumber, "-1", Some("9090=h:PORT")),
        ("9090=h:80:90", ErrorKind::PortNotANumber, "80:90", Some("9090=h:PORT")),
        ("abc=h:x/", ErrorKind::PortNotANumber, "abc", Some("PORT=h:PORT")),
        ("９=h:80", ErrorKind::PortNotANumber, "９", Some("PORT=h:80")),
        ("PORT=h:80", ErrorKind::PortNotANumber, "PORT", Some("PORT=h:80")),
        ("0=h:80", ErrorKind::PortOutOfRange, "0", Some("PORT=h:80")),
        ("65536=h", ErrorKind::PortOutOfRange, "65536", Some("PORT=h:PORT")),
        ("9090=https://h:65536", ErrorKind::PortOutOfRange, "65536", Some("9090=https://h:PORT")),
        ("9090=[::1]:0", ErrorKind::PortOutOfRange, "0", Some("9090=[::1]:PORT")),
        ("9090=[::1]80", ErrorKind::MissingColon, "80", Some("9090=[::1]:80")),
    ]);
    let digits = "9".repeat(10_000);
    for text in [format!("{digits}=h:80"), format!("9090=h:{digits}"), format!("9090=unix:{digits}")] {
        assert_eq!(refused(&text).kind(), ErrorKind::PortOutOfRange);
    }
}

#[test]
fn hosts() {
    check(&[
        ("9090=:80", ErrorKind::EmptyHost, "", Some("9090=HOST:80")),
        ("9090=https://", ErrorKind::EmptyHost, "", Some("9090=https://HOST")),
        ("9090=tls://:1", ErrorKind::EmptyHost, "", Some("9090=tls://HOST:1")),
        (":9090=h:80", ErrorKind::EmptyListenHost, ":", Some("9090=h:80")),
        ("9090=münchen.de", ErrorKind::NonAscii, "ü", None),
        ("*:9090=h:80", ErrorKind::HostCharacter, "*", None),
        ("9090=a..b:80", ErrorKind::EmptyLabel, "", None),
        ("9090=https://-a", ErrorKind::LabelHyphen, "-a", None),
        ("9090=https://256.1.1.1", ErrorKind::InvalidIpv4, "256.1.1.1", None),
        ("9090=1234", ErrorKind::InvalidIpv4, "1234", None),
        ("1.2.3:9090=h:80", ErrorKind::InvalidIpv4, "1.2.3", None),
    ]);
    let label = format!("9090={}.com:80", "a".repeat(64));
    assert_eq!((refused(&label).kind(), refused(&label).span()), (ErrorKind::LabelTooLong, 5..69));
    let name = format!("9090={}b:80", "a.".repeat(127));
    assert_eq!((refused(&name).kind(), refused(&name).span()), (ErrorKind::NameTooLong, 5..260));
}

#[test]
fn ipv6() {
    check(&[
        ("9090=::1:5432", ErrorKind::Ipv6WithoutBrackets, "::1", Some("9090=[::1]:5432")),
        ("9090=2001:db8::1", ErrorKind::Ipv6WithoutBrackets, "2001:db8::1", Some("9090=[2001:db8::1]:PORT")),
        ("9090=::1:abcd", ErrorKind::Ipv6WithoutBrackets, "::1:abcd", Some("9090=[::1:abcd]:PORT")),
        ("9090=::1:http", ErrorKind::Ipv6WithoutBrackets, "::1", Some("9090=[::1]:PORT")),
        ("9090=psql://::1", ErrorKind::Ipv6WithoutBrackets, "::1", Some("9090=psql://[::1]")),
        ("9090=psql://::1:1/db", ErrorKind::TrailingPath, "/db", Some("9090=psql://[::1]:1")),
        ("::1:9090=h:80", ErrorKind::Ipv6WithoutBrackets, "::1", Some("[::1]:9090=h:80")),
        ("::=h:80", ErrorKind::Ipv6WithoutBrackets, "::", Some("[::]:PORT=h:80")),
        ("9090=[h]:80", ErrorKind::InvalidIpv6, "h", None),
        ("9090=[127.0.0.1]:80", ErrorKind::InvalidIpv6, "127.0.0.1", None),
        ("9090=tls://[fe80::1%eth0]", ErrorKind::InvalidIpv6, "fe80::1%eth0", None),
        ("9090=[]:80", ErrorKind::InvalidIpv6, "", None),
        ("9090=[::1:80", ErrorKind::InvalidIpv6, "[::1:80", None),
    ]);
}

#[test]
fn unix_sockets() {
    check(&[
        ("9090=unix:path", ErrorKind::RelativeUnixPath, "path", Some("9090=unix:/path")),
        ("9090=unix:80x", ErrorKind::RelativeUnixPath, "80x", Some("9090=unix:/80x")),
        ("9090=unix:", ErrorKind::RelativeUnixPath, "", Some("9090=unix:/PATH")),
        ("9090=unix:/a\nb", ErrorKind::ControlCharacter, "\n", None),
    ]);
    let long = format!("9090=unix:/{}", "a".repeat(107));
    assert_eq!((refused(&long).kind(), refused(&long).span()), (ErrorKind::UnixPathTooLong, 10..118));
    assert!(long[..117].parse::<Mapping>().is_ok());
}

#[test]
fn a_suggestion_is_shown_without_what_a_terminal_would_obey() {
    let error = refused(" 9090=unix:/a\u{202e}b");
    assert_eq!(error.suggestion(), Some("9090=unix:/a\u{202e}b"));
    assert_eq!(error.hint(), "a mapping has no whitespace: 9090=unix:/a\\u{202e}b");
}

#[test]
fn a_side_alone_is_refused_as_in_a_mapping() {
    for (text, kind, span) in [
        ("h", ErrorKind::MissingPort, 0..1),
        ("", ErrorKind::EmptyUpstream, 0..0),
        ("mysql://h:1", ErrorKind::UnknownScheme, 0..5),
        ("tcp://h", ErrorKind::TcpWithoutPort, 0..7),
        ("psql://h:99999", ErrorKind::PortOutOfRange, 9..14),
        ("unix:/a\n", ErrorKind::ControlCharacter, 7..8),
    ] {
        let error = text.parse::<Upstream>().unwrap_err();
        assert_eq!((error.kind(), error.span(), error.input()), (kind, span, text));
    }
    for (text, kind, span) in [
        ("", ErrorKind::EmptyListen, 0..0),
        (":80", ErrorKind::EmptyListenHost, 0..1),
        ("[::1]", ErrorKind::MissingPort, 0..5),
        ("h:0", ErrorKind::PortOutOfRange, 2..3),
        ("80=", ErrorKind::PortNotANumber, 0..3),
    ] {
        let error = text.parse::<Listen>().unwrap_err();
        assert_eq!((error.kind(), error.span(), error.input()), (kind, span, text));
    }
}
