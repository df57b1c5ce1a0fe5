//! Rules for the targets that clients of a server may reach.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};
use thiserror::Error;

use crate::host;

/// Rules for the targets that may be dialed. They apply to the requested name, and to each of its addresses.
///
/// A matching deny rule refuses a target. If there are allow rules, one of them must match. Otherwise every other
/// target is allowed.
#[derive(Debug, Clone, Default)]
pub struct Targets {
    /// Rules for allowed targets.
    pub allow: Vec<Rule>,
    /// Rules for refused targets. They take precedence over [`allow`](Self::allow).
    pub deny: Vec<Rule>,
}

impl Targets {
    /// Returns true if every target is allowed.
    pub fn is_unrestricted(&self) -> bool {
        self.allow.is_empty() && self.deny.is_empty()
    }

    /// Refuses `asked` if no address of it could be allowed, so that the name is not looked up.
    ///
    /// # Errors
    /// Returns an error like [`check`](Self::check).
    pub fn check_name(&self, asked: &str, port: u16) -> Result<(), String> {
        let matches = |rule: &&Rule| rule.matches_name(asked, port);
        if let Some(rule) = self.deny.iter().find(|rule| matches(rule) == Some(true)) {
            return Err(denied(asked, port, rule));
        }
        if self.allow.is_empty() || self.allow.iter().any(|rule| matches(&rule) != Some(false)) {
            return Ok(());
        }
        Err(not_allowed(asked, port))
    }

    /// Returns those of the resolved addresses of `asked` that may be dialed.
    ///
    /// # Errors
    /// If none may be dialed, the message contains the rule that refuses the target, or states that no rule allows it.
    pub fn check(&self, asked: &str, port: u16, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, String> {
        let mut denying = None;
        let is_allowed = |addr: &SocketAddr| {
            let matches = |rule: &&Rule| rule.matches(asked, port, addr.ip());
            if let Some(rule) = self.deny.iter().find(matches) {
                denying = Some(rule);
                return false;
            }
            self.allow.is_empty() || self.allow.iter().any(|rule| matches(&rule))
        };
        let allowed: Vec<_> = found.into_iter().filter(is_allowed).collect();
        if !allowed.is_empty() {
            return Ok(allowed);
        }
        Err(denying.map_or_else(|| not_allowed(asked, port), |rule| denied(asked, port, rule)))
    }
}

fn denied(asked: &str, port: u16, rule: &Rule) -> String {
    format!("{asked} port {port} is denied here, by the rule {rule}")
}

fn not_allowed(asked: &str, port: u16) -> String {
    format!("{asked} port {port} is not allowed here")
}

/// A rule for hosts and ports of targets. Its text is `HOST` or `HOST:PORTS`.
///
/// HOST is a name, `*.` and the end of names, an IP address or network (`10.0.0.0/8`, `[fd00::]/8`), or `*`. PORTS is a
/// port, a range such as `1000-2000`, or `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    hosts: Hosts,
    ports: RangeInclusive<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hosts {
    All,
    Name(String),
    /// The end of names, with the dot that it begins with.
    NamesEndingIn(String),
    Net(IpNet),
}

impl Rule {
    fn matches(&self, asked: &str, port: u16, addr: IpAddr) -> bool {
        self.matches_name(asked, port).unwrap_or_else(|| match &self.hosts {
            Hosts::Net(net) => net.contains(&addr.to_canonical()) || net.contains(&reached(addr)),
            Hosts::All | Hosts::Name(_) | Hosts::NamesEndingIn(_) => false,
        })
    }

    /// Returns `None` if the result depends on the address.
    fn matches_name(&self, asked: &str, port: u16) -> Option<bool> {
        if !self.ports.contains(&port) {
            return Some(false);
        }
        let asked = asked.strip_suffix('.').unwrap_or(asked).to_ascii_lowercase();
        match &self.hosts {
            Hosts::All => Some(true),
            Hosts::Name(name) => Some(asked == *name),
            Hosts::NamesEndingIn(end) => Some(asked.ends_with(end.as_str())),
            Hosts::Net(_) => None,
        }
    }
}

/// Returns the address that is reached. An IPv4-mapped address is converted to IPv4. Linux connects to the loopback
/// address if the address is unspecified.
fn reached(addr: IpAddr) -> IpAddr {
    match addr.to_canonical() {
        IpAddr::V4(addr) if addr.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(addr) if addr.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        addr => addr,
    }
}

/// Error for a text that is not a rule.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{rule}`: {problem}; write HOST:PORTS: db:5432, *.internal:*, 10.0.0.0/8:5000-6000, [fd00::]/8")]
pub struct InvalidRule {
    rule: String,
    problem: &'static str,
}

impl FromStr for Rule {
    type Err = InvalidRule;

    fn from_str(rule: &str) -> Result<Self, InvalidRule> {
        let parsed = split(rule.trim())
            .and_then(|(hosts, ports)| Ok(Self { hosts: parse_hosts(hosts)?, ports: parse_ports(ports)? }));
        parsed.map_err(|problem| InvalidRule { rule: rule.to_owned(), problem })
    }
}

/// Splits a rule into its hosts, and its ports if it has any.
fn split(rule: &str) -> Result<(&str, Option<&str>), &'static str> {
    let after_brackets = rule.find(']').unwrap_or(0);
    match rule[after_brackets..].matches(':').count() {
        0 => Ok((rule, None)),
        1 => Ok(rule.rsplit_once(':').map_or((rule, None), |(hosts, ports)| (hosts, Some(ports)))),
        _ => Err("write an IPv6 address in brackets"),
    }
}

fn parse_hosts(text: &str) -> Result<Hosts, &'static str> {
    if text == "*" {
        return Ok(Hosts::All);
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (address, prefix) = rest.split_once(']').ok_or("a `]` is missing")?;
        return parse_net(&format!("{address}{prefix}")).ok_or("it is not an IPv6 address or network");
    }
    if let Some(net) = parse_net(text) {
        return Ok(net);
    }
    if text.contains('/') {
        return Err("it is not a network: use ADDRESS/BITS");
    }
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let end = name.strip_prefix("*.");
    let labels = end.unwrap_or(&name);
    if labels.split('.').any(str::is_empty) && !labels.is_empty() {
        return Err("its name has an empty part between dots");
    }
    if !host::is_name(labels) {
        return Err("it has no host name, address or network");
    }
    if host::is_numeric(labels) {
        return Err("it is not an IPv4 address");
    }
    Ok(match end {
        Some(end) => Hosts::NamesEndingIn(format!(".{end}")),
        None => Hosts::Name(name),
    })
}

fn parse_net(text: &str) -> Option<Hosts> {
    let net = match text.parse::<IpAddr>() {
        Ok(addr) => IpNet::from(addr),
        Err(_) => text.parse::<IpNet>().ok()?.trunc(),
    };
    Some(Hosts::Net(canonical(net)))
}

/// Addresses are compared as IPv4 if possible, so a network in `::ffff:0:0/96` is converted to IPv4.
fn canonical(net: IpNet) -> IpNet {
    let v4 = match (net.addr().to_canonical(), net.prefix_len().checked_sub(96)) {
        (IpAddr::V4(addr), Some(bits)) if net.addr().is_ipv6() => Ipv4Net::new(addr, bits).ok(),
        _ => None,
    };
    v4.map_or(net, IpNet::V4)
}

fn parse_ports(text: Option<&str>) -> Result<RangeInclusive<u16>, &'static str> {
    const PROBLEM: &str = "its port must be a number, a range or `*`";
    let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0).ok_or(PROBLEM);
    match text {
        None | Some("*") => Ok(1..=u16::MAX),
        Some(text) => match text.split_once('-') {
            None => port(text).map(|port| port..=port),
            Some((first, last)) => {
                let (first, last) = (port(first)?, port(last)?);
                if first > last { Err("its range of ports ends before it begins") } else { Ok(first..=last) }
            }
        },
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.hosts {
            Hosts::All => f.write_str("*")?,
            Hosts::Name(name) => f.write_str(name)?,
            Hosts::NamesEndingIn(end) => write!(f, "*{end}")?,
            Hosts::Net(IpNet::V4(net)) => write!(f, "{net}")?,
            Hosts::Net(IpNet::V6(net)) => write!(f, "[{}]/{}", net.addr(), net.prefix_len())?,
        }
        match (*self.ports.start(), *self.ports.end()) {
            (1, u16::MAX) => Ok(()),
            (first, last) if first == last => write!(f, ":{first}"),
            (first, last) => write!(f, ":{first}-{last}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn targets(allow: &[&str], deny: &[&str]) -> Targets {
        let rules = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        Targets { allow: rules(allow), deny: rules(deny) }
    }

    /// Returns true if `asked` may be dialed at this address.
    fn may(targets: &Targets, asked: &str, addr: &str) -> bool {
        let addr: SocketAddr = addr.parse().unwrap();
        targets.check(asked, addr.port(), vec![addr]).is_ok()
    }

    #[test]
    fn without_rules_everything_is_allowed() {
        assert!(targets(&[], &[]).is_unrestricted());
        assert!(may(&targets(&[], &[]), "db", "10.0.0.1:5432"));
    }

    #[test]
    fn with_allow_rules_one_must_match() {
        let targets = targets(&["db:5432", "*.internal:80-90", "10.1.0.0/16", "[fd00::]/8:*", "*:7"], &[]);
        for (asked, addr) in [
            ("db", "192.168.0.1:5432"),
            ("DB.", "192.168.0.1:5432"),
            ("a.b.internal", "192.168.0.1:85"),
            ("10.1.2.3", "10.1.2.3:22"),
            ("x", "[::ffff:10.1.2.3]:22"),
            ("x", "[fd12::1]:22"),
            ("x", "192.168.0.1:7"),
        ] {
            assert!(may(&targets, asked, addr), "{asked} {addr}");
        }
        for (asked, addr) in [
            ("db", "192.168.0.1:5433"),
            ("dbx", "192.168.0.1:5432"),
            ("internal", "192.168.0.1:85"),
            ("a.internal", "192.168.0.1:91"),
            ("10.1.2.3", "10.2.2.3:22"),
            ("x", "[fe80::1]:22"),
        ] {
            assert!(!may(&targets, asked, addr), "{asked} {addr}");
        }
    }

    #[test]
    fn deny_goes_before_allow_and_counts_after_the_name_is_resolved() {
        let targets = targets(&["*"], &["169.254.0.0/16", "127.0.0.0/8", "[::1]", "secret"]);
        assert!(!may(&targets, "innocent.example", "169.254.169.254:80"));
        assert!(!may(&targets, "innocent.example", "[::ffff:127.0.0.1]:80"));
        assert!(!may(&targets, "localhost", "[::1]:80"));
        assert!(!may(&targets, "0.0.0.0", "0.0.0.0:80") && !may(&targets, "::", "[::]:80"));
        assert!(!may(&targets, "Secret", "10.0.0.1:80"));
        assert!(may(&targets, "other", "10.0.0.1:80"));
    }

    #[test]
    fn an_address_is_denied_in_every_notation() {
        for rule in ["10.1.2.3", "10.0.0.0/8", "[::ffff:10.1.2.3]", "[::ffff:10.0.0.0]/104"] {
            let targets = targets(&[], &[rule]);
            assert!(
                !may(&targets, "x", "10.1.2.3:80") && !may(&targets, "x", "[::ffff:10.1.2.3]:80"),
                "{rule}"
            );
            assert!(may(&targets, "x", "11.1.2.3:80") && may(&targets, "x", "[fd00::1]:80"), "{rule}");
        }
        let all = targets(&[], &["[::ffff:0.0.0.0]/96"]);
        assert!(!may(&all, "x", "10.1.2.3:80") && may(&all, "x", "[fd00::1]:80"));
        for rule in ["0.0.0.0", "127.0.0.1"] {
            assert!(!may(&targets(&[], &[rule]), "0.0.0.0", "0.0.0.0:80"), "{rule}");
        }
        for rule in ["[::]", "[::1]"] {
            assert!(!may(&targets(&[], &[rule]), "::", "[::]:80"), "{rule}");
        }
    }

    #[test]
    fn names_are_refused_by_rules_that_need_no_address() {
        let rules = targets(&["db", "*.internal:80", "10.0.0.0/8:1"], &["secret", "*.secret:1-9"]);
        for (asked, port) in [("secret", 80), ("a.secret", 5), ("other", 80), ("x.internal", 81)] {
            assert!(rules.check_name(asked, port).is_err(), "{asked} {port}");
        }
        for (asked, port) in [("db", 80), ("x.internal", 80), ("other", 1)] {
            assert_eq!(rules.check_name(asked, port), Ok(()), "{asked} {port}");
        }
        assert_eq!(targets(&[], &["10.0.0.0/8"]).check_name("any", 1), Ok(()));
    }

    proptest! {
        #[test]
        fn no_name_is_refused_that_an_address_would_allow(
            allow in rules(), deny in rules(), asked in "[ab](\\.[ab])?", port in 1..4_u16, addr in any::<[u8; 4]>(),
        ) {
            let targets = Targets { allow, deny };
            let found = vec![SocketAddr::from((addr, port))];
            if targets.check_name(&asked, port).is_err() {
                prop_assert!(targets.check(&asked, port, found).is_err());
            }
        }
    }

    fn rules() -> impl Strategy<Value = Vec<Rule>> {
        let rule = "([ab]|\\*\\.[ab]|\\*|0\\.0\\.0\\.0/1)(:[1-3])?";
        proptest::collection::vec(rule.prop_map(|text| text.parse().unwrap()), 0..3)
    }

    #[test]
    fn only_allowed_addresses_are_left_and_a_refusal_has_a_reason() {
        let targets = targets(&[], &["10.0.0.0/8"]);
        let (good, bad) = ("192.168.0.1:80".parse().unwrap(), "10.0.0.1:80".parse().unwrap());
        assert_eq!(targets.check("db", 80, vec![bad, good]), Ok(vec![good]));
        let refused = targets.check("db", 80, vec![bad]).unwrap_err();
        assert_eq!(refused, "db port 80 is denied here, by the rule 10.0.0.0/8");
        let refused = self::targets(&["x"], &[]).check("db", 80, vec![bad]).unwrap_err();
        assert_eq!(refused, "db port 80 is not allowed here");
    }

    #[test]
    fn rules_read_back_as_they_are_written() {
        for text in ["*", "db", "db:5432", "*.internal:80-90", "10.0.0.0/8:1", "10.0.0.1/32", "[fd00::]/8:7"]
        {
            assert_eq!(text.parse::<Rule>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn an_invalid_rule_is_refused_with_its_problem() {
        for (text, problem) in [
            ("", "no host"),
            (":80", "no host"),
            ("a b", "no host"),
            ("*internal", "no host"),
            ("db..", "an empty part"),
            (".db:80", "an empty part"),
            ("*..a:80", "an empty part"),
            ("*.a..b", "an empty part"),
            ("fd00::1", "in brackets"),
            ("[fd00", "`]` is missing"),
            ("[db]:80", "not an IPv6"),
            ("10.0.0.0/33", "not a network"),
            ("10.0.0:80", "not an IPv4"),
            ("0x7f.1", "not an IPv4"),
            ("0x7f000001:80", "not an IPv4"),
            ("2130706433", "not an IPv4"),
            (r"\115ecret.example", "no host"),
            ("m\u{fc}nchen.de", "no host"),
            ("[fe80::1%eth0]", "not an IPv6"),
            ("db:0", "its port must"),
            ("db:x", "its port must"),
            ("db:9-8", "ends before"),
        ] {
            let refused = text.parse::<Rule>().unwrap_err().to_string();
            assert!(refused.contains(problem), "{text}: {refused}");
        }
    }

    proptest! {
        #[test]
        fn no_denied_address_is_ever_left(addrs: Vec<u32>, net: u32, bits in 0..=32_u8, port in 1..u16::MAX) {
            let net = ipnet::Ipv4Net::new(net.into(), bits).unwrap().trunc();
            let targets = targets(&["*"], &[&net.to_string()]);
            let addrs: Vec<_> =
                addrs.into_iter().map(|ip| SocketAddr::from((Ipv4Addr::from(ip | 1), port))).collect();
            let left = targets.check("x", port, addrs.clone()).unwrap_or_default();
            for addr in addrs {
                let IpAddr::V4(ip) = addr.ip() else { unreachable!("made of one") };
                prop_assert_eq!(left.contains(&addr), !net.contains(&ip));
            }
        }
    }
}
