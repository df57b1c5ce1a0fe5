//! Parameters whose value is one of a few words. The parts of a word may be separated by `-`, `_` or nothing.

use crate::direction::{Scope, Side};
use crate::units::ValueError;

macro_rules! words {
    ($words:ty, $what:literal, $($variant:ident = $word:literal),+) => {
        impl $words {
            /// Its values as users write them.
            pub(crate) const WORDS: &'static [&'static str] = &[$($word),+];

            #[allow(dead_code, reason = "some are only read")]
            pub(crate) const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl std::str::FromStr for $words {
            type Err = crate::units::ValueError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $(_ if $crate::fault_type::same_word(text, $word) => Ok(Self::$variant),)+
                    _ => Err($crate::fault_type::not_one_of(text, $what, Self::WORDS)),
                }
            }
        }

        impl std::fmt::Display for $words {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.word())
            }
        }

        impl<'de> serde::Deserialize<'de> for $words {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <String as serde::Deserialize>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }

        impl serde::Serialize for $words {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}

pub(crate) fn same_word(text: &str, word: &str) -> bool {
    let letters = |text| str::chars(text).filter(|c| !matches!(c, '-' | '_'));
    letters(text.trim()).eq(letters(word))
}

pub(crate) fn not_one_of(text: &str, what: &str, words: &[&str]) -> ValueError {
    let (last, others) = words.split_last().expect("no list of words is empty");
    let others = if others.is_empty() { String::new() } else { format!("{} or ", others.join(", ")) };
    ValueError::new(format!("{text:?} is not {what}: use {others}{last}"))
}

/// Direction relative to the socket of a side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketDirection {
    /// Bytes that are read from the socket.
    Ingress,
    /// Bytes that are written to the socket.
    Egress,
    /// Bytes that are read and bytes that are written.
    Both,
}

words! { SocketDirection, "a direction", Ingress = "ingress", Egress = "egress", Both = "both" }

words! { Side, "a side", Client = "client", Server = "server", Both = "both" }

words! { Scope, "a scope", Session = "session", Proxy = "proxy", All = "all" }

pub(crate) use words;
