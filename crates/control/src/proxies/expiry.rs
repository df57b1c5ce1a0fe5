//! Removal of faults whose time to live has passed.

use std::convert::Infallible;
use std::future::pending;

use tokio::select;
use tokio::time::{Instant, sleep_until};

use super::{ChangeError, Client, FaultRecord, Proxies};

impl Proxies {
    /// Removes each fault when its time to live has passed. Never returns.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing. The next call removes faults that have expired in the meantime.
    pub(crate) async fn remove_expired_faults(&self) -> Infallible {
        let proxies = self.on_behalf_of(Client::ttl());
        loop {
            let next = proxies.remove_expired_now(Instant::now());
            let expired = async {
                match next {
                    Some(next) => sleep_until(next).await,
                    None => pending().await,
                }
            };
            select! {
                () = expired => {}
                () = self.inner.new_expiry.notified() => {}
            }
        }
    }

    /// Removes expired faults. Returns the time at which the next fault expires.
    fn remove_expired_now(&self, now: Instant) -> Option<Instant> {
        let has_expired = |fault: &FaultRecord| expires(fault).is_some_and(|at| at <= now);
        let entries = self.entries();
        let affected = entries.iter().filter(|(_, entry)| entry.records.iter().any(has_expired));
        let affected: Vec<_> = affected.map(|(name, _)| name.clone()).collect();
        drop(entries);
        for name in affected {
            // A proxy that was deleted in the meantime does not have faults.
            let _ = self.edit_faults("expire", &name, |faults| {
                faults.retain(|fault| !has_expired(fault));
                Ok::<_, ChangeError>(())
            });
        }
        self.entries().values().flat_map(|entry| &entry.records).filter_map(expires).min()
    }

    /// Notifies the removal of faults that expire.
    pub(super) fn on_new_faults(&self, faults: &[FaultRecord]) {
        if faults.iter().any(|fault| fault.ttl.is_some()) {
            self.inner.new_expiry.notify_one();
        }
    }
}

fn expires(fault: &FaultRecord) -> Option<Instant> {
    fault.ttl.map(|ttl| ttl.ends)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use fault_proxy_engine::{Engine, ScheduleContext, Settings};
    use fault_proxy_mapping::{ListenAddr, Upstream};
    use serde_json::{Value, json};
    use tokio::time::sleep;

    use super::*;
    use crate::proxies::{CheckingLoop, LaunchRequest, ProxyLauncher, Resolving, Spec, Starting, Update};
    use crate::toxic::{self, json::parse_object};

    const SECOND: Duration = Duration::from_secs(1);

    /// A launcher that only resolves addresses. Its proxies are disabled.
    struct Host;

    impl ProxyLauncher for Host {
        fn check(&self, _: &Upstream) -> Result<(), String> {
            Ok(())
        }

        fn check_loop<'a>(&'a self, _: &'a str, _: &'a ListenAddr, _: &'a Upstream) -> CheckingLoop<'a> {
            Box::pin(async { Err("it does not listen".to_owned()) })
        }

        fn start(&self, _: LaunchRequest) -> Starting<'_> {
            unreachable!("the check fails")
        }

        fn address(&self, _: &ListenAddr) -> Resolving<'_> {
            Box::pin(async { Ok(([127, 0, 0, 1], 1).into()) })
        }
    }

    fn fault(name: &str, ttl: Option<&str>) -> FaultRecord {
        let body = json!({"type": "latency", "name": name, "ttl": ttl}).to_string();
        let body = parse_object(body.as_bytes()).expect("an object");
        toxic::parse(&body, &ScheduleContext::default(), Instant::now()).expect("a fault")
    }

    /// Returns a registry with the proxy `p`, which has these faults.
    async fn with(faults: Vec<FaultRecord>) -> Proxies {
        let proxies = Proxies::new(Host, Engine::new(Settings::default()), "1", None);
        let upstream = "up:1".parse::<Upstream>().expect("an upstream").into();
        let listen = "localhost:0".parse().expect("an address");
        let spec = Spec { name: "p".to_owned(), label: None, listen, upstream, enabled: false, faults };
        proxies.create(spec).await.expect("it is created");
        proxies
    }

    fn add(proxies: &Proxies, fault: FaultRecord) {
        let added = proxies.change_faults("p", |faults| {
            faults.push(fault);
            Ok::<_, ChangeError>(())
        });
        added.expect("the proxy exists");
    }

    fn remove(proxies: &Proxies, name: &str) {
        let removed = proxies.change_faults("p", |faults| {
            faults.retain(|fault| fault.name != name);
            Ok::<_, ChangeError>(())
        });
        removed.expect("the proxy exists");
    }

    fn names(proxies: &Proxies) -> Vec<String> {
        let proxy = proxies.get("p").expect("the proxy exists");
        let applied = proxy.engine.current();
        assert_eq!(applied.len(), proxy.faults.len());
        applied.into_iter().map(|fault| fault.name).collect()
    }

    /// Runs `test` while expired faults are removed.
    async fn removing(proxies: &Proxies, test: impl Future<Output = ()>) {
        select! {
            never = proxies.remove_expired_faults() => match never {},
            () = test => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_fault_is_removed_at_its_time() {
        let proxies = with(vec![fault("late", Some("10s")), fault("stays", None)]).await;
        removing(&proxies, async {
            sleep(SECOND).await;
            add(&proxies, fault("early", Some("2s")));
            sleep(2 * SECOND - Duration::from_millis(1)).await;
            assert_eq!(names(&proxies), ["late", "stays", "early"]);
            sleep(Duration::from_millis(3)).await;
            assert_eq!(names(&proxies), ["late", "stays"]);
            sleep(7 * SECOND).await;
            assert_eq!(names(&proxies), ["stays"]);
            sleep(1000 * SECOND).await;
            assert_eq!(names(&proxies), ["stays"]);
        })
        .await;
        let changes = serde_json::to_value(proxies.changes()).expect("JSON");
        let of = |field: &str| {
            changes.as_array().into_iter().flatten().map(|one| one[field].clone()).collect::<Vec<_>>()
        };
        assert_eq!(of("action"), ["expire", "expire"]);
        assert_eq!(of("client"), ["ttl", "ttl"]);
        assert_eq!(of("user_agent"), [Value::Null, Value::Null]);
        let before = of("before");
        assert_eq!((&before[0][0]["name"], &before[0][0]["ttl"]), (&json!("early"), &json!(2000)));
        assert_eq!(of("after"), [json!([]), json!([])]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_successor_is_not_removed() {
        let proxies = with(Vec::new()).await;
        removing(&proxies, async {
            for successor in [None, Some("100s")] {
                add(&proxies, fault("x", Some("2s")));
                sleep(SECOND).await;
                remove(&proxies, "x");
                add(&proxies, fault("x", successor));
                sleep(10 * SECOND).await;
                assert_eq!(names(&proxies), ["x"]);
                remove(&proxies, "x");
            }
            add(&proxies, fault("x", Some("2s")));
            proxies.reset().await.expect_err("its faults are removed, and it cannot listen");
            add(&proxies, fault("x", None));
            sleep(10 * SECOND).await;
            assert_eq!(names(&proxies), ["x"]);
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_faults_of_a_deleted_proxy_are_forgotten() {
        let proxies = with(vec![fault("x", Some("2s"))]).await;
        removing(&proxies, async {
            proxies.update("p", Update { enabled: Some(false), ..Update::default() }).await.expect("updated");
            proxies.delete("p").await.expect("deleted");
            sleep(10 * SECOND).await;
        })
        .await;
        assert!(proxies.changes().is_empty(), "the program itself has deleted the proxy");
    }

    #[tokio::test(start_paused = true)]
    async fn what_expires_while_nobody_looks_is_removed_later() {
        let proxies = with(vec![fault("x", Some("2s"))]).await;
        sleep(10 * SECOND).await;
        assert_eq!(names(&proxies), ["x"]);
        removing(&proxies, sleep(SECOND)).await;
        assert_eq!(names(&proxies), [""; 0]);
    }
}
