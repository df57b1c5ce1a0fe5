//! Reload of the configuration file.

mod state;

use std::fs::{self, File, Metadata};
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use fault_proxy_control::proxies::Proxies;
use proxy_cli::args::Given;
use proxy_cli::log::LogArgs;
use proxy_cli::sys::{RequestSignal, file_id};
use tokio::select;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, info, warn};

use self::state::ReloadState;
use crate::args::RunArgs;
use crate::config::{Config, Settings};

/// Log message about a file that changes nothing.
const REFUSED: &str = "configuration reload failed; keeping the current configuration";

const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Sources of the settings that a reload reads again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    args: &'a RunArgs,
    log: &'a Given<LogArgs>,
    /// Fingerprint of the file before it was read.
    read: Option<FileFingerprint>,
}

impl<'a> Source<'a> {
    /// Records the state of the file. Must be called before the settings are resolved, so that later changes
    /// are detected.
    pub(crate) fn new(args: &'a RunArgs, log: &'a Given<LogArgs>) -> Self {
        Self { args, log, read: args.config.as_deref().and_then(FileFingerprint::from_path) }
    }

    /// Returns true if there is a file, which SIGHUP reloads.
    pub(crate) fn has_file(&self) -> bool {
        self.args.config.is_some()
    }
}

/// Reloads the configuration file.
#[derive(Debug)]
pub(crate) struct Reload<'a> {
    source: Source<'a>,
    path: &'a Path,
    asked: RequestSignal,
}

impl<'a> Reload<'a> {
    /// Must be called in the context of the runtime. Returns `None` without a file. SIGHUP then ends the
    /// program, which is its default action.
    ///
    /// # Errors
    /// Returns an error if the system refuses a handler.
    pub(crate) fn new(source: Source<'a>) -> Result<Option<Self>> {
        let Some(path) = &source.args.config else { return Ok(None) };
        let asked = RequestSignal::reload().context("cannot handle signals")?;
        Ok(Some(Self { source, path, asked }))
    }

    /// Reloads at each signal and when the file has changed. Logs an error when it cannot be read any more. Repeats
    /// failed changes at each check. Ignores a file without proxies, because it is probably still being written.
    /// Never returns.
    pub(crate) async fn follow(mut self, settings: &Settings, proxies: &Proxies) {
        let mut looks = interval(POLL_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut followed = ReloadState::new(self.path, settings, proxies);
        let (mut read, mut seen) = (self.source.read, self.source.read);
        loop {
            select! {
                () = self.asked.recv() => {}
                _ = looks.tick() => {
                    let before = std::mem::replace(&mut seen, FileFingerprint::from_path(self.path));
                    // Wait for the next check, because the file may still be written or be replaced.
                    if seen == read || seen != before {
                        followed.try_again().await;
                        continue;
                    }
                }
            }
            seen = FileFingerprint::from_path(self.path);
            let new = self.read_again(settings);
            if FileFingerprint::from_path(self.path) != seen {
                // The file changed while it was read, so the text may be incomplete. The next checks find that it differs
                // from the one that was read last.
                continue;
            }
            read = seen;
            let path = self.path.display();
            match new {
                Ok(new) if new.proxies.is_empty() && !followed.is_empty() => {
                    let error = "no [[proxies]]; to end a proxy, delete it through the control API or leave others in the file";
                    warn!(%path, error = %error, "{REFUSED}");
                }
                Ok(new) => {
                    let fixed = settings.record.differing(&new.record);
                    if !fixed.is_empty() {
                        let settings = fixed.join(", ");
                        warn!(%path, %settings, "changed settings take effect at the next start");
                    }
                    match followed.follow(new.proxies).await {
                        0 => info!(%path, "configuration reloaded"),
                        failed => warn!(%path, failed_proxies = failed, "configuration reloaded in part"),
                    }
                }
                Err(error) => error!(%path, error = %format!("{error:#}"), "{REFUSED}"),
            }
        }
    }

    fn read_again(&self, settings: &Settings) -> Result<Settings> {
        if fs::metadata(self.path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
            // Reading a pipe or a device might never end.
            bail!("{} is not a regular file: it is read at the start only", self.path.display());
        }
        if fs::read_to_string(self.path).is_ok_and(|text| text.trim().is_empty()) {
            bail!("{} is empty", self.path.display());
        }
        let config = Config::load(self.source.args, self.source.log)?;
        let again = Settings::resolve_with(config, settings.populate.clone())?;
        again.warn_about_idle_faults();
        Ok(again)
    }
}

/// Time, size and inode of a file, to detect changes and replacements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileFingerprint {
    modified: SystemTime,
    len: u64,
    id: u64,
}

impl FileFingerprint {
    /// Returns `None` if the path is not a regular file or cannot be read.
    fn from_path(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok().filter(Metadata::is_file)?;
        File::open(path).ok()?;
        Some(Self { modified: metadata.modified().ok()?, len: metadata.len(), id: file_id(&metadata) })
    }
}
