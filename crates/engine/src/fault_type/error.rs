use std::borrow::Cow;
use std::fmt;

use thiserror::Error;

/// Why parameters were not read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// No fault has a parameter of this name.
    #[error("unknown parameter `{name}`")]
    Unknown {
        /// As it was given.
        name: String,
        /// The parameters that there are.
        known: Vec<&'static str>,
    },
    /// A parameter was refused.
    #[error(transparent)]
    Refused(#[from] ParamError),
}

/// A parameter that was refused.
///
/// Its display is `latency: shape: …`; a caller whose users write parameters otherwise, as `--latency-shape` or
/// `proxies[0].faults[1].shape`, says it with [`display_with`](Self::display_with).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamError {
    fault_type: Option<&'static str>,
    param: Cow<'static, str>,
    /// Names of parameters in it stand between backticks; nothing else does.
    problem: String,
}

impl ParamError {
    pub(crate) fn new(param: impl Into<Cow<'static, str>>, problem: impl fmt::Display) -> Self {
        Self { fault_type: None, param: param.into(), problem: problem.to_string() }
    }

    /// With a problem in words that are not ours, whose backticks are not around parameters.
    pub(crate) fn quoting(param: impl Into<Cow<'static, str>>, problem: impl fmt::Display) -> Self {
        Self::new(param, problem.to_string().replace('`', "'"))
    }

    pub(crate) fn of(self, fault_type: &'static str) -> Self {
        Self { fault_type: Some(fault_type), ..self }
    }

    /// The name of the fault's type, where it is known.
    pub fn fault_type(&self) -> Option<&'static str> {
        self.fault_type
    }

    /// The parameter, in kebab-case: `good-to-bad`.
    pub fn param(&self) -> &str {
        &self.param
    }

    /// What is wrong and the way out. Other parameters that it names stand between backticks.
    pub fn problem(&self) -> &str {
        &self.problem
    }

    /// The message, with each parameter as `spell` writes it, given its name in kebab-case.
    pub fn display_with(&self, spell: impl Fn(&str) -> String) -> String {
        format!("{}: {}", spell(&self.param), display_with(&self.problem, spell))
    }
}

/// A text with each parameter, which it has between backticks, as `spell` writes it.
pub fn display_with(text: &str, spell: impl Fn(&str) -> String) -> String {
    let mut message = String::new();
    for (index, part) in text.split('`').enumerate() {
        // between the first and the second backtick, the third and the fourth
        if index % 2 == 1 { message.push_str(&spell(part)) } else { message.push_str(part) }
    }
    message
}

impl fmt::Display for ParamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(fault_type) = self.fault_type {
            write!(f, "{fault_type}: ")?;
        }
        write!(f, "{}: {}", self.param, self.problem)
    }
}

impl std::error::Error for ParamError {}

/// Names of parameters as [`ParamError`] wants them in its problem.
pub(crate) fn quoted(params: Vec<&str>) -> String {
    params.into_iter().map(|param| format!("`{param}`")).collect::<Vec<_>>().join(", ")
}
