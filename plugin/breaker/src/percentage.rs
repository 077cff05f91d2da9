//! A share in percent.

/// A share over 0 and up to 100 percent, in thousandths of a percent: integers, so that a share is
/// reached exactly when it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percentage(u32);

impl Percentage {
    const WHOLE: u32 = 100_000;

    /// From thousandths of a percent, at least 1 and at most 100,000.
    #[must_use]
    pub const fn from_thousandths(thousandths: u32) -> Self {
        Self(match thousandths {
            0 => 1,
            1..Self::WHOLE => thousandths,
            _ => Self::WHOLE,
        })
    }

    /// The share in thousandths of a percent.
    #[must_use]
    pub const fn thousandths(self) -> u32 {
        self.0
    }

    /// Whether `part` is this share of `whole`, or more.
    #[must_use]
    pub const fn is_reached_by(self, part: u32, whole: u32) -> bool {
        let (part, whole) = (part as u64, whole as u64);
        part.saturating_mul(Self::WHOLE as u64) >= whole.saturating_mul(self.0 as u64)
    }
}
