//! What one worker keeps of the names that have slots.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use shared::{Version, Watch};

use crate::host::Host;
use crate::store::is_counted;
use crate::telemetry::Metric;
use crate::tenure::{Tenure, Turn};
use config::Config;

/// A breaker that may have a slot.
pub(crate) trait Tenant {
    /// What is known of its slot, if it has one.
    fn tenure(&self) -> Option<&Tenure>;

    /// Its name, as it is shown.
    fn shown_name(&self) -> &str;
}

/// All of them.
#[derive(Debug)]
pub(crate) struct ClientNames<T> {
    /// By service: the names that its template has made, if clients choose them.
    made: Vec<Option<Made<T>>>,
    /// How many slots have a gauge here.
    gauges: Cell<usize>,
    /// What is remembered of a list of series that cannot be read.
    pub(super) series_watch: Watch,
}

/// Those of one template.
#[derive(Debug)]
pub(crate) struct Made<T> {
    /// The number of the configured service.
    pub(super) service: usize,
    /// The key of its directory.
    pub(super) key: String,
    /// How many slots there are.
    pub(super) slots: usize,
    /// The metrics of the names that have none of their own.
    pub(super) shared: Cell<usize>,
    /// The version of the directory that was read last, all of whose names are here.
    pub(super) version: Cell<Option<Version>>,
    /// What is remembered of a directory that cannot be read.
    pub(super) watch: Watch,
    table: RefCell<Table<T>>,
}

#[derive(Debug)]
struct Table<T> {
    /// By slot, as far as there was one.
    slots: Vec<Known<T>>,
    /// In the order of their names.
    sorted: Vec<Rc<T>>,
}

/// What is known of a slot.
#[derive(Debug)]
struct Known<T> {
    instance: Option<Rc<T>>,
    /// The number of the gauge of its writes, and whether that can be relied on; `None`: it is not defined
    /// yet.
    gauge: Option<(usize, bool)>,
    /// What is remembered of a value that cannot be read.
    watch: Rc<Watch>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), sorted: Vec::new() }
    }
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self { instance: None, gauge: None, watch: Rc::default() }
    }
}

fn name(instance: &impl Tenant) -> &str {
    instance.tenure().map_or("", |tenure| &tenure.name)
}

fn turn(instance: &impl Tenant) -> Option<Turn> {
    instance.tenure().map(|tenure| tenure.turn)
}

impl<T: Tenant> Table<T> {
    fn place(&self, wanted: &str) -> usize {
        self.sorted.partition_point(|instance| name(&**instance) < wanted)
    }

    /// What is known of a slot, to be changed.
    fn known(&mut self, slot: usize) -> Option<&mut Known<T>> {
        if self.slots.len() <= slot {
            self.slots.resize_with(slot.saturating_add(1), Known::default);
        }
        self.slots.get_mut(slot)
    }

    /// Takes one out of the order of names.
    fn unsort(&mut self, instance: &Rc<T>) {
        let place = self.place(name(&**instance));
        if self.sorted.get(place).is_some_and(|it| Rc::ptr_eq(it, instance)) {
            self.sorted.remove(place);
        }
    }
}

impl<T: Tenant> ClientNames<T> {
    pub(crate) fn new(config: &Config) -> Self {
        let made = config.services.iter().enumerate().map(|(service, it)| {
            it.name.is_of_clients().then(|| Made {
                service,
                // No service's name has a slash.
                key: format!("edge-breaker/v1/names/slots/{}", it.name.text()),
                slots: config.max_services,
                shared: Cell::default(),
                version: Cell::default(),
                watch: Watch::default(),
                table: RefCell::default(),
            })
        });
        Self { made: made.collect(), gauges: Cell::default(), series_watch: Watch::default() }
    }

    /// Those of a service.
    pub(super) fn of(&self, service: usize) -> Option<&Made<T>> {
        self.made.get(service)?.as_ref()
    }

    /// Those of each service that has any.
    fn made(&self) -> impl Iterator<Item = &Made<T>> {
        self.made.iter().flatten()
    }

    pub(crate) fn get(&self, service: usize, turn: Turn) -> Option<Rc<T>> {
        self.of(service)?.get(turn)
    }

    /// The one that is shown by this name.
    pub(crate) fn named(&self, name: &str) -> Option<Rc<T>> {
        let named = |table: &mut Table<T>| {
            table.sorted.iter().find(|it| it.shown_name() == name).map(Rc::clone)
        };
        self.made().find_map(|made| made.with(named))
    }

    /// All there are, by their services and slots.
    pub(crate) fn all(&self) -> Vec<Rc<T>> {
        self.made().flat_map(Made::all).collect()
    }

    /// The gauge of a slot's writes, and whether it can be relied on, which is found out once.
    pub(super) fn gauge(&self, made: &Made<T>, slot: usize, host: &dyn Host) -> (usize, bool) {
        let known = made.with(|table| table.slots.get(slot)?.gauge);
        known.unwrap_or_else(|| {
            let number = self.gauges.get();
            self.gauges.set(number.saturating_add(1));
            let template = made.key.rsplit('/').next().unwrap_or_default();
            if let Some(gauges) = host.gauges() {
                gauges.define(Metric::Slot(number), &format!("{template}/{slot}"));
            }
            let gauge = (number, is_counted(Metric::Slot(number), host));
            made.with(|table| {
                if let Some(known) = table.known(slot) {
                    known.gauge = Some(gauge);
                }
            });
            gauge
        })
    }
}

impl<T: Tenant> Made<T> {
    /// What is remembered of a slot's value that cannot be read.
    pub(super) fn slot_watch(&self, slot: usize) -> Rc<Watch> {
        let watch = |table: &mut Table<T>| table.known(slot).map(|known| Rc::clone(&known.watch));
        self.with(watch).unwrap_or_default()
    }

    // Borrowed for no longer than a line or a few, here and below, so that it is never refused.
    fn with<R: Default>(&self, f: impl FnOnce(&mut Table<T>) -> R) -> R {
        self.table.try_borrow_mut().map(|mut table| f(&mut table)).unwrap_or_default()
    }

    /// Who has had its slot since this turn, and has it still.
    #[inline(never)]
    pub(super) fn get(&self, wanted: Turn) -> Option<Rc<T>> {
        self.in_slot(wanted.slot()).filter(|instance| turn(&**instance) == Some(wanted))
    }

    pub(super) fn in_slot(&self, slot: usize) -> Option<Rc<T>> {
        self.with(|table| table.slots.get(slot)?.instance.clone())
    }

    /// The one whose name was made so.
    pub(super) fn find(&self, made: &str) -> Option<Rc<T>> {
        self.with(|table| {
            let found = table.sorted.get(table.place(made))?;
            (name(&**found) == made).then(|| Rc::clone(found))
        })
    }

    pub(super) fn all(&self) -> Vec<Rc<T>> {
        self.with(|table| table.slots.iter().filter_map(|it| it.instance.clone()).collect())
    }

    /// Puts one into its slot; gives back who was there, and who had its name.
    pub(super) fn insert(&self, instance: &Rc<T>) -> Vec<Rc<T>> {
        let namesake = self.find(name(&**instance));
        let before = turn(&**instance).and_then(|turn| self.in_slot(turn.slot()));
        namesake.iter().chain(&before).for_each(|it| self.remove(it));
        self.with(|table| {
            let place = table.place(name(&**instance));
            table.sorted.insert(place, Rc::clone(instance));
            if let Some(known) = turn(&**instance).and_then(|turn| table.known(turn.slot())) {
                known.instance = Some(Rc::clone(instance));
            }
        });
        namesake.into_iter().chain(before).collect()
    }

    pub(super) fn remove(&self, instance: &Rc<T>) {
        self.with(|table| {
            table.unsort(instance);
            let known = turn(&**instance).and_then(|turn| table.slots.get_mut(turn.slot()));
            if let Some(known) = known {
                known.instance.take_if(|it| Rc::ptr_eq(it, instance));
            }
        });
    }
}
