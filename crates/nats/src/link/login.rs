//! Login at a connect. Files are read again at each connect, because credentials may be renewed while the program runs.

use std::fs;
use std::path::{Path, PathBuf};

use async_nats::{Auth, AuthError};
use nkeys::KeyPair;
use parking_lot::Mutex;
use tracing::{info, warn};

use super::{Credential, LinkError, NatsOptions};
use crate::throttle::RareWarning;

/// The credential, and the file that it is read from.
pub(super) struct Login {
    /// `None` if the credential is not from a file, or from a pipe, which can be read only once.
    file: Option<PathBuf>,
    state: Mutex<State>,
}

struct State {
    /// The secret that was last read from a complete file.
    secret: Secret,
    unusable: RareWarning,
}

/// A credential with the contents of its files.
#[derive(Clone, PartialEq)]
pub(super) enum Secret {
    Plain(Credential),
    Jwt { jwt: String, seed: String },
}

impl Login {
    /// # Errors
    ///
    /// Returns an error if the creds file cannot be used.
    pub(super) fn new(options: &NatsOptions) -> Result<Self, LinkError> {
        let credential = options.the_credential()?;
        let (secret, file) = match credential {
            Credential::CredsFile(path) => (read_creds(path)?, Some(path)),
            given => {
                // The file belongs to the options' own credential, not to one in a URL.
                let file = options.credential_file.as_ref().filter(|_| *given == options.credential);
                (Secret::Plain(given.clone()), file)
            }
        };
        let file = file.filter(|path| fs::metadata(path).is_ok_and(|file| file.is_file())).cloned();
        Ok(Self { file, state: Mutex::new(State { secret, unusable: RareWarning::default() }) })
    }

    /// Returns the answer to a server that sent this nonce. If the file is missing or incomplete, the last secret is
    /// used, and the next attempt reads the file again.
    ///
    /// # Errors
    ///
    /// Returns an error if the nkey is not a seed.
    pub(super) fn auth(&self, nonce: &[u8]) -> Result<Auth, AuthError> {
        let mut state = self.state.lock();
        if let Some(path) = &self.file {
            match state.secret.read_again(path) {
                Ok(secret) if secret != state.secret => {
                    info!(file = %path.display(), "NATS credentials renewed");
                    state.secret = secret;
                }
                Ok(_) => {}
                Err(error) => {
                    if let Some(more) = state.unusable.pass() {
                        warn!(%error, more, "NATS credentials not renewed, using those that were read last");
                    }
                }
            }
        }
        state.secret.auth(nonce)
    }
}

impl Secret {
    fn read_again(&self, path: &Path) -> Result<Self, LinkError> {
        match self {
            Self::Jwt { .. } => read_creds(path),
            Self::Plain(credential) => {
                let renewed = credential.with_secret(&read(path)?);
                renewed.map(Self::Plain).map_err(|reason| unusable(path, reason))
            }
        }
    }

    fn auth(&self, nonce: &[u8]) -> Result<Auth, AuthError> {
        let mut auth = Auth::new();
        match self {
            Self::Plain(Credential::UserPassword { user, password }) => {
                auth.username = Some(user.clone());
                auth.password = Some(password.clone());
            }
            Self::Plain(Credential::Token(token)) => auth.token = Some(token.clone()),
            Self::Plain(Credential::Nkey(seed)) => {
                let (public_key, signature) = signed(seed, nonce)?;
                auth.nkey = Some(public_key);
                auth.signature = Some(signature);
            }
            Self::Jwt { jwt, seed } => {
                auth.jwt = Some(jwt.clone());
                auth.signature = Some(signed(seed, nonce)?.1);
            }
            Self::Plain(Credential::None | Credential::CredsFile(_)) => {}
        }
        Ok(auth)
    }
}

fn signed(seed: &str, nonce: &[u8]) -> Result<(String, Vec<u8>), AuthError> {
    let pair = KeyPair::from_seed(seed).map_err(AuthError::new)?;
    Ok((pair.public_key(), pair.sign(nonce).map_err(AuthError::new)?))
}

/// Reads a creds file. It has two blocks, the JWT and the seed. Each is a line between two lines that begin and end
/// with dashes.
pub(super) fn read_creds(path: &Path) -> Result<Secret, LinkError> {
    let text = read(path)?;
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let is_mark = |line: &str| line.starts_with("---") && line.ends_with("---");
    let mut blocks = lines.windows(3).filter_map(|lines| match lines {
        [begin, block, end] if is_mark(begin) && is_mark(end) && !is_mark(block) => Some(*block),
        _ => None,
    });
    let jwt = blocks.next().ok_or_else(|| unusable(path, "it does not contain a user JWT"))?;
    let seed = blocks.next().ok_or_else(|| unusable(path, "it does not contain an NKey seed"))?;
    KeyPair::from_seed(seed).map_err(|error| unusable(path, error))?;
    Ok(Secret::Jwt { jwt: jwt.to_owned(), seed: seed.to_owned() })
}

fn read(path: &Path) -> Result<String, LinkError> {
    fs::read_to_string(path).map_err(|error| unusable(path, error))
}

fn unusable(path: &Path, reason: impl ToString) -> LinkError {
    LinkError::File { path: path.to_owned(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(credential: Credential, file: &Path) -> NatsOptions {
        let mut options = NatsOptions::new(["localhost".parse().unwrap()], "test");
        options.credential = credential;
        options.credential_file = Some(file.to_owned());
        options
    }

    #[test]
    fn a_file_is_read_again_and_kept_while_it_is_unusable() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "new\n").unwrap();
        let login = Login::new(&options(Credential::Token("old".to_owned()), file.path())).unwrap();
        let token = || login.auth(b"").unwrap().token.unwrap();
        assert_eq!(token(), "new");
        fs::write(file.path(), "\n").unwrap();
        assert_eq!(token(), "new");
        fs::remove_file(file.path()).unwrap();
        assert_eq!(token(), "new");
        fs::write(file.path(), "newer").unwrap();
        assert_eq!(token(), "newer");
    }

    #[test]
    fn a_credential_in_a_url_does_not_come_from_the_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "of the file").unwrap();
        let mut options = options(Credential::None, file.path());
        options.urls = vec!["nats://of-the-url@localhost".parse().unwrap()];
        assert_eq!(Login::new(&options).unwrap().auth(b"").unwrap().token.unwrap(), "of-the-url");
    }
}
