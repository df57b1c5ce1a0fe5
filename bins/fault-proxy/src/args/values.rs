//! Values that flags and files contain as text.

use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Certificate that is generated for the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected true, false or a file")]
pub(crate) enum SelfSigned {
    /// True if it is generated.
    Made(bool),
    /// It is generated and written to this file.
    CopiedTo(PathBuf),
}

impl FromStr for SelfSigned {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(if text.is_empty() { Self::Made(true) } else { Self::CopiedTo(text.into()) })
    }
}

/// Name of an application protocol (ALPN), as in `h2` and `http/1.1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Protocol(String);

impl Protocol {
    /// Returns the name as TLS encodes it.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.as_bytes().to_vec()
    }
}

impl FromStr for Protocol {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.len() {
            1..=255 => Ok(Self(text.to_owned())),
            length => Err(format!(
                "invalid application protocol of {length} bytes: expected 1 to 255, as in h2,http/1.1"
            )),
        }
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

    #[test]
    fn protocols_have_names_that_tls_can_carry() {
        assert_eq!("http/1.1".parse::<Protocol>().unwrap().bytes(), b"http/1.1");
        assert!("".parse::<Protocol>().unwrap_err().contains("1 to 255"));
        assert!("h".repeat(255).parse::<Protocol>().is_ok());
        assert!("h".repeat(256).parse::<Protocol>().is_err());
    }
}
