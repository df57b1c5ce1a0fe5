//! Parameters whose value is one of a few words. Between the parts of a word `-`, `_` and nothing are the same.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::effect::{Scope, Sides};
use crate::units::ValueError;

macro_rules! words {
    ($words:ty, $what:literal, $($variant:ident = $word:literal),+) => {
        impl FromStr for $words {
            type Err = ValueError;

            fn from_str(text: &str) -> Result<Self, ValueError> {
                match text {
                    $(_ if same_word(text, $word) => Ok(Self::$variant),)+
                    _ => Err(refused(text, $what, &[$($word),+])),
                }
            }
        }

        impl fmt::Display for $words {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self { $(Self::$variant => $word),+ })
            }
        }

        impl<'de> Deserialize<'de> for $words {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }

        impl Serialize for $words {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}

fn same_word(text: &str, word: &str) -> bool {
    let letters = |text| str::chars(text).filter(|c| !matches!(c, '-' | '_'));
    letters(text.trim()).eq(letters(word))
}

fn refused(text: &str, what: &str, words: &[&str]) -> ValueError {
    let (last, others) = words.split_last().expect("no list of words is empty");
    ValueError::new(format!("{text:?} is not {what}: say {} or {last}", others.join(", ")))
}

/// What a fault does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Each segment is held.
    Latency,
    /// Now and then a segment is held.
    Jitter,
    /// So many bytes a second.
    Bandwidth,
    /// Segments are lost and sent again.
    PacketLoss,
    /// Nothing passes.
    Blackhole,
    /// Connections are reset.
    Reset,
    /// Nothing passes, then both connections are closed.
    Timeout,
    /// The end of a flow is held.
    SlowClose,
    /// Bytes pass in small pieces.
    Slicer,
    /// Both connections are closed after so many bytes.
    LimitData,
    /// New clients are refused.
    Refuse,
    /// The upstream is dialled later.
    SlowOpen,
    /// Bits are flipped.
    Corrupt,
}

impl Kind {
    /// Every type of fault.
    pub const ALL: [Self; 13] = [
        Self::Latency,
        Self::Jitter,
        Self::Bandwidth,
        Self::PacketLoss,
        Self::Blackhole,
        Self::Reset,
        Self::Timeout,
        Self::SlowClose,
        Self::Slicer,
        Self::LimitData,
        Self::Refuse,
        Self::SlowOpen,
        Self::Corrupt,
    ];
}

words! { Kind, "a type of fault",
    Latency = "latency", Jitter = "jitter", Bandwidth = "bandwidth", PacketLoss = "packet-loss",
    Blackhole = "blackhole", Reset = "reset", Timeout = "timeout", SlowClose = "slow-close", Slicer = "slicer",
    LimitData = "limit-data", Refuse = "refuse", SlowOpen = "slow-open", Corrupt = "corrupt"
}

/// Which bytes of a side's socket: those read from it, those written to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlowDirection {
    /// Read.
    Ingress,
    /// Written.
    Egress,
    /// Read and written.
    Both,
}

words! { FlowDirection, "a direction", Ingress = "ingress", Egress = "egress", Both = "both" }

words! { Sides, "a side", Client = "client", Server = "server", Both = "both" }

words! { Scope, "a scope", Session = "session", Proxy = "proxy", All = "all" }

/// The distribution of a latency; see [`Delay`](crate::Delay).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are named as the delays are")]
pub enum Distribution {
    Normal,
    Constant,
    Uniform,
    LogNormal,
    Pareto,
    ParetoNormal,
    Table,
}

words! { Distribution, "a distribution",
    Normal = "normal", Constant = "constant", Uniform = "uniform", LogNormal = "log-normal", Pareto = "pareto",
    ParetoNormal = "pareto-normal", Table = "table"
}

/// Which segments are lost; see [`LossModel`](crate::LossModel).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// So many of them.
    Bernoulli,
    /// Now few, now many.
    GilbertElliott,
    /// The chain of five states.
    Markov,
}

words! { Model, "a model of loss",
    Bernoulli = "bernoulli", GilbertElliott = "gilbert-elliott", Markov = "markov"
}

/// What becomes of the bytes that come to a blackhole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// They wait until it ends.
    Stall,
    /// They are gone.
    Discard,
}

words! { Mode, "a mode", Stall = "stall", Discard = "discard" }
