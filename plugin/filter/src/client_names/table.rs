//! What one worker keeps of the names that have slots.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use shared::VersionGauge;

use super::directory::{AGAIN, Turn};
use super::slot;
use crate::config::Config;
use crate::host::{Host, Version};
use crate::instances::Instance;
use crate::store::is_counted;
use crate::telemetry::Metric;
use crate::unreadable::Watch;

/// What one worker knows of a name's slot.
#[derive(Debug)]
pub(crate) struct Tenure {
    pub(crate) turn: Turn,
    /// The number of the gauge of its slot's writes.
    pub(crate) gauge: usize,
    /// The name as it was made.
    pub(super) name: String,
    /// What its values in the store begin with: the record's, and the others.
    head: Vec<u8>,
    /// How often it came, as far as the directory was not told yet; and as far as it was.
    pub(super) visits: Cell<u32>,
    pub(super) told: Cell<u8>,
    /// Whether it has metrics of its own.
    pub(crate) is_told_apart: Cell<bool>,
    /// Whether it has made room.
    pub(crate) is_gone: Cell<bool>,
}

/// Whose a value in the store is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    /// This breaker's, without what says so.
    Own(&'a [u8]),
    /// That of one whose slot it has now: as good as none.
    Earlier,
    /// That of one which has its slot now.
    Later,
    /// Nobody's.
    Unreadable,
}

impl Tenure {
    pub(super) fn new(turn: Turn, gauge: usize, name: &str) -> Self {
        Self {
            turn,
            gauge,
            name: name.to_owned(),
            head: slot::head(turn, name),
            visits: Cell::default(),
            told: Cell::default(),
            is_told_apart: Cell::default(),
            is_gone: Cell::default(),
        }
    }

    /// Whether the directory has to be told at once that it came: who makes room depends on the first few
    /// times, and these may be seen by a worker each.
    pub(super) fn is_young(&self) -> bool {
        self.told.get() < 2 * AGAIN && self.visits.get() > 0
    }

    /// Takes note that the directory was told how often it came.
    pub(super) fn has_told(&self) {
        self.visits.set(0);
    }

    /// Whose record a value of its slot is.
    pub(crate) fn record_in<'a>(&self, bytes: &'a [u8]) -> Part<'a> {
        match slot::Held::read(bytes) {
            Some(held) => self.part(held.turn, held.record),
            None => Part::Unreadable,
        }
    }

    /// Whose another value beside its record is.
    pub(crate) fn part_of<'a>(&self, bytes: &'a [u8]) -> Part<'a> {
        match slot::split_turn(bytes) {
            Some((turn, rest)) => self.part(turn, rest),
            None => Part::Unreadable,
        }
    }

    fn part<'a>(&self, turn: Turn, rest: &'a [u8]) -> Part<'a> {
        if turn == self.turn {
            return Part::Own(rest);
        }
        if turn < self.turn {
            return Part::Earlier;
        }
        self.is_gone.set(true);
        Part::Later
    }

    /// Its record as a value of its slot.
    pub(crate) fn with_record(&self, record: &[u8]) -> Vec<u8> {
        [&self.head, record].concat()
    }

    /// Another value beside its record.
    pub(crate) fn with_part(&self, part: &[u8]) -> Vec<u8> {
        [&slot::turn_head(self.turn), part].concat()
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct ClientNames {
    /// By service: the names that its template has made, if clients have a say in them.
    made: Vec<Option<Made>>,
    /// How many slots have a gauge here.
    gauges: Cell<usize>,
    /// What is remembered of a list of series that cannot be read.
    pub(super) series_watch: Watch,
}

/// Those of one template.
#[derive(Debug)]
pub(super) struct Made {
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
    table: RefCell<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// By slot, as far as there was one.
    slots: Vec<Known>,
    /// In the order of their names.
    sorted: Vec<Rc<Instance>>,
}

/// What is known of a slot.
#[derive(Debug, Default)]
struct Known {
    instance: Option<Rc<Instance>>,
    /// The number of the gauge of its writes, and whether that can be relied on; `None`: it is not defined
    /// yet.
    gauge: Option<(usize, bool)>,
    /// What is remembered of a value that cannot be read.
    watch: Rc<Watch>,
}

fn name(instance: &Instance) -> &str {
    instance.tenure.as_ref().map_or("", |tenure| &tenure.name)
}

fn turn(instance: &Instance) -> Option<Turn> {
    instance.tenure.as_ref().map(|tenure| tenure.turn)
}

impl Table {
    fn place(&self, wanted: &str) -> usize {
        self.sorted.partition_point(|instance| name(instance) < wanted)
    }

    /// What is known of a slot, to be changed.
    fn known(&mut self, slot: usize) -> Option<&mut Known> {
        if self.slots.len() <= slot {
            self.slots.resize_with(slot.saturating_add(1), Known::default);
        }
        self.slots.get_mut(slot)
    }

    /// Takes one out of the order of names.
    fn unsort(&mut self, instance: &Rc<Instance>) {
        let place = self.place(name(instance));
        if self.sorted.get(place).is_some_and(|it| Rc::ptr_eq(it, instance)) {
            self.sorted.remove(place);
        }
    }
}

impl ClientNames {
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
        Self { made: made.collect(), ..Self::default() }
    }

    /// Those of a service.
    pub(super) fn of(&self, service: usize) -> Option<&Made> {
        self.made.get(service)?.as_ref()
    }

    /// Those of each service that has any.
    pub(super) fn made(&self) -> impl Iterator<Item = &Made> {
        self.made.iter().flatten()
    }

    pub(crate) fn get(&self, service: usize, turn: Turn) -> Option<Rc<Instance>> {
        self.of(service)?.get(turn)
    }

    /// The one that is shown by this name.
    pub(crate) fn named(&self, name: &str) -> Option<Rc<Instance>> {
        let named =
            |table: &mut Table| table.sorted.iter().find(|it| it.name == name).map(Rc::clone);
        self.made().find_map(|made| made.with(named))
    }

    /// All there are, by their services and slots.
    pub(crate) fn all(&self) -> Vec<Rc<Instance>> {
        self.made().flat_map(Made::all).collect()
    }

    /// The gauge of a slot's writes, and whether it can be relied on, which is found out once.
    pub(super) fn gauge(&self, made: &Made, slot: usize, host: &impl Host) -> (usize, bool) {
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

impl Made {
    /// What is remembered of a slot's value that cannot be read.
    pub(super) fn slot_watch(&self, slot: usize) -> Rc<Watch> {
        let watch = |table: &mut Table| table.known(slot).map(|known| Rc::clone(&known.watch));
        self.with(watch).unwrap_or_default()
    }

    // Borrowed for no longer than a line or a few, here and below, so that it is never refused.
    fn with<R: Default>(&self, f: impl FnOnce(&mut Table) -> R) -> R {
        self.table.try_borrow_mut().map(|mut table| f(&mut table)).unwrap_or_default()
    }

    /// Who has had its slot since this turn, and has it still.
    #[inline(never)]
    pub(super) fn get(&self, wanted: Turn) -> Option<Rc<Instance>> {
        self.in_slot(wanted.slot()).filter(|instance| turn(instance) == Some(wanted))
    }

    pub(super) fn in_slot(&self, slot: usize) -> Option<Rc<Instance>> {
        self.with(|table| table.slots.get(slot)?.instance.clone())
    }

    /// The one whose name was made so.
    pub(super) fn find(&self, made: &str) -> Option<Rc<Instance>> {
        self.with(|table| {
            let found = table.sorted.get(table.place(made))?;
            (name(found) == made).then(|| Rc::clone(found))
        })
    }

    pub(super) fn all(&self) -> Vec<Rc<Instance>> {
        self.with(|table| table.slots.iter().filter_map(|it| it.instance.clone()).collect())
    }

    /// Puts one into its slot; gives back who was there, and who had its name.
    pub(super) fn insert(&self, instance: &Rc<Instance>) -> Vec<Rc<Instance>> {
        let namesake = self.find(name(instance));
        let before = turn(instance).and_then(|turn| self.in_slot(turn.slot()));
        namesake.iter().chain(&before).for_each(|it| self.remove(it));
        self.with(|table| {
            let place = table.place(name(instance));
            table.sorted.insert(place, Rc::clone(instance));
            if let Some(known) = turn(instance).and_then(|turn| table.known(turn.slot())) {
                known.instance = Some(Rc::clone(instance));
            }
        });
        namesake.into_iter().chain(before).collect()
    }

    pub(super) fn remove(&self, instance: &Rc<Instance>) {
        self.with(|table| {
            table.unsort(instance);
            let known = turn(instance).and_then(|turn| table.slots.get_mut(turn.slot()));
            if let Some(known) = known {
                known.instance.take_if(|it| Rc::ptr_eq(it, instance));
            }
        });
    }
}
