//! Header maps: pairs of bytes in their order, and the form in which they cross the sandbox.

use std::fmt;

/// Headers or trailers. Names are in lower case; values are bytes, UTF-8 or not. Pseudo-headers, such
/// as `:path`, stand before all others.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(Vec<u8>, Vec<u8>)>);

impl Headers {
    /// No headers.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// How many values there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and values, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_slice(), value.as_slice()))
    }

    /// The first value of a name.
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        let name = name.as_ref();
        self.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The first value of a name, if it is text.
    pub fn text(&self, name: impl AsRef<[u8]>) -> Option<&str> {
        std::str::from_utf8(self.get(name)?).ok()
    }

    /// Adds a value behind those that are there.
    pub fn add(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let is_pseudo = |name: &[u8]| name.starts_with(b":");
        let (name, value) = (name.as_ref().to_ascii_lowercase(), value.as_ref().to_vec());
        let others = self.0.iter().position(|(known, _)| !is_pseudo(known));
        match others.filter(|_| is_pseudo(&name)) {
            Some(first) => self.0.insert(first, (name, value)),
            None => self.0.push((name, value)),
        }
    }

    /// Removes all values of a name, and adds this one.
    pub fn set(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.remove(&name);
        self.add(name, value);
    }

    /// Removes all values of a name.
    pub fn remove(&mut self, name: impl AsRef<[u8]>) {
        let name = name.as_ref();
        self.0.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    }

    /// The form in which pairs cross the sandbox: their number, the lengths of each, then names
    /// and values, each with a NUL behind it.
    pub(crate) fn serialize(&self) -> Vec<u8> {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes();
        let mut bytes = number(self.0.len()).to_vec();
        for (name, value) in &self.0 {
            bytes.extend(number(name.len()));
            bytes.extend(number(value.len()));
        }
        for part in self.0.iter().flat_map(|(name, value)| [name, value]) {
            bytes.extend_from_slice(part);
            bytes.push(0);
        }
        bytes
    }

    /// Reads that form. Envoy takes damaged bytes for no pairs at all, and so does this.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        Self::try_parse(bytes).unwrap_or_default()
    }

    fn try_parse(bytes: &[u8]) -> Option<Self> {
        let take = |rest: &mut &[u8]| {
            let (number, tail) = rest.split_first_chunk()?;
            *rest = tail;
            usize::try_from(u32::from_le_bytes(*number)).ok()
        };
        let mut lengths = bytes;
        let count = take(&mut lengths)?;
        let mut data = lengths.get(count.checked_mul(8)?..)?;
        let mut headers = Self::new();
        for _ in 0..count {
            let (name, value) = (take(&mut lengths)?, take(&mut lengths)?);
            let (name, rest) = data.split_at_checked(name)?;
            let (value, rest) = rest.get(1..)?.split_at_checked(value)?;
            data = rest.get(1..)?;
            headers.add(name, value);
        }
        Some(headers)
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut headers = Self::new();
        for (name, value) in pairs {
            headers.add(name, value);
        }
        headers
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes| String::from_utf8_lossy(bytes);
        f.debug_map().entries(self.iter().map(|(name, value)| (text(name), text(value)))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_survive_the_crossing_whatever_bytes_they_hold() {
        let headers = Headers::from_iter([(&b"a"[..], &b"\xff\0"[..]), (b"b", b""), (b"a", b"2")]);
        assert_eq!(Headers::parse(&headers.serialize()), headers);
    }

    #[test]
    fn damaged_pairs_read_as_none() {
        let bytes = Headers::from_iter([("a", "1"), ("b", "2")]).serialize();
        for len in 0..bytes.len() {
            assert!(Headers::parse(&bytes[..len]).is_empty(), "cut at {len}");
        }
        assert!(Headers::parse(&[0xff; 64]).is_empty());
    }

    #[test]
    fn a_value_that_is_set_is_the_only_one_and_the_last() {
        let mut headers = Headers::from_iter([("a", "1"), ("b", "2"), ("a", "3")]);
        headers.set("A", "4");
        assert_eq!(headers, Headers::from_iter([("b", "2"), ("a", "4")]));
    }

    #[test]
    fn a_pseudo_header_is_the_last_of_its_kind_and_before_all_others() {
        let mut headers = Headers::from_iter([("a", "1"), (":path", "/"), (":method", "GET")]);
        headers.set(":path", "/b");
        let names: Vec<_> = headers.iter().map(|(name, _)| name.to_vec()).collect();
        assert_eq!(names, [&b":method"[..], b":path", b"a"]);
    }
}
