//! Values beside a record that only people look at: each is one cell, and all are one kind to the code
//! that loads and swaps them, which is in the module once.

use shared::{Cell, Decision, Decoded, Kind, Lost, Watch};

use crate::effects::Effects;
use crate::host::Host;
use crate::tenure::{Tenure, decode_part};

/// The only format of each of them, so far: their first byte.
pub(crate) const FORMAT: u8 = 1;

/// What is to take the place of stored bytes, if there are any; `None`: they are left as they are.
pub(crate) type Change<'a> = dyn FnMut(Option<&[u8]>) -> Option<Vec<u8>> + 'a;

/// Such a value.
pub(crate) struct Part<'a> {
    pub(crate) key: &'a str,
    pub(crate) watch: &'a Watch,
    /// The service that it belongs to; `None`: all of them.
    pub(crate) service: Option<&'a str>,
    /// Of a slot: whose it is.
    pub(crate) tenure: Option<&'a Tenure>,
    /// What it is called where it cannot be read.
    pub(crate) what: &'static str,
    /// Whether bytes are such a value.
    pub(crate) is_one: fn(&[u8]) -> bool,
}

impl Part<'_> {
    /// What is stored.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or is another's.
    #[inline(never)]
    pub(crate) fn load(
        &self,
        host: &dyn Host,
        effects: &mut Effects,
    ) -> Result<Option<Vec<u8>>, Lost> {
        let mut value = None;
        self.cell().load(host, effects, &mut value)?;
        Ok(value)
    }

    /// Puts a value in the place of what is stored, which is changed anew for each lost race; `None`:
    /// that is left as it is.
    ///
    /// # Errors
    ///
    /// If nothing was stored that should be.
    #[inline(never)]
    pub(crate) fn update(
        &self,
        host: &dyn Host,
        effects: &mut Effects,
        change: &mut Change<'_>,
    ) -> Result<(), Lost> {
        self.cell().update(host, effects, |value, _| match change(value.as_deref()) {
            None => Decision::Keep(()),
            Some(changed) => {
                *value = Some(changed);
                Decision::Store(())
            }
        })
    }

    fn cell(&self) -> Cell<'_, &Self> {
        Cell { key: self.key, kind: self, watch: self.watch, service: self.service }
    }
}

impl Kind for &Part<'_> {
    type Value = Vec<u8>;

    fn decode(&self, bytes: &[u8]) -> Decoded<Vec<u8>> {
        decode_part(self.tenure, bytes, self.what, |part| {
            let value = (self.is_one)(part).then(|| part.to_vec());
            Decoded::new(value, part, FORMAT, self.what)
        })
    }

    fn encode(&self, value: &Vec<u8>) -> impl AsRef<[u8]> {
        match self.tenure {
            None => value.clone(),
            Some(tenure) => tenure.with_part(value),
        }
    }
}
