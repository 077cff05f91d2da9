//! A host of the component: as many instances as there are workers, one store that they share, and
//! clocks that move when they are told to.
//!
//! It is what a host in any language is, in the least code: it gives the component a store, tells
//! it of calls, and does what comes back. So tests can hold the component to what it promises,
//! and lose a race, break the store or move a clock where a real host cannot.
//!
//! * [`Artefact`]: the component, compiled once.
//! * [`Shared`]: the store, the clocks, the metrics and the log of one host.
//! * [`Guard`]: one instance, which answers with verdicts; metrics and log lines go to [`Shared`].
//!
//! What a value means is said in `wit/`, of which [`types`] is made.
//!
//! ```no_run
//! use std::path::Path;
//!
//! use host_test_component::{Artefact, Guard, Shared};
//!
//! # fn main() -> anyhow::Result<()> {
//! let artefact = Artefact::load(Path::new("target/wasm/edge_breaker_component.wasm"))?;
//! let mut guard = Guard::new(&artefact, &Shared::new())?;
//! let refused = guard.configure(r#"{"services": []}"#)?.unwrap_err();
//! assert_eq!(refused.path, "services");
//! # Ok(())
//! # }
//! ```

mod artefact;
mod bindings;
mod guard;
pub mod node;
mod shared;

pub use artefact::Artefact;
pub use bindings::types;
pub use guard::{Guard, field};
pub use shared::{Shared, WALL_START};
