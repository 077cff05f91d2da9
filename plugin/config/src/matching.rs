//! Which service a request belongs to: the first one that matches.
//!
//! Inside a match every kind that is given must match, and inside a kind any entry does.

mod glob;
mod header;
mod host;
mod inclusion;
mod index;
mod method;
mod path;
mod request;
mod rules;
#[cfg(test)]
mod samples;

pub(crate) use self::glob::Glob;
pub(crate) use self::header::HeaderRule;
pub use self::host::{Host, name_of, without_port};
pub use self::index::Index;
pub(crate) use self::method::check as check_method;
pub(crate) use self::path::check_prefix;
pub use self::request::Request;
pub use self::rules::Match;
