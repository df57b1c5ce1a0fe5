//! The limits and the data path of a relay.

/// How bytes move through a busy flow between two TCP sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum DataPath {
    /// Through buffers of up to 1 MiB, for the highest throughput.
    #[default]
    Copy,
    /// Through a pipe by splice(2), for the lowest CPU time per byte. Falls back to buffers if no pipe is available, and on
    /// systems other than Linux.
    Splice,
}

impl DataPath {
    /// Returns true if this system has the data path.
    pub fn is_available(self) -> bool {
        self == Self::Copy || cfg!(all(target_os = "linux", not(portable)))
    }
}

/// The limits of a relay.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// Maximum number of concurrent sessions. At the limit, new connections wait, unread. A quarter is reserved, in equal shares, for
    /// listeners that use less than their share, so that one of several listeners cannot take all. Defaults to 4,096.
    pub max_sessions: usize,
    /// Maximum size of the buffers of all busy flows together, in bytes. Beyond it, flows use small reads. Defaults to 64 MiB.
    pub buffer_budget: usize,
    /// Data path of busy flows. Defaults to [`DataPath::Copy`].
    pub data_path: DataPath,
}

impl Default for Config {
    fn default() -> Self {
        Self { max_sessions: 4096, buffer_budget: 64 << 20, data_path: DataPath::default() }
    }
}
