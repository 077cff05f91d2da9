//! Client-named services, such as those of `{host}`: as many breakers as the configuration
//! allows, whatever clients think of.
//!
//! # Layout
//!
//! Each template has `max_services` slots of its own, so that those who may send what one service
//! takes push nobody out of another's. A shared [directory] says which slot has which name; each slot's
//! own value has the name once more and the record of its breaker. Nothing is ever added
//! beyond these: a name that is new when all slots are taken has one make room for it, whose slot it
//! gets. Each that was let in has a number, its *turn*, which no other ever had.
//!
//! # Who writes what, and when
//!
//! * The directory, by compare-and-swap: whoever meets a new name; whoever sees one come
//!   for one of the first eight times, since these decide who makes room; and for all that came
//!   since, the timer, when that makes a difference.
//! * A slot, by compare-and-swap: whoever let its name in, then whoever has an outcome to write
//!   down. A value of an earlier turn is as good as none, and is written over; one of a later turn
//!   says that the name has made room, and nothing more is written for it. So what is still under way
//!   changes nothing, and a worker that has not heard of it yet cannot do harm.
//! * Who lets a name in and is lost before it has written the slot has let it in all the same: who
//!   meets that name next writes it.
//!
//! Each slot has the gauge that is moved around each write to it ([`crate::store`]), and so its old
//! name is nobody's as soon as the new one is there: who remembers its breaker reads again, finds a
//! later turn, and asks the directory.
//!
//! Other workers learn all names with their next tick, or when they meet them. A configuration sees
//! the slots below its `max_services`; with more the directory grows, with fewer the names in the
//! others are not seen by it any more. A directory that is lost or damaged is begun anew, and each
//! worker puts its names back.
//!
//! # Metrics
//!
//! A proxy never forgets a metric, so a name has metrics of its own only once it came again and again,
//! and only as many names as there may be breakers, ever: they are listed. All others are counted
//! together, under the template that made them.

pub(crate) mod directory;
pub(crate) mod listed;
pub(crate) mod series;
pub(crate) mod table;
mod texts;

use std::rc::Rc;

use breaker::{Breaker, Timestamp};
use shared::{ATTEMPTS, Decision, Lost};

use self::directory::{Directory, DirectoryKind, Entry};
use self::listed::Nameless;
use self::table::Made;
use crate::effects::Effects;
use crate::handle::ServiceHandle;
use crate::host::{Host, define};
use crate::instances::{Instance, Instances, Number, Shown};
use crate::store::{self, Gauged, Update};
use crate::tenure::{AGAIN, Held, Slot, Tenure, Turn};
use config::Config;
use config::naming::shortened;

/// Who has a slot that a name was to take.
enum Taken {
    /// The name has it already.
    Held,
    /// Another name has it.
    Other,
    /// The name has it now.
    New,
}

/// The client-named services of one template.
pub(crate) struct ClientNamed<'a> {
    config: &'a Config,
    instances: &'a Instances,
    made: &'a Made<Instance>,
}

impl<'a> ClientNamed<'a> {
    /// Those of a service; `None`: clients have no say in its name.
    pub(crate) fn of(config: &'a Config, instances: &'a Instances, service: usize) -> Option<Self> {
        Some(Self { config, instances, made: instances.clients.of(service)? })
    }
}

impl ClientNamed<'_> {
    fn cell(&self) -> shared::Cell<'_, DirectoryKind> {
        let Made { key, watch, .. } = self.made;
        shared::Cell { key, kind: DirectoryKind, watch, service: None }
    }

    fn template(&self) -> &str {
        self.config.services.get(self.made.service).map_or("", |service| service.name.text())
    }

    fn handle(&self, instance: &Rc<Instance>) -> Option<ServiceHandle<'_>> {
        ServiceHandle::of(&self.config.services, Shown::Slot(Rc::clone(instance)))
    }

    /// Has metrics for the names that have none of their own.
    pub(crate) fn define_shared(&self, host: &dyn Host) {
        let series = self.instances.add_series(self.template());
        define(series, self.template(), host);
        self.made.shared.set(series);
    }

    /// Takes over what a version before left in a running process: it listed these names with those of
    /// the proxy's own words ([`listed`]), and kept their records under their own names.
    #[inline(never)]
    pub(crate) fn take_over(&self, host: &dyn Host, effects: &mut Effects) {
        if !matches!(host.load(&self.made.key), Ok(None)) {
            return;
        }
        for name in listed::of_template(self.template(), host).iter().take(self.made.slots) {
            let before = host.load(&store::key(name)).ok().flatten();
            let before = before.and_then(|(bytes, _)| Breaker::decode(&bytes).ok());
            let Ok(instance) = self.let_in(name, host, effects) else {
                return;
            };
            instance.tenure.iter().for_each(|tenure| tenure.visits.set(AGAIN.into()));
            if let Some(before) = before
                && let Some(record) = self.handle(&instance)
            {
                let _ = record.update(host, effects, |breaker| {
                    *breaker = before.clone();
                    breaker.sync(&record.service.policy, host.now().monotonic);
                    Update::Changed((), None)
                });
            }
        }
    }

    /// The breaker of a name made by this service's template, which may be new.
    pub(crate) fn register(
        &self,
        name: &str,
        host: &dyn Host,
        effects: &mut Effects,
    ) -> Result<Number, Nameless> {
        if let Some(instance) = self.made.find(name)
            && self.visit(&instance, host, effects)
        {
            return Ok(instance.number);
        }
        self.let_in(name, host, effects).map(|instance| instance.number)
    }

    /// Counts that a name came; whether it has its slot still, as far as is known.
    fn visit(&self, instance: &Rc<Instance>, host: &dyn Host, effects: &mut Effects) -> bool {
        let Some(tenure) = &instance.tenure else {
            return true;
        };
        tenure.visits.set(tenure.visits.get().saturating_add(1));
        if tenure.is_young() {
            self.write_visits(instance, host, effects);
        }
        if tenure.is_gone.get() {
            self.forget(instance, host, effects);
        }
        !tenure.is_gone.get()
    }

    /// Writes down at once how often a name came. What cannot be written now is by the timer.
    #[inline(never)]
    fn write_visits(&self, instance: &Rc<Instance>, host: &dyn Host, effects: &mut Effects) {
        let written = self.cell().update(host, effects, |directory, effects| {
            let directory = self.directory(directory, host, effects);
            let now = host.now().monotonic;
            match self.bring_up(directory, instance, now, host, effects) {
                None => Decision::Keep(None),
                entry => Decision::Store(entry),
            }
        });
        if let Ok(Some(entry)) = written {
            self.written(instance, &entry, host);
        }
    }

    /// The directory has what is known of a name.
    fn written(&self, instance: &Rc<Instance>, entry: &Entry, host: &dyn Host) {
        instance.tenure.iter().for_each(|tenure| tenure.visits.set(0));
        self.heed(instance, entry, host);
    }

    /// Brings what the directory has of a name up to date; `None`: the name has made room.
    #[inline(never)]
    fn bring_up(
        &self,
        directory: &mut Directory,
        instance: &Rc<Instance>,
        now: Timestamp,
        host: &dyn Host,
        effects: &mut Effects,
    ) -> Option<Entry> {
        let tenure = instance.tenure.as_ref()?;
        let mut entry = match directory.entry(tenure.turn.slot()) {
            Some(entry) if entry.turn == tenure.turn => entry,
            Some(entry) if entry.turn > tenure.turn => {
                tenure.is_gone.set(true);
                return None;
            }
            // The directory was lost.
            _ => Entry {
                hash: directory.hash(&tenure.name),
                visits: tenure.written.get().max(1),
                has_own_series: tenure.has_own_series.get(),
                seen: now,
                turn: tenure.turn,
            },
        };
        entry.note(tenure.visits.get(), now);
        if entry.visits >= AGAIN && !entry.has_own_series {
            let (most, watch) = (self.config.max_services, &self.instances.clients.series_watch);
            entry.has_own_series = series::has_own(&instance.name, most, watch, host, effects);
        }
        directory.put(&entry);
        Some(entry)
    }

    /// Finds the slot of a name that is not known here, or lets it in.
    #[inline(never)]
    fn let_in(
        &self,
        name: &str,
        host: &dyn Host,
        effects: &mut Effects,
    ) -> Result<Rc<Instance>, Nameless> {
        for _ in 0..ATTEMPTS {
            let found = self.cell().update(host, effects, |directory, effects| {
                let directory = self.directory(directory, host, effects);
                let hash = directory.hash(name);
                for turn in directory.find(hash, self.made.slots) {
                    match self.take_slot(turn, name, host, effects) {
                        Ok(None) => {}
                        Ok(Some(instance)) => {
                            if let Some(entry) = directory.entry(turn.slot()) {
                                self.heed(&instance, &entry, host);
                            }
                            return Decision::Keep(Ok(Err(instance)));
                        }
                        Err(nameless) => return Decision::Keep(Err(nameless)),
                    }
                }
                match directory.admit(self.made.slots, hash, host.now().monotonic) {
                    Some(entry) => Decision::Store(Ok(Ok(entry))),
                    None => Decision::Keep(Err(Nameless::Full)),
                }
            });
            match found?? {
                Err(instance) => {
                    self.visit(&instance, host, effects);
                    return Ok(instance);
                }
                Ok(entry) => {
                    if let Some(instance) = self.take_slot(entry.turn, name, host, effects)? {
                        self.heed(&instance, &entry, host);
                        return Ok(instance);
                    }
                }
            }
        }
        Err(Nameless::Lost(Lost::Race))
    }

    /// Puts a name to work here that has a slot by the directory, and writes the slot if that was not done
    /// yet; `None`: the slot is another's.
    fn take_slot(
        &self,
        turn: Turn,
        name: &str,
        host: &dyn Host,
        effects: &mut Effects,
    ) -> Result<Option<Rc<Instance>>, Nameless> {
        let instance = self.tenant(turn, name, host).ok_or(Lost::Store)?;
        let record = self.handle(&instance).ok_or(Lost::Store)?;
        let tenure = instance.tenure.as_ref().ok_or(Lost::Store)?;
        let (watch, gauged) =
            (self.made.slot_watch(turn.slot()), Gauged::new(host, record.gauge()));
        let slot =
            shared::Cell { key: &instance.key, kind: Slot(tenure), watch: &watch, service: None };
        let taken = slot.update(&gauged, effects, |slot, _| match slot {
            Some((held, _, _)) if *held > turn => Decision::Keep(Taken::Other),
            Some((held, by, _)) if *held == turn => {
                Decision::Keep(if by == name { Taken::Held } else { Taken::Other })
            }
            _ => {
                let breaker = store::begun(&record.service.policy, host.now().monotonic);
                *slot = Some((turn, name.to_owned(), breaker.encode().to_vec()));
                Decision::Store(Taken::New)
            }
        })?;
        match taken {
            Taken::Other => return Ok(None),
            Taken::Held => {
                self.put_to_work(&instance, host, effects);
                record.sync(host, effects);
            }
            Taken::New => {
                instance.local.set_synced(true);
                self.put_to_work(&instance, host, effects);
                if let Some(answers) = record.answers() {
                    answers.bound(host, effects);
                }
            }
        }
        drop(record);
        Ok(Some(instance))
    }

    /// What a worker keeps of a name that has a slot.
    fn tenant(&self, turn: Turn, name: &str, host: &dyn Host) -> Option<Rc<Instance>> {
        let service = self.made.service;
        let configured = self.config.services.get(service)?;
        let template = &configured.name;
        let others = self.config.services.iter().enumerate();
        let mut others = others.filter(|(number, _)| *number != service);
        let shown = match others.any(|(_, other)| other.name.could_make(name)) {
            true => shortened(template.mark() + name),
            false => name.to_owned(),
        };
        let key = format!("{}/{}", self.made.key, turn.slot());
        let (gauge, versioned) = self.instances.clients.gauge(self.made, turn.slot(), host);
        let tenure = Some(Tenure::new(turn, gauge, name));
        let policy = &configured.policy;
        let instance =
            Instance::new(Number::Slot(service, turn), shown, key, service, policy, tenure);
        instance.local.set_versioned(versioned);
        instance.series.set(self.made.shared.get());
        Some(Rc::new(instance))
    }

    fn put_to_work(&self, instance: &Rc<Instance>, host: &dyn Host, effects: &mut Effects) {
        for before in self.made.insert(instance) {
            self.leave(&before, host, effects);
        }
    }

    /// Drops a name that has made room.
    pub(crate) fn forget(&self, instance: &Rc<Instance>, host: &dyn Host, effects: &mut Effects) {
        self.made.remove(instance);
        self.leave(instance, host, effects);
    }

    /// What is left to be done for a name that has made room: its events are told, and its gauges show
    /// nothing any more.
    #[inline(never)]
    fn leave(&self, instance: &Rc<Instance>, host: &dyn Host, effects: &mut Effects) {
        if let Some(tenure) = &instance.tenure {
            tenure.is_gone.set(true);
        }
        instance.unwritten.write(host, effects);
        if instance.has_own_series() && self.instances.clients.named(&instance.name).is_none() {
            effects.clear_gauges(instance.series.get());
        }
    }

    /// Takes note of what the directory has of a name: how often it came, and whether it has metrics of
    /// its own.
    #[inline(never)]
    fn heed(&self, instance: &Rc<Instance>, entry: &Entry, host: &dyn Host) {
        let Some(tenure) = &instance.tenure else {
            return;
        };
        tenure.written.set(entry.visits);
        if entry.has_own_series && !tenure.has_own_series.replace(true) {
            instance.series.set(self.own_series(&instance.name, host));
            // Its gauges are to be set.
            instance.local.look_again();
        }
    }

    /// Learns which names there are now, and writes down which ones came.
    #[inline(never)]
    pub(crate) fn learn(&self, host: &dyn Host, effects: &mut Effects) -> Result<(), Lost> {
        let stored = host.load(&self.made.key)?;
        if stored.is_none() && self.made.all().is_empty() {
            return Ok(());
        }
        let cell = self.cell();
        let mut value = None;
        let at = cell.read(stored, host, effects, &mut value)?;
        let (directory, version) = (self.directory(&mut value, host, effects), at.version);
        if version.is_none() || version != self.made.version.get() {
            let mut all = true;
            for slot in 0..self.made.slots {
                if let Some(entry) = directory.entry(slot) {
                    all &= self.learn_slot(&entry, host, effects);
                }
            }
            self.made.version.set(version.filter(|_| all));
        }
        let now = host.now().monotonic;
        let mut brought = Vec::new();
        for instance in self.made.all() {
            if self.is_worth_telling(directory, &instance, now)
                && let Some(entry) = self.bring_up(directory, &instance, now, host, effects)
            {
                brought.push((instance, entry));
            }
        }
        // Lost, the next tick tells it.
        if !brought.is_empty() && cell.swap(directory, &at, host).is_ok() {
            for (instance, entry) in brought {
                self.written(&instance, &entry, host);
            }
        }
        Ok(())
    }

    /// Whether what a worker knows of a name is news to the directory.
    fn is_worth_telling(&self, directory: &Directory, instance: &Instance, now: Timestamp) -> bool {
        let Some(tenure) = &instance.tenure else {
            return false;
        };
        match directory.entry(tenure.turn.slot()) {
            Some(mut entry) if entry.turn == tenure.turn => {
                let visits = tenure.visits.get();
                tenure.is_young() || (visits > 0 && entry.note(visits, now))
            }
            Some(entry) => entry.turn < tenure.turn,
            None => true,
        }
    }

    /// Learns who has a slot; whether that could be told.
    fn learn_slot(&self, entry: &Entry, host: &dyn Host, effects: &mut Effects) -> bool {
        if let Some(instance) = self.made.get(entry.turn) {
            self.heed(&instance, entry, host);
            return true;
        }
        let slot = format!("{}/{}", self.made.key, entry.turn.slot());
        let Ok(Some((bytes, _))) = host.load(&slot) else {
            return false;
        };
        // An earlier one: whoever let the name in has not written the slot yet.
        let held = Held::read(&bytes).filter(|held| held.turn >= entry.turn);
        let Some(held) = held else {
            return false;
        };
        match self.take_slot(held.turn, held.name, host, effects) {
            Ok(Some(instance)) if held.turn == entry.turn => {
                self.heed(&instance, entry, host);
                true
            }
            _ => false,
        }
    }

    /// The directory that was read, or a new one where there is none.
    #[inline(never)]
    fn directory<'d>(
        &self,
        read: &'d mut Option<Directory>,
        host: &dyn Host,
        effects: &mut Effects,
    ) -> &'d mut Directory {
        let directory = read.get_or_insert_with(|| {
            let now = host.now().monotonic;
            let mut directory = Directory::begun(self.made.slots, now);
            // If it was lost, its names are at work here still.
            for instance in self.made.all() {
                self.bring_up(&mut directory, &instance, now, host, effects);
            }
            directory
        });
        directory.grow(self.made.slots);
        directory
    }

    /// The number of the metrics that are a name's own, defined if they were not yet here.
    fn own_series(&self, name: &str, host: &dyn Host) -> usize {
        self.instances.series_named(name).unwrap_or_else(|| {
            let series = self.instances.add_series(name);
            define(series, name, host);
            series
        })
    }
}
