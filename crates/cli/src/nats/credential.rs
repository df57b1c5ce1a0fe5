use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};

use super::{NatsArgs, NatsUrl};
use crate::secret::Secret;

/// How to tell a NATS server who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// A user and a password.
    User {
        /// Who.
        name: String,
        /// Its password.
        password: Secret,
    },
    /// A token.
    Token(Secret),
    /// The seed of an NKey, `SU…`.
    Nkey(Secret),
    /// A `.creds` file.
    Creds(PathBuf),
}

/// Which flags belong together.
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

    /// Takes what `other` says of credentials, as far as this says nothing, and nothing of another kind.
    pub(super) fn credentials_or(&mut self, other: &mut Self) {
        let kinds = self.kinds();
        let may_take = |wanted| kinds.iter().all(|(kind, _)| *kind == wanted);
        let take = |own: &mut Option<_>, other: &mut Option<_>| *own = own.take().or_else(|| other.take());
        if may_take(Kind::User) {
            self.nats_user = self.nats_user.take().or_else(|| other.nats_user.take());
            if self.nats_password.is_none() && self.nats_password_file.is_none() {
                take(&mut self.nats_password, &mut other.nats_password);
                self.nats_password_file = other.nats_password_file.take();
            }
        }
        if kinds.is_empty() {
            take(&mut self.nats_token, &mut other.nats_token);
            take(&mut self.nats_nkey, &mut other.nats_nkey);
            self.nats_token_file = other.nats_token_file.take();
            self.nats_creds = other.nats_creds.take();
        }
    }

    /// The one credential that there is.
    pub(super) fn credential(&mut self, urls: &[NatsUrl]) -> Result<Option<Credential>> {
        let of_urls = of_urls(urls)?;
        let kinds = self.kinds();
        if let Some(&(first, flag)) = kinds.first() {
            if let Some((_, other)) = kinds.iter().find(|(kind, _)| *kind != first) {
                bail!("{flag} and {other}: give one kind of credential (a variable counts as its flag)");
            }
            if of_urls.is_some() {
                bail!("--nats-url with a user and {flag}: give one of them");
            }
        }
        let password = secret("--nats-password", self.nats_password.take(), self.nats_password_file.take())?;
        let token = secret("--nats-token", self.nats_token.take(), self.nats_token_file.take())?;
        Ok(match (self.nats_user.take(), password) {
            (Some(name), Some(password)) => Some(Credential::User { name, password }),
            (Some(_), None) => bail!("--nats-user needs --nats-password or --nats-password-file too"),
            (None, Some(_)) => bail!("--nats-password needs --nats-user too"),
            (None, None) => match (token, self.nats_nkey.take(), self.nats_creds.take()) {
                (Some(token), ..) => Some(Credential::Token(token)),
                (_, Some(nkey), _) => Some(Credential::Nkey(seed(&nkey)?)),
                (.., Some(path)) => {
                    // Where it is read again, it has no flag's name.
                    read("--nats-creds", &path)?;
                    Some(Credential::Creds(path))
                }
                _ => of_urls,
            },
        })
    }
}

fn of_urls(urls: &[NatsUrl]) -> Result<Option<Credential>> {
    let mut all = urls.iter().filter_map(|url| url.credential.as_ref());
    let first = all.next();
    if all.any(|other| Some(other) != first) {
        bail!("--nats-url: the servers are those of one cluster, and are told the same user");
    }
    Ok(first.cloned())
}

fn secret(flag: &str, secret: Option<Secret>, file: Option<PathBuf>) -> Result<Option<Secret>> {
    match (secret, file) {
        (Some(_), Some(_)) => bail!("{flag} and {flag}-file: give one of them"),
        (None, Some(path)) => read(&format!("{flag}-file"), &path).map(Some),
        (secret, None) => Ok(secret),
    }
}

/// What a file holds, without the end of its last line.
fn read(flag: &str, path: &Path) -> Result<Secret> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {flag} {}", path.display()))?;
    Ok(Secret::from(text.trim_end_matches(['\r', '\n']).to_owned()))
}

/// The seed, or the one in the file of this name. The text is not shown: it may be a seed with a slip in it.
fn seed(text: &Secret) -> Result<Secret> {
    if is_seed(text.expose()) {
        return Ok(text.clone());
    }
    let held = fs::read_to_string(text.expose()).map_err(|error| {
        anyhow!("--nats-nkey: neither a user's seed (SU…) nor a file that can be read: {error}")
    })?;
    match held.lines().map(str::trim).find(|line| is_seed(line)) {
        Some(seed) => Ok(Secret::from(seed.to_owned())),
        None => bail!("--nats-nkey: the file holds no user's seed (SU…)"),
    }
}

/// 32 bytes, two of prefix and two of checksum, in base32.
fn is_seed(text: &str) -> bool {
    let is_base32 = |c: char| matches!(c, 'A'..='Z' | '2'..='7');
    text.len() == 58 && text.starts_with("SU") && text.chars().all(is_base32)
}
