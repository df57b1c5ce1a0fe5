//! Completion of names that the control API knows, and of the attributes of faults.

use std::env;
use std::ffi::OsStr;
use std::time::Duration;

use clap::{Command, CommandFactory};
use clap_complete::CompletionCandidate;
use clap_complete::engine::{ArgValueCandidates, ArgValueCompleter};
use fault_proxy_control::attribute_names;
use fault_proxy_engine::faults::{self, FAULT_TYPES};
use fault_proxy_engine::{FaultType, display_with};
use proxy_cli::completion::{asked_words, starting, values};
use proxy_cli::secret::Secret;
use proxy_cli::terminal::escape_control;
use serde_json::Value;

use super::{Api, CONTROL, api};
use crate::args::Cli;
use crate::margin;

/// Time limit of a request. It is long enough for an API on this machine, and short for a user who waits for
/// candidates.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Completes names of proxies of the API.
pub(crate) fn proxies() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let found = Typed::read().and_then(|typed| typed.api.get(&["proxies"]).ok());
        let proxies = found.as_ref().and_then(Value::as_object);
        let named = proxies.into_iter().flatten();
        named.filter_map(|(name, proxy)| candidate(name, &proxy["upstream"])).collect()
    })
}

/// Completes names of the faults of the proxy on the command line.
pub(crate) fn faults_of_proxy() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let found = Typed::read().and_then(|typed| typed.api.get(&["proxies", &typed.proxy?, "toxics"]).ok());
        let faults = found.as_ref().and_then(Value::as_array).into_iter().flatten();
        faults.filter_map(|fault| candidate(fault["name"].as_str()?, &fault["type"])).collect()
    })
}

/// Completes types of faults.
pub(crate) fn types() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let described = |fault_type: &&FaultType| {
            CompletionCandidate::new(fault_type.name)
                .help(Some(display_with(fault_type.help, str::to_owned).into()))
        };
        FAULT_TYPES.iter().map(described).collect()
    })
}

/// Completes the attributes of the fault on the command line, and their values.
pub(crate) fn attributes() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let kind = Typed::read().and_then(Typed::kind);
        kind.zip(typed.to_str()).map(|(kind, typed)| attributes_of(&kind, typed)).unwrap_or_default()
    })
}

/// Parameters with a range, for `margin`.
pub(crate) fn parameters() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let all = FAULT_TYPES.iter().flat_map(|fault_type| {
            let own = fault_type.parameters.iter().copied().chain(fault_type.common_parameters());
            own.filter(|parameter| margin::is_numeric(parameter.value))
                .map(|parameter| format!("{}.{}=", fault_type.name, parameter.name))
        });
        starting(all, typed.to_str().unwrap_or_default())
    })
}

fn attributes_of(kind: &str, typed: &str) -> Vec<CompletionCandidate> {
    let Some((name, value)) = typed.split_once('=') else {
        let names = attribute_names(&kind.replace('-', "_")).unwrap_or_default();
        return starting(names.into_iter().map(|name| format!("{name}=")), typed);
    };
    let Ok(fault_type) = faults::find(kind) else { return Vec::new() };
    let mut parameters = fault_type.parameters.iter().copied().chain(fault_type.common_parameters());
    let parameter = parameters.find(|parameter| parameter.name == name.replace('_', "-"));
    let values = parameter.map(|parameter| values(parameter.value, value)).unwrap_or_default();
    values.into_iter().map(|value| value.add_prefix(format!("{name}="))).collect()
}

/// Returns a candidate, or `None` if a shell would interpret the name or this program would parse it as a
/// flag. Any client of the API can choose a name.
fn candidate(name: &str, help: &Value) -> Option<CompletionCandidate> {
    let is_plain = |c: char| c.is_alphanumeric() || "-_.:,@%+/".contains(c);
    let help = help.as_str().map(|help| escape_control(help).into());
    (!name.is_empty() && !name.starts_with('-') && name.chars().all(is_plain))
        .then(|| CompletionCandidate::new(name).help(help))
}

/// Arguments on the command line that is completed.
struct Typed {
    api: Api,
    proxy: Option<String>,
    /// Type of a fault to add.
    kind: Option<String>,
    /// Name of a fault to change.
    fault: Option<String>,
}

impl Typed {
    fn read() -> Option<Self> {
        let matches = ignoring_errors(Cli::command()).try_get_matches_from(asked_words()).ok()?;
        let mut command = &matches;
        while let Some((_, of_subcommand)) = command.subcommand() {
            command = of_subcommand;
        }
        let text = |name: &str| command.try_get_one::<String>(name).ok().flatten().cloned();
        let token = command.try_get_one::<Secret>("token").ok().flatten();
        let addr = api::addr(text("addr"), env::var(CONTROL).ok()).ok()?;
        let api = Api::new(&addr, token, "--addr", TIMEOUT);
        Some(Self { api, proxy: text("proxy"), kind: text("kind"), fault: text("fault") })
    }

    fn kind(self) -> Option<String> {
        self.kind.or_else(|| {
            let fault = self.api.get(&["proxies", &self.proxy?, "toxics", &self.fault?]).ok()?;
            fault["type"].as_str().map(str::to_owned)
        })
    }
}

/// Returns a command that also parses an incomplete command line.
fn ignoring_errors(command: Command) -> Command {
    command.ignore_errors(true).mut_subcommands(ignoring_errors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_shell_interprets_are_no_candidates() {
        assert!(candidate("cache-1.orders", &Value::Null).is_some());
        for name in ["", "a b", "$(reboot)", "`reboot`", "a;b", "a|b", "a\nb", "a>b", "~", "*", "--json"] {
            assert!(candidate(name, &Value::Null).is_none(), "{name}");
        }
    }

    #[test]
    fn attributes_and_their_words_are_completed() {
        let shown = |kind, typed| -> Vec<String> {
            let all = attributes_of(kind, typed);
            all.iter().map(|each| each.get_value().to_string_lossy().into_owned()).collect()
        };
        assert!(shown("latency", "me").contains(&"mean=".to_owned()));
        assert!(shown("packet-loss", "ra").contains(&"rate=".to_owned()));
        assert_eq!(shown("latency", "distribution=pareto-n"), ["distribution=pareto-normal"]);
        assert_eq!(shown("packet_loss", "rate=2"), ["rate=2%"]);
        assert!(shown("latency", "direction=").contains(&"direction=both".to_owned()));
        assert!(shown("nothing", "mean=1").is_empty());
    }
}
