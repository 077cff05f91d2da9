//! Makes a component of a core module that was built for `wasm32-unknown-unknown`.
//!
//! The compiler's own component target brings WASI along, whether it is used or not. A module
//! built without a system asks for nothing but what its world imports, and so does the component
//! that is made of it here: its types are read from the section that the bindings left in it.

use std::path::PathBuf;

use anyhow::{Context, Result};
use wit_component::ComponentEncoder;

fn component(module: &[u8]) -> Result<Vec<u8>> {
    ComponentEncoder::default()
        .module(module)
        .context("no module with a world in it")?
        .validate(true)
        .encode()
        .context("the module is not what its world says")
}

fn main() -> Result<()> {
    let paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [input, output] = paths.as_slice() else {
        anyhow::bail!("usage: component-wrap INPUT OUTPUT");
    };
    let module = std::fs::read(input).with_context(|| input.display().to_string())?;
    std::fs::write(output, component(&module)?).with_context(|| output.display().to_string())
}
