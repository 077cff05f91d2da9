//! By the method.

/// Refuses what is no method. Case matters in methods, and all of HTTP's are in capitals. The
/// error says what would be right.
pub(crate) fn check(text: &str) -> Result<(), String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if text.is_empty() || !text.bytes().all(is_plain) {
        return Err(
            "give one method to an entry, such as \"GET\"; for all, leave the field out".to_owned()
        );
    }
    let capitals = text.to_ascii_uppercase();
    if text != capitals {
        return Err(format!("methods are in capitals: {capitals:?}"));
    }
    Ok(())
}
