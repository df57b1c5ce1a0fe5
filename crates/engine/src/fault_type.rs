//! Description of a type of fault. Flags, files, the API and the page are built from it.

use fault_proxy_protocol::Protocol;
use serde_json::{Map, Value};

mod error;
mod read;
mod words;

pub(crate) use self::error::quoted;
pub use self::error::{ParamError, ReadError, display_with};
pub use self::read::ReadFile;
pub(crate) use self::read::{Own, Parameters, needed, ratio_from, read, read_own};
pub use self::words::SocketDirection;
pub(crate) use self::words::{not_one_of, same_word, words};

/// A type of fault.
#[derive(Debug)]
#[non_exhaustive]
pub struct FaultType {
    /// Name in kebab-case: `packet-loss`.
    pub name: &'static str,
    /// Effect, as an imperative clause such as `Delay data`. Names of parameters are between backticks; see [`display_with`](crate::display_with).
    pub help: &'static str,
    /// Target of its faults.
    pub target: Target,
    /// Parameters of this type, the most important first. The [`COMMON_PARAMETERS`] are not included.
    pub parameters: &'static [Parameter],
    pub(crate) read: fn(Map<String, Value>) -> Result<Own, ParamError>,
}

/// Target of the faults of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// Sessions that have no flows yet. Side and direction are not allowed.
    Opening,
    /// One flow or both, by default this direction of the server's socket.
    Flow(SocketDirection),
    /// Requests. Side and direction are not allowed.
    Requests,
    /// One or both connections, as `side` selects. Defaults to both connections in both directions.
    Connections,
}

impl Target {
    /// Returns the name of the target for programs: `new_sessions`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Opening => "new_sessions",
            Self::Flow(_) => "data",
            Self::Requests => "requests",
            Self::Connections => "connections",
        }
    }
}

/// A parameter of a fault.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Parameter {
    /// Name in kebab-case: `good-to-bad`.
    pub name: &'static str,
    /// Type of its values.
    pub value: ValueType,
    /// Meaning, as a phrase such as `Mean delay, for example 300ms`. Names of parameters are between backticks.
    pub help: &'static str,
    /// Default, in words for users. `None` if the parameter is required, or if its absence has no effect.
    pub default: Option<&'static str>,
    /// End of the name of the environment variable, if it differs from the name of the parameter.
    pub variable: Option<&'static str>,
    /// Values of the deciding parameter, such as the distribution, with which this parameter applies. Empty
    /// if it applies with all of them.
    pub with: &'static [&'static str],
    /// Protocols whose requests the parameter applies to. Empty if it does not need a protocol.
    pub protocols: &'static [Protocol],
    /// True if most faults of the type set it. Forms show these parameters first.
    pub main: bool,
    /// Parameters of which one is required, including this one, wherever this parameter applies. Empty if it is optional.
    pub one_of: &'static [&'static str],
}

/// Type of the values of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValueType {
    /// A time: `300ms`; a bare number is in milliseconds.
    Time,
    /// A number. The string is its placeholder in help.
    Number(&'static str),
    /// A whole number. The string is its placeholder in help.
    Count(&'static str),
    /// A number of bytes: `64KiB`.
    Bytes,
    /// A number of bytes or bits per second: `500kbit/s`.
    Rate,
    /// 0 to 1, or a percentage.
    Share,
    /// A file on this machine.
    File,
    /// True or false. On the command line, the flag means true. The optional pair is the name and the help
    /// text of an opposite flag, which means false.
    Switch(Option<(&'static str, &'static str)>),
    /// A text. The string is its placeholder in help.
    Text(&'static str),
    /// One of several words. The string is its placeholder in help.
    Words(&'static str, &'static [&'static str]),
}

impl ValueType {
    /// Returns the name of the type for programs: `time`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Number(_) | Self::Count(_) => "number",
            Self::Bytes => "bytes",
            Self::Rate => "rate",
            Self::Share => "share",
            Self::File => "file",
            Self::Switch(_) => "switch",
            Self::Text(_) => "text",
            Self::Words(..) => "words",
        }
    }

    /// Returns all possible values of a switch or of words, or an empty slice for other types.
    pub fn choices(&self) -> &'static [&'static str] {
        match self {
            Self::Switch(_) => &["true", "false"],
            Self::Words(_, words) => words,
            _ => &[],
        }
    }

    /// Returns the placeholder of a value in help, such as `TIME`, or an empty text for a switch.
    pub fn placeholder(&self) -> &'static str {
        match self {
            Self::Time => "TIME",
            Self::Bytes => "BYTES",
            Self::Rate => "RATE",
            Self::Share => "SHARE",
            Self::File => "FILE",
            Self::Switch(_) => "",
            Self::Number(name) | Self::Count(name) | Self::Text(name) | Self::Words(name, _) => name,
        }
    }
}

impl Parameter {
    pub(crate) const fn new(name: &'static str, value: ValueType, help: &'static str) -> Self {
        Self {
            name,
            value,
            help,
            default: None,
            variable: None,
            with: &[],
            protocols: &[],
            main: false,
            one_of: &[],
        }
    }

    pub(crate) const fn time(name: &'static str, help: &'static str) -> Self {
        Self::new(name, ValueType::Time, help)
    }

    pub(crate) const fn bytes(name: &'static str, help: &'static str) -> Self {
        Self::new(name, ValueType::Bytes, help)
    }

    pub(crate) const fn count(name: &'static str, help: &'static str) -> Self {
        Self::new(name, ValueType::Count("N"), help)
    }

    pub(crate) const fn share(name: &'static str, help: &'static str) -> Self {
        Self::new(name, ValueType::Share, help)
    }

    pub(crate) const fn or(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }

    pub(crate) const fn in_variable(self, name: &'static str) -> Self {
        Self { variable: Some(name), ..self }
    }

    pub(crate) const fn with(self, choices: &'static [&'static str]) -> Self {
        Self { with: choices, ..self }
    }

    pub(crate) const fn of(self, protocols: &'static [Protocol]) -> Self {
        Self { protocols, ..self }
    }

    pub(crate) const fn main(self) -> Self {
        Self { main: true, ..self }
    }

    pub(crate) const fn one_of(self, parameters: &'static [&'static str]) -> Self {
        Self { one_of: parameters, ..self }
    }
}

/// Parameters that all types of faults have, in addition to those of their type. Types with [`Target::Opening`] have neither
/// `side` nor `direction`.
pub const COMMON_PARAMETERS: [Parameter; 8] = [
    Parameter::new("name", ValueType::Text("NAME"), "Name of the fault, unique within its proxy")
        .or("its type"),
    Parameter::new(
        "side",
        ValueType::Words("SIDE", &["client", "server"]),
        "Connection that the direction refers to: client or server",
    )
    .or("server"),
    Parameter::new(
        "direction",
        ValueType::Words("DIRECTION", SocketDirection::WORDS),
        "Data to act on: read from that connection (ingress), written to it (egress) or both",
    )
    .main(),
    Parameter::share("probability", "Share of sessions that the fault acts on, for example 0.1 or 10%")
        .or("all"),
    Parameter::count("skip", "Number of sessions to skip first").or("0"),
    Parameter::count("every", "Act on every Nth session, beginning with the first that is not skipped")
        .or("1"),
    Parameter::count("times", "Maximum number of sessions to act on").or("unlimited").main(),
    Parameter::new(
        "schedule",
        ValueType::Text("SCHEDULE"),
        "Times at which the fault is on, for example start:30s,duration:10s",
    )
    .or("always"),
];

impl FaultType {
    /// Returns the parameter of this type with this name in kebab-case, except common parameters.
    pub fn parameter(&self, name: &str) -> Option<&'static Parameter> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }

    /// Returns true if side and direction apply to faults of this type.
    pub fn has_direction(&self) -> bool {
        !matches!(self.target, Target::Opening | Target::Requests)
    }

    /// Returns the common parameters that apply to faults of this type, with the defaults of the type.
    pub fn common_parameters(&self) -> impl Iterator<Item = Parameter> + use<> {
        let (target, has_direction) = (self.target, self.has_direction());
        let has_after_bytes = self.parameter("after-bytes").is_some();
        let acts_on_requests = self.parameter("on").is_some();
        COMMON_PARAMETERS
            .into_iter()
            .filter(move |parameter| has_direction || !["side", "direction"].contains(&parameter.name))
            .map(move |parameter| match (parameter.name, target) {
                ("side", Target::Connections) => Parameter {
                    value: ValueType::Words("SIDE", crate::direction::Side::WORDS),
                    help: "Connections to reset: client, server or both",
                    ..parameter
                }
                .or("both"),
                ("direction", Target::Flow(SocketDirection::Ingress)) => parameter.or("ingress"),
                ("direction", Target::Flow(SocketDirection::Egress)) => parameter.or("egress"),
                ("direction", _) if has_after_bytes => parameter.or("both; responses with after-bytes or at"),
                ("direction", _) => parameter.or("both"),
                (name, Target::Requests) => Parameter {
                    help: match name {
                        "probability" => "Share of requests that the fault acts on, for example 0.1 or 10%",
                        "skip" => "Number of requests to skip first",
                        "every" => "Act on every Nth request, beginning with the first that is not skipped",
                        "times" => "Maximum number of requests to act on",
                        _ => parameter.help,
                    },
                    ..parameter
                },
                (name, _) if acts_on_requests => Parameter {
                    help: match name {
                        "probability" => "Share of sessions, or of requests with `on`, that the fault acts on, for example 0.1 or 10%",
                        "skip" => "Number of sessions, or of requests with `on`, to skip first",
                        "every" => "Act on every Nth session, or request with `on`, beginning with the first that is not skipped",
                        "times" => "Maximum number of sessions, or of requests with `on`, to act on",
                        _ => parameter.help,
                    },
                    ..parameter
                },
                _ => parameter,
            })
    }
}
