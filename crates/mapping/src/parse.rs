use std::num::NonZeroU16;
use std::str::FromStr;

use pest::Parser as _;
use pest::iterators::Pair;

use crate::diagnose;
use crate::error::{ParseError, Refusal};
use crate::host::{self, Host};
use crate::kind::ErrorKind;
use crate::mapping::{Listen, Mapping, ProxyName, Upstream};
use crate::scheme::Scheme;
use crate::suggest::suggest;
use crate::{port, unix};

#[derive(pest_derive::Parser)]
#[grammar = "mapping.pest"]
struct Grammar;

impl FromStr for Mapping {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        mapping(text).map_err(|refusal| {
            let suggestion = suggest(text, &refusal, |text| mapping(text).err());
            ParseError::new(text, refusal, suggestion)
        })
    }
}

impl FromStr for Listen {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        listen(text).map_err(|refusal| ParseError::new(text, refusal, None))
    }
}

impl FromStr for Upstream {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        upstream(text).map_err(|refusal| ParseError::new(text, refusal, None))
    }
}

fn mapping(text: &str) -> Result<Mapping, Refusal> {
    let sides = text.split_once('=').ok_or_else(|| Refusal::new(ErrorKind::MissingEquals, 0..text.len()));
    let (left, right) = sides?;
    let (name, side) = match left.split_once('@') {
        Some((name, side)) => (Some(proxy_name(name)?), side),
        None => (None, left),
    };
    let listen = listen(side).map_err(|refusal| refusal.at(left.len() - side.len()))?;
    let upstream = upstream(right).map_err(|refusal| refusal.at(left.len() + 1))?;
    Ok(Mapping { name, listen, upstream })
}

fn proxy_name(text: &str) -> Result<ProxyName, Refusal> {
    match Grammar::parse(Rule::label, text) {
        Ok(_) => Ok(ProxyName(text.to_owned())),
        Err(_) => Err(Refusal::new(ErrorKind::InvalidProxyName, 0..text.len())),
    }
}

fn listen(side: &str) -> Result<Listen, Refusal> {
    let Ok(mut matched) = Grammar::parse(Rule::listen, side) else { return Err(diagnose::listen(side)) };
    let Parts { host, port, .. } = Parts::read(matched.next().expect("a match has one side"))?;
    Ok(Listen { host, port: port.expect("a listen side has a port") })
}

fn upstream(side: &str) -> Result<Upstream, Refusal> {
    let Ok(mut matched) = Grammar::parse(Rule::upstream, side) else { return Err(diagnose::upstream(side)) };
    let form = matched.next().and_then(|side| side.into_inner().next()).expect("an upstream has a form");
    if form.as_rule() == Rule::unix {
        let path = form.into_inner().next().expect("a unix side has a path");
        let path = unix::parse(path.as_str()).map_err(|refusal| refusal.at(path.as_span().start()))?;
        return Ok(Upstream::Unix { path });
    }
    let Parts { scheme, host, port } = Parts::read(form)?;
    let default = || scheme.and_then(Scheme::default_port).and_then(NonZeroU16::new);
    let Some(port) = port.or_else(default) else {
        return Err(Refusal::new(ErrorKind::TcpWithoutPort, 0..side.len()));
    };
    Ok(Upstream::Tcp { scheme, host: host.expect("a TCP side has a host"), port })
}

/// The parts of one side, each of them checked.
#[derive(Default)]
struct Parts {
    scheme: Option<Scheme>,
    host: Option<Host>,
    port: Option<NonZeroU16>,
}

impl Parts {
    fn read(side: Pair<'_, Rule>) -> Result<Self, Refusal> {
        let mut found = Self::default();
        for part in side.into_inner() {
            let (text, start) = (part.as_str(), part.as_span().start());
            let at = |refusal: Refusal| refusal.at(start);
            match part.as_rule() {
                Rule::scheme => found.scheme = Some(diagnose::known_scheme(text).map_err(at)?),
                Rule::name => found.host = Some(host::parse(text).map_err(at)?),
                Rule::ipv6 => found.host = Some(host::parse_bracketed(text).map_err(at)?),
                Rule::port => found.port = Some(port::parse(text).map_err(at)?),
                Rule::EOI => {}
                rule => unreachable!("{rule:?} is not a part of a side"),
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::scheme::Scheme;

    /// Returns true if the grammar accepts both sides. It accepts any word as a scheme.
    fn is_accepted(text: &str) -> bool {
        let is_known =
            |url: &str| url.split_once("://").is_none_or(|(name, _)| Scheme::from_name(name).is_some());
        text.split_once('=').is_some_and(|(left, right)| {
            let (name, listen) = left.split_once('@').unwrap_or(("a", left));
            let left = Grammar::parse(Rule::label, name).and(Grammar::parse(Rule::listen, listen));
            let sides = left.and(Grammar::parse(Rule::upstream, right));
            sides.is_ok() && (right.starts_with("unix:/") || is_known(right))
        })
    }

    /// The base grammar, written again without pest.
    fn is_base(text: &str) -> bool {
        let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let is_host = |host: &str| !host.is_empty() && !host.contains([':', '=']);
        let is_host_port =
            |text: &str| text.split_once(':').is_some_and(|(host, port)| is_host(host) && is_port(port));
        let is_url = |text: &str| {
            ["http://", "https://", "psql://", "psqls://", "tls://"].iter().any(|scheme| {
                text.strip_prefix(scheme).is_some_and(|rest| is_host(rest) || is_host_port(rest))
            })
        };
        text.split_once('=')
            .is_some_and(|(left, right)| is_port(left) && (is_host_port(right) || is_url(right)))
    }

    /// Returns true if the text contains an extension of the base grammar.
    fn is_extended(text: &str) -> bool {
        let (left, right) = text.split_once('=').unwrap_or((text, ""));
        left.contains([':', '@'])
            || right.starts_with('[')
            || right.contains("://[")
            || right.starts_with("tcp://")
            || right.starts_with("unix:/")
    }

    fn texts() -> impl Strategy<Value = String> {
        let token = prop::sample::select(vec![
            "0", "80", "=", "=", ":", "/", "://", "http", "https", "psql", "psqls", "tcp", "tls", "unix",
            "[", "]", "::1", "a", ".", "@", " ", "é", "\t",
        ]);
        prop_oneof![
            prop::collection::vec(token.clone(), 0..9).prop_map(|tokens| tokens.concat()),
            prop::collection::vec(token, 0..7).prop_map(|tokens| format!("80={}", tokens.concat())),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn the_grammar_is_the_base_grammar_and_the_extensions(text in texts()) {
            let accepted = is_accepted(&text);
            if is_base(&text) {
                prop_assert!(accepted);
            } else if accepted {
                prop_assert!(is_extended(&text));
            }
        }
    }
}
