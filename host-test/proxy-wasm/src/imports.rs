//! Every function that a module may import, each in the file of its kind.
//!
//! All pass through [`answer`] or [`wasi`]: there the call is counted, the caller's hook runs,
//! and a fault strikes. A pointer that leads out of the module's memory is a status, never a trap.

mod calls;
mod http;
mod store;
mod system;
mod wasi;

use wasmtime::{Caller, Engine, FuncType, Linker, Store};

use crate::plugin::Plugin;
use crate::process::Process;
use crate::state::State;
use crate::status::Status;

/// Defines all of them.
pub(crate) fn define(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    system::define(linker)?;
    http::define(linker)?;
    store::define(linker)?;
    calls::define(linker)?;
    wasi::define(linker, "wasi_snapshot_preview1")?;
    wasi::define(linker, "wasi_unstable")
}

/// The type of one of them.
pub(crate) fn function_type(
    linker: &Linker<State>,
    engine: &Engine,
    module: &str,
    name: &str,
) -> Option<FuncType> {
    // The linker hands nothing out without a store.
    let state = State::new(&Process::new(), Plugin::default().into());
    let mut store = Store::new(engine, state);
    let function = linker.get(&mut store, module, name).ok()?.into_func()?;
    Some(function.ty(&store))
}

/// Why a host function does not return OK.
pub(crate) enum Stop {
    Status(Status),
    /// The module has trapped in the middle of it, in its own allocator.
    Trap(wasmtime::Error),
}

impl From<Status> for Stop {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

/// A host call at work.
pub(crate) struct Hostcall<'a>(Caller<'a, State>);

/// Runs a host call of the ABI, and returns its status.
pub(crate) fn answer(
    name: &'static str,
    caller: Caller<'_, State>,
    f: impl FnOnce(&mut Hostcall<'_>) -> Result<(), Stop>,
) -> wasmtime::Result<u32> {
    let mut call = Hostcall(caller);
    call.enter(name)?;
    let fault = call.state().process.lock().faults.strike(name);
    if let Some(status) = fault {
        return Ok(status as u32);
    }
    match f(&mut call) {
        Ok(()) => Ok(Status::Ok as u32),
        Err(Stop::Status(status)) => Ok(status as u32),
        Err(Stop::Trap(trap)) => Err(trap),
    }
}

impl Hostcall<'_> {
    /// Counts the call, and gives way to whoever watches it. No lock is held meanwhile.
    fn enter(&mut self, name: &'static str) -> wasmtime::Result<()> {
        let state = self.state();
        let usage = state.usage.entry(state.callback).or_default();
        *usage.hostcalls.entry(name).or_default() += 1;
        let goes_on = state.hook.as_mut().is_none_or(|hook| hook(name).is_continue());
        match goes_on {
            true => Ok(()),
            false => Err(wasmtime::Error::msg(format!("killed before {name}"))),
        }
    }

    pub(crate) fn state(&mut self) -> &mut State {
        self.0.data_mut()
    }

    /// Bytes of the module.
    pub(crate) fn read(&mut self, at: u32, size: u32) -> Result<Vec<u8>, Status> {
        let memory = self.state().memory.ok_or(Status::InvalidMemoryAccess)?;
        let (at, size) = (at as usize, size as usize);
        let end = at.checked_add(size).ok_or(Status::InvalidMemoryAccess)?;
        let bytes = memory.data(&self.0).get(at..end);
        bytes.map(<[u8]>::to_vec).ok_or(Status::InvalidMemoryAccess)
    }

    /// Bytes of the module, as text.
    pub(crate) fn read_text(&mut self, at: u32, size: u32) -> Result<String, Status> {
        Ok(String::from_utf8_lossy(&self.read(at, size)?).into_owned())
    }

    pub(crate) fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), Status> {
        let memory = self.state().memory.ok_or(Status::InvalidMemoryAccess)?;
        memory.write(&mut self.0, at as usize, bytes).map_err(|_| Status::InvalidMemoryAccess)
    }

    pub(crate) fn write_u32(&mut self, at: u32, number: u32) -> Result<(), Status> {
        self.write(at, &number.to_le_bytes())
    }

    pub(crate) fn write_u64(&mut self, at: u32, number: u64) -> Result<(), Status> {
        self.write(at, &number.to_le_bytes())
    }

    /// Hands bytes over, in memory that the module allocates for them. No bytes are a null
    /// pointer.
    pub(crate) fn give(&mut self, bytes: &[u8], data: u32, size: u32) -> Result<(), Stop> {
        let length = u32::try_from(bytes.len()).map_err(|_| Status::InvalidMemoryAccess)?;
        let mut at = 0;
        if length > 0 {
            let allocate = self.state().allocate.clone().ok_or(Status::InvalidMemoryAccess)?;
            let sums = self.state().sums;
            let before = sums.map(|sums| sums.read(&mut self.0));
            at = allocate.call(&mut self.0, length).map_err(Stop::Trap)?;
            let after = sums.map(|sums| sums.read(&mut self.0));
            let state = self.state();
            for (before, after) in before.into_iter().zip(after) {
                state.given[0] += after[0] - before[0];
                state.given[1] += after[1] - before[1];
            }
            let usage = state.usage.entry(state.callback).or_default();
            usage.allocations += 1;
            usage.allocated_bytes += u64::from(length);
            if at == 0 {
                return Err(Status::InvalidMemoryAccess.into());
            }
            self.write(at, bytes)?;
        }
        self.write_u32(data, at)?;
        Ok(self.write_u32(size, length)?)
    }
}
