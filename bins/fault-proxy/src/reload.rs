//! The configuration file, read again while the program runs.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use proxy_control::proxies::{ChangeError, Proxies, Update};
use tokio::select;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, info, warn};

use crate::args::{LogArgs, RunArgs};
use crate::config::{Config, GivenFault, ProxySettings, Settings};
use crate::start::{spec, told};
use crate::wire::listen_of;

const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// What settings are resolved from, each time anew.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) args: &'a RunArgs,
    pub(crate) log: &'a LogArgs,
}

/// Follows the file.
#[derive(Debug)]
pub(crate) struct Reload<'a> {
    source: Source<'a>,
    path: &'a Path,
    asked: Signal,
}

impl<'a> Reload<'a> {
    /// Needs the runtime's context. `None`: there is no file, and the hang-up signal ends the program, as it does by default.
    ///
    /// # Errors
    /// When the system refuses a handler.
    pub(crate) fn new(source: Source<'a>) -> Result<Option<Self>> {
        let Some(path) = &source.args.config else { return Ok(None) };
        let asked = signal(SignalKind::hangup()).context("cannot handle signals")?;
        Ok(Some(Self { source, path, asked }))
    }

    /// Reloads at each signal and when the file has changed. Never ends.
    pub(crate) async fn follow(mut self, settings: &Settings, proxies: &Proxies) {
        let mut looks = interval(LOOK_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut current = settings.proxies.clone();
        let (mut read, mut seen) = (Stamp::of(self.path), Stamp::of(self.path));
        loop {
            select! {
                _ = self.asked.recv() => {}
                _ = looks.tick() => {
                    let before = std::mem::replace(&mut seen, Stamp::of(self.path));
                    // A file that is still being written is left for the next look.
                    if seen == read || seen != before || seen.is_none() {
                        continue;
                    }
                }
            }
            seen = Stamp::of(self.path);
            read = seen;
            match Config::load(self.source.args, self.source.log).and_then(Settings::resolve) {
                Ok(new) => {
                    let fixed = settings.record.differing(&new.record);
                    if !fixed.is_empty() {
                        warn!(
                            "{}: only the next start follows a change of {}",
                            self.path.display(),
                            fixed.join(", ")
                        );
                    }
                    current = apply(current, new, proxies).await;
                    info!("{} is reloaded", self.path.display());
                }
                Err(error) => error!("not reloaded, nothing changes: {error:#}"),
            }
        }
    }
}

/// When and how large a file was, and which; it may be exchanged for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: SystemTime,
    len: u64,
    inode: u64,
}

impl Stamp {
    /// `None`: it is not there.
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self { modified: metadata.modified().ok()?, len: metadata.len(), inode: metadata.ino() })
    }
}

/// Makes the proxies of the file what it says now. Those of which it says the same are left alone, whatever has become of them
/// since; those that come from elsewhere too.
async fn apply(old: Vec<ProxySettings>, new: Settings, proxies: &Proxies) -> Vec<ProxySettings> {
    let bind = new.bind;
    let (kept, gone): (Vec<_>, Vec<_>) =
        old.into_iter().partition(|old| new.proxies.iter().any(|new| new.label == old.label));
    for proxy in gone {
        if proxies.delete(&proxy.name).await.is_ok() {
            info!("{} is gone", proxy.label);
        }
    }
    let mut current = Vec::new();
    for mut proxy in new.proxies {
        let before = kept.iter().find(|old| old.label == proxy.label);
        proxy.name = match before {
            Some(before) => before.name.clone(),
            None => free_name(proxy.name, &kept, proxies),
        };
        if before != Some(&proxy)
            && let Err(error) = change(before, &proxy, bind, proxies).await
        {
            error!("{:#}", told(error, &proxy.mapping));
            // so that the next time tries it again
            current.extend(before.cloned());
            continue;
        }
        current.push(proxy);
    }
    current
}

async fn change(
    before: Option<&ProxySettings>,
    proxy: &ProxySettings,
    bind: std::net::IpAddr,
    proxies: &Proxies,
) -> Result<(), ChangeError> {
    if before.is_none() || proxies.get(&proxy.name).is_err() {
        let started = proxies.create(spec(proxy, bind)).await?;
        info!("listening on {} for {}", started.listen, proxy.mapping);
        return Ok(());
    }
    proxies.change_faults(&proxy.name, |faults| {
        *faults = proxy.faults.iter().map(GivenFault::record).collect();
        Ok::<_, ChangeError>(())
    })?;
    if before.is_some_and(|before| before.mapping != proxy.mapping) {
        let (listen, upstream) = (listen_of(&proxy.mapping, bind), proxy.mapping.upstream.to_string());
        let update = Update { listen: Some(listen), upstream: Some(upstream), enabled: None };
        let started = proxies.update(&proxy.name, update).await?;
        info!("listening on {} for {}", started.listen, proxy.mapping);
    } else {
        info!("{} has other faults", proxy.label);
    }
    Ok(())
}

/// The name itself, or if that is taken, the first of `proxy-1`, `proxy-2`, … that is not.
fn free_name(name: String, kept: &[ProxySettings], proxies: &Proxies) -> String {
    let is_free = |name: &String| proxies.get(name).is_err() && !kept.iter().any(|kept| kept.name == *name);
    let numbered = (1..).map(|number| format!("proxy-{number}"));
    std::iter::once(name).chain(numbered).find(is_free).expect("there is no end of numbers")
}
