//! Texts that people write: reasons, titles, tags. Judged in one place, because they end in logs, audit, tables and files.

use super::ApiError;

/// Length of a text at most, in octets.
pub(crate) const MAX_TEXT: usize = 500;

/// A text of 1 to [`MAX_TEXT`] octets in one line, without spaces around it.
pub(crate) fn text(text: &str, what: &str) -> Result<String, ApiError> {
    text_within(text, what, MAX_TEXT)
}

/// The same with another longest length. Control characters are refused (S-22): they would forge lines elsewhere.
pub(crate) fn text_within(text: &str, what: &str, most: usize) -> Result<String, ApiError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(wrong(what, 1, most));
    }
    line(text, what, most)?;
    Ok(text.to_owned())
}

/// A text that may be missing: that an act without a reason is refused, with an audit record, is decided elsewhere.
pub(crate) fn line(text: &str, what: &str, most: usize) -> Result<(), ApiError> {
    if text.len() > most || text.chars().any(char::is_control) { Err(wrong(what, 0, most)) } else { Ok(()) }
}

fn wrong(what: &str, least: usize, most: usize) -> ApiError {
    let message = format!("{what} is one line of {least} to {most} octets");
    ApiError::bad_request(message, "say what and why in a sentence")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_line_with_something_in_it() {
        for (given, good) in [
            ("maintenance", true),
            (" Störung, Kabel \u{1F6A7} ", true),
            ("", false),
            ("  ", false),
            ("a\nb", false),
            ("a\u{8f}b", false),
            ("\u{1b}[2Jclear", false),
        ] {
            assert_eq!(text(given, "the reason").is_ok(), good, "{given:?}");
        }
        assert!(text(&"x".repeat(MAX_TEXT), "x").is_ok());
        assert!(text(&"x".repeat(MAX_TEXT + 1), "x").is_err());
    }
}
