//! Credentials for NATS.

use std::fmt;
use std::path::PathBuf;

/// Credential for the server. `Debug` shows its kind and not the secret.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credential {
    /// No credential, for example if a client certificate is enough.
    None,
    /// A user and the password.
    UserPassword {
        /// The user's name.
        user: String,
        /// The password in clear.
        password: String,
    },
    /// A token.
    Token(String),
    /// The seed of a user's nkey, `SU…`. The server has the public key.
    Nkey(String),
    /// A creds file: a user's JWT and its nkey. Read again at each connect.
    CredsFile(PathBuf),
}

impl Credential {
    /// Returns a credential of the same kind and user with the password, token or seed in the `text` of a file.
    ///
    /// # Errors
    ///
    /// Returns an error if the text is empty or does not contain a seed, or the credential is a creds file or
    /// [`Self::None`].
    pub fn with_secret(&self, text: &str) -> Result<Self, &'static str> {
        let line = text.trim_end_matches(['\r', '\n']);
        match self {
            Self::UserPassword { .. } | Self::Token(_) if line.is_empty() => Err("it is empty"),
            Self::UserPassword { user, .. } => {
                Ok(Self::UserPassword { user: user.clone(), password: line.to_owned() })
            }
            Self::Token(_) => Ok(Self::Token(line.to_owned())),
            Self::Nkey(_) => {
                let seed = text.lines().map(str::trim).find(|line| is_seed(line));
                seed.map(|seed| Self::Nkey(seed.to_owned())).ok_or("it does not contain a user's seed (SU…)")
            }
            Self::None | Self::CredsFile(_) => Err("it is not the file of a password, token or seed"),
        }
    }

    /// Returns the object of "the server refuses …", and what to check.
    pub(super) fn refused(&self) -> &'static str {
        match self {
            Self::None => {
                "a connection without credentials: it wants a user, a token, an nkey or a creds file"
            }
            Self::UserPassword { .. } => {
                "user and password: compare them with its `authorization` or `accounts`"
            }
            Self::Token(_) => "the token: compare it with its `authorization { token }`",
            Self::Nkey(_) => "the nkey: give the seed (SU…) whose public key (U…) is one of its users",
            Self::CredsFile(_) => "the creds file: its JWT may have expired, or its account is unknown there",
        }
    }
}

/// Returns true for a seed: 32 bytes, two of prefix and two of checksum, in base32.
fn is_seed(text: &str) -> bool {
    let is_base32 = |c: char| matches!(c, 'A'..='Z' | '2'..='7');
    text.len() == 58 && text.starts_with("SU") && text.chars().all(is_base32)
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::UserPassword { .. } => "UserPassword(redacted)",
            Self::Token(_) => "Token(redacted)",
            Self::Nkey(_) => "Nkey(redacted)",
            Self::CredsFile(path) => return f.debug_tuple("CredsFile").field(path).finish(),
        })
    }
}
