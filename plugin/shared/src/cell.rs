//! One value that all workers change: each reads it, decides, and swaps it for another.
//!
//! Who loses a race reads and decides again, so that no decision is based on what another has
//! overtaken. [`Cell::update`] does all three. The steps are there one by one as well:
//! [`load`](Cell::load), a decision, [`swap`](Cell::swap).

use std::borrow::Cow;

use breaker::Now;

use crate::port::{Shared, StoreFault, SwapError, Version};
use crate::unreadable::{Report, Unreadable, Watch};

/// How often a lost race is tried again. Each loss means that another worker got its update through,
/// so that even many workers get there in a few rounds.
pub const ATTEMPTS: usize = 64;

/// A kind of value: how its bytes are read and written.
pub trait Kind {
    /// What the bytes stand for.
    type Value;

    /// Reads bytes.
    fn decode(&self, bytes: &[u8]) -> Decoded<Self::Value>;

    /// Writes a value as bytes.
    fn encode(&self, value: &Self::Value) -> impl AsRef<[u8]>;

    /// What bytes that cannot be read are replaced by at once; `None`: by what the next decision
    /// stores.
    fn replacement(&self, _now: Now) -> Option<Self::Value> {
        None
    }
}

/// What bytes were read as.
#[derive(Debug, PartialEq, Eq)]
pub enum Decoded<V> {
    /// This.
    Value(V),
    /// The value of a former owner of the key: as good as none.
    Former,
    /// The value of an owner that has the key now: this one's is gone.
    Latter,
    /// Nothing.
    Unreadable {
        /// Whether they are of a newer format than any that is known.
        newer: bool,
        /// What is wrong with them, or what they should be.
        problem: Cow<'static, str>,
    },
}

impl<V> Decoded<V> {
    /// The value that bytes were read as; without one, they should be `what`. Their first byte is their
    /// format, of which `newest` is the newest that is known.
    pub fn new(value: Option<V>, bytes: &[u8], newest: u8, what: &'static str) -> Self {
        match value {
            Some(value) => Self::Value(value),
            None => Self::unreadable(bytes, newest, what),
        }
    }

    /// Puts the value, if there is one, where it belongs.
    fn take(self, value: &mut Option<V>) -> Decoded<()> {
        match self {
            Self::Value(read) => {
                *value = Some(read);
                Decoded::Value(())
            }
            Self::Former => Decoded::Former,
            Self::Latter => Decoded::Latter,
            Self::Unreadable { newer, problem } => Decoded::Unreadable { newer, problem },
        }
    }

    /// Nothing that can be read.
    pub fn unreadable(bytes: &[u8], newest: u8, problem: impl Into<Cow<'static, str>>) -> Self {
        let newer = bytes.first().is_some_and(|format| *format > newest);
        Self::Unreadable { newer, problem: problem.into() }
    }
}

/// Why there is no value, or it was not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Others were faster each time.
    Race,
    /// The store cannot be used.
    Store,
    /// What is there may be a newer module's, and is left alone.
    Newer,
    /// The key has another owner now.
    Gone,
}

impl From<StoreFault> for Lost {
    fn from(_: StoreFault) -> Self {
        Self::Store
    }
}

/// What a decision comes to: a result, and whether the value is to be stored as it is now.
#[derive(Debug)]
pub enum Decision<R> {
    /// The stored value stays.
    Keep(R),
    /// The changed one takes its place.
    Store(R),
}

/// What was stored when a value was read, which a swap expects to find.
#[derive(Debug, Default)]
pub struct At {
    /// `None`: there was nothing.
    pub version: Option<Version>,
    /// `None`: there was nothing, or nothing that can be read.
    bytes: Option<Vec<u8>>,
}

/// Where a value is, and what one worker remembers of it.
#[derive(Debug)]
pub struct Cell<'a, K> {
    /// Its key in the store.
    pub key: &'a str,
    /// How it is read and written.
    pub kind: K,
    /// What is remembered of bytes that could not be read.
    pub watch: &'a Watch,
    /// The service that it belongs to; `None`: all of them.
    pub service: Option<&'a str>,
}

impl<K: Kind> Cell<'_, K> {
    /// Reads into a value that is none yet, and stays so if there is none that can be read. Damage is
    /// replaced on the spot where the kind says by what.
    ///
    /// # Errors
    ///
    /// If the store cannot be read, or what is there is another's.
    pub fn load(
        &self,
        host: &dyn Shared,
        report: &mut dyn Report,
        value: &mut Option<K::Value>,
    ) -> Result<At, Lost> {
        self.read(host.load(self.key)?, host, report, value)
    }

    /// The same of bytes that were read already.
    ///
    /// # Errors
    ///
    /// If what is there is another's.
    #[inline(never)]
    pub fn read(
        &self,
        stored: Option<(Vec<u8>, Version)>,
        host: &dyn Shared,
        report: &mut dyn Report,
        value: &mut Option<K::Value>,
    ) -> Result<At, Lost> {
        let place = Place { key: self.key, watch: self.watch, service: self.service };
        let mut decode = |bytes: &[u8]| self.kind.decode(bytes).take(value);
        let replacement = |now| {
            let value = self.kind.replacement(now)?;
            Some(self.kind.encode(&value).as_ref().to_vec())
        };
        place.read(stored, host, report, &mut decode, &replacement)
    }

    /// Stores a value if nobody has written since the last one was read. One that is there already is
    /// not written again: `false`.
    ///
    /// # Errors
    ///
    /// If another was faster, or the store cannot be written.
    #[inline(never)]
    pub fn swap(&self, value: &K::Value, at: &At, host: &dyn Shared) -> Result<bool, SwapError> {
        at.swap(self.key, self.kind.encode(value).as_ref(), host)
    }

    /// Reads, decides and swaps, anew for each lost race. A decision that depends on the time reads
    /// the clock itself, each time: read before the value was, it would lie before what others have
    /// written meanwhile.
    ///
    /// # Errors
    ///
    /// If nothing was stored that should be.
    pub fn update<R, P: Report>(
        &self,
        host: &dyn Shared,
        report: &mut P,
        decide: impl FnMut(&mut Option<K::Value>, &mut P) -> Decision<R>,
    ) -> Result<R, Lost> {
        self.update_then(None, host, report, decide, |_, _, _| {})
    }

    /// The same, with bytes that were read already, and something to do `then`, once the value is
    /// written.
    ///
    /// # Errors
    ///
    /// If nothing was stored that should be.
    pub fn update_then<R, P: Report>(
        &self,
        mut stored: Option<Option<(Vec<u8>, Version)>>,
        host: &dyn Shared,
        report: &mut P,
        mut decide: impl FnMut(&mut Option<K::Value>, &mut P) -> Decision<R>,
        then: impl FnOnce(&K::Value, &R, &mut P),
    ) -> Result<R, Lost> {
        for _ in 0..ATTEMPTS {
            let mut value = None;
            let stored = match stored.take() {
                Some(stored) => stored,
                None => host.load(self.key)?,
            };
            let at = self.read(stored, host, report, &mut value)?;
            let result = match decide(&mut value, report) {
                Decision::Keep(result) => return Ok(result),
                Decision::Store(result) => result,
            };
            let Some(value) = &value else {
                return Ok(result);
            };
            match self.swap(value, &at, host) {
                Ok(written) => {
                    if written {
                        then(value, &result, report);
                    }
                    return Ok(result);
                }
                Err(SwapError::Conflict) => {}
                Err(SwapError::Fault(fault)) => return Err(fault.into()),
            }
        }
        Err(Lost::Race)
    }
}

/// A cell but for its kind: what is done with all kinds alike is not there once for each.
struct Place<'a> {
    key: &'a str,
    watch: &'a Watch,
    service: Option<&'a str>,
}

impl Place<'_> {
    #[inline(never)]
    fn read(
        &self,
        stored: Option<(Vec<u8>, Version)>,
        host: &dyn Shared,
        report: &mut dyn Report,
        decode: &mut dyn FnMut(&[u8]) -> Decoded<()>,
        replacement: &dyn Fn(Now) -> Option<Vec<u8>>,
    ) -> Result<At, Lost> {
        let Some((bytes, version)) = stored else {
            return Ok(At::default());
        };
        match decode(&bytes) {
            Decoded::Value(()) | Decoded::Former => {}
            Decoded::Latter => return Err(Lost::Gone),
            Decoded::Unreadable { newer, problem } => {
                let now = host.now();
                judge((self.watch, self.service), (version, newer, &problem), now, report)?;
                if let Some(value) = replacement(now) {
                    // Lost, another was faster.
                    let _ = host.swap(self.key, &value, Some(version));
                }
                return Ok(At { version: Some(version), bytes: None });
            }
        }
        Ok(At { version: Some(version), bytes: Some(bytes) })
    }
}

impl At {
    #[inline(never)]
    fn swap(&self, key: &str, bytes: &[u8], host: &dyn Shared) -> Result<bool, SwapError> {
        if self.bytes.as_deref() == Some(bytes) {
            return Ok(false);
        }
        host.swap(key, bytes, self.version).map(|()| true)
    }
}

/// Reports bytes that cannot be read. An error: they may be a newer module's, and are left alone.
#[inline(never)]
fn judge(
    (watch, service): (&Watch, Option<&str>),
    (version, newer, problem): (Version, bool, &str),
    now: Now,
    report: &mut dyn Report,
) -> Result<(), Lost> {
    let (replaced, warn) = watch.look(newer, version, now.monotonic);
    report.unreadable(Unreadable { service, problem, replaced, warn });
    if replaced { Ok(()) } else { Err(Lost::Newer) }
}
