//! The hash in keys, values and names of metrics: SipHash-1-3 with a key of zeros, in which modules of
//! all versions and platforms agree. It spreads; nothing is kept secret by it.

use std::hash::Hasher as _;

use siphasher::sip::SipHasher13;

/// A hash under way.
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

    /// The number for all that was added.
    #[must_use]
    pub fn finish(self) -> u64 {
        self.0.finish()
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
}
