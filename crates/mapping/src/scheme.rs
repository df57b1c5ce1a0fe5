use std::fmt;

/// The protocol named in front of `://`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `http`: HTTP in clear text.
    Http,
    /// `https`: HTTP over TLS.
    Https,
    /// `psql`: PostgreSQL, copied as it is.
    Psql,
    /// `psqls`: PostgreSQL over TLS, asked for with its `SSLRequest`.
    Psqls,
    /// `tcp`: any protocol, copied as it is.
    Tcp,
    /// `tls`: any protocol over TLS.
    Tls,
}

impl Scheme {
    pub(crate) const ALL: [Self; 6] =
        [Self::Http, Self::Https, Self::Psql, Self::Psqls, Self::Tcp, Self::Tls];

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| scheme.as_str() == name)
    }

    /// The scheme as written in a mapping, without `://`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Psql => "psql",
            Self::Psqls => "psqls",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }

    /// The port meant when the mapping has none; `tcp` must have one.
    pub fn default_port(self) -> Option<u16> {
        match self {
            Self::Http => Some(80),
            Self::Https | Self::Tls => Some(443),
            Self::Psql | Self::Psqls => Some(5432),
            Self::Tcp => None,
        }
    }

    /// Whether the upstream is reached over TLS.
    pub fn is_encrypted(self) -> bool {
        matches!(self, Self::Https | Self::Psqls | Self::Tls)
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
