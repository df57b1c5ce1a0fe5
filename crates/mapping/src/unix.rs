use std::fmt;
use std::path::Path;
use std::str::FromStr;

use crate::error::{ParseError, Refusal};
use crate::kind::ErrorKind;

/// `sun_path` is 108 bytes on Linux (unix(7)), the last of which is the terminating zero.
const MAX_BYTES: usize = 107;

/// The path of a Unix socket: absolute, at most 107 bytes, no control characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SocketPath(String);

impl SocketPath {
    /// Returns the path.
    pub fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }
}

impl fmt::Display for SocketPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for SocketPath {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        parse(text).map_err(|refusal| ParseError::new(text, refusal, None))
    }
}

pub(crate) fn parse(text: &str) -> Result<SocketPath, Refusal> {
    if !text.starts_with('/') {
        return Err(Refusal::new(ErrorKind::RelativeUnixPath, 0..text.len()));
    }
    if let Some((at, control)) = text.char_indices().find(|(_, c)| c.is_control()) {
        return Err(Refusal::new(ErrorKind::ControlCharacter, at..at + control.len_utf8()));
    }
    if text.len() > MAX_BYTES {
        return Err(Refusal::new(ErrorKind::UnixPathTooLong, 0..text.len()));
    }
    Ok(SocketPath(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_path_is_107_bytes() {
        let longest = format!("/{}", "a".repeat(106));
        assert!(parse(&longest).is_ok());
        let refusal = parse(&(longest + "a")).unwrap_err();
        assert_eq!(refusal, Refusal::new(ErrorKind::UnixPathTooLong, 0..108));
    }

    #[test]
    fn refuses_relative_paths_and_control_characters() {
        for text in ["", "run/app.sock", "./app.sock", "~/app.sock"] {
            assert_eq!(parse(text).unwrap_err().kind, ErrorKind::RelativeUnixPath);
        }
        assert_eq!(parse("/a\0b"), Err(Refusal::new(ErrorKind::ControlCharacter, 2..3)));
        assert_eq!(parse("/é\u{85}"), Err(Refusal::new(ErrorKind::ControlCharacter, 3..5)));
    }

    #[test]
    fn takes_every_other_character() {
        let text = "/run/my app=1:2 [é] 日本.sock ";
        assert_eq!(text.parse::<SocketPath>().unwrap().as_path(), Path::new(text));
    }
}
