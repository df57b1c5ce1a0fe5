//! Creates, changes and deletes the proxies of the file, unless an API client has changed them.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;

use fault_proxy_control::proxies::{ChangeError, Generation, Proxies, Proxy, Spec, Update};
use tracing::field::display;
use tracing::{error, info};

use crate::config::{ConfiguredFault, ProxySettings, Settings};
use crate::start::{log_listening, spec, start_error};

/// Proxies of the file and their state.
#[derive(Debug)]
pub(super) struct ReloadState<'a> {
    proxies: &'a Proxies,
    /// Path of the file, for log lines.
    file: String,
    /// Listen address of mappings that do not set one.
    bind: IpAddr,
    all: Vec<ManagedProxy>,
}

#[derive(Debug)]
struct ManagedProxy {
    /// Settings in the file, with the name of the running proxy.
    wanted: ProxySettings,
    /// Settings that were applied last, or `None` before the proxy is created.
    made: Option<ProxySettings>,
    /// True if the proxy does not have a name and its mapping has changed, so that a new proxy replaces it.
    is_replaced: bool,
    /// Set while the proxy is disabled to exchange its port with another one.
    gave_way: Option<Generation>,
    /// Generation of the last change by an API client before the first failed attempt.
    client_generation: Option<Generation>,
    /// Error of the last attempt.
    problem: Option<String>,
    /// Error that was logged last.
    logged: Option<String>,
}

impl ManagedProxy {
    fn new(wanted: ProxySettings) -> Self {
        let (made, gave_way, client_generation) = (None, None, None);
        let (problem, logged) = (None, None);
        Self { wanted, made, is_replaced: false, gave_way, client_generation, problem, logged }
    }

    fn made(wanted: ProxySettings) -> Self {
        Self { made: Some(wanted.clone()), ..Self::new(wanted) }
    }

    fn is_done(&self) -> bool {
        self.problem.is_none() && self.made.as_ref() == Some(&self.wanted)
    }
}

impl<'a> ReloadState<'a> {
    /// Creates the state of a run that has started with this file.
    pub(super) fn new(file: &Path, settings: &Settings, proxies: &'a Proxies) -> Self {
        let all = settings.proxies.iter().cloned().map(ManagedProxy::made).collect();
        Self { proxies, file: file.display().to_string(), bind: settings.run.bind, all }
    }

    /// Returns true if the file does not have proxies.
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Changes the proxies to those of the changed file. A proxy whose entry is unchanged stays as it is,
    /// even if an API client has changed it. Proxies that the API created stay too. Failures are logged, and
    /// [`Self::try_again`] repeats them. Returns the number of failures.
    pub(super) async fn follow(&mut self, wanted: Vec<ProxySettings>) -> usize {
        // A reload logs all problems again.
        self.all.iter_mut().for_each(|known| known.logged = None);
        self.change_to(wanted).await;
        self.all.iter().filter(|known| known.problem.is_some()).count()
    }

    /// Repeats the changes that failed. Logs an error only if it differs from the last one.
    pub(super) async fn try_again(&mut self) {
        if self.all.iter().any(|known| known.problem.is_some()) {
            let wanted = self.all.iter().map(|known| known.wanted.clone()).collect();
            self.change_to(wanted).await;
        }
    }

    async fn change_to(&mut self, wanted: Vec<ProxySettings>) {
        self.leave_to_others();
        self.find_replaced(&wanted);
        self.end_all_but(&wanted).await;
        let wanted = self.named(wanted);
        for new in &wanted {
            self.give_up_name(new).await;
        }
        let mut before = std::mem::take(&mut self.all);
        for wanted in wanted {
            let same = before.iter().position(|known| known.wanted.label == wanted.label);
            let known = same.map(|at| before.swap_remove(at));
            self.all.push(match known {
                Some(known) => ManagedProxy { wanted, ..known },
                None => ManagedProxy::new(wanted),
            });
        }
        self.change_all().await;
        if self.make_way().await {
            self.change_all().await;
        }
        self.log_problems().await;
    }

    /// Stops managing a proxy after a failed attempt if an API client has changed or deleted it since that
    /// attempt began.
    fn leave_to_others(&mut self) {
        for known in &mut self.all {
            let Some(before) = &known.client_generation else { continue };
            let is_unchanged = |proxy: Proxy| proxy.client_generation == *before;
            if !self.proxies.get(&known.wanted.name).is_ok_and(is_unchanged) {
                info!(proxy = %known.wanted.label, "proxy not tried again, because an API client has changed it");
                *known = ManagedProxy::made(known.wanted.clone());
            }
        }
    }

    /// Finds proxies without a name whose mapping is no longer in the file. Each continues as the new proxy
    /// in its place.
    fn find_replaced(&mut self, wanted: &[ProxySettings]) {
        for new in wanted.iter().filter(|new| !new.has_name()) {
            if self.all.iter().any(|known| known.wanted.label == new.label) {
                continue;
            }
            let is_before = |known: &&mut ManagedProxy| {
                let old = &known.wanted;
                let is_gone = wanted.iter().all(|new| new.label != old.label);
                known.made.is_some() && !old.has_name() && old.name == new.name && is_gone
            };
            if let Some(known) = self.all.iter_mut().find(is_before) {
                known.wanted.label.clone_from(&new.label);
                known.is_replaced = true;
            }
        }
    }

    async fn end_all_but(&mut self, wanted: &[ProxySettings]) {
        let is_wanted = |known: &ManagedProxy| wanted.iter().any(|new| new.label == known.wanted.label);
        let (kept, gone): (Vec<_>, Vec<_>) = std::mem::take(&mut self.all).into_iter().partition(is_wanted);
        self.all = kept;
        for ManagedProxy { wanted, .. } in gone.into_iter().filter(|known| known.made.is_some()) {
            if self.proxies.delete(&wanted.name).await.is_ok() {
                info!(proxy = %wanted.label, "proxy deleted, because it is no longer in the file");
            }
        }
    }

    /// Sets the names of proxies that do not have a name in the file. A running proxy keeps its name unless
    /// the file gives that name to another proxy. New proxies get a free name.
    fn named(&self, mut wanted: Vec<ProxySettings>) -> Vec<ProxySettings> {
        let made = || self.all.iter().filter(|known| known.made.is_some()).map(|known| &known.wanted);
        let given: BTreeSet<_> =
            wanted.iter().filter(|new| new.has_name()).map(|new| new.name.clone()).collect();
        let mut taken: BTreeSet<_> = made().map(|known| known.name.clone()).chain(given.clone()).collect();
        taken.extend(self.proxies.all().into_iter().map(|proxy| proxy.name));
        for new in wanted.iter_mut().filter(|new| !new.has_name()) {
            let known = made().find(|known| known.label == new.label);
            if let Some(known) = known.filter(|known| !given.contains(&known.name)) {
                new.name.clone_from(&known.name);
            } else {
                let numbered = (1..).map(|number| format!("proxy-{number}"));
                let mut names = std::iter::once(new.name.clone()).chain(numbered);
                new.name = names.find(|name| !taken.contains(name)).expect("there is no end of numbers");
                taken.insert(new.name.clone());
            }
        }
        wanted
    }

    /// Deletes a proxy whose name changes. A new proxy replaces it.
    async fn give_up_name(&mut self, new: &ProxySettings) {
        let is_same = |known: &&mut ManagedProxy| known.made.is_some() && known.wanted.label == new.label;
        let Some(known) = self.all.iter_mut().find(is_same) else { return };
        if known.wanted.name != new.name {
            if self.proxies.delete(&known.wanted.name).await.is_ok() {
                info!(
                    proxy = %new.label,
                    name = %new.name,
                    "proxy created again, because the file gives its name to another proxy"
                );
            }
            *known = ManagedProxy::new(new.clone());
        }
    }

    /// Applies all pending changes. Repeats while one succeeds, because a proxy may wait for the port of another.
    async fn change_all(&mut self) {
        let mut is_stuck = false;
        while !is_stuck {
            is_stuck = true;
            let (proxies, bind) = (self.proxies, self.bind);
            for known in self.all.iter_mut().filter(|known| !known.is_done()) {
                match change(known, proxies, bind).await {
                    Ok(()) => {
                        *known = ManagedProxy::made(known.wanted.clone());
                        is_stuck = false;
                    }
                    Err(error) => known.problem = Some(format!("{:#}", start_error(error, &known.wanted))),
                }
            }
        }
    }

    /// Disables the proxies that exchange ports with each other. Returns true if there are any.
    async fn make_way(&mut self) -> bool {
        let mut waiting: Vec<_> = self
            .all
            .iter()
            .enumerate()
            .filter(|(_, known)| known.problem.is_some() && known.made.is_some())
            .filter_map(|(index, known)| {
                let proxy = self.proxies.get(&known.wanted.name).ok().filter(|proxy| proxy.enabled)?;
                Some((index, proxy.listen.port, u16::from(known.wanted.mapping.listen.port)))
            })
            .collect();
        loop {
            let held: BTreeSet<_> = waiting.iter().map(|(_, port, _)| *port).collect();
            let count = waiting.len();
            // A proxy that keeps its port, or gets a port that none of them has, does not wait.
            waiting.retain(|(_, port, wanted)| port != wanted && held.contains(wanted));
            if waiting.len() == count {
                break;
            }
        }
        for (index, ..) in &waiting {
            let known = &mut self.all[*index];
            let required = known.client_generation.clone();
            let disabled = Update { enabled: Some(false), required, ..Update::default() };
            known.gave_way = self
                .proxies
                .update(&known.wanted.name, disabled)
                .await
                .ok()
                .map(|proxy| proxy.stop_generation);
        }
        !waiting.is_empty()
    }

    /// Logs new errors. Restores a proxy that was disabled for a failed exchange of ports, if possible.
    async fn log_problems(&mut self) {
        for known in self.all.iter_mut().filter(|known| known.problem.is_some()) {
            let name = &known.wanted.name;
            if known.gave_way.is_some() {
                let required = known.client_generation.clone();
                let enabled = Update { enabled: Some(true), required, ..Update::default() };
                if self.proxies.update(name, enabled).await.is_ok() {
                    known.gave_way = None;
                }
            }
            let proxy = self.proxies.get(name).ok().filter(|_| known.made.is_some());
            if known.logged != known.problem {
                let error = known.problem.as_ref().map(display);
                let listen = proxy.as_ref().filter(|proxy| proxy.enabled).map(|proxy| display(&proxy.listen));
                let (proxy, path) = (&known.wanted.label, &self.file);
                error!(%proxy, %path, listen, error, "cannot apply the configuration of the proxy, trying again");
                known.logged.clone_from(&known.problem);
            }
        }
    }
}

async fn change(known: &mut ManagedProxy, proxies: &Proxies, bind: IpAddr) -> Result<(), ChangeError> {
    let new = &known.wanted;
    let now = proxies.get(&new.name).ok();
    if now.is_none() && known.client_generation.is_some() {
        return Err(ChangeError::NoSuchProxy);
    }
    let (Some(made), Some(now)) = (&mut known.made, now) else {
        known.made = None;
        let started = proxies.create(spec(new, bind)).await?;
        log_listening(&started, new.named_mapping());
        return Ok(());
    };
    let required = known.client_generation.get_or_insert(now.client_generation).clone();
    let replaced = if known.is_replaced {
        let (mut replaced, error) = proxies.populate(vec![Ok(spec(new, bind))]).await;
        error.map_or(Ok(()), Err)?;
        replaced.pop()
    } else {
        None
    };
    if made.faults != new.faults {
        proxies.change_faults(&new.name, |faults| {
            *faults = new.faults.iter().map(ConfiguredFault::record).collect();
            Ok::<_, ChangeError>(())
        })?;
        made.faults.clone_from(&new.faults);
        if made.mapping == new.mapping {
            info!(proxy = %new.label, "proxy faults updated");
        }
    }
    let is_ours = known.gave_way.as_ref() == Some(&now.stop_generation);
    let proxy = match replaced {
        Some(proxy) => proxy,
        None if made.mapping == new.mapping && !is_ours => return Ok(()),
        None => {
            let Spec { listen, upstream, .. } = spec(new, bind);
            let enabled = is_ours.then_some(true);
            let required = Some(required);
            let addresses = Update { listen: Some(listen), upstream: Some(upstream), enabled, required };
            proxies.update(&new.name, addresses).await?
        }
    };
    if proxy.enabled {
        log_listening(&proxy, new.named_mapping());
    } else {
        info!(proxy = %new.label, mapping = new.named_mapping(), "proxy changed; it stays disabled");
    }
    Ok(())
}
