use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::error::{ParseError, Refusal};
use crate::kind::ErrorKind;

/// Maximum lengths (RFC 1035, section 2.3.4) of text without the final dot.
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// A host: a name to resolve, or an IP address.
///
/// Its text is a name or an address without brackets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// A host name.
    Name(HostName),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address.
    V6(Ipv6Addr),
}

/// A host name (RFC 1123, section 2.1), kept as written. Underscores are allowed too, because DNS records and
/// containers use them.
///
/// Created by parsing a [`Host`], so it is never an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostName(String);

impl HostName {
    /// Returns the name as written, with its trailing dot if it has one.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::V4(address) => address.fmt(f),
            Self::V6(address) => address.fmt(f),
        }
    }
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6(address),
        }
    }
}

impl FromStr for Host {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text.parse::<Ipv6Addr>() {
            Ok(address) => Ok(Self::V6(address)),
            Err(_) => parse(text).map_err(|refusal| ParseError::new(text, refusal, None)),
        }
    }
}

/// Parses a host without brackets: a name or an IPv4 address.
pub(crate) fn parse(text: &str) -> Result<Host, Refusal> {
    if text.is_empty() {
        return Err(Refusal::new(ErrorKind::EmptyHost, 0..0));
    }
    if let Ok(address) = text.parse() {
        return Ok(Host::V4(address));
    }
    check_bare(text)?;
    check_characters(text)?;
    check_name(text)?;
    Ok(Host::Name(HostName(text.to_owned())))
}

/// Parses an IPv6 address in brackets.
pub(crate) fn parse_bracketed(text: &str) -> Result<Host, Refusal> {
    parse_ipv6(&text[1..text.len() - 1]).map_err(|refusal| refusal.at(1))
}

/// Parses the text between brackets.
pub(crate) fn parse_ipv6(text: &str) -> Result<Host, Refusal> {
    let address = text.parse().map_err(|_| Refusal::new(ErrorKind::InvalidIpv6, 0..text.len()))?;
    Ok(Host::V6(address))
}

/// Refuses text around a host: whitespace, `user@`, a path, a query or a fragment.
pub(crate) fn check_bare(text: &str) -> Result<(), Refusal> {
    check_whitespace(text)?;
    let end = text.find(['/', '?', '#']).unwrap_or(text.len());
    if let Some(at) = text[..end].rfind('@') {
        return Err(Refusal::new(ErrorKind::UserInfo, 0..at + 1));
    }
    if end < text.len() {
        return Err(Refusal::new(ErrorKind::TrailingPath, end..text.len()));
    }
    Ok(())
}

pub(crate) fn check_whitespace(text: &str) -> Result<(), Refusal> {
    let Some(start) = text.find(char::is_whitespace) else { return Ok(()) };
    let length = text[start..].find(|c: char| !c.is_whitespace()).unwrap_or(text.len() - start);
    Err(Refusal::new(ErrorKind::Whitespace, start..start + length))
}

fn check_characters(text: &str) -> Result<(), Refusal> {
    let odd = text.char_indices().find(|(_, c)| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '.' | '_'));
    let Some((at, character)) = odd else { return Ok(()) };
    let kind = if character.is_ascii() { ErrorKind::HostCharacter } else { ErrorKind::NonAscii };
    Err(Refusal::new(kind, at..at + character.len_utf8()))
}

fn check_name(text: &str) -> Result<(), Refusal> {
    let name = text.strip_suffix('.').unwrap_or(text);
    if name.len() > MAX_NAME {
        return Err(Refusal::new(ErrorKind::NameTooLong, 0..text.len()));
    }
    let mut start = 0;
    for label in name.split('.') {
        let kind = if label.is_empty() {
            Some(ErrorKind::EmptyLabel)
        } else if label.len() > MAX_LABEL {
            Some(ErrorKind::LabelTooLong)
        } else if label.starts_with('-') || label.ends_with('-') {
            Some(ErrorKind::LabelHyphen)
        } else {
            None
        };
        let end = start + label.len();
        if let Some(kind) = kind {
            return Err(Refusal::new(kind, start..end));
        }
        start = end + 1;
    }
    let last = name.rsplit('.').next().unwrap_or(name);
    if last.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Refusal::new(ErrorKind::InvalidIpv4, 0..text.len()));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
