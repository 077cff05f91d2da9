//! What spreads waits.

/// Spreads the bits of a clock reading (the finaliser of SplitMix64): enough for jitter, which
/// must differ between proxies, not be secret.
pub(crate) fn scrambled(nanos: u64) -> u32 {
    let mut bits = nanos.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((bits ^ (bits >> 31)) >> 32) as u32
}
