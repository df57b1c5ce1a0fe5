use std::ffi::OsStr;

use clap::builder::TypedValueParser;
use clap::error::{Error, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, Command};
use fault_proxy_nats::{InvalidUrl, NatsUrl};

/// Value parser for clap that hides the value in errors, because it may contain a password.
#[derive(Debug, Clone)]
pub(super) struct NatsUrlParser;

impl TypedValueParser for NatsUrlParser {
    type Value = NatsUrl;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<NatsUrl, Error> {
        self.parse_ref_(command, arg, value, ValueSource::CommandLine)
    }

    fn parse_ref_(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
        source: ValueSource,
    ) -> Result<NatsUrl, Error> {
        let text = value.to_str().ok_or_else(|| "not UTF-8".to_owned());
        let parsed = text.and_then(|text| text.parse().map_err(|error: InvalidUrl| error.to_string()));
        parsed.map_err(|problem| {
            let flag = arg.map(Arg::to_string).unwrap_or_default();
            let variable = match arg.and_then(Arg::get_env) {
                Some(name) if source == ValueSource::EnvVariable => format!(" (from {})", name.display()),
                _ => String::new(),
            };
            let message = format!("{flag}{variable}: {problem}\n");
            Error::raw(ErrorKind::ValueValidation, message).with_cmd(command)
        })
    }
}
