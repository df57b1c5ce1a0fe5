use std::collections::BTreeSet;
use std::net::IpAddr;

use proxy_control::proxies::{ChangeError, Proxies, Update};
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
    /// By us, since its mapping changes. One that somebody else has disabled stays disabled.
    is_stopped: bool,
    /// Why it is not as wanted, in the words of the log.
    problem: Option<String>,
}

impl Known {
    fn made(wanted: ProxySettings) -> Self {
        Self { wanted, is_made: true, is_stopped: false, problem: None }
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

    /// Makes them what the file says now. Those of which it says the same are left alone, whatever has become of them since; those
    /// that come from elsewhere too. What fails is told, and can be [tried again](Self::try_again).
    pub(super) async fn follow(&mut self, wanted: Vec<ProxySettings>) {
        for problem in self.all.iter_mut().filter_map(|known| known.problem.as_mut()) {
            // whoever reloads is told of it again
            problem.clear();
        }
        self.change_to(wanted).await;
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
        // Any of them may want the port of another.
        for new in &wanted {
            self.stop_before_moving(new).await;
        }
        let mut before = std::mem::take(&mut self.all);
        for new in wanted {
            let same = before.iter().position(|known| known.wanted.label == new.label);
            let known = same.map_or_else(|| Known::new(new.clone()), |at| before.swap_remove(at));
            let changed = self.changed(known, new).await;
            self.all.push(changed);
        }
    }

    /// A proxy that we have stopped, and that somebody has enabled or deleted since, is theirs.
    fn leave_to_others(&mut self) {
        for known in self.all.iter_mut().filter(|known| known.is_stopped) {
            if !self.proxies.get(&known.wanted.name).is_ok_and(|proxy| !proxy.enabled) {
                (known.is_stopped, known.problem) = (false, None);
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

    /// With the names they have here: those that are made keep theirs, and others that the file gives none get one that is free.
    fn named(&self, mut wanted: Vec<ProxySettings>) -> Vec<ProxySettings> {
        let made = || self.all.iter().filter(|known| known.is_made).map(|known| &known.wanted);
        let given = wanted.iter().filter(|new| new.has_name()).map(|new| new.name.clone());
        let mut taken: BTreeSet<_> = given.chain(made().map(|known| known.name.clone())).collect();
        taken.extend(self.proxies.all().into_iter().map(|proxy| proxy.name));
        for new in &mut wanted {
            if let Some(known) = made().find(|known| known.label == new.label) {
                new.name.clone_from(&known.name);
            } else if !new.has_name() {
                let numbered = (1..).map(|number| format!("proxy-{number}"));
                let mut names = std::iter::once(new.name.clone()).chain(numbered);
                new.name = names.find(|name| !taken.contains(name)).expect("there is no end of numbers");
                taken.insert(new.name.clone());
            }
        }
        wanted
    }

    async fn stop_before_moving(&mut self, new: &ProxySettings) {
        let moves = |known: &&mut Known| {
            known.is_made && known.wanted.label == new.label && known.wanted.mapping != new.mapping
        };
        let Some(known) = self.all.iter_mut().find(moves) else { return };
        if self.proxies.get(&new.name).is_ok_and(|proxy| proxy.enabled) {
            let disabled = Update { enabled: Some(false), ..Update::default() };
            known.is_stopped = self.proxies.update(&new.name, disabled).await.is_ok();
        }
    }

    async fn changed(&self, known: Known, new: ProxySettings) -> Known {
        if known.is_made && known.problem.is_none() && known.wanted == new {
            return known;
        }
        match self.change(&known, &new).await {
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

    async fn change(&self, known: &Known, new: &ProxySettings) -> Result<(), ChangeError> {
        if !known.is_made || self.proxies.get(&new.name).is_err() {
            let started = self.proxies.create(spec(new, self.bind)).await?;
            info!("listening on {} for {}", started.listen, new.mapping);
            return Ok(());
        }
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
        let enabled = known.is_stopped.then_some(true);
        let update = Update { listen: Some(listen), upstream: Some(upstream), enabled };
        let proxy = self.proxies.update(&new.name, update).await?;
        if proxy.enabled {
            info!("listening on {} for {}", proxy.listen, new.mapping);
        } else {
            info!("{} is {} now, and stays disabled", new.label, new.mapping);
        }
        Ok(())
    }
}
