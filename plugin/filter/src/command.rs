//! Commands of an operator to a breaker while it runs: by the admin API, or through the host.

use breaker::{Breaker, Command};

use crate::effects::Effects;
use crate::handle::ServiceHandle;
use crate::host::Host;
use crate::services::Services;
use crate::store::Update;
use shared::Lost;

/// Why a command was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// There is no breaker of this name.
    Unknown,
    /// The store could not be written: the breaker is as it was.
    Unwritten,
}

impl Services {
    /// Applies a command to the breaker of this name, for all workers at once.
    ///
    /// # Errors
    ///
    /// If nothing was changed.
    pub(crate) fn apply_command(
        &self,
        service: &str,
        command: Command,
        host: &dyn Host,
        effects: &mut Effects,
    ) -> Result<(), CommandError> {
        let handle = self.named(service).ok_or(CommandError::Unknown)?;
        apply(&handle, command, host, effects)?;
        Ok(())
    }
}

/// Applies a command: the breaker as it is then.
pub(crate) fn apply(
    handle: &ServiceHandle<'_>,
    command: Command,
    host: &dyn Host,
    effects: &mut Effects,
) -> Result<Breaker, CommandError> {
    let applied = handle.update(host, effects, |breaker| {
        let transition = breaker.apply(&handle.service.policy, command);
        Update::Changed(breaker.clone(), transition)
    });
    let breaker = applied.map_err(|lost| match lost {
        Lost::Gone => CommandError::Unknown,
        Lost::Race | Lost::Store | Lost::Newer => CommandError::Unwritten,
    })?;
    let name = &handle.instance.name;
    effects.info(format!("service={name} event=steered command={}", command.name()));
    Ok(breaker)
}
