//! Checks that the help of flags shows the actual defaults.

use std::fmt::Debug;

use clap::{Arg, Args, Command, FromArgMatches};

/// Compares the defaults that the help of flags shows with those of `G::default()`. Returns the flags that
/// were compared.
///
/// Skips `none` and descriptions, which contain a space.
///
/// # Panics
/// Panics if the help shows another value than the default.
pub fn shown_in_help<G: Args + FromArgMatches + Default + Debug>() -> Vec<String> {
    let command = G::augment_args_for_update(Command::new("test").no_binary_name(true));
    let flags =
        command.get_arguments().filter_map(|arg| Some((arg.get_long()?.to_owned(), default_of(arg)?)));
    let check = |(flag, default): (String, String)| {
        let arg = format!("--{flag}={default}");
        let matches = command.clone().try_get_matches_from([&arg]).expect("the default is a value");
        let mut settings = G::default();
        settings.update_from_arg_matches(&matches).expect("the flag was parsed");
        assert_eq!(format!("{settings:?}"), format!("{:?}", G::default()), "{arg}");
        flag
    };
    flags.map(check).collect()
}

fn default_of(arg: &Arg) -> Option<String> {
    let help = arg.get_help()?.to_string();
    let (_, default) = help.rsplit_once("[default: ")?;
    let (default, _) = default.split_once(']')?;
    (default != "none" && !default.contains(' ')).then(|| default.to_owned())
}
