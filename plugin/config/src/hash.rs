//! The hash in keys, values and names of metrics: SipHash-1-3 with a key of zeros, in which modules of
//! all versions and platforms agree. It spreads; nothing is kept secret by it.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

/// A hash under way. As a [`Hasher`] it takes lengths and the numbers of variants as 32 bits,
/// little-endian, on each platform: the module's own.
#[derive(Debug)]
pub struct Hash(SipHasher13);

impl Default for Hash {
    fn default() -> Self {
        Self(SipHasher13::new())
    }
}

impl Hash {
    /// With these bytes added.
    #[must_use]
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.write(bytes);
        self
    }

    /// With this text and an end mark added, so that two texts never run together.
    #[must_use]
    pub fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes()).bytes(&[0xff])
    }
}

impl Hasher for Hash {
    /// The number for all that was added.
    fn finish(&self) -> u64 {
        self.0.finish()
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    fn write_usize(&mut self, length: usize) {
        self.write(&(length as u32).to_le_bytes());
    }

    fn write_isize(&mut self, variant: isize) {
        self.write_usize(variant as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_the_same_in_each_version_and_on_each_platform() {
        let known: [(&[u8], u64); 3] = [
            (b"", 0xd1fb_a762_150c_532c),
            (b"a", 0x4074_48d2_b89b_1813),
            (b"outbound|80||reviews.default.svc.cluster.local", 0x78a0_9dee_0b26_347b),
        ];
        for (bytes, hash) in known {
            assert_eq!(Hash::default().bytes(bytes).finish(), hash, "{bytes:?}");
        }
        assert_eq!(Hash::default().text("a").finish(), 0x719b_50b9_a4f0_e9f3);
    }

    #[test]
    fn a_length_has_four_bytes_on_each_platform() {
        let mut hash = Hash::default();
        std::hash::Hash::hash(&(Some(7_u16), vec![("a".to_owned(), true)]), &mut hash);
        let bytes = b"\x01\0\0\0\x07\0\x01\0\0\0a\xff\x01";
        assert_eq!(hash.finish(), Hash::default().bytes(bytes).finish());
    }
}
