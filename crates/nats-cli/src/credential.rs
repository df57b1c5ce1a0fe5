use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use fault_proxy_nats::Credential;

use super::NatsArgs;
use proxy_cli::secret::{Secret, warn_if_shared};

/// Flags of one credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    User,
    Token,
    Nkey,
    Creds,
}

impl NatsArgs {
    fn kinds(&self) -> Vec<(Kind, &'static str)> {
        let flags = [
            (Kind::User, "--nats-user", self.nats_user.is_some()),
            (Kind::User, "--nats-password", self.nats_password.is_some()),
            (Kind::User, "--nats-password-file", self.nats_password_file.is_some()),
            (Kind::Token, "--nats-token", self.nats_token.is_some()),
            (Kind::Token, "--nats-token-file", self.nats_token_file.is_some()),
            (Kind::Nkey, "--nats-nkey", self.nats_nkey.is_some()),
            (Kind::Creds, "--nats-creds", self.nats_creds.is_some()),
        ];
        flags.into_iter().filter(|(.., is_given)| *is_given).map(|(kind, flag, _)| (kind, flag)).collect()
    }

    /// Removes the credentials of a file that these flags replace.
    pub(super) fn clear_replaced_credentials(&self, file: &mut Self) {
        let kinds = self.kinds();
        if kinds.iter().any(|(kind, _)| *kind != Kind::User) {
            file.nats_user = None;
        }
        if kinds.iter().any(|(kind, flag)| *kind != Kind::User || *flag != "--nats-user") {
            (file.nats_password, file.nats_password_file) = (None, None);
        }
        if !kinds.is_empty() {
            (file.nats_token, file.nats_token_file) = (None, None);
            (file.nats_nkey, file.nats_creds) = (None, None);
        }
    }

    /// Returns the credential of the flags, and the file with its secret.
    pub(super) fn credential(&mut self) -> Result<Found> {
        let kinds = self.kinds();
        if let Some(&(first, flag)) = kinds.first() {
            if let Some((_, other)) = kinds.iter().find(|(kind, _)| *kind != first) {
                bail!("{flag} and {other} are both set: set only one kind of credential");
            }
            if self.nats_url.iter().any(|url| *url.credential() != Credential::None) {
                bail!("--nats-url has a user and {flag} is set: set only one of them");
            }
        }
        let user = self.nats_user.take();
        let name = user.clone().unwrap_or_default();
        let of_user = |password| Credential::UserPassword { user: name, password };
        let password =
            secret("--nats-password", self.nats_password.take(), self.nats_password_file.take(), of_user)?;
        let token =
            secret("--nats-token", self.nats_token.take(), self.nats_token_file.take(), Credential::Token)?;
        Ok(match (user, password) {
            (Some(_), Some(found)) => found,
            (Some(_), None) => bail!("--nats-user requires --nats-password or --nats-password-file"),
            (None, Some(_)) => bail!("--nats-password requires --nats-user"),
            (None, None) => match (token, self.nats_nkey.take(), self.nats_creds.take()) {
                (Some(found), ..) => found,
                (_, Some(nkey), _) => seed(nkey.expose())?,
                (.., Some(path)) => {
                    warn_if_shared(&path);
                    (Credential::CredsFile(path), None)
                }
                _ => (Credential::None, None),
            },
        })
    }
}

/// A credential, and the file with its secret.
type Found = (Credential, Option<PathBuf>);

/// Returns the credential with this secret, or with that of the file.
fn secret(
    flag: &str,
    secret: Option<Secret>,
    file: Option<PathBuf>,
    of: impl FnOnce(String) -> Credential,
) -> Result<Option<Found>> {
    match (secret, file) {
        (Some(_), Some(_)) => bail!("{flag} and {flag}-file are both set: set only one of them"),
        (None, Some(path)) => {
            let text = fs::read_to_string(&path)
                .with_context(|| format!("cannot read {flag}-file {}", path.display()))?;
            warn_if_shared(&path);
            let found = of(String::new()).with_secret(&text);
            let found =
                found.map_err(|reason| anyhow!("cannot use {flag}-file {}: {reason}", path.display()))?;
            Ok(Some((found, Some(path))))
        }
        (secret, None) => Ok(secret.map(|secret| (of(secret.expose().to_owned()), None))),
    }
}

/// Returns the seed in `text`, or in the file with this name. Errors do not show the text, because it may be a mistyped
/// seed.
fn seed(text: &str) -> Result<Found> {
    let nkey = Credential::Nkey(text.to_owned());
    if nkey.with_secret(text).is_ok_and(|seed| seed == nkey) {
        return Ok((nkey, None));
    }
    let held = fs::read_to_string(text).map_err(|error| {
        anyhow!("--nats-nkey: neither a user's seed (SU…) nor a file that can be read: {error}")
    })?;
    let found = nkey
        .with_secret(&held)
        .map_err(|_| anyhow!("--nats-nkey: the file does not contain a user's seed (SU…)"))?;
    warn_if_shared(Path::new(text));
    Ok((found, Some(PathBuf::from(text))))
}
