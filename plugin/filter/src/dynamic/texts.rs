//! A list of texts that only grows, as bytes: its format, then each text with its length.

use shared::{Reader, push_text};

use config::naming::LONGEST_NAME;

pub(super) const FORMAT: u8 = 1;

/// Such a list. What is in it can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Texts(Vec<u8>);

impl Default for Texts {
    fn default() -> Self {
        Self(vec![FORMAT])
    }
}

impl Texts {
    /// `None`: it is no list. `allowed`: whether the text of this number may have this byte.
    pub(super) fn decode(bytes: &[u8], allowed: impl Fn(usize, u8) -> bool) -> Option<Self> {
        let mut rest = Reader(bytes.strip_prefix(&[FORMAT])?);
        let mut number = 0_usize;
        while !rest.is_empty() {
            rest.text(LONGEST_NAME, |byte| allowed(number, byte))?;
            number = number.saturating_add(1);
        }
        Some(Self(bytes.to_vec()))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        let mut rest = Reader(self.0.get(1..).unwrap_or_default());
        std::iter::from_fn(move || rest.text(LONGEST_NAME, |_| true))
    }

    pub(super) fn push(&mut self, text: &str) {
        push_text(&mut self.0, text);
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}
