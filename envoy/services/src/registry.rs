//! The downstream services by name.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::downstream::{Downstream, Initial};

/// How many services requests can bring into being, so that whoever can reach a listener cannot
/// fill the memory.
const MOST_SERVICES: usize = 64;

/// The services that were named so far.
#[derive(Clone, Debug)]
pub(crate) struct Registry {
    initial: Initial,
    services: Arc<Mutex<BTreeMap<String, Downstream>>>,
}

impl Registry {
    pub(crate) fn new(initial: Initial) -> Self {
        Self { initial, services: Arc::default() }
    }

    /// The service of that name, which the program itself asks for.
    pub(crate) fn service(&self, name: &str) -> Downstream {
        self.get_or_make(&mut self.lock(), name)
    }

    /// The service that a request names. `None`: that would be one too many.
    pub(crate) fn requested(&self, name: &str) -> Option<Downstream> {
        let mut services = self.lock();
        let room = services.len() < MOST_SERVICES || services.contains_key(name);
        room.then(|| self.get_or_make(&mut services, name))
    }

    /// All services, by name.
    pub(crate) fn all(&self) -> Vec<Downstream> {
        self.lock().values().cloned().collect()
    }

    fn get_or_make(&self, services: &mut BTreeMap<String, Downstream>, name: &str) -> Downstream {
        let make = || Downstream::new(name, self.initial);
        services.entry(name.to_owned()).or_insert_with(make).clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Downstream>> {
        self.services.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_for_the_same_service_every_time() {
        let registry = Registry::new(Initial::default());
        registry.service("payment-service").set_failure_rate(0.9);
        assert_eq!(registry.requested("payment-service").unwrap().failure_rate(), 0.9);
        assert_eq!(registry.service("inventory-service").failure_rate(), 0.0);
    }

    #[test]
    fn requests_cannot_make_services_without_end() {
        let registry = Registry::new(Initial::default());
        let made = (0..1_000).filter(|n| registry.requested(&n.to_string()).is_some()).count();
        assert_eq!(made, MOST_SERVICES);
        assert_eq!(registry.all().len(), MOST_SERVICES);
        assert!(registry.requested("0").is_some(), "those that exist can still be had");
        registry.service("one-more");
        assert_eq!(registry.all().len(), MOST_SERVICES + 1, "the program itself is not bound");
    }
}
