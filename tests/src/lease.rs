//! The Envoys of this process, which tests take in turns.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use envoy_harness::config::Listener;
use envoy_harness::{Envoy, Resident};
use serde_json::{Value, json};

use crate::module;

/// Those that nobody has at the moment, with their numbers of workers. They end with this process.
static FREE: Mutex<Vec<(u32, Resident)>> = Mutex::new(Vec::new());

/// An Envoy that one test has for itself. Dropped, it is there for another one, unless it is of this
/// test alone, or may be why the test has failed.
#[derive(Debug)]
pub struct Lease(Option<Held>);

#[derive(Debug)]
enum Held {
    Alone(Envoy),
    Resident(u32, Resident),
}

impl Lease {
    /// One with so many workers and these listeners and clusters.
    ///
    /// # Errors
    /// When it cannot be started, or refuses them.
    pub(crate) async fn take(
        workers: u32,
        listeners: Vec<Listener>,
        clusters: Vec<Value>,
    ) -> Result<Self> {
        let mut resident = match Self::free(workers) {
            Some(resident) => resident,
            None => {
                let keeper = json!({ "services": [{ "name": "keeper" }] });
                Resident::start(workers, &module()?, &keeper).await?
            }
        };
        resident.take_in(listeners, clusters).await?;
        Ok(Self(Some(Held::Resident(workers, resident))))
    }

    fn free(workers: u32) -> Option<Resident> {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        let fitting = free.iter().position(|(its, _)| *its == workers)?;
        Some(free.swap_remove(fitting).1)
    }
}

/// A name for the data that the workers of one Envoy share, which no other test has.
pub(crate) fn vm_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("edge-breaker-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

impl From<Envoy> for Lease {
    fn from(envoy: Envoy) -> Self {
        Self(Some(Held::Alone(envoy)))
    }
}

impl Deref for Lease {
    type Target = Envoy;

    fn deref(&self) -> &Envoy {
        match self.0.as_ref().expect("it is held until it is dropped") {
            Held::Alone(envoy) => envoy,
            Held::Resident(_, resident) => &resident.envoy,
        }
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut Envoy {
        match self.0.as_mut().expect("it is held until it is dropped") {
            Held::Alone(envoy) => envoy,
            Held::Resident(_, resident) => &mut resident.envoy,
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(Held::Resident(workers, mut resident)) = self.0.take() else {
            return;
        };
        if !std::thread::panicking() && matches!(resident.envoy.exit_status(), Ok(None)) {
            FREE.lock().unwrap_or_else(PoisonError::into_inner).push((workers, resident));
        }
    }
}
