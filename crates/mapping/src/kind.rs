use std::sync::LazyLock;

use crate::scheme::Scheme;

/// Kind of mistake in a text that is not a mapping. Its display is the error message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no `=`.
    #[error("no `=` between the listen side and the upstream")]
    MissingEquals,
    /// There is a second `=`.
    #[error("more than one `=`")]
    MoreThanOneEquals,
    /// The text before the `=` is empty.
    #[error("nothing to listen on before the `=`")]
    EmptyListen,
    /// The text after the `=` is empty.
    #[error("nothing to connect to after the `=`")]
    EmptyUpstream,
    /// The name before the `@` is empty or contains an invalid character.
    #[error("invalid proxy name before the `@`")]
    InvalidProxyName,
    /// There is whitespace, outside a socket path.
    #[error("whitespace in the mapping")]
    Whitespace,
    /// The listen side has a scheme.
    #[error("a scheme before the `=`")]
    ListenScheme,
    /// The scheme is unknown.
    #[error("unknown scheme")]
    UnknownScheme,
    /// The scheme is `postgres` or `postgresql`, which PostgreSQL's own URLs have.
    #[error("unknown scheme")]
    PostgresScheme,
    /// The scheme is known, but not in lower case.
    #[error("a scheme not in lower case")]
    SchemeCase,
    /// A known scheme is followed by a colon, but not by `://`.
    #[error("a scheme without its `://`")]
    MissingSlashes,
    /// There is a user or a password before the host.
    #[error("a user before the host")]
    UserInfo,
    /// There is a path, a query or a fragment after the host or port.
    #[error("more than a host and a port")]
    TrailingPath,
    /// The host is missing.
    #[error("missing host")]
    EmptyHost,
    /// The listen side starts with a colon.
    #[error("missing host")]
    EmptyListenHost,
    /// A host without a scheme has no port.
    #[error("missing port")]
    MissingPort,
    /// A `tcp://` upstream has no port.
    #[error("missing port")]
    TcpWithoutPort,
    /// An address to bind has no port.
    #[error("no port")]
    ListenAddrWithoutPort,
    /// The host of an address to bind has whitespace, or parts of a URL.
    #[error("not a host")]
    ListenAddrHost,
    /// A colon is not followed by a port.
    #[error("nothing after the colon")]
    EmptyPort,
    /// A bracketed address is followed by something other than a colon.
    #[error("no colon after the bracket")]
    MissingColon,
    /// The port has characters that are not ASCII digits.
    #[error("the port is not a number")]
    PortNotANumber,
    /// The port is 0 or above 65535.
    #[error("the port is out of range")]
    PortOutOfRange,
    /// An IPv6 address is not in brackets.
    #[error("an IPv6 address without brackets")]
    Ipv6WithoutBrackets,
    /// A text that starts with a bracket is not an IPv6 address.
    #[error("not an IPv6 address")]
    InvalidIpv6,
    /// A host that ends in a number is not an IPv4 address.
    #[error("not an IPv4 address")]
    InvalidIpv4,
    /// A host name has a character outside ASCII.
    #[error("a non-ASCII character in a host name")]
    NonAscii,
    /// A host name contains an invalid ASCII character.
    #[error("a character that is not allowed in a host name")]
    HostCharacter,
    /// Two dots follow each other in a host name, or it starts with one.
    #[error("an empty label in a host name")]
    EmptyLabel,
    /// A label of a host name starts or ends with a hyphen.
    #[error("a hyphen at the edge of a label")]
    LabelHyphen,
    /// A label of a host name is longer than 63 characters.
    #[error("a label too long for a host name")]
    LabelTooLong,
    /// A host name is longer than 253 characters.
    #[error("the host name is too long")]
    NameTooLong,
    /// The path of a Unix socket does not start with `/`.
    #[error("the path of a Unix socket is not absolute")]
    RelativeUnixPath,
    /// The path of a Unix socket is longer than 107 bytes.
    #[error("the path of a Unix socket is too long")]
    UnixPathTooLong,
    /// The path of a Unix socket has a control character.
    #[error("a control character in the path of a Unix socket")]
    ControlCharacter,
}

impl ErrorKind {
    /// Returns how to correct the mistake in one line, without the input.
    pub fn hint(self) -> &'static str {
        match self {
            Self::MissingEquals => "a mapping is LISTEN_PORT=HOST:PORT, as in 9090=example.com:80",
            Self::MoreThanOneEquals => {
                "a mapping has one `=`; put `;` between several in --proxy or FAULT_PROXY, or use a [[proxies]] table for each in a file"
            }
            Self::EmptyListen => "the left side is the port to listen on",
            Self::EmptyUpstream => "the right side is a host and its port",
            Self::InvalidProxyName => {
                "a name has letters, digits, `-`, `_` and `.`, as in cache@6380=localhost:6379"
            }
            Self::Whitespace => "a mapping has no whitespace",
            Self::ListenScheme => {
                "a scheme belongs to the upstream; the left side is a port, or an address and a port"
            }
            Self::UnknownScheme => &UNKNOWN_SCHEME_HINT,
            Self::PostgresScheme => "PostgreSQL's scheme is psql, or psqls for TLS",
            Self::SchemeCase => "schemes are in lower case",
            Self::MissingSlashes => "a scheme is followed by ://",
            Self::UserInfo => "credentials belong in the client, not in the mapping",
            Self::TrailingPath => "a mapping is host and port only",
            Self::EmptyHost => "a host is a name or an IP address",
            Self::EmptyListenHost => "without a host, the left side is the port alone",
            Self::MissingPort => "a host without a scheme needs a port",
            Self::TcpWithoutPort => "tcp has no default port",
            Self::ListenAddrWithoutPort | Self::ListenAddrHost => {
                "write HOST:PORT, or :PORT for all interfaces"
            }
            Self::MissingColon => "separate the port with a colon",
            Self::EmptyPort | Self::PortNotANumber | Self::PortOutOfRange => {
                "a port is a number from 1 to 65535"
            }
            Self::Ipv6WithoutBrackets => "write an IPv6 address in brackets",
            Self::InvalidIpv6 => "brackets hold an IPv6 address without a zone, as in [::1]",
            Self::InvalidIpv4 => "a host that ends in a number is an IPv4 address, as in 127.0.0.1",
            Self::NonAscii => "write the name in punycode, as in xn--mnchen-3ya.de",
            Self::HostCharacter => "a host name has letters, digits, hyphens and dots",
            Self::EmptyLabel => "labels are separated by one dot and have at least one character",
            Self::LabelHyphen => "a label starts and ends with a letter or a digit",
            Self::LabelTooLong => "a label, the part between two dots, has at most 63 characters",
            Self::NameTooLong => "a host name has at most 253 characters",
            Self::RelativeUnixPath => "the path of a Unix socket starts with /",
            Self::UnixPathTooLong => "the path may have at most 107 bytes",
            Self::ControlCharacter => "the path may contain any other character",
        }
    }
}

static UNKNOWN_SCHEME_HINT: LazyLock<String> = LazyLock::new(|| {
    let [all @ .., last] = Scheme::ALL.map(Scheme::as_str);
    format!("the schemes are {} and {last}; use tcp://HOST:PORT for any other protocol", all.join(", "))
});
