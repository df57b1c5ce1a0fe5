//! The limits and the data path of a relay.

/// How bytes move through a flow that is busy, where both its ends are TCP sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum DataPath {
    /// Through buffers of up to 1 MiB: the most bytes a second.
    #[default]
    Copy,
    /// Through a pipe by splice(2): the fewest CPU seconds a byte. Falls back to buffers where pipes run out, and on
    /// systems other than Linux.
    Splice,
}

impl DataPath {
    /// Returns true if this system has the data path.
    pub fn is_available(self) -> bool {
        self == Self::Copy || cfg!(all(target_os = "linux", not(portable)))
    }
}

/// The limits a relay holds itself to.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// Sessions at once; at the limit new connections wait, unread. A quarter is kept, in equal shares, for listeners that
    /// use less than their share: one listener among several cannot take all. Default 4,096.
    pub max_sessions: usize,
    /// Bytes of buffers that busy flows may hold together; beyond it they read in small steps. Default 64 MiB.
    pub buffer_budget: usize,
    /// Default [`DataPath::Copy`].
    pub data_path: DataPath,
}

impl Default for Config {
    fn default() -> Self {
        Self { max_sessions: 4096, buffer_budget: 64 << 20, data_path: DataPath::default() }
    }
}
