//! Calls that the plugin makes itself.

pub(crate) use scenario::{Callouts, diverted};
