#![doc = include_str!("../README.md")]
//!
//! The crate is pure: it does not resolve names or open sockets. Every [`Mapping`] is valid, and its
//! [`Display`](std::fmt::Display) form parses back to the same value.
//!
//! # Grammar
//!
//! The right side may leave out the port when its scheme has a default one:
//!
//! ```
//! # use fault_proxy_mapping::Mapping;
//! let mapping: Mapping = "9090=https://www.google.com".parse()?;
//! assert_eq!(mapping.to_string(), "9090=https://www.google.com:443");
//! # Ok::<(), fault_proxy_mapping::ParseError>(())
//! ```
//!
//! The grammar, in pest's notation (`~` is "then", `!` and `&` look ahead, `_` is silent):
//!
//! ```text
#![doc = include_str!("mapping.pest")]
//! ```
//!
//! The grammar accepts nearly any `scheme` and `name`. A second step only accepts the known [schemes](Scheme), host
//! names (RFC 1123, and underscores), IPv4 addresses, and ports from 1 to 65535.
//!
//! Each side has its own type, with the same text as in a mapping. A [`ListenAddr`] is the address that a listen side
//! is bound to:
//!
//! ```
//! # use std::net::Ipv4Addr;
//! # use fault_proxy_mapping::{Listen, ListenAddr, Upstream};
//! let upstream: Upstream = "psqls://db".parse()?;
//! assert_eq!(upstream.to_string(), "psqls://db:5432");
//! let listen: Listen = "9090".parse()?;
//! assert_eq!(listen.addr(Ipv4Addr::LOCALHOST.into()), "127.0.0.1:9090".parse::<ListenAddr>()?);
//! # Ok::<(), fault_proxy_mapping::ParseError>(())
//! ```
//!
//! # Beyond the base grammar
//!
//! The base grammar has a port as its left side, the schemes `http`, `https`, `psql`, `psqls` and `tls`, and hosts
//! without colons. These are all extensions:
//!
//! A name of the proxy:
//!
//! ```
//! # use fault_proxy_mapping::{Mapping, ProxyName};
//! let mapping: Mapping = "cache@6380=localhost:6379".parse()?;
//! assert_eq!(mapping.name.as_ref().map(ProxyName::as_str), Some("cache"));
//! # Ok::<(), fault_proxy_mapping::ParseError>(())
//! ```
//!
//! A listen address:
//!
//! ```
//! # use fault_proxy_mapping::Mapping;
//! for text in ["127.0.0.1:9090=db:5432", "[::1]:9090=db:5432", "localhost:9090=db:5432"] {
//!     assert_eq!(text.parse::<Mapping>()?.to_string(), text);
//! }
//! # Ok::<(), fault_proxy_mapping::ParseError>(())
//! ```
//!
//! An IPv6 upstream, in brackets:
//!
//! ```
//! # use fault_proxy_mapping::Mapping;
//! assert_eq!("9090=[::1]:5432".parse::<Mapping>()?.to_string(), "9090=[::1]:5432");
//! assert_eq!("9090=psql://[::1]".parse::<Mapping>()?.to_string(), "9090=psql://[::1]:5432");
//! # Ok::<(), fault_proxy_mapping::ParseError>(())
//! ```
//!
//! The schemes `redis` and `rediss`, the latter over TLS:
//!
//! ```
//! # use fault_proxy_mapping::Mapping;
//! for text in ["6380=redis://cache", "6380=rediss://cache"] {
//!     assert_eq!(text.parse::<Mapping>()?.to_string(), format!("{text}:6379"));
//! }
//! # Ok::<(), fault_proxy_mapping::ParseError>(())
//! ```
//!
//! The `tcp` scheme, for any protocol. It does not have a default port:
//!
//! ```
//! # use fault_proxy_mapping::{ErrorKind, Mapping};
//! assert_eq!("9090=tcp://cache:6379".parse::<Mapping>()?.to_string(), "9090=tcp://cache:6379");
//! assert_eq!("9090=tcp://cache".parse::<Mapping>().unwrap_err().kind(), ErrorKind::TcpWithoutPort);
//! # Ok::<(), fault_proxy_mapping::ParseError>(())
//! ```
//!
//! A Unix socket upstream:
//!
//! ```
//! # use fault_proxy_mapping::{Mapping, Upstream};
//! let mapping: Mapping = "9090=unix:/run/app.sock".parse()?;
//! let Upstream::Unix { path } = mapping.upstream else { panic!("not a Unix socket") };
//! assert_eq!(path.as_path(), std::path::Path::new("/run/app.sock"));
//! # Ok::<(), fault_proxy_mapping::ParseError>(())
//! ```
//!
//! # Errors
//!
//! A [`ParseError`] contains a [kind](ErrorKind), a span of bytes, and nearly always the mapping that was probably
//! meant.
//!
//! ```
//! let error = "9090=example.com".parse::<fault_proxy_mapping::Mapping>().unwrap_err();
//! assert_eq!(error.to_string(), "\
//! missing port
//!   9090=example.com
//!        ^^^^^^^^^^^
//! hint: a host without a scheme needs a port: 9090=example.com:PORT");
//! ```
//!
//! # Modules
//!
//! | module | content |
//! |---|---|
//! | `mapping` | a mapping and its two sides: how they are written and serialized |
//! | `addr` | an address to bind |
//! | `scheme`, `host`, `port`, `unix` | the pieces of a mapping, each checked on its own |
//! | `parse` | the pest grammar, and the conversion of its pairs to the types |
//! | `diagnose` | what is wrong with a text that the grammar refused |
//! | `suggest` | the mapping that was probably meant |
//! | `kind`, `error`, `snippet` | the error value, and how it is shown |

mod addr;
mod diagnose;
mod error;
mod host;
mod kind;
mod mapping;
mod parse;
mod port;
mod scheme;
mod snippet;
mod suggest;
mod unix;

pub use addr::ListenAddr;
pub use error::ParseError;
pub use host::{Host, HostName};
pub use kind::ErrorKind;
pub use mapping::{Listen, Mapping, ProxyName, Upstream};
pub use scheme::Scheme;
pub use unix::SocketPath;
