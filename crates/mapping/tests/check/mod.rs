//! What must hold of every text; shared by the fuzz target and the crate's own tests.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use fault_proxy_mapping::{ErrorKind, Listen, ListenAddr, Mapping, ParseError, Upstream};

/// Panics if parsing `text` breaks a promise of the crate.
pub(crate) fn check(text: &str) {
    check_mapping(text);
    for side in
        [text.split_once('=').map_or(text, |(left, _)| left), &text[text.find('=').map_or(0, |at| at + 1)..]]
    {
        check_side::<Listen>(side);
        check_side::<Upstream>(side);
        check_side::<ListenAddr>(side);
    }
}

/// Panics if what is read of `text` is not written as it reads back, or if an error points elsewhere.
fn check_side<T: FromStr<Err = ParseError> + Display + Debug + PartialEq>(text: &str) {
    match text.parse::<T>() {
        Ok(side) => assert_eq!(side.to_string().parse::<T>().as_ref(), Ok(&side), "from {text:?}"),
        Err(error) => {
            assert!(text.contains(error.input()));
            assert!(error.input().get(error.span()).is_some(), "{:?} is no span of {text:?}", error.span());
            assert_eq!(error.to_string().lines().count(), 4, "{error}");
        }
    }
}

fn check_mapping(text: &str) {
    match text.parse::<Mapping>() {
        Ok(mapping) => {
            let written = mapping.to_string();
            assert_eq!(written.parse::<Mapping>().as_ref(), Ok(&mapping), "{written:?} from {text:?}");
        }
        Err(error) => {
            assert_eq!(error.input(), text);
            assert!(error.span().start <= error.span().end);
            assert!(text.get(error.span()).is_some(), "{:?} is no span of {text:?}", error.span());
            assert_eq!(error.to_string().lines().count(), 4, "{error}");
            if error.kind() == ErrorKind::MissingPort && error.span().start > 0 {
                assert!(error.suggestion().is_some(), "{text:?} lacks more than a port");
            }
            if let Some(suggestion) = error.suggestion() {
                let filled = suggestion.replace(":PORT", ":9999").replace("PORT=", "9999=");
                assert!(filled.parse::<Mapping>().is_ok(), "{suggestion:?} for {text:?}");
            }
        }
    }
}
