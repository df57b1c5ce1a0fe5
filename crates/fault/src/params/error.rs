use std::fmt;

use super::Kind;

/// A parameter that was refused.
///
/// Its display is `latency: shape: …`; a caller whose users write parameters otherwise, as `--latency-shape` or
/// `proxies[0].faults[1].shape`, says it with [`spelled`](Self::spelled).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamError {
    kind: Option<Kind>,
    param: &'static str,
    /// Names of parameters in it stand between backticks; nothing else does.
    problem: String,
}

impl ParamError {
    pub(super) fn new(
        kind: impl Into<Option<Kind>>,
        param: &'static str,
        problem: impl fmt::Display,
    ) -> Self {
        Self { kind: kind.into(), param, problem: problem.to_string() }
    }

    /// With a problem in words that are not ours, whose backticks are not around parameters.
    pub(super) fn quoting(kind: Kind, param: &'static str, problem: impl fmt::Display) -> Self {
        Self::new(kind, param, problem.to_string().replace('`', "'"))
    }

    /// The type of the fault, where it is known.
    pub fn kind(&self) -> Option<Kind> {
        self.kind
    }

    /// The parameter, in kebab-case: `good-to-bad`.
    pub fn param(&self) -> &'static str {
        self.param
    }

    /// What is wrong and the way out. Other parameters that it names stand between backticks.
    pub fn problem(&self) -> &str {
        &self.problem
    }

    /// The message, with each parameter as `spell` writes it, given its name in kebab-case.
    pub fn spelled(&self, spell: impl Fn(&str) -> String) -> String {
        let mut message = format!("{}: ", spell(self.param));
        for (index, part) in self.problem.split('`').enumerate() {
            // between the first and the second backtick, the third and the fourth
            if index % 2 == 1 { message.push_str(&spell(part)) } else { message.push_str(part) }
        }
        message
    }
}

impl fmt::Display for ParamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(kind) = self.kind {
            write!(f, "{kind}: ")?;
        }
        write!(f, "{}: {}", self.param, self.problem)
    }
}

impl std::error::Error for ParamError {}
