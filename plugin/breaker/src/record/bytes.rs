//! The bytes of a record, written and read from the first to the last.

use crate::time::Timestamp;

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// There are too few or too many of them.
    Length {
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
    /// They were written by a version that this one does not know.
    Version {
        /// Its number.
        found: u8,
    },
    /// A field has a value that no breaker writes.
    Value {
        /// The field.
        field: &'static str,
    },
}

/// What is left to write of the record, or of a part of it.
pub(crate) struct Writer<'a>(pub(crate) &'a mut [u8]);

impl<'a> Writer<'a> {
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        if let Some(here) = self.0.split_off_mut(..bytes.len()) {
            here.copy_from_slice(bytes);
        }
    }

    /// The next so many bytes, which are zero for now.
    pub(crate) fn part(&mut self, len: usize) -> Self {
        Self(self.0.split_off_mut(..len).unwrap_or_default())
    }
}

/// What is left to read of the record, or of a part of it.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl Reader<'_> {
    /// The next so many bytes.
    pub(crate) fn part(&mut self, len: usize) -> Result<Self, DecodeError> {
        let missing = DecodeError::Length { found: self.0.len(), expected: len };
        self.0.split_off(..len).map(Self).ok_or(missing)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (here, rest) = self
            .0
            .split_first_chunk::<N>()
            .ok_or(DecodeError::Length { found: self.0.len(), expected: N })?;
        self.0 = rest;
        Ok(*here)
    }

    pub(crate) fn number_u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn number_u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn number_u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn timestamp(&mut self) -> Result<Timestamp, DecodeError> {
        self.number_u64().map(Timestamp::from_nanos)
    }
}
