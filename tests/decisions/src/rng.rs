//! Random numbers. The generator is written out here, so that a seed means the same run for good.

/// A generator of two words, seeded by splitmix.
#[derive(Clone)]
pub(crate) struct Rng {
    state: [u64; 2],
}

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        let mut next = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(0x1234_5678_9ABC_DEF1);
        let mut word = || {
            next = next.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let x = (next ^ (next >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            x ^ (x >> 31)
        };
        Self { state: [word(), word()] }
    }

    fn next(&mut self) -> u64 {
        let [a, b] = self.state;
        let result = a.wrapping_add(b).rotate_left(17).wrapping_add(a);
        let b = b ^ a;
        self.state = [a.rotate_left(49) ^ b ^ (b << 21), b.rotate_left(28)];
        result
    }

    /// Uniform over all its values.
    pub(crate) fn word(&mut self) -> u32 {
        (self.next() >> 32) as u32
    }

    /// From zero up to one.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Of an exponential distribution.
    pub(crate) fn exponential(&mut self, mean: f64) -> f64 {
        -(1.0 - self.unit()).ln() * mean
    }

    /// Of the standard normal distribution.
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }
}

/// A random word as a number from zero up to one.
pub(crate) fn unit(random: u32) -> f64 {
    f64::from(random) / 4_294_967_296.0
}
