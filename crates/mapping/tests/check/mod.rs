//! What must hold of every text; shared by the fuzz target and the crate's own tests.

use proxy_mapping::{ErrorKind, Mapping};

/// Panics if parsing `text` breaks a promise of the crate.
pub(crate) fn check(text: &str) {
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
