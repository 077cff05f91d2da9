//! Makes a component of a core module that was built for `wasm32-unknown-unknown`.
//!
//! The compiler's own component target brings WASI along, whether it is used or not. A module
//! built without a system asks for nothing but what its world imports, and so does the component
//! that is made of it here: its types are read from the section that the bindings left in it.

use anyhow::{Context, Result};
use wit_component::ComponentEncoder;

/// The component of a module.
///
/// # Errors
/// When there is no world in the module, or it is not what its world says.
pub fn componentize(module: &[u8]) -> Result<Vec<u8>> {
    ComponentEncoder::default()
        .module(module)
        .context("no module with a world in it")?
        .validate(true)
        .encode()
        .context("the module is not what its world says")
}
