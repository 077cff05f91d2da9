//! The component as it was built, compiled for this machine.

use std::path::Path;

use anyhow::{Context, Result};
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Engine, ResourceLimiter, Store};

use crate::bindings::World;
use crate::shared::Shared;

/// The component, compiled once for as many instances as are wanted.
pub struct Artefact {
    component: Component,
    linker: Linker<Inside>,
}

impl Artefact {
    /// Reads and compiles the component.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or is not a component.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path)
            .with_context(|| format!("{}: `make wasm` builds it", path.display()))?;
        Self::new(&bytes).with_context(|| path.display().to_string())
    }

    /// Compiles the component.
    ///
    /// # Errors
    ///
    /// If it is not a component.
    pub fn new(bytes: &[u8]) -> Result<Self> {
        let engine = Engine::default();
        let component = known(Component::from_binary(&engine, bytes))?;
        let mut linker = Linker::new(&engine);
        known(World::add_to_linker::<_, HasSelf<_>>(&mut linker, |inside: &mut Inside| {
            &mut inside.shared
        }))?;
        Ok(Self { component, linker })
    }

    /// What the component asks its host for, by name.
    #[must_use]
    pub fn imports(&self) -> Vec<String> {
        let kind = self.component.component_type();
        kind.imports(self.component.engine()).map(|(name, _)| name.to_owned()).collect()
    }

    /// What the component offers, by name.
    #[must_use]
    pub fn exports(&self) -> Vec<String> {
        let kind = self.component.component_type();
        kind.exports(self.component.engine()).map(|(name, _)| name.to_owned()).collect()
    }

    pub(crate) fn instantiate(&self, shared: Shared) -> Result<(Store<Inside>, World)> {
        let mut store = Store::new(self.component.engine(), Inside { shared, memory: Memory(0) });
        store.limiter(|inside| &mut inside.memory);
        let world = known(World::instantiate(&mut store, &self.component, &self.linker))?;
        Ok((store, world))
    }
}

/// What the engine keeps for one instance.
pub(crate) struct Inside {
    pub(crate) shared: Shared,
    pub(crate) memory: Memory,
}

/// How large an instance's memory has grown, in bytes. It sets no limit, but looks on.
pub(crate) struct Memory(pub(crate) usize);

impl ResourceLimiter for Memory {
    fn memory_growing(
        &mut self,
        _: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.0 = desired;
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(true)
    }
}

/// An error of the engine as one of everybody's.
pub(crate) fn known<T>(result: wasmtime::Result<T>) -> Result<T> {
    result.map_err(|error| anyhow::Error::from_boxed(error.into_boxed_dyn_error()))
}
