//! Logarithms in integers: evidence is how many bits likelier what was seen is under one share of
//! bad calls than under another.

/// One bit of evidence.
pub(super) const BIT: u32 = 1024;

/// What the mantissa must stay below, as a number of 32 bits that begins with a one.
const TWO: u64 = 1 << 32;

/// The logarithm to the base of two, in 1/1024, rounded down. Zero is taken as one.
pub(super) fn log2(number: u64) -> u32 {
    let number = number.max(1);
    let mut mantissa = number.rotate_left(number.leading_zeros()) >> 32;
    let mut log = number.ilog2();
    for _ in 0..BIT.ilog2() {
        mantissa = mantissa.saturating_mul(mantissa) >> 31;
        let carried = mantissa >= TWO;
        if carried {
            mantissa >>= 1;
        }
        log = (log << 1) | u32::from(carried);
    }
    log
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_of_two_has_its_exponent() {
        for exponent in 0..64 {
            assert_eq!(log2(1 << exponent), exponent * BIT);
        }
        assert_eq!(log2(0), 0);
    }

    #[test]
    fn a_logarithm_is_exact_to_a_thousandth_of_a_bit() {
        for number in (1..10_000).chain([u64::MAX, u64::MAX >> 7, 123_456_789_012]) {
            let exact = (number as f64).log2() * f64::from(BIT);
            let error = exact - f64::from(log2(number));
            assert!((-0.01..1.01).contains(&error), "{number}: {error}");
        }
    }
}
