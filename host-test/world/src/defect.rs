//! Defects to be caught: a simulation that finds nothing has to show that it can.

use fastrand::Rng;

use crate::record::{GENERATION, LEASED_UNTIL, LENGTH, PLACES};

/// A store that does not do what it should, in a way that a module of ours might not either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// Now and then a write is forgotten.
    ForgottenWrite,
    /// Trials have places without a deadline, which is to say none.
    NoDeadline,
    /// Trials have places that never come back by themselves.
    EndlessPlace,
    /// The lease of a health check never ends.
    EndlessLease,
    /// Transitions leave the generation as it is.
    StandingGeneration,
    /// Now and then a reader gets the record of the generation before.
    StaleRead,
}

impl Defect {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::ForgottenWrite,
        Self::NoDeadline,
        Self::EndlessPlace,
        Self::EndlessLease,
        Self::StandingGeneration,
        Self::StaleRead,
    ];

    /// What stands in the store when `new` was written over `old`.
    pub(crate) fn spoil(self, old: &[u8], new: &[u8], rng: &mut Rng) -> Vec<u8> {
        let mut spoiled = new.to_vec();
        if old.len() != LENGTH || new.len() != LENGTH {
            return spoiled;
        }
        match self {
            Self::ForgottenWrite if rng.u32(0..20) == 0 => spoiled.copy_from_slice(old),
            Self::NoDeadline => spoiled[PLACES..].fill(0),
            Self::EndlessPlace => {
                for place in spoiled[PLACES..].as_chunks_mut::<8>().0 {
                    if *place != [0; 8] {
                        *place = [0xff; 8];
                    }
                }
            }
            Self::EndlessLease => {
                let lease = &mut spoiled[LEASED_UNTIL..LEASED_UNTIL + 8];
                if lease != [0; 8] {
                    lease.fill(0xff);
                }
            }
            Self::StandingGeneration => {
                let at = GENERATION..GENERATION + 8;
                spoiled[at.clone()].copy_from_slice(&old[at]);
            }
            Self::ForgottenWrite | Self::StaleRead => {}
        }
        spoiled
    }
}
