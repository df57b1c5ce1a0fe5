//! Validation of hosts.
//!
//! Resolvers accept more than host names. glibc reads `\115` as `s`, so a rule about a name would miss the name that is looked up.

use std::net::Ipv6Addr;

/// Maximum lengths (RFC 1035, section 2.3.4) of text without the final dot.
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// Returns the host of a request, without the brackets of an IPv6 address, or `None` if the text is not a host.
///
/// IPv4 addresses may have any notation that the resolver accepts, such as `127.1`, because rules are checked against
/// the result.
pub(crate) fn parse(text: &str) -> Option<&str> {
    match text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => is_ipv6(address).then_some(address),
        None => (is_name(text) || is_ipv6(text)).then_some(text),
    }
}

/// Returns true for a host name or an IPv4 address: labels of letters, digits, `-` and `_`, optionally with a dot at
/// the end.
pub(crate) fn is_name(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        !label.is_empty() && label.len() <= MAX_LABEL && label.bytes().all(is_allowed)
    };
    name.len() <= MAX_NAME && name.split('.').all(is_label)
}

/// Returns true if the resolver parses this name as an IPv4 address, or refuses it as an invalid one: its last label is
/// a number.
pub(crate) fn is_numeric(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    match last.strip_prefix("0x").or_else(|| last.strip_prefix("0X")) {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => last.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

/// Returns true for an IPv6 address, optionally with a zone: `fe80::1%eth0`.
fn is_ipv6(text: &str) -> bool {
    let (address, zone) = text.split_once('%').map_or((text, None), |(address, zone)| (address, Some(zone)));
    address.parse::<Ipv6Addr>().is_ok() && zone.is_none_or(|zone| !zone.contains('.') && is_name(zone))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_and_addresses_are_hosts() {
        let label = "a".repeat(63);
        let longest = format!("{label}.{label}.{label}.{}.", "b".repeat(61));
        for text in [
            "db",
            "DB.Internal.",
            "my_db-1",
            "-a-",
            "xn--mnchen-3ya.de",
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f.1",
            "::1",
            "::ffff:127.0.0.1",
            "fe80::1%eth0",
            &longest,
        ] {
            assert_eq!(parse(text), Some(text));
        }
        assert_eq!(parse("[::1]"), Some("::1"));
        assert_eq!(parse("[fe80::1%2]"), Some("fe80::1%2"));
    }

    #[test]
    fn nothing_else_is_a_host() {
        let label = "a".repeat(64);
        let long = "a.".repeat(127) + "b";
        for text in [
            "",
            ".",
            "..",
            "a..b",
            ".a",
            "a..",
            r"\115ecret.example",
            r"sec\ret.example",
            "a b",
            "a/b",
            "a@b",
            "a\0",
            "a\n",
            "m\u{fc}nchen.de",
            "\u{ff53}ecret",
            "a:b",
            "a%b",
            "127.0.0.1%lo",
            "fe80::1%",
            "fe80::1%a%b",
            r"fe80::1%\115",
            "[db]",
            "[127.0.0.1]",
            "[[::1]]",
            "[::1",
            "::1]",
            "::g",
            &label,
            &long,
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn numbers_are_distinguished_from_names() {
        for text in
            ["127.0.0.1", "127.1", "2130706433", "0x7f.1", "0x7f000001", "0X7F.0", "017700000001", "0x"]
        {
            assert!(is_numeric(text), "{text}");
        }
        for text in ["db", "1.db", "0x7g", "3com", "x7f", "1.2.3.4.com"] {
            assert!(!is_numeric(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_host_has_no_other_characters(text in "[a-zA-Z0-9.:%\\[\\]_\\\\ /@\\-\\PC]{0,20}") {
            if let Some(host) = parse(&text) {
                let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-_.:%".contains(c);
                prop_assert!(host.chars().all(is_allowed));
                prop_assert_eq!(parse(host), Some(host));
            }
        }

        #[test]
        fn every_address_is_a_host(v4: u32, v6: u128) {
            let (v4, v6) = (std::net::Ipv4Addr::from(v4).to_string(), Ipv6Addr::from(v6).to_string());
            prop_assert_eq!(parse(&v4), Some(&*v4));
            prop_assert_eq!(parse(&v6), Some(&*v6));
        }
    }
}
