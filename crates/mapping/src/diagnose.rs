//! Finds the first mistake in one side of a mapping that the grammar refused.
//!
//! It checks from left to right, so that correcting one mistake reveals the next.

use std::net::Ipv6Addr;

use crate::error::Refusal;
use crate::host::{self, Host};
use crate::kind::ErrorKind;
use crate::port;
use crate::scheme::Scheme;
use crate::unix;

pub(crate) fn listen(side: &str) -> Refusal {
    missing_port_unless(check_listen(side), side)
}

pub(crate) fn upstream(side: &str) -> Refusal {
    missing_port_unless(check_upstream(side), side)
}

/// Returns the error of the check. A side that passes the check is a host without a port.
fn missing_port_unless(checked: Result<(), Refusal>, side: &str) -> Refusal {
    checked.err().unwrap_or_else(|| Refusal::new(ErrorKind::MissingPort, 0..side.len()))
}

fn check_listen(side: &str) -> Result<(), Refusal> {
    if side.trim().is_empty() {
        return Err(Refusal::new(ErrorKind::EmptyListen, 0..side.len()));
    }
    host::check_whitespace(side)?;
    if let Some(scheme) = side.find("://") {
        return Err(Refusal::new(ErrorKind::ListenScheme, 0..scheme + "://".len()));
    }
    if !side.contains(':') {
        return match host::parse(side) {
            Ok(Host::V4(_)) => Ok(()),
            _ => port::parse(side).map(drop),
        };
    }
    host_port(side).map_err(|refusal| match refusal.kind {
        ErrorKind::EmptyHost => Refusal::new(ErrorKind::EmptyListenHost, 0..1),
        _ => refusal,
    })
}

fn check_upstream(side: &str) -> Result<(), Refusal> {
    if side.trim().is_empty() {
        return Err(Refusal::new(ErrorKind::EmptyUpstream, 0..side.len()));
    }
    if let Some(path) = side.strip_prefix("unix:") {
        return unix::parse(path).map(drop).map_err(|refusal| refusal.at("unix:".len()));
    }
    if side.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("unix:/")) {
        return Err(Refusal::new(ErrorKind::SchemeCase, 0..4));
    }
    host::check_whitespace(side)?;
    let start = scheme(side)?;
    let rest = &side[start..];
    host::check_bare(rest).map_err(|refusal| refusal.at(start))?;
    if let Some(equals) = side.find('=') {
        return Err(Refusal::new(ErrorKind::MoreThanOneEquals, equals..equals + 1));
    }
    host_port(rest).map_err(|refusal| refusal.at(start))
}

/// Returns the offset of the host: after the scheme and its `://`, if there is one.
fn scheme(side: &str) -> Result<usize, Refusal> {
    let Some((name, rest)) = side.split_once(':') else { return Ok(0) };
    if name.contains(['/', '?', '#', '@', '=']) {
        return Ok(0);
    }
    if rest.starts_with("//") {
        known_scheme(name)?;
        return Ok(name.len() + "://".len());
    }
    let is_known = Scheme::from_name(&name.to_ascii_lowercase()).is_some();
    if !is_known || rest.is_empty() || rest.starts_with(|c: char| c.is_ascii_digit()) {
        return Ok(0);
    }
    let slashes = rest.len() - rest.trim_start_matches('/').len();
    Err(Refusal::new(ErrorKind::MissingSlashes, name.len()..name.len() + 1 + slashes))
}

/// Returns the scheme that a text before `://` names.
pub(crate) fn known_scheme(name: &str) -> Result<Scheme, Refusal> {
    let kind = match (Scheme::from_name(name), &*name.to_ascii_lowercase()) {
        (Some(scheme), _) => return Ok(scheme),
        (None, lower_case) if lower_case == "unix" || Scheme::from_name(lower_case).is_some() => {
            ErrorKind::SchemeCase
        }
        (None, "postgres" | "postgresql") => ErrorKind::PostgresScheme,
        _ => ErrorKind::UnknownScheme,
    };
    Err(Refusal::new(kind, 0..name.len()))
}

/// Checks a host, and its port if there is a colon.
fn host_port(text: &str) -> Result<(), Refusal> {
    if let Some(rest) = text.strip_prefix('[') {
        return bracketed(text, rest);
    }
    if let Some(address) = bare_ipv6(text) {
        return Err(Refusal::new(ErrorKind::Ipv6WithoutBrackets, 0..address.len()));
    }
    let Some((name, digits)) = text.split_once(':') else { return host::parse(text).map(drop) };
    host::parse(name)?;
    port::parse(digits).map(drop).map_err(|refusal| refusal.at(name.len() + 1))
}

fn bracketed(text: &str, rest: &str) -> Result<(), Refusal> {
    let Some((address, tail)) = rest.split_once(']') else {
        return Err(Refusal::new(ErrorKind::InvalidIpv6, 0..text.len()));
    };
    host::parse_ipv6(address).map_err(|refusal| refusal.at(1))?;
    let start = text.len() - tail.len();
    match tail.strip_prefix(':') {
        Some(digits) => port::parse(digits).map(drop).map_err(|refusal| refusal.at(start + 1)),
        None if tail.is_empty() => Ok(()),
        None => Err(Refusal::new(ErrorKind::MissingColon, start..text.len())),
    }
}

/// Returns the IPv6 address at the start of the text. Digits after the last colon are preferably read as a port.
fn bare_ipv6(text: &str) -> Option<&str> {
    let (address, port) = text.rsplit_once(':')?;
    let has_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let readings = if has_port { [address, text] } else { [text, address] };
    readings.into_iter().find(|reading| reading.parse::<Ipv6Addr>().is_ok())
}
