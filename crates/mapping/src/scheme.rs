use std::fmt;

/// Protocol of the upstream, written before `://`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `http`: HTTP in clear text.
    Http,
    /// `https`: HTTP over TLS.
    Https,
    /// `psql`: PostgreSQL, relayed unchanged.
    Psql,
    /// `psqls`: PostgreSQL over TLS, requested with its `SSLRequest`.
    Psqls,
    /// `redis`: Redis without TLS.
    Redis,
    /// `rediss`: Redis over TLS.
    Rediss,
    /// `tcp`: any protocol, relayed unchanged.
    Tcp,
    /// `tls`: any protocol over TLS.
    Tls,
}

/// Properties of a scheme.
struct Definition {
    name: &'static str,
    default_port: Option<u16>,
    is_encrypted: bool,
    is_postgres: bool,
}

impl Scheme {
    /// All schemes, in the order in which error messages list them.
    pub const ALL: [Self; 8] =
        [Self::Http, Self::Https, Self::Psql, Self::Psqls, Self::Redis, Self::Rediss, Self::Tcp, Self::Tls];

    const fn definition(self) -> Definition {
        let (name, default_port, is_encrypted, is_postgres) = match self {
            Self::Http => ("http", Some(80), false, false),
            Self::Https => ("https", Some(443), true, false),
            Self::Psql => ("psql", Some(5432), false, true),
            Self::Psqls => ("psqls", Some(5432), true, true),
            Self::Redis => ("redis", Some(6379), false, false),
            Self::Rediss => ("rediss", Some(6379), true, false),
            Self::Tcp => ("tcp", None, false, false),
            Self::Tls => ("tls", Some(443), true, false),
        };
        Definition { name, default_port, is_encrypted, is_postgres }
    }

    /// Returns the scheme of this name, which is in lower case and without `://`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| scheme.as_str() == name)
    }

    /// Returns the scheme as written in a mapping, without `://`.
    pub fn as_str(self) -> &'static str {
        self.definition().name
    }

    /// Returns the default port, or `None` for `tcp`, whose mappings must have a port.
    pub fn default_port(self) -> Option<u16> {
        self.definition().default_port
    }

    /// Returns true if the upstream is reached over TLS.
    pub fn is_encrypted(self) -> bool {
        self.definition().is_encrypted
    }

    /// Returns true if clients and the upstream start TLS as PostgreSQL does, with its `SSLRequest`.
    pub fn is_postgres(self) -> bool {
        self.definition().is_postgres
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
