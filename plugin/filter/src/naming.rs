//! Names of services where workers share them: as texts with their length before them.

pub(crate) use config::naming::{
    LONGEST_NAME, Placeholder, is_name_byte, is_shown_byte, shortened,
};

/// Adds a text to a value in the shared store, with its length before it. It has at most
/// [`LONGEST_NAME`] bytes.
pub(crate) fn push_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
    bytes.extend_from_slice(text.as_bytes());
}

/// Reads such a text, which has only bytes that are allowed, and what follows it; `None`: there is none.
pub(crate) fn take_text(bytes: &[u8], allowed: impl Fn(u8) -> bool) -> Option<(&str, &[u8])> {
    let (len, rest) = bytes.split_first()?;
    let (text, rest) = rest.split_at_checked(usize::from(*len))?;
    let well_formed = (1..=LONGEST_NAME).contains(&text.len()) && text.iter().copied().all(allowed);
    Some((std::str::from_utf8(text).ok().filter(|_| well_formed)?, rest))
}
