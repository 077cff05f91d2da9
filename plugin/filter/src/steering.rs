//! What an operator does to a breaker while it runs: by the admin API, or through a host that is asked to.

use breaker::{Breaker, Command};

use crate::effects::Effects;
use crate::filter::Filter;
use crate::host::Host;
use crate::store::{Lost, ServiceHandle, Update};

/// Why a command was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SteerError {
    /// There is no breaker of this name.
    Unknown,
    /// The store could not be written: the breaker is as it was.
    Unwritten,
}

impl Filter {
    /// Does as an operator asks, for all workers at once.
    ///
    /// # Errors
    ///
    /// If nothing was changed.
    pub fn steer(
        &self,
        service: &str,
        command: Command,
        host: &impl Host,
        effects: &mut Effects,
    ) -> Result<(), SteerError> {
        let record = self.record_of(service).ok_or(SteerError::Unknown)?;
        steer(&record, command, host, effects)?;
        Ok(())
    }
}

/// Does as an operator asks, and returns what has become of the breaker.
pub(crate) fn steer(
    record: &ServiceHandle<'_>,
    command: Command,
    host: &impl Host,
    effects: &mut Effects,
) -> Result<Breaker, SteerError> {
    let steered = record.update(host, effects, |breaker| {
        let transition = breaker.apply(&record.service.policy, command);
        Update::Changed(breaker.clone(), transition)
    });
    let breaker = steered.map_err(|lost| match lost {
        Lost::Gone => SteerError::Unknown,
        Lost::Race | Lost::Store | Lost::Newer => SteerError::Unwritten,
    })?;
    let name = &record.instance.name;
    effects.info(format!("service={name} event=steered command={}", command.name()));
    Ok(breaker)
}
