//! The proxies of the file: made, changed and ended as it says, and left to whoever else has changed them.

use std::collections::BTreeSet;
use std::net::IpAddr;

use proxy_control::proxies::{ChangeError, Moment, Proxies, Proxy, Update};
use tracing::{error, info};

use crate::config::{GivenFault, ProxySettings, Settings};
use crate::start::{spec, told};
use crate::wire::listen_of;

/// The proxies of the file, and what has become of them.
#[derive(Debug)]
pub(super) struct Followed<'a> {
    proxies: &'a Proxies,
    /// Where mappings without an address listen, as long as the run lasts.
    bind: IpAddr,
    all: Vec<Known>,
}

#[derive(Debug)]
struct Known {
    /// As the file has it; with the name that it has here.
    wanted: ProxySettings,
    is_made: bool,
    /// When we did, since its mapping changes. One that somebody else has disabled stays disabled.
    stopped: Option<Moment>,
    /// Why it is not as wanted, in the words of the log.
    problem: Option<String>,
}

impl Known {
    fn made(wanted: ProxySettings) -> Self {
        Self { wanted, is_made: true, stopped: None, problem: None }
    }

    fn new(wanted: ProxySettings) -> Self {
        Self { is_made: false, ..Self::made(wanted) }
    }
}

impl<'a> Followed<'a> {
    /// Those of a run that has started.
    pub(super) fn new(settings: &Settings, proxies: &'a Proxies) -> Self {
        let all = settings.proxies.iter().cloned().map(Known::made).collect();
        Self { proxies, bind: settings.bind, all }
    }

    /// Whether the file has none.
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Makes them what the file says now. Those of which it says the same are left alone, whatever has become of them since; those
    /// that come from elsewhere too. What fails is told, and can be [tried again](Self::try_again). Returns how many fail.
    pub(super) async fn follow(&mut self, wanted: Vec<ProxySettings>) -> usize {
        for problem in self.all.iter_mut().filter_map(|known| known.problem.as_mut()) {
            // whoever reloads is told of it again
            problem.clear();
        }
        self.change_to(wanted).await;
        self.all.iter().filter(|known| known.problem.is_some()).count()
    }

    /// Tries again what has failed, and says so only if it fails otherwise.
    pub(super) async fn try_again(&mut self) {
        if self.all.iter().any(|known| known.problem.is_some()) {
            let wanted = self.all.iter().map(|known| known.wanted.clone()).collect();
            self.change_to(wanted).await;
        }
    }

    async fn change_to(&mut self, wanted: Vec<ProxySettings>) {
        self.leave_to_others();
        self.end_all_but(&wanted).await;
        let wanted = self.named(wanted);
        // Any of them may want the port or the name of another.
        for new in &wanted {
            self.make_way(new).await;
        }
        let mut before = std::mem::take(&mut self.all);
        for new in wanted {
            let same = before.iter().position(|known| known.wanted.label == new.label);
            let known = same.map_or_else(|| Known::new(new.clone()), |at| before.swap_remove(at));
            let changed = self.changed(known, new).await;
            self.all.push(changed);
        }
    }

    /// A proxy that we have stopped, and that somebody has changed or deleted since, is theirs.
    fn leave_to_others(&mut self) {
        for known in &mut self.all {
            let Some(stopped) = &known.stopped else { continue };
            let as_left = |proxy: Proxy| !proxy.enabled && proxy.stopped == *stopped;
            if !self.proxies.get(&known.wanted.name).is_ok_and(as_left) {
                info!("{}: not tried again, since somebody else has changed it", known.wanted.label);
                (known.stopped, known.problem) = (None, None);
            }
        }
    }

    async fn end_all_but(&mut self, wanted: &[ProxySettings]) {
        let is_wanted = |known: &Known| wanted.iter().any(|new| new.label == known.wanted.label);
        let (kept, gone): (Vec<_>, Vec<_>) = std::mem::take(&mut self.all).into_iter().partition(is_wanted);
        self.all = kept;
        for Known { wanted, .. } in gone.into_iter().filter(|known| known.is_made) {
            if self.proxies.delete(&wanted.name).await.is_ok() {
                info!("{} is gone", wanted.label);
            }
        }
    }

    /// With the names they have here. Those that the file gives none keep theirs if they are made and it gives that to no other;
    /// else they get one that is free.
    fn named(&self, mut wanted: Vec<ProxySettings>) -> Vec<ProxySettings> {
        let made = || self.all.iter().filter(|known| known.is_made).map(|known| &known.wanted);
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

    /// Gives up its port if it is to have another, and its name if it is to have another.
    async fn make_way(&mut self, new: &ProxySettings) {
        let is_same = |known: &&mut Known| known.is_made && known.wanted.label == new.label;
        let Some(known) = self.all.iter_mut().find(is_same) else { return };
        let name = &known.wanted.name;
        if *name != new.name {
            if self.proxies.delete(name).await.is_ok() {
                info!("{} is made anew as {}: the file gives its name to another", new.label, new.name);
                (known.is_made, known.stopped) = (false, None);
            }
            known.wanted.name.clone_from(&new.name);
        } else if known.wanted.mapping != new.mapping
            && self.proxies.get(name).is_ok_and(|proxy| proxy.enabled)
        {
            let disabled = Update { enabled: Some(false), ..Update::default() };
            known.stopped = self.proxies.update(name, disabled).await.ok().map(|proxy| proxy.stopped);
        }
    }

    async fn changed(&self, mut known: Known, new: ProxySettings) -> Known {
        if known.is_made && known.problem.is_none() && known.wanted == new {
            return known;
        }
        match self.change(&mut known, &new).await {
            Ok(()) => Known::made(new),
            Err(error) => {
                let problem = format!("{:#}", told(error, &new));
                if known.problem.as_ref() != Some(&problem) {
                    error!("{problem}: trying again");
                }
                Known { wanted: new, problem: Some(problem), ..known }
            }
        }
    }

    async fn change(&self, known: &mut Known, new: &ProxySettings) -> Result<(), ChangeError> {
        let now = self.proxies.get(&new.name).ok().filter(|_| known.is_made);
        let Some(now) = now else {
            known.is_made = false;
            let started = self.proxies.create(spec(new, self.bind)).await?;
            info!("listening on {} for {}", started.listen, new.mapping);
            return Ok(());
        };
        if known.wanted != *new {
            self.proxies.change_faults(&new.name, |faults| {
                *faults = new.faults.iter().map(GivenFault::record).collect();
                Ok::<_, ChangeError>(())
            })?;
        }
        if known.problem.is_none() && known.wanted.mapping == new.mapping {
            info!("{} has other faults", new.label);
            return Ok(());
        }
        let (listen, upstream) = (listen_of(&new.mapping, self.bind), new.mapping.upstream.to_string());
        let addresses = Update { listen: Some(listen), upstream: Some(upstream), enabled: None };
        let mut proxy = self.proxies.update(&new.name, addresses).await?;
        if known.stopped.as_ref() == Some(&now.stopped) {
            // If this fails, it is as it was left by the update before.
            known.stopped = Some(proxy.stopped);
            let enabled = Update { enabled: Some(true), ..Update::default() };
            proxy = self.proxies.update(&new.name, enabled).await?;
        }
        if proxy.enabled {
            info!("listening on {} for {}", proxy.listen, new.mapping);
        } else {
            info!("{} is {} now, and stays disabled", new.label, new.mapping);
        }
        Ok(())
    }
}
