//! Values that are written as text, on the command line and in a file.

use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A certificate made for the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected true, false or a file")]
pub(crate) enum SelfSigned {
    /// Or not.
    Made(bool),
    /// And a copy of it written.
    CopiedTo(PathBuf),
}

impl FromStr for SelfSigned {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(if text.is_empty() { Self::Made(true) } else { Self::CopiedTo(text.into()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        for text in ["", "copy.pem"] {
            let read: SelfSigned = text.parse().unwrap();
            assert_eq!(
                serde_json::from_value::<SelfSigned>(serde_json::to_value(&read).unwrap()).unwrap(),
                read
            );
        }
    }
}
