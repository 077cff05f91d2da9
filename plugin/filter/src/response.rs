//! A response: what it says of the service, and those that the filter gives itself.

pub(crate) mod classify;
pub(crate) mod flow;
pub(crate) mod head;
pub(crate) mod replacement;
pub(crate) mod reply;
pub(crate) mod retry_after;
