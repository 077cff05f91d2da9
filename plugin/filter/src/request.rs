//! A request: which service it belongs to, and whether it goes there.

pub(crate) mod admission;
pub(crate) mod protocol;
pub(crate) mod subject;
pub(crate) mod target;
