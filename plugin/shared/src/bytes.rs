//! Numbers and texts in bytes, little-endian.

/// What is left to be read of some bytes. Each method takes from the front; `None`: too few are left,
/// or they are none of what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// So many bytes.
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (here, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*here)
    }

    /// A byte.
    pub fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    /// Two bytes as a number.
    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    /// Four bytes as a number.
    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// Eight bytes as a number.
    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// So many bytes as they are.
    pub fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (here, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(here)
    }

    /// A text that was [pushed](push_text): of 1 to `longest` bytes that are allowed.
    pub fn text(&mut self, longest: usize, allowed: impl Fn(u8) -> bool) -> Option<&'a str> {
        let len = usize::from(self.u8()?);
        let text = self.bytes(len)?;
        let well_formed = (1..=longest).contains(&len) && text.iter().copied().all(allowed);
        std::str::from_utf8(text).ok().filter(|_| well_formed)
    }

    /// Whether nothing is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Adds a text of at most 255 bytes, with a byte for its length before it.
pub fn push_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
    bytes.extend_from_slice(text.as_bytes());
}
