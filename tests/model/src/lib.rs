//! Workers that share breakers, as a model whose every order of steps is tried.
//!
//! Each step is the real code: the record's codec and decisions of `breaker`, and load, decide and
//! swap of `shared`'s cell. What is made up is the store, the clock, and who comes when. Beside each
//! breaker runs an [oracle](oracle::Oracle) that knows the rules and not the code.

mod action;
mod decide;
mod held;
mod oracle;
mod proxy;
mod settings;
mod store;
mod way_back;
mod worker;

pub use crate::action::Action;
pub use crate::proxy::{Model, Proxy};
pub use crate::settings::{Bounds, Settings};
pub use crate::worker::Ending;
