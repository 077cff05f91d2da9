//! The bytes of a record, written and read from the first to the last.

use crate::time::Timestamp;

/// The newest format of a record that can be read, and the one in which it is written: its first byte.
pub const RECORD_FORMAT: u8 = 2;

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

impl core::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Length { found, expected } => write!(f, "{found} bytes, not {expected}"),
            Self::Version { found } => write!(f, "format version {found}, not {RECORD_FORMAT}"),
            Self::Value { field } => write!(f, "impossible value of {field}"),
        }
    }
}

impl core::error::Error for DecodeError {}

/// What is left to write of the record.
pub(crate) struct Writer<'a>(pub(crate) &'a mut [u8]);

impl Writer<'_> {
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        let rest = core::mem::take(&mut self.0);
        if let Some((here, rest)) = rest.split_at_mut_checked(bytes.len()) {
            here.copy_from_slice(bytes);
            self.0 = rest;
        }
    }
}

/// What is left to read of the record.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl Reader<'_> {
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
