use std::borrow::Cow;
use std::fmt;

use thiserror::Error;

/// Error from reading the parameters of a fault.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// No fault has a parameter of this name.
    #[error("unknown parameter `{name}`")]
    Unknown {
        /// Name as it was given.
        name: String,
        /// Names of the known parameters.
        known: Vec<&'static str>,
    },
    /// A parameter was refused.
    #[error(transparent)]
    Refused(#[from] ParamError),
}

/// A parameter that was refused.
///
/// It displays as `latency: shape: …`. Callers that write parameters differently, such as `--latency-shape` or
/// `proxies[0].faults[1].shape`, use [`display_with`](Self::display_with).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}{param}: {problem}", fault_type.map(|name| format!("{name}: ")).unwrap_or_default())]
pub struct ParamError {
    fault_type: Option<&'static str>,
    param: Cow<'static, str>,
    /// Backticks enclose names of parameters only.
    problem: String,
}

impl ParamError {
    pub(crate) fn new(param: impl Into<Cow<'static, str>>, problem: impl fmt::Display) -> Self {
        Self { fault_type: None, param: param.into(), problem: problem.to_string() }
    }

    /// Returns an error with a message from another source, whose backticks do not enclose parameters.
    pub(crate) fn quoting(param: impl Into<Cow<'static, str>>, problem: impl fmt::Display) -> Self {
        Self::new(param, problem.to_string().replace('`', "'"))
    }

    pub(crate) fn of(self, fault_type: &'static str) -> Self {
        Self { fault_type: Some(fault_type), ..self }
    }

    /// Returns the name of the fault type, if known.
    pub fn fault_type(&self) -> Option<&'static str> {
        self.fault_type
    }

    /// Returns the parameter in kebab-case: `good-to-bad`.
    pub fn param(&self) -> &str {
        &self.param
    }

    /// Returns the problem and how to fix it. Backticks enclose the names of other parameters.
    pub fn problem(&self) -> &str {
        &self.problem
    }

    /// Returns the message. `spell` converts each parameter from its name in kebab-case.
    pub fn display_with(&self, spell: impl Fn(&str) -> String) -> String {
        format!("{}: {}", spell(&self.param), display_with(&self.problem, spell))
    }
}

/// Returns `text` with each parameter between backticks replaced by its name from `spell`.
pub fn display_with(text: &str, spell: impl Fn(&str) -> String) -> String {
    let mut message = String::new();
    for (index, part) in text.split('`').enumerate() {
        // Parts with an odd index are between two backticks.
        if index % 2 == 1 { message.push_str(&spell(part)) } else { message.push_str(part) }
    }
    message
}

/// Returns the names in backticks, as the problem of a [`ParamError`] contains them.
pub(crate) fn quoted(params: Vec<&str>) -> String {
    params.into_iter().map(|param| format!("`{param}`")).collect::<Vec<_>>().join(", ")
}
