//! The mapping that was probably meant: the refused text, edited until it would parse.

use crate::error::Refusal;
use crate::kind::ErrorKind;

/// Maximum number of edits. After more, the text would be another mapping than the one that was meant.
const MAX_EDITS: usize = 8;

/// Returns the mapping that was probably meant. `refuse` returns the error of the parser, or `None` for a valid
/// mapping.
pub(crate) fn suggest(
    input: &str,
    refusal: &Refusal,
    refuse: impl Fn(&str) -> Option<Refusal>,
) -> Option<String> {
    let mut text = edit(input, refusal)?;
    for _ in 1..MAX_EDITS {
        // The digits are as long as the placeholder, so that spans stay valid.
        match refuse(&text.replace(":PORT", ":9999").replace("PORT=", "9999=")) {
            None => return Some(text),
            Some(refusal) => text = edit(&text, &refusal)?,
        }
    }
    None
}

/// Returns the text with the invalid span corrected, if there is exactly one correction.
fn edit(text: &str, refusal: &Refusal) -> Option<String> {
    let (before, span, after) =
        (&text[..refusal.span.start], &text[refusal.span.clone()], &text[refusal.span.end..]);
    let span = match refusal.kind {
        ErrorKind::Whitespace
        | ErrorKind::ListenScheme
        | ErrorKind::EmptyListenHost
        | ErrorKind::UserInfo
        | ErrorKind::TrailingPath => String::new(),
        ErrorKind::EmptyListen
        | ErrorKind::EmptyPort
        | ErrorKind::PortNotANumber
        | ErrorKind::PortOutOfRange => "PORT".to_owned(),
        ErrorKind::EmptyUpstream => "HOST:PORT".to_owned(),
        ErrorKind::EmptyHost => "HOST".to_owned(),
        ErrorKind::MissingPort | ErrorKind::TcpWithoutPort => format!("{span}:PORT"),
        ErrorKind::MissingColon => format!(":{span}"),
        ErrorKind::MissingSlashes => "://".to_owned(),
        ErrorKind::SchemeCase => span.to_ascii_lowercase(),
        ErrorKind::PostgresScheme => "psql".to_owned(),
        ErrorKind::UnknownScheme => "tcp".to_owned(),
        ErrorKind::Ipv6WithoutBrackets => format!("[{span}]"),
        ErrorKind::RelativeUnixPath if span.is_empty() => "/PATH".to_owned(),
        ErrorKind::RelativeUnixPath => format!("/{span}"),
        _ => return None,
    };
    Some(format!("{before}{span}{after}"))
}
