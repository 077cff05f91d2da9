//! The component's shell around the filter: what `wit/` exports, and the store that it imports.
//!
//! Nothing is decided here. [`exports`] turns the calls of a host into calls of
//! [`filter::Filter`] and hands back what comes of them, [`convert`] says one side's
//! values in the other's types, and [`facts`] answers what the filter asks in between: from
//! the arguments of the call at hand, or from the imported store.
//!
//! There is no way to a panic, as in the shell for proxies: it would cost a host the instance, with
//! all calls that it keeps.

#![deny(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod convert;
mod exports;
mod facts;
mod worker;

#[allow(
    missing_docs,
    unreachable_pub,
    unsafe_code,
    unused_qualifications,
    clippy::all,
    reason = "what the macro writes is its own affair"
)]
mod bindings {
    wit_bindgen::generate!({ path: "../../wit", world: "guard" });

    export!(Component with_types_in self);

    /// What the component exports.
    pub struct Component;
}
