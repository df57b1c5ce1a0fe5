//! The command `check`, which checks the permissions of a program on NATS.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, Result};
use fault_proxy_nats::{NatsConnection, Needs, Permission, ServerAnswer, Target, Tunnels};
use tokio::runtime;

use super::program::{Program, config, random_seed};

/// Number of sessions to test.
const SESSIONS: usize = 32;

/// Result of a check.
#[derive(Debug)]
pub struct Checked {
    /// Text to print.
    pub report: String,
    /// Reason why the check failed; `None` if it succeeded.
    pub problem: Option<&'static str>,
}

impl Program {
    /// Connects to NATS once and uses each permission that the program needs.
    ///
    /// # Errors
    /// NATS cannot be reached or refuses the credentials.
    pub fn check(mut self) -> Result<Checked> {
        self.nats.first_connect_timeout = Duration::ZERO;
        let runtime =
            runtime::Builder::new_current_thread().enable_all().build().context("cannot start a runtime")?;
        let checked = runtime.block_on(async {
            let link = NatsConnection::connect(&self.nats).await?;
            link.require_with_replies(&self.needs);
            let tunnels = Tunnels::new(link.clone(), config(&self.tunnel), random_seed()?);
            let is_answered = tunnels.try_permissions().await;
            let (report, limit_problem) = self.report(&link, &tunnels).await;
            let problem = match link.missing_permissions().is_empty() {
                false => Some("NATS permissions are missing"),
                // A limit may be the reason why there is no answer.
                true => limit_problem.or((!is_answered).then_some("NATS does not answer")),
            };
            link.close().await;
            Ok(Checked { report, problem })
        });
        runtime.shutdown_background();
        checked
    }

    /// Returns the report, and the limit of NATS that makes sessions impossible, if there is one.
    async fn report(&self, link: &NatsConnection, tunnels: &Tunnels) -> (String, Option<&'static str>) {
        let mut report = String::new();
        let mut problem = None;
        let mut fact = |name: &str, value: &str| {
            let _ = writeln!(report, "{name:<15} {value}");
        };
        fact("NATS server", &link.server());
        let missing = link.missing_permissions();
        let has_data = missing.iter().all(|permission| !permission.is_for_data());
        if has_data {
            match tunnels.round_trip().await {
                Some(round_trip) => fact("round trip", &format!("{round_trip:.1?}")),
                None => fact("round trip", "no answer"),
            }
            match tunnels.max_message().await {
                Some(bytes) => fact("message size", &format!("{bytes} bytes at most")),
                None => {
                    fact("message size", "too small for sessions");
                    problem = Some(
                        "NATS refuses messages of 384 bytes; raise max_payload or the payload limit of the account or user",
                    );
                }
            }
            let room = tunnels.session_room(SESSIONS).await;
            let or_more =
                if room == SESSIONS { " or more" } else { ", limited by the subscriptions of this user" };
            fact("sessions", &format!("{room}{or_more}"));
            if room == 0 {
                problem = Some(
                    "NATS does not accept a subscription for a session; raise the limit of this user, or max_subscriptions in the \
                     configuration of nats-server",
                );
            }
        }
        if let Needs::Client(targets) = &self.needs
            && missing.is_empty()
        {
            for target in first_of_each_subject(targets) {
                let answer = match tunnels.ask_servers(target).await {
                    ServerAnswer::Server(time) => format!("answered after {time:.1?}"),
                    ServerAnswer::Nobody => "no server listens".to_owned(),
                    _ => "no answer".to_owned(),
                };
                let name = match target {
                    Target::Service(name) => format!("server of {name}"),
                    Target::Host { .. } => "proxy server".to_owned(),
                };
                fact(&name, &answer);
            }
        }
        report.push('\n');
        for permission in link.needed_permissions() {
            let state = if missing.contains(&permission) { "MISSING" } else { "ok" };
            let _ = writeln!(report, "{state:<8} {permission}");
        }
        let _ = write!(
            report,
            "\nPermissions for this user in the configuration of nats-server:\n\n{}",
            block(&link.needed_permissions())
        );
        (report, problem)
    }
}

/// Returns one target for each subject. All targets other than services share one.
fn first_of_each_subject(targets: &[Target]) -> impl Iterator<Item = &Target> {
    let mut known = HashSet::new();
    targets.iter().filter(move |target| known.insert(target.subject()))
}

/// Returns the permissions in the format of the nats-server configuration.
fn block(permissions: &[Permission]) -> String {
    let list = |is_publish: bool| {
        let permissions = permissions.iter().filter(|permission| permission.is_publish() == is_publish);
        permissions.map(|permission| format!("\"{}\"", permission.in_config())).collect::<Vec<_>>().join(", ")
    };
    format!("permissions: {{\n  publish: [{}]\n  subscribe: [{}]\n}}", list(true), list(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_subject_is_asked_once() {
        let host = |host: &str| Target::Host { host: host.to_owned(), port: 1 };
        let service = |name: &str| Target::Service(name.parse().unwrap());
        let targets = [host("a"), service("x"), host("b"), service("y"), service("x")];
        let first: Vec<_> = first_of_each_subject(&targets).cloned().collect();
        assert_eq!(first, [host("a"), service("x"), service("y")]);
    }
}
