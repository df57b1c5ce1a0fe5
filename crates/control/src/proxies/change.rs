//! Changes of proxies.

use std::time::Duration;

use fault_proxy_mapping::{ListenAddr, Upstream};
use futures_util::future::join_all;
use serde_json::Value;
use tokio::time::timeout;

use super::entry::Entry;
use super::record::{check_protocol, effective, shown};
use super::{ChangeError, FaultRecord, Generation, Proxies, Proxy, ProxyUpstream, Spec, Update};

/// Maximum time to wait for listeners.
const APPLY_TIMEOUT: Duration = Duration::from_secs(2);

/// Waits until the listeners of these proxies are open or closed as their faults require. Stops waiting after
/// [`APPLY_TIMEOUT`], because a listener may be unable to open: its port is in use or the session limit is
/// reached.
pub(crate) async fn wait_applied(proxies: impl IntoIterator<Item = &Proxy>) {
    let all = proxies.into_iter().map(|proxy| proxy.engine.wait_for_listeners());
    timeout(APPLY_TIMEOUT, join_all(all)).await.ok();
}

impl Proxies {
    /// Creates a proxy. Its faults apply to the first session.
    ///
    /// # Errors
    /// Returns an error without creating the proxy if the name is in use, an address is invalid, or the port
    /// cannot be bound.
    pub async fn create(&self, spec: Spec) -> Result<Proxy, ChangeError> {
        self.check_listen(&spec.listen).await?;
        let proxy = self.in_turn(async |proxies: Proxies| proxies.create_now(spec).await).await?;
        wait_applied([&proxy]).await;
        Ok(proxy)
    }

    /// Changes a proxy. If its addresses change, or it is disabled, the connections of its sessions are closed.
    ///
    /// # Errors
    /// Returns an error and leaves the proxy unchanged if the proxy does not exist, an API client has changed
    /// it since the required generation, an address is invalid, or the port cannot be bound.
    pub async fn update(&self, name: &str, update: Update) -> Result<Proxy, ChangeError> {
        if let Some(listen) = &update.listen {
            self.check_listen(listen).await?;
        }
        let name = name.to_owned();
        let proxy =
            self.in_turn(async move |proxies: Proxies| proxies.update_now(&name, update).await).await?;
        wait_applied([&proxy]).await;
        Ok(proxy)
    }

    /// Deletes a proxy. The connections of its sessions are closed when this returns.
    ///
    /// # Errors
    /// Returns an error if the proxy does not exist.
    pub async fn delete(&self, name: &str) -> Result<(), ChangeError> {
        let name = name.to_owned();
        self.in_turn(async move |proxies: Proxies| proxies.delete_now(&name).await).await
    }

    /// Creates these proxies in order. An existing proxy of the same name is kept if its addresses are the
    /// same. Otherwise it is replaced, or kept if the new one cannot start. If any upstream is invalid, no
    /// proxy is created. An error in place of a proxy stops the creation at its position.
    ///
    /// Returns the proxies, and the error that stopped the creation.
    pub async fn populate(&self, specs: Vec<Result<Spec, ChangeError>>) -> (Vec<Proxy>, Option<ChangeError>) {
        for (index, spec) in specs.iter().enumerate() {
            if let Ok(Err(problem)) = spec.as_ref().map(|spec| self.inner.host.check(&spec.upstream.addr)) {
                let problem = format!("{problem} at proxy {}", index + 1);
                return (Vec::new(), Some(ChangeError::Invalid(problem)));
            }
        }
        let resolved = specs.into_iter().map(async |spec| {
            let spec = spec?;
            self.check_listen(&spec.listen).await?;
            Ok(spec)
        });
        let resolved: Vec<Result<Spec, ChangeError>> = join_all(resolved).await;
        let (done, error) = self
            .in_turn(async move |proxies: Proxies| {
                let mut done: Vec<Proxy> = Vec::new();
                for spec in resolved {
                    let spec = match spec {
                        Ok(spec) => spec,
                        Err(error) => return (done, Some(error)),
                    };
                    let name = spec.name.clone();
                    match proxies.populate_now(spec).await {
                        Ok(proxy) => {
                            // An earlier entry with this name has been replaced.
                            done.retain(|before| before.name != name);
                            done.push(proxy);
                        }
                        Err(error) => {
                            // The proxy of an earlier entry with this name is still there, but it may be disabled now.
                            let before = done.iter_mut().find(|before| before.name == name);
                            if let (Some(before), Ok(now)) = (before, proxies.get(&name)) {
                                *before = now;
                            }
                            return (done, Some(error));
                        }
                    }
                }
                (done, None)
            })
            .await;
        wait_applied(&done).await;
        (done, error)
    }

    /// Removes all faults and enables all proxies.
    ///
    /// # Errors
    /// Returns an error if a proxy could not be enabled. The other proxies are enabled.
    pub async fn reset(&self) -> Result<(), ChangeError> {
        let before = self.all();
        self.remove_all_faults();
        let result = self
            .in_turn(async move |proxies: Proxies| {
                // Also remove the faults of proxies that are being created.
                proxies.remove_all_faults();
                let names: Vec<_> = proxies.entries().keys().cloned().collect();
                let mut result = Ok(());
                for name in &names {
                    let started = proxies.start_now(name).await;
                    result = result.and(started);
                }
                for before in &before {
                    if let Ok(after) = proxies.get(&before.name) {
                        proxies.record("reset", &before.name, before.shown(), after.shown());
                    }
                }
                result
            })
            .await;
        wait_applied(&self.all()).await;
        result
    }

    fn remove_all_faults(&self) {
        self.entries().iter_mut().for_each(|(name, entry)| self.set_records(name, entry, Vec::new()));
    }

    /// Changes the faults of a proxy and of its open sessions. `change` edits the list of faults and must not
    /// block. If it fails, the faults stay unchanged.
    ///
    /// # Errors
    /// Returns the error of `change`, or [`ChangeError::NoSuchProxy`].
    pub fn change_faults<T, E: From<ChangeError>>(
        &self,
        name: &str,
        change: impl FnOnce(&mut Vec<FaultRecord>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.edit_faults("change faults", name, change)
    }

    /// Like [`change_faults`](Self::change_faults). `action` is the name of the change in the record.
    pub(super) fn edit_faults<T, E: From<ChangeError>>(
        &self,
        action: &'static str,
        name: &str,
        change: impl FnOnce(&mut Vec<FaultRecord>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut entries = self.entries();
        let entry = entries.get_mut(name).ok_or(ChangeError::NoSuchProxy)?;
        let mut records = entry.records.clone();
        let changed = change(&mut records)?;
        check_protocol(&records, &entry.upstream.addr)?;
        if self.client.is_some() {
            let [before, after] = [(&entry.records, &records), (&records, &entry.records)]
                .map(|(some, others)| some.iter().filter(|one| !others.contains(one)).map(shown).collect());
            // A new time to live may have the same length as the previous one.
            if entry.records != records {
                self.record_change(action, name, before, after);
            }
        }
        self.on_new_faults(&records);
        self.set_records(name, entry, records);
        Ok(changed)
    }

    /// Resolves a listen address before the change starts, so that a name server that does not respond does not delay
    /// other changes.
    async fn check_listen(&self, listen: &ListenAddr) -> Result<(), ChangeError> {
        Ok(self.inner.host.address(listen).await.map(drop)?)
    }

    /// Runs a change after all earlier ones. The change completes even if the caller drops its future.
    async fn in_turn<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        &self,
        change: impl FnOnce(Proxies) -> F,
    ) -> T {
        let change = change(self.clone());
        let proxies = self.clone();
        let task = self.inner.tasks.spawn(async move {
            let _turn = proxies.inner.turn.lock().await;
            change.await
        });
        task.await.expect("a change neither panics nor is aborted")
    }

    async fn create_now(&self, spec: Spec) -> Result<Proxy, ChangeError> {
        if self.entries().contains_key(&spec.name) {
            return Err(ChangeError::ProxyExists);
        }
        let proxy = self.put_now(spec).await?;
        self.record("create", &proxy.name, Value::Null, proxy.shown());
        Ok(proxy)
    }

    /// Starts a proxy, then replaces the proxy of the same name.
    async fn put_now(&self, spec: Spec) -> Result<Proxy, ChangeError> {
        self.check_new(&spec).await?;
        let (name, enabled) = (spec.name.clone(), spec.enabled);
        let faults = self.inner.engine.proxy(&name, effective(&spec.faults));
        let mut entry = Entry::new(spec, faults, self.engine().now());
        if enabled {
            entry.started = Some(self.inner.host.start(entry.start(&name)).await?);
        }
        let proxy = entry.proxy(&name);
        let before = self.entries().insert(name, entry);
        self.on_new_faults(&proxy.faults);
        if let Some(before) = &before {
            self.keep_removed(&proxy.name, before, &[]);
        }
        if let Some(started) = before.and_then(|before| before.started) {
            started.stop().await;
        }
        Ok(proxy)
    }

    async fn update_now(&self, name: &str, update: Update) -> Result<Proxy, ChangeError> {
        let before = self.get(name)?;
        if update.required.as_ref().is_some_and(|required| *required != before.client_generation) {
            return Err(ChangeError::ChangedByClient);
        }
        let updated = self.apply_now(name, update).await;
        // A proxy may be stopped although the rest of the change failed.
        let after = self.get(name)?;
        let state = |proxy: &Proxy| (proxy.enabled, proxy.stop_generation.clone());
        if self.client.is_some()
            && state(&before) != state(&after)
            && let Some(entry) = self.entries().get_mut(name)
        {
            entry.client_generation = Generation::default();
        }
        self.record("update", name, before.shown(), after.shown());
        updated
    }

    async fn apply_now(&self, name: &str, update: Update) -> Result<Proxy, ChangeError> {
        let (now, was_given) = {
            let entries = self.entries();
            let entry = entries.get(name).ok_or(ChangeError::NoSuchProxy)?;
            (entry.proxy(name), entry.listen.clone())
        };
        let upstream = update.upstream.unwrap_or_else(|| now.upstream.clone());
        let listen = match update.listen {
            // Port 0 requests a new port, even if the proxy was created with port 0.
            Some(listen) if listen.port == 0 => Some(listen),
            Some(listen) if listen == was_given || self.is_same_address(&listen, &now.listen).await => None,
            listen => listen,
        };
        let is_elsewhere = listen.is_some() || upstream != now.upstream;
        let is_to_listen = update.enabled.unwrap_or(now.enabled);
        if is_elsewhere {
            self.inner.host.check(&upstream.addr).map_err(ChangeError::Invalid)?;
            check_protocol(&now.faults, &upstream.addr)?;
            if is_to_listen {
                // Check before stopping, so that an error changes nothing.
                self.check_loop(name, listen.as_ref().unwrap_or(&now.listen), &upstream.addr).await?;
            }
        }
        if is_elsewhere && is_to_listen {
            self.restart_now(name, listen, upstream).await?;
            return self.get(name);
        }
        if !is_to_listen {
            self.stop_now(name).await;
        }
        if let Some(entry) = self.entries().get_mut(name) {
            entry.move_to(listen, upstream);
        }
        if is_to_listen {
            self.start_now(name).await?;
        }
        self.get(name)
    }

    /// Starts a proxy with new addresses, then stops it on the old ones. If it keeps its port, it is stopped
    /// first, and restarted with the old addresses if the start fails.
    async fn restart_now(
        &self,
        name: &str,
        listen: Option<ListenAddr>,
        upstream: ProxyUpstream,
    ) -> Result<(), ChangeError> {
        let (mut start, is_running) = {
            let entries = self.entries();
            let entry = entries.get(name).ok_or(ChangeError::NoSuchProxy)?;
            (entry.start(name), entry.started.is_some())
        };
        let keeps_port = listen.as_ref().is_none_or(|listen| listen.port == start.listen.port);
        if is_running && keeps_port {
            self.stop_now(name).await;
        }
        start.upstream.clone_from(&upstream.addr);
        // A stopped proxy keeps the port that the system chose.
        let stopped = self.entries().get(name).map(|entry| entry.listen.clone());
        start.listen = listen.clone().or(stopped).unwrap_or(start.listen);
        let started = match self.inner.host.start(start).await {
            Ok(started) => started,
            Err(error) => {
                if is_running {
                    self.start_now(name).await?;
                }
                return Err(error.into());
            }
        };
        self.stop_now(name).await;
        if let Some(entry) = self.entries().get_mut(name) {
            entry.move_to(listen, upstream);
            entry.started = Some(started);
        }
        Ok(())
    }

    async fn check_new(&self, spec: &Spec) -> Result<(), ChangeError> {
        self.inner.host.check(&spec.upstream.addr).map_err(ChangeError::Invalid)?;
        check_protocol(&spec.faults, &spec.upstream.addr)?;
        if spec.enabled {
            self.check_loop(&spec.name, &spec.listen, &spec.upstream.addr).await?;
        }
        Ok(())
    }

    async fn check_loop(&self, name: &str, at: &ListenAddr, to: &Upstream) -> Result<(), ChangeError> {
        self.inner.host.check_loop(name, at, to).await.map_err(ChangeError::Invalid)
    }

    async fn delete_now(&self, name: &str) -> Result<(), ChangeError> {
        let entry = self.entries().remove(name).ok_or(ChangeError::NoSuchProxy)?;
        self.record("delete", name, entry.proxy(name).shown(), Value::Null);
        self.keep_removed(name, &entry, &[]);
        if let Some(started) = entry.started {
            started.stop().await;
        }
        Ok(())
    }

    async fn populate_now(&self, spec: Spec) -> Result<Proxy, ChangeError> {
        let Ok(proxy) = self.get(&spec.name) else { return self.create_now(spec).await };
        if proxy.upstream == spec.upstream && self.is_same_address(&spec.listen, &proxy.listen).await {
            return Ok(proxy);
        }
        if spec.listen.port == proxy.listen.port {
            // Check before stopping, so that an error changes nothing.
            self.check_new(&spec).await?;
            self.stop_now(&spec.name).await;
        }
        let name = spec.name.clone();
        let replaced = self.put_now(spec).await;
        if let Ok(new) = &replaced {
            self.record("replace", &name, proxy.shown(), new.shown());
        } else if proxy.enabled {
            self.start_now(&name).await?;
        }
        replaced
    }

    async fn is_same_address(&self, one: &ListenAddr, other: &ListenAddr) -> bool {
        let address = |of| self.inner.host.address(of);
        one == other
            || matches!((address(one).await, address(other).await), (Ok(one), Ok(other)) if one == other)
    }

    /// Starts a proxy unless it already listens.
    async fn start_now(&self, name: &str) -> Result<(), ChangeError> {
        let start = match self.entries().get(name) {
            Some(entry) if entry.started.is_none() => entry.start(name),
            _ => return Ok(()),
        };
        self.check_loop(name, &start.listen, &start.upstream).await?;
        let started = self.inner.host.start(start).await?;
        if let Some(entry) = self.entries().get_mut(name) {
            entry.started = Some(started);
        }
        Ok(())
    }

    async fn stop_now(&self, name: &str) {
        let started = self.entries().get_mut(name).and_then(Entry::stop);
        if let Some(started) = started {
            started.stop().await;
        }
    }
}
