//! The breakers at work on one worker.
//!
//! One for each plain name from the start, and one for each name that is made of the proxy's own words
//! when it is first seen: these are numbered in that order, and none is ever taken away. Names that
//! clients choose have slots ([`crate::dynamic`]), and evict each other there:
//! whoever is at work on one that has made room keeps it for as long as that takes.

use std::cell::{Cell, OnceCell, RefCell};
use std::ops::Deref;
use std::rc::Rc;

use breaker::Policy;

use crate::bulkhead::{self, LocalPermits};
use crate::dynamic::table::{ClientNames, Tenant};
use crate::events::Unwritten;
use crate::history::Sampled;
use crate::recent;
use crate::request_warnings::Warned;
use crate::stale::Copied;
use crate::store::{self, LocalState};
use crate::tenure::{Tenure, Turn};
use config::{Config, Service};

/// Which breaker: for all that is under way. One that has made room is no other's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Number {
    /// The number of one that is never taken away.
    Fixed(usize),
    /// The number of its service, and since when its name has its slot.
    Slot(usize, Turn),
}

/// A breaker: its name, whose rules it has, and what one worker keeps of it.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) number: Number,
    /// As it is shown.
    pub(crate) name: String,
    /// The key of its record in the shared store.
    pub(crate) key: String,
    /// The key of the calls under way, if they are counted.
    pub(crate) calls_key: String,
    /// The number of the configured service.
    pub(crate) service: usize,
    /// What each feature keeps of it.
    pub(crate) local: LocalState,
    pub(crate) permits: LocalPermits,
    pub(crate) copied: Copied,
    pub(crate) unwritten: Unwritten,
    pub(crate) sampled: Sampled,
    pub(crate) recent: recent::Unwritten,
    pub(crate) warned: Warned,
    /// Whether it has answered well since the last tick.
    pub(crate) succeeded: Cell<bool>,
    /// The number of the metrics that it is counted in.
    pub(crate) series: Cell<usize>,
    /// What is known of its slot, if it has one.
    pub(crate) tenure: Option<Tenure>,
}

impl Tenant for Instance {
    fn tenure(&self) -> Option<&Tenure> {
        self.tenure.as_ref()
    }

    fn shown_name(&self) -> &str {
        &self.name
    }
}

impl Instance {
    /// A breaker that this worker knows nothing of yet.
    pub(crate) fn new(
        number: Number,
        name: String,
        key: String,
        service: usize,
        policy: &Policy,
        tenure: Option<Tenure>,
    ) -> Self {
        Self {
            number,
            name,
            calls_key: bulkhead::key(&key),
            key,
            service,
            local: LocalState::new(policy),
            permits: LocalPermits::default(),
            copied: Copied::default(),
            unwritten: Unwritten::default(),
            sampled: Sampled::default(),
            recent: recent::Unwritten::default(),
            warned: Warned::default(),
            succeeded: Cell::default(),
            series: Cell::default(),
            tenure,
        }
    }

    /// Whether no other is counted in its metrics.
    pub(crate) fn has_own_series(&self) -> bool {
        self.tenure.as_ref().is_none_or(|tenure| tenure.has_own_series.get())
    }

    /// Whether its name is known to have made room.
    pub(crate) fn is_gone(&self) -> bool {
        self.tenure.as_ref().is_some_and(|tenure| tenure.is_gone.get())
    }
}

/// A breaker to look at.
#[derive(Clone, Debug)]
pub(crate) enum Shown<'a> {
    Fixed(&'a Instance),
    Slot(Rc<Instance>),
}

impl Deref for Shown<'_> {
    type Target = Instance;

    #[inline(always)]
    fn deref(&self) -> &Instance {
        match self {
            Self::Fixed(instance) => instance,
            Self::Slot(instance) => instance,
        }
    }
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Instances {
    fixed: Box<[OnceCell<Box<Instance>>]>,
    len: Cell<usize>,
    /// The numbers of those that are fixed, in the order of their names.
    sorted: RefCell<Vec<usize>>,
    /// By service: the number of its one breaker, if its name is plain.
    plain: Vec<Option<usize>>,
    /// The client-named services.
    pub(crate) clients: ClientNames<Instance>,
    /// What the metrics are named after, by their numbers.
    series: RefCell<Vec<Rc<str>>>,
}

impl Instances {
    /// Those with plain names, and room for as many made ones as are allowed.
    pub(crate) fn new(config: &Config) -> Self {
        let made = if config.has_templates() { config.max_services } else { 0 };
        let capacity =
            config.services.iter().filter(|it| it.name.is_plain()).count().saturating_add(made);
        let mut instances = Self {
            fixed: (0..capacity).map(|_| OnceCell::new()).collect(),
            len: Cell::new(0),
            sorted: RefCell::default(),
            plain: Vec::with_capacity(config.services.len()),
            clients: ClientNames::new(config),
            series: RefCell::default(),
        };
        for (number, service) in config.services.iter().enumerate() {
            let is_plain = service.name.is_plain();
            let added = is_plain.then(|| instances.add(service.name.text(), number, service));
            instances.plain.push(added.flatten());
        }
        instances
    }

    /// Adds a fixed one; `None`: there is no room. The name must be new.
    pub(crate) fn add(&self, name: &str, service: usize, config: &Service) -> Option<usize> {
        let number = self.len.get();
        let (fixed, key) = (Number::Fixed(number), store::key(name));
        let instance = Instance::new(fixed, name.to_owned(), key, service, &config.policy, None);
        // Borrowed for no longer than a line, here and below, so that it is never refused.
        let mut sorted = self.sorted.try_borrow_mut().ok()?;
        let place = sorted.partition_point(|number| self.is_before(*number, name));
        let room = self.fixed.get(number)?;
        room.set(Box::new(instance)).ok()?;
        self.len.set(number.saturating_add(1));
        sorted.insert(place, number);
        let series = self.add_series(name);
        if let Some(instance) = room.get() {
            instance.series.set(series);
        }
        Some(number)
    }

    /// Numbers the metrics of a name that has none yet.
    pub(crate) fn add_series(&self, name: &str) -> usize {
        let Ok(mut series) = self.series.try_borrow_mut() else {
            return 0;
        };
        series.push(name.into());
        series.len().saturating_sub(1)
    }

    /// The number of the metrics that are named after this.
    pub(crate) fn series_named(&self, name: &str) -> Option<usize> {
        self.series.try_borrow().ok()?.iter().position(|known| **known == *name)
    }

    /// What metrics are named after.
    pub(crate) fn series_name(&self, series: usize) -> Option<Rc<str>> {
        self.series.try_borrow().ok()?.get(series).cloned()
    }

    /// How many are fixed.
    pub(crate) const fn len(&self) -> usize {
        self.len.get()
    }

    /// Whether there is no room for another fixed one.
    pub(crate) const fn is_full(&self) -> bool {
        self.len.get() >= self.fixed.len()
    }

    #[inline]
    pub(crate) fn get(&self, number: Number) -> Option<Shown<'_>> {
        match number {
            Number::Fixed(number) => self.fixed_one(number).map(Shown::Fixed),
            Number::Slot(service, turn) => self.clients.get(service, turn).map(Shown::Slot),
        }
    }

    #[inline]
    fn fixed_one(&self, number: usize) -> Option<&Instance> {
        self.fixed.get(number)?.get().map(Box::as_ref)
    }

    /// The number of the one breaker of a service; `None`: it has as many as there are names.
    #[inline]
    pub(crate) fn of_service(&self, service: usize) -> Option<Number> {
        self.plain.get(service).copied().flatten().map(Number::Fixed)
    }

    /// The breaker that is shown by this name.
    pub(crate) fn named(&self, name: &str) -> Option<Number> {
        let fixed = self.number_of(name).map(Number::Fixed);
        fixed.or_else(|| self.clients.named(name).map(|instance| instance.number))
    }

    /// The number of the fixed one of this name.
    pub(crate) fn number_of(&self, name: &str) -> Option<usize> {
        let sorted = self.sorted.try_borrow().ok()?;
        let place = sorted.partition_point(|number| self.is_before(*number, name));
        let number = *sorted.get(place)?;
        (self.fixed_one(number)?.name == name).then_some(number)
    }

    fn is_before(&self, number: usize, name: &str) -> bool {
        self.fixed_one(number).is_some_and(|instance| instance.name.as_str() < name)
    }

    /// Those that are fixed, in the order of their numbers.
    pub(crate) fn fixed(&self) -> impl Iterator<Item = &Instance> {
        self.fixed.iter().map_while(|place| place.get().map(Box::as_ref))
    }

    /// All there are: those that are fixed in the order of their numbers, then the others in that of their
    /// slots.
    pub(crate) fn all(&self) -> impl Iterator<Item = Shown<'_>> {
        self.fixed().map(Shown::Fixed).chain(self.clients.all().into_iter().map(Shown::Slot))
    }
}
