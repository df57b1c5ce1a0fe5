use std::fmt;
use std::marker::PhantomData;

use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches, Id};

/// The settings of a group of flags `G` that were set by flags or variables.
///
/// A field of `G` holds a value, and [`Default`] has the defaults. Flags take precedence over variables, which take precedence over
/// the file. The file is read into `G`, and [`over`](Given::over) then sets the values of flags and variables.
pub struct Given<G> {
    matches: ArgMatches,
    group: PhantomData<fn() -> G>,
}

impl<G: FromArgMatches> Given<G> {
    /// Overwrites the settings that flags and variables set.
    ///
    /// # Errors
    /// Does not fail, because parsing has accepted the values.
    pub fn over(&self, mut settings: G) -> Result<G, Error> {
        settings.update_from_arg_matches(&self.matches)?;
        Ok(settings)
    }
}

/// Hides values, because they may be secrets.
impl<G> fmt::Debug for Given<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Given(…)")
    }
}

impl<G: Args> Args for Given<G> {
    fn augment_args(command: Command) -> Command {
        // The file or the default can set a value, so no flag is required.
        G::augment_args_for_update(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        G::augment_args_for_update(command)
    }

    fn group_id() -> Option<Id> {
        G::group_id()
    }
}

impl<G> FromArgMatches for Given<G> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        Ok(Self { matches: matches.clone(), group: PhantomData })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Returns the names of a group's flags, which are also keys at the top level of a file.
pub fn flag_names<G: Args>() -> Vec<String> {
    let command = G::augment_args_for_update(Command::new(""));
    command.get_arguments().filter_map(Arg::get_long).map(str::to_owned).collect()
}

/// Adds a variable with this prefix to each flag that does not have one.
pub fn with_variables(command: Command, prefix: &'static str) -> Command {
    command.mut_args(|arg| with_variable(arg, prefix))
}

/// Adds a variable to a flag that does not have one: `FAULT_MAX_SESSIONS` for `--max-sessions` and the prefix `FAULT_`.
pub fn with_variable(arg: Arg, prefix: &'static str) -> Arg {
    match (arg.get_env(), arg.get_long()) {
        (None, Some(flag)) if arg.get_action().takes_values() => {
            let variable = format!("{prefix}{}", flag.to_uppercase().replace('-', "_"));
            arg.env(variable)
        }
        _ => arg,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Clone, PartialEq, Args, Deserialize)]
    #[serde(default)]
    struct Group {
        #[arg(long)]
        count: u32,
        #[arg(long)]
        names: Vec<String>,
        #[arg(long)]
        limit: Option<u32>,
    }

    impl Default for Group {
        fn default() -> Self {
            Self { count: 7, names: Vec::new(), limit: None }
        }
    }

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        group: Given<Group>,
    }

    fn over(args: &[&str], file: &Group) -> Group {
        let cli = Cli::try_parse_from([&["test"], args].concat()).unwrap();
        cli.group.over(file.clone()).unwrap()
    }

    #[test]
    fn a_flag_comes_before_the_file_and_the_file_before_the_default() {
        let file: Group = serde_json::from_str("{\"names\": [\"a\", \"b\"]}").unwrap();
        assert_eq!(
            over(&[], &file),
            Group { names: vec!["a".to_owned(), "b".to_owned()], ..Group::default() }
        );
        let all = over(&["--count", "7", "--names", "c", "--limit", "1"], &Group { count: 8, ..file });
        assert_eq!(all, Group { count: 7, names: vec!["c".to_owned()], limit: Some(1) });
    }

    #[test]
    fn a_flag_without_a_variable_gets_the_one_of_its_name() {
        let args =
            [Arg::new("a").long("max-sessions"), Arg::new("b").long("bind").env("BIND_TO"), Arg::new("c")];
        let command = with_variables(Command::new("test").args(args), "TEST_");
        let variables: Vec<_> =
            command.get_arguments().map(|arg| arg.get_env().and_then(|env| env.to_str())).collect();
        assert_eq!(variables, [Some("TEST_MAX_SESSIONS"), Some("BIND_TO"), None]);
    }
}
