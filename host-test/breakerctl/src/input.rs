//! What people give: files of whatever editor and shell, and durations as in a configuration.

use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

/// Reads a text, and how its file is called for people; `-` is standard input. The mark of its encoding
/// is no part of it.
///
/// # Errors
///
/// If it cannot be read, or is no text.
pub(crate) fn read(path: &Path) -> anyhow::Result<(String, String)> {
    if path.as_os_str() == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).context("reading standard input")?;
        let text = decode(bytes).context("reading standard input")?;
        return Ok(("(standard input)".to_owned(), text));
    }
    let file = path.display().to_string();
    let bytes = std::fs::read(path).with_context(|| format!("reading {file}"))?;
    let text = decode(bytes).with_context(|| format!("reading {file}"))?;
    Ok((file, text))
}

/// A duration, as a configuration has them.
///
/// # Errors
///
/// If it is none.
pub(crate) fn duration(text: &str) -> anyhow::Result<Duration> {
    config::duration::parse(text)
        .context("write it as a number with its unit, such as 250ms, 30s or 1m30s")
}

/// As UTF-8, or as the UTF-16 that a shell of Windows writes.
fn decode(bytes: Vec<u8>) -> anyhow::Result<String> {
    let wide = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units = bytes.chunks(2).map(|pair| match *pair {
            [a, b] => unit([a, b]),
            _ => u16::from(b'?'),
        });
        char::decode_utf16(units).collect::<Result<String, _>>().context("it is no UTF-16")
    };
    match bytes.as_slice() {
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => Ok(std::str::from_utf8(rest)?.to_owned()),
        _ => String::from_utf8(bytes).context("it is no UTF-8: save it as that"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_the_same_in_whatever_encoding() {
        let wide = |unit: fn(u16) -> [u8; 2]| {
            "\u{feff}ä: 1".encode_utf16().flat_map(unit).collect::<Vec<u8>>()
        };
        for bytes in [
            "ä: 1".as_bytes().to_vec(),
            "\u{feff}ä: 1".as_bytes().to_vec(),
            wide(u16::to_le_bytes),
            wide(u16::to_be_bytes),
        ] {
            assert_eq!(decode(bytes).unwrap(), "ä: 1");
        }
        assert!(decode(vec![b'a', 0xff]).is_err());
    }
}
