use std::num::NonZeroU16;

use pest::Parser as _;
use pest::iterators::Pair;

use crate::diagnose::diagnose;
use crate::error::Refusal;
use crate::host::{self, Host};
use crate::kind::ErrorKind;
use crate::mapping::{Listen, Mapping, Upstream};
use crate::scheme::Scheme;
use crate::{port, unix};

#[derive(pest_derive::Parser)]
#[grammar = "mapping.pest"]
struct Grammar;

pub(crate) fn parse(text: &str) -> Result<Mapping, Refusal> {
    let Ok(mut pairs) = Grammar::parse(Rule::mapping, text) else { return Err(diagnose(text)) };
    let mut sides = pairs.next().expect("a match has one mapping").into_inner();
    let mut side = || sides.next().expect("a mapping has two sides");
    Ok(Mapping { listen: listen(side())?, upstream: upstream(side())? })
}

fn listen(side: Pair<'_, Rule>) -> Result<Listen, Refusal> {
    let mut found = Parts::default();
    found.read(side)?;
    Ok(Listen { host: found.host, port: found.port.expect("a listen side has a port") })
}

fn upstream(side: Pair<'_, Rule>) -> Result<Upstream, Refusal> {
    if side.as_rule() == Rule::unix {
        let path = side.into_inner().next().expect("a unix side has a path");
        let path = unix::parse(path.as_str()).map_err(|refusal| refusal.at(path.as_span().start()))?;
        return Ok(Upstream::Unix { path });
    }
    let span = side.as_span();
    let mut found = Parts::default();
    found.read(side)?;
    let default = || found.scheme.and_then(Scheme::default_port).and_then(NonZeroU16::new);
    let Some(port) = found.port.or_else(default) else {
        return Err(Refusal::new(ErrorKind::TcpWithoutPort, span.start()..span.end()));
    };
    let host = found.host.expect("a TCP side has a host");
    Ok(Upstream::Tcp { scheme: found.scheme, host, port })
}

/// What the pairs of one side spell, each checked.
#[derive(Default)]
struct Parts {
    scheme: Option<Scheme>,
    host: Option<Host>,
    port: Option<NonZeroU16>,
}

impl Parts {
    fn read(&mut self, side: Pair<'_, Rule>) -> Result<(), Refusal> {
        for part in side.into_inner() {
            let (text, start) = (part.as_str(), part.as_span().start());
            match part.as_rule() {
                Rule::scheme => self.scheme = Scheme::from_name(text),
                Rule::name => self.host = Some(host::parse(text).map_err(|refusal| refusal.at(start))?),
                Rule::ipv6 => {
                    let address = &text[1..text.len() - 1];
                    self.host = Some(host::parse_ipv6(address).map_err(|refusal| refusal.at(start + 1))?);
                }
                Rule::port => self.port = Some(port::parse(text).map_err(|refusal| refusal.at(start))?),
                rule => unreachable!("{rule:?} is no part of a side"),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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

    /// Whether the text has the mark of an extension.
    fn is_extended(text: &str) -> bool {
        let (left, right) = text.split_once('=').unwrap_or((text, ""));
        left.contains(':')
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
            let accepted = Grammar::parse(Rule::mapping, &text).is_ok();
            if is_base(&text) {
                prop_assert!(accepted);
            } else if accepted {
                prop_assert!(is_extended(&text));
            }
        }
    }
}
