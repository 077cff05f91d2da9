//! Names that clients have a say in, such as those of `{host}`: as many breakers as the configuration
//! allows, whatever clients think of.
//!
//! # Layout
//!
//! Each template has `max_services` slots of its own, so that those who may send what one service
//! takes push nobody out of another's. A shared [directory] says which slot has which name; each slot's
//! own value has the name once more and the record of its breaker ([`slot`]). Nothing is ever added
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

mod directory;
mod series;
pub(crate) mod slot;
mod table;

use std::rc::Rc;

use breaker::{Breaker, Timestamp};

pub(crate) use self::directory::Turn;
use self::directory::{AGAIN, Directory, Entry};
use self::table::Made;
pub(crate) use self::table::{ClientNames, Part, Tenure};
use crate::effects::Effects;
use crate::filter::Filter;
use crate::host::{Host, SwapError, Version};
use crate::instances::{Instance, Number, Shown};
use crate::naming::shortened;
use crate::registry::Nameless;
use crate::store::{self, ATTEMPTS, LocalState, Lost, ServiceHandle, Update};
use crate::telemetry::Metric;
use crate::unreadable::Unreadable;

/// The directory as it was read.
struct Loaded {
    directory: Directory,
    version: Option<Version>,
}

impl Filter {
    /// Has metrics for the names that have none of their own.
    pub(crate) fn define_shared(&self, host: &impl Host) {
        for made in self.instances.clients.made() {
            let service = self.config.services.get(made.service);
            let template = service.map_or("", |service| service.name.text());
            let series = self.instances.add_series(template);
            host.define(series, template);
            made.shared.set(series);
        }
    }

    /// Takes over what a version before left in a running process: it listed these names with those of
    /// the proxy's own words ([`crate::registry`]), and kept their records under their own names.
    #[inline(never)]
    pub(crate) fn take_over(&self, host: &impl Host, effects: &mut Effects) {
        for made in self.instances.clients.made() {
            if !matches!(host.load(&made.key), Ok(None)) {
                continue;
            }
            let service = self.config.services.get(made.service);
            let template = service.map_or("", |service| service.name.text());
            for name in self.listed(template, host).iter().take(made.slots) {
                let before = host.load(&store::key(name)).ok().flatten();
                let before = before.and_then(|(bytes, _)| Breaker::decode(&bytes).ok());
                let Ok(instance) = self.let_in(made, name, host, effects) else {
                    return;
                };
                instance.tenure.iter().for_each(|tenure| tenure.visits.set(AGAIN.into()));
                if let Some(before) = before
                    && let Some(record) = self.record_with(Shown::Slot(instance))
                {
                    let _ = record.update(host, effects, |breaker| {
                        *breaker = before.clone();
                        breaker.sync(&record.service.policy, host.now().monotonic);
                        Update::Changed((), None)
                    });
                }
            }
        }
    }

    /// The breaker of a name made by this service's template, which may be new.
    pub(crate) fn meet_client(
        &self,
        service: usize,
        name: &str,
        host: &impl Host,
        effects: &mut Effects,
    ) -> Result<Number, Nameless> {
        let made = self.instances.clients.of(service).ok_or(Nameless::Full)?;
        if let Some(instance) = made.find(name)
            && self.visit(made, &instance, host, effects)
        {
            return Ok(instance.number);
        }
        let instance = self.let_in(made, name, host, effects)?;
        Ok(instance.number)
    }

    /// Counts that a name came; whether it has its slot still, as far as is known.
    fn visit(
        &self,
        made: &Made,
        instance: &Rc<Instance>,
        host: &impl Host,
        effects: &mut Effects,
    ) -> bool {
        let Some(tenure) = &instance.tenure else {
            return true;
        };
        tenure.visits.set(tenure.visits.get().saturating_add(1));
        if tenure.is_young() {
            self.write_visits(made, instance, host, effects);
        }
        if tenure.is_gone.get() {
            self.forget(made, instance, host, effects);
        }
        !tenure.is_gone.get()
    }

    /// Writes down at once how often a name came. What cannot be written now is by the timer.
    #[inline(never)]
    fn write_visits(
        &self,
        made: &Made,
        instance: &Rc<Instance>,
        host: &impl Host,
        effects: &mut Effects,
    ) {
        for _ in 0..ATTEMPTS {
            let Ok(Loaded { mut directory, version }) = self.load_directory(made, host, effects)
            else {
                return;
            };
            let now = host.now().monotonic;
            let Some(entry) = self.bring_up(&mut directory, instance, now, host, effects) else {
                return;
            };
            match host.swap(&made.key, directory.bytes(), version) {
                Ok(()) => {
                    instance.tenure.iter().for_each(Tenure::has_told);
                    return self.heed(instance, &entry, host);
                }
                Err(SwapError::Conflict) => {}
                Err(SwapError::Fault(_)) => return,
            }
        }
    }

    /// Brings what the directory has of a name up to date; `None`: the name has made room.
    #[inline(never)]
    fn bring_up(
        &self,
        directory: &mut Directory,
        instance: &Rc<Instance>,
        now: Timestamp,
        host: &impl Host,
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
                visits: tenure.told.get().max(1),
                is_told_apart: tenure.is_told_apart.get(),
                seen: now,
                turn: tenure.turn,
            },
        };
        entry.note(tenure.visits.get(), now);
        if entry.visits >= AGAIN && !entry.is_told_apart {
            entry.is_told_apart = self.has_series(&instance.name, host, effects);
        }
        directory.put(&entry);
        Some(entry)
    }

    /// Finds the slot of a name that is not known here, or lets it in.
    #[inline(never)]
    fn let_in(
        &self,
        made: &Made,
        name: &str,
        host: &impl Host,
        effects: &mut Effects,
    ) -> Result<Rc<Instance>, Nameless> {
        let slots = made.slots;
        for _ in 0..ATTEMPTS {
            let Loaded { mut directory, version } = self.load_directory(made, host, effects)?;
            let hash = directory.hash(name);
            for turn in directory.find(hash, slots) {
                if let Some(instance) = self.take_slot(made, turn, name, host, effects)? {
                    if let Some(entry) = directory.entry(turn.slot()) {
                        self.heed(&instance, &entry, host);
                    }
                    self.visit(made, &instance, host, effects);
                    return Ok(instance);
                }
            }
            let now = host.now().monotonic;
            let entry = directory.admit(slots, hash, now).ok_or(Nameless::Full)?;
            match host.swap(&made.key, directory.bytes(), version) {
                Ok(()) => {}
                Err(SwapError::Conflict) => continue,
                Err(SwapError::Fault(_)) => return Err(Nameless::Lost(Lost::Store)),
            }
            if let Some(instance) = self.take_slot(made, entry.turn, name, host, effects)? {
                self.heed(&instance, &entry, host);
                return Ok(instance);
            }
        }
        Err(Nameless::Lost(Lost::Race))
    }

    /// Puts a name to work here that has a slot by the directory, and writes the slot if that was not done
    /// yet; `None`: the slot is another's.
    fn take_slot(
        &self,
        made: &Made,
        turn: Turn,
        name: &str,
        host: &impl Host,
        effects: &mut Effects,
    ) -> Result<Option<Rc<Instance>>, Nameless> {
        const LOST: Nameless = Nameless::Lost(Lost::Store);
        let configured = self.config.services.get(made.service).ok_or(LOST)?;
        let instance = self.tenant(made, turn, name, host).ok_or(LOST)?;
        let record = self.record_with(Shown::Slot(Rc::clone(&instance))).ok_or(LOST)?;
        for _ in 0..ATTEMPTS {
            let stored = host.load(&instance.key).map_err(|_| LOST)?;
            let held = stored.as_ref().and_then(|(bytes, _)| slot::Held::read(bytes));
            if let Some(held) = &held
                && held.turn >= turn
            {
                if held.turn > turn || held.name != name {
                    return Ok(None);
                }
                self.put_to_work(made, &instance, host, effects);
                record.adopt(host, effects);
                return Ok(Some(instance));
            }
            if held.is_none()
                && let Some((bytes, version)) = &stored
                && !may_replace_slot(made, turn, (bytes, *version), host, effects)
            {
                return Err(Nameless::Lost(Lost::Newer));
            }
            let mut breaker = Breaker::new();
            breaker.sync(&configured.policy, host.now().monotonic);
            match record.swap(host, &breaker.encode(), stored.map(|(_, version)| version)) {
                Ok(()) => {
                    instance.memory.set_adopted();
                    self.put_to_work(made, &instance, host, effects);
                    if let Some(stale) = &configured.fallback.stale {
                        record.adopt_slots(stale, host);
                    }
                    return Ok(Some(instance));
                }
                Err(SwapError::Conflict) => {}
                Err(SwapError::Fault(_)) => return Err(LOST),
            }
        }
        Err(Nameless::Lost(Lost::Race))
    }

    /// What a worker keeps of a name that has a slot.
    fn tenant(
        &self,
        made: &Made,
        turn: Turn,
        name: &str,
        host: &impl Host,
    ) -> Option<Rc<Instance>> {
        let service = made.service;
        let configured = self.config.services.get(service)?;
        let template = &configured.name;
        let others = self.config.services.iter().enumerate();
        let mut others = others.filter(|(number, _)| *number != service);
        let shown = match others.any(|(_, other)| other.name.could_make(name)) {
            true => shortened(template.mark() + name),
            false => name.to_owned(),
        };
        let key = format!("{}/{}", made.key, turn.slot());
        let (gauge, versioned) = self.instances.clients.gauge(made, turn.slot(), host);
        let memory = LocalState::new(configured);
        memory.set_versioned(versioned);
        Some(Rc::new(Instance {
            number: Number::Slot(service, turn),
            name: shown,
            calls_key: format!("{key}/calls"),
            key,
            service,
            memory,
            succeeded: std::cell::Cell::default(),
            series: std::cell::Cell::new(made.shared.get()),
            tenure: Some(Tenure::new(turn, gauge, name)),
        }))
    }

    fn put_to_work(
        &self,
        made: &Made,
        instance: &Rc<Instance>,
        host: &impl Host,
        effects: &mut Effects,
    ) {
        for before in made.insert(instance) {
            self.leave(&before, host, effects);
        }
    }

    /// Drops a name that has made room.
    fn forget(
        &self,
        made: &Made,
        instance: &Rc<Instance>,
        host: &impl Host,
        effects: &mut Effects,
    ) {
        made.remove(instance);
        self.leave(instance, host, effects);
    }

    /// Drops a breaker if its name is known to have made room; whether it has.
    pub(crate) fn forget_if_gone(
        &self,
        record: &ServiceHandle<'_>,
        host: &impl Host,
        effects: &mut Effects,
    ) -> bool {
        if let Shown::Slot(instance) = &record.instance
            && instance.is_gone()
            && let Some(made) = self.instances.clients.of(instance.service)
        {
            self.forget(made, instance, host, effects);
        }
        record.instance.is_gone()
    }

    /// What is left to be done for a name that has made room: its events are told, and its gauges show
    /// nothing any more.
    #[inline(never)]
    fn leave(&self, instance: &Rc<Instance>, host: &impl Host, effects: &mut Effects) {
        if let Some(tenure) = &instance.tenure {
            tenure.is_gone.set(true);
        }
        if let Some(record) = self.record_with(Shown::Slot(Rc::clone(instance))) {
            record.write_events(host, effects);
        }
        if instance.is_told_apart() && self.instances.clients.named(&instance.name).is_none() {
            effects.clear_gauges(instance.series.get());
        }
    }

    /// Takes note of what the directory has of a name: how often it came, and whether it has metrics of
    /// its own.
    #[inline(never)]
    fn heed(&self, instance: &Rc<Instance>, entry: &Entry, host: &impl Host) {
        let Some(tenure) = &instance.tenure else {
            return;
        };
        tenure.told.set(entry.visits);
        if entry.is_told_apart && !tenure.is_told_apart.replace(true) {
            instance.series.set(self.own_series(&instance.name, host));
        }
    }

    /// Learns which names there are now, and tells which ones came. It costs nothing where no name is
    /// made of what clients send.
    pub(crate) fn learn_names_of_clients(&self, host: &impl Host, effects: &mut Effects) {
        for made in self.instances.clients.made() {
            if self.learn_all(made, host, effects).is_err() {
                effects.count(Metric::LostUpdates);
            }
        }
    }

    /// The same for one template.
    #[inline(never)]
    fn learn_all(
        &self,
        made: &Made,
        host: &impl Host,
        effects: &mut Effects,
    ) -> Result<(), Nameless> {
        let stored = host.load(&made.key).map_err(|_| Nameless::Lost(Lost::Store))?;
        if stored.is_none() && made.all().is_empty() {
            return Ok(());
        }
        let Loaded { mut directory, version } = self.read_directory(made, stored, host, effects)?;
        if version.is_none() || version != made.version.get() {
            let mut all = true;
            for slot in 0..made.slots {
                if let Some(entry) = directory.entry(slot) {
                    all &= self.learn(made, &entry, host, effects);
                }
            }
            made.version.set(version.filter(|_| all));
        }
        let now = host.now().monotonic;
        let mut brought = Vec::new();
        for instance in made.all() {
            if self.is_worth_telling(&directory, &instance, now)
                && let Some(entry) = self.bring_up(&mut directory, &instance, now, host, effects)
            {
                brought.push((instance, entry));
            }
        }
        // Lost, the next tick tells it.
        if !brought.is_empty() && host.swap(&made.key, directory.bytes(), version).is_ok() {
            for (instance, entry) in brought {
                instance.tenure.iter().for_each(Tenure::has_told);
                self.heed(&instance, &entry, host);
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
    fn learn(&self, made: &Made, entry: &Entry, host: &impl Host, effects: &mut Effects) -> bool {
        if let Some(instance) = made.get(entry.turn) {
            self.heed(&instance, entry, host);
            return true;
        }
        let slot = format!("{}/{}", made.key, entry.turn.slot());
        let Ok(Some((bytes, _))) = host.load(&slot) else {
            return false;
        };
        // An earlier one: whoever let the name in has not written the slot yet.
        let held = slot::Held::read(&bytes).filter(|held| held.turn >= entry.turn);
        let Some(held) = held else {
            return false;
        };
        match self.take_slot(made, held.turn, held.name, host, effects) {
            Ok(Some(instance)) if held.turn == entry.turn => {
                self.heed(&instance, entry, host);
                true
            }
            _ => false,
        }
    }

    /// Whether a directory that cannot be read is to be begun anew.
    fn may_replace(
        &self,
        made: &Made,
        bytes: &[u8],
        version: Version,
        host: &impl Host,
        effects: &mut Effects,
    ) -> bool {
        let known = directory::FORMAT;
        let value = Unreadable { bytes, version, known, service: None, problem: &"names" };
        made.watch.may_replace(&value, host, effects)
    }

    fn load_directory(
        &self,
        made: &Made,
        host: &impl Host,
        effects: &mut Effects,
    ) -> Result<Loaded, Nameless> {
        let stored = host.load(&made.key).map_err(|_| Nameless::Lost(Lost::Store))?;
        self.read_directory(made, stored, host, effects)
    }

    /// The directory, or a new one where there is none to be read.
    #[inline(never)]
    fn read_directory(
        &self,
        made: &Made,
        stored: Option<(Vec<u8>, Version)>,
        host: &impl Host,
        effects: &mut Effects,
    ) -> Result<Loaded, Nameless> {
        let slots = made.slots;
        let (bytes, version) = stored.unzip();
        match bytes.map(Directory::decode) {
            Some(Ok(mut directory)) => {
                directory.grow(slots);
                return Ok(Loaded { directory, version });
            }
            None => {}
            Some(Err(bytes)) => {
                if let Some(version) = version
                    && !self.may_replace(made, &bytes, version, host, effects)
                {
                    return Err(Nameless::Lost(Lost::Newer));
                }
            }
        }
        let now = host.now().monotonic;
        let mut directory = Directory::begun(slots, now);
        // If it was lost, its names are at work here still.
        for instance in made.all() {
            self.bring_up(&mut directory, &instance, now, host, effects);
        }
        Ok(Loaded { directory, version })
    }
}

/// Whether a slot's value that cannot be read makes way. An empty one is nobody's.
fn may_replace_slot(
    made: &Made,
    turn: Turn,
    (bytes, version): (&[u8], Version),
    host: &impl Host,
    effects: &mut Effects,
) -> bool {
    if bytes.is_empty() {
        return true;
    }
    let known = slot::FORMAT;
    let value = Unreadable { bytes, version, known, service: None, problem: &"slot" };
    made.slot_watch(turn.slot()).may_replace(&value, host, effects)
}
