//! The breakers at work on one worker: one for each plain name from the start, one for each made
//! name when it is first seen. They are numbered in that order, and none is ever taken away.

use std::cell::{Cell, OnceCell, RefCell};

use crate::config::{Config, Service};
use crate::store::{self, Memory};

/// A breaker: its name, whose rules it has, and what one worker keeps of it.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) name: String,
    /// The key of its record in the shared store.
    pub(crate) key: String,
    /// The key of the calls under way, if they are counted.
    pub(crate) calls_key: String,
    /// The number of the configured service.
    pub(crate) service: usize,
    pub(crate) memory: Memory,
    /// Whether it has answered well since the last tick.
    pub(crate) succeeded: Cell<bool>,
}

/// All of them. One that is there can be looked at for as long as the table lives.
#[derive(Debug)]
pub(crate) struct Instances {
    table: Box<[OnceCell<Box<Instance>>]>,
    len: Cell<usize>,
    /// Their numbers, in the order of their names.
    sorted: RefCell<Vec<usize>>,
    /// By service: the number of its one breaker, if its name is plain.
    plain: Vec<Option<usize>>,
}

impl Instances {
    /// Those with plain names, and room for as many made ones as are allowed.
    pub(crate) fn new(config: &Config) -> Self {
        let made = if config.has_templates() { config.max_services } else { 0 };
        let capacity =
            config.services.iter().filter(|it| it.name.is_plain()).count().saturating_add(made);
        let mut instances = Self {
            table: (0..capacity).map(|_| OnceCell::new()).collect(),
            len: Cell::new(0),
            sorted: RefCell::default(),
            plain: Vec::with_capacity(config.services.len()),
        };
        for (number, service) in config.services.iter().enumerate() {
            let is_plain = service.name.is_plain();
            let added = is_plain.then(|| instances.add(service.name.text(), number, service));
            instances.plain.push(added.flatten());
        }
        instances
    }

    /// Adds one; `None`: there is no room. The name must be new.
    pub(crate) fn add(&self, name: &str, service: usize, config: &Service) -> Option<usize> {
        let number = self.len.get();
        let instance = Instance {
            name: name.to_owned(),
            key: store::key(name),
            calls_key: store::calls_key(name),
            service,
            memory: Memory::new(config),
            succeeded: Cell::default(),
        };
        // Borrowed for no longer than a line, here and below, so that it is never refused.
        let mut sorted = self.sorted.try_borrow_mut().ok()?;
        let place = sorted.partition_point(|number| self.is_before(*number, name));
        self.table.get(number)?.set(Box::new(instance)).ok()?;
        self.len.set(number.saturating_add(1));
        sorted.insert(place, number);
        Some(number)
    }

    pub(crate) const fn len(&self) -> usize {
        self.len.get()
    }

    /// Whether there is no room for another.
    pub(crate) const fn is_full(&self) -> bool {
        self.len.get() >= self.table.len()
    }

    pub(crate) fn get(&self, number: usize) -> Option<&Instance> {
        self.table.get(number)?.get().map(Box::as_ref)
    }

    /// The number of the one breaker of a service; `None`: it has as many as there are names.
    pub(crate) fn of_service(&self, service: usize) -> Option<usize> {
        self.plain.get(service).copied().flatten()
    }

    pub(crate) fn number_of(&self, name: &str) -> Option<usize> {
        let sorted = self.sorted.try_borrow().ok()?;
        let place = sorted.partition_point(|number| self.is_before(*number, name));
        let number = *sorted.get(place)?;
        (self.get(number)?.name == name).then_some(number)
    }

    fn is_before(&self, number: usize, name: &str) -> bool {
        self.get(number).is_some_and(|instance| instance.name.as_str() < name)
    }

    /// All there are, in the order of their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Instance> {
        self.table.iter().map_while(|place| place.get().map(Box::as_ref))
    }
}
