//! Dynamic services named by the proxy's own words, in the order in which they were first seen.
//!
//! Which clusters and routes there are is for the operator to say, so none has to make room. They are
//! one list in the shared store, so that their bound holds over all workers, and so that each of them,
//! whatever requests it sees, makes health checks for all and shows all. The list only grows.

use std::cell::Cell;

use breaker::Now;
use shared::{Decision, Decoded, Kind, Lost, Version, Watch};

use super::texts::{FORMAT, Texts};
use crate::effects::Effects;
use crate::handle::ServiceHandle;
use crate::host::{Host, define};
use crate::instances::{Instances, Number};
use crate::telemetry::ModuleMetric;
use config::naming::is_name_byte;
use config::{Config, Service};

/// No service's name has a slash.
const KEY: &str = "edge-breaker/v1/names/list";

/// The most names that are kept, of all configurations that share a store.
pub(crate) const MOST_NAMES: usize = 8192;

/// What one worker keeps of the list.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The version that was read last, all of whose names have their breakers here.
    version: Cell<Option<Version>>,
    /// Whether there is room for no other name. That does not change before the list is lost.
    full: Cell<bool>,
    /// Whether that was warned of since the last tick.
    warned: Cell<bool>,
    watch: Watch,
}

/// Why a name has no breaker.
#[derive(Debug)]
pub(crate) enum Nameless {
    /// There are as many names as may be.
    Full,
    /// The list could not be read or written.
    Lost(Lost),
}

impl From<Lost> for Nameless {
    fn from(lost: Lost) -> Self {
        Self::Lost(lost)
    }
}

/// The list: the template of each name, and the name.
pub(crate) struct ListKind;

impl Kind for ListKind {
    type Value = Texts;

    fn decode(&self, bytes: &[u8]) -> Decoded<Texts> {
        Decoded::new(decode(bytes), bytes, FORMAT, "names")
    }

    fn encode(&self, list: &Texts) -> impl AsRef<[u8]> {
        list.bytes()
    }

    fn replacement(&self, _: Now) -> Option<Texts> {
        Some(Texts::default())
    }
}

/// The dynamic services in the list, and those that are at work on this worker.
pub(crate) struct Listed<'a> {
    pub(crate) config: &'a Config,
    pub(crate) instances: &'a Instances,
    pub(crate) seen: &'a Seen,
}

impl Listed<'_> {
    /// The breaker of a name made by this service's template, which may be new.
    pub(crate) fn register(
        &self,
        service: usize,
        name: &str,
        host: &dyn Host,
        effects: &mut Effects,
    ) -> Result<Number, Nameless> {
        if let Some(number) = self.instances.number_of(name) {
            return Ok(Number::Fixed(number));
        }
        let registered = match self.seen.full.get() {
            true => Err(Nameless::Full),
            false => self.sync(Some((service, name)), host, effects),
        };
        if matches!(registered, Err(Nameless::Full)) && !self.seen.warned.replace(true) {
            effects.warn(format!(
                "event=left_alone reason=max_services max_services={} name={name} remedy=\"raise \
                 max_services, or match fewer requests\"",
                self.config.max_services,
            ));
        }
        registered?;
        self.instances.number_of(name).map(Number::Fixed).ok_or(Nameless::Full)
    }

    /// Gives breakers to the names that other workers have registered. It costs nothing where no
    /// service is dynamic.
    pub(crate) fn learn(&self, host: &dyn Host, effects: &mut Effects) {
        if self.config.has_templates() {
            self.seen.full.set(false);
            self.seen.warned.set(false);
            if self.sync(None, host, effects).is_err() {
                effects.count(ModuleMetric::LostUpdates);
            }
        }
    }

    /// Reads the list, and adds what it lacks: a new name, and those that are at work here though
    /// the list was lost.
    fn sync(
        &self,
        new: Option<(usize, &str)>,
        host: &dyn Host,
        effects: &mut Effects,
    ) -> Result<(), Nameless> {
        let stored = host.load(KEY).map_err(Lost::from)?;
        let version = stored.as_ref().map(|(_, version)| *version);
        if new.is_none() && version.is_some() && version == self.seen.version.get() {
            return Ok(());
        }
        let cell =
            shared::Cell { key: KEY, kind: ListKind, watch: &self.seen.watch, service: None };
        let (mut rounds, mut added) = (0_u32, false);
        let decide = |list: &mut Option<Texts>, effects: &mut Effects| {
            rounds = rounds.saturating_add(1);
            let list = list.get_or_insert_default();
            for (template, name) in entries(list) {
                let mut services = self.config.services.iter().enumerate();
                if let Some((service, _)) =
                    services.find(|(_, it)| is_listed(it) && it.name.text() == template)
                {
                    self.add(service, name, host, effects);
                }
            }
            let (full, is_added) = self.complete(list, new);
            added = is_added;
            if added { Decision::Store(full) } else { Decision::Keep(full) }
        };
        let full = cell.update_then(Some(stored), host, effects, decide, |_, _, _| {})?;
        match new {
            _ if !added => {
                self.seen.version.set(version.filter(|_| rounds == 1));
                self.seen.full.set(self.seen.full.get() || full);
            }
            Some((service, name)) if !full => self.add(service, name, host, effects),
            _ => {}
        }
        if full { Err(Nameless::Full) } else { Ok(()) }
    }

    /// Adds to a list what it lacks: whether there is no room for the new name, and whether anything was
    /// added.
    fn complete(&self, list: &mut Texts, new: Option<(usize, &str)>) -> (bool, bool) {
        let mut listed = vec![false; self.instances.len()];
        let mut count = 0_usize;
        for (_, name) in entries(list) {
            count = count.saturating_add(1);
            let number = self.instances.number_of(name);
            if let Some(listed) = number.and_then(|number| listed.get_mut(number)) {
                *listed = true;
            }
        }
        let before = count;
        let mut push = |service: usize, name: &str| {
            let Some(service) = self.config.services.get(service) else {
                return true;
            };
            let has_room = count < MOST_NAMES;
            if has_room {
                count = count.saturating_add(1);
                list.push(service.name.text());
                list.push(name);
            }
            has_room
        };
        for (instance, listed) in self.instances.fixed().zip(listed) {
            let service = self.config.services.get(instance.service);
            if service.is_some_and(is_listed) && !listed {
                push(instance.service, &instance.name);
            }
        }
        let new = new.filter(|(_, name)| self.instances.number_of(name).is_none());
        let full = match new {
            None => false,
            Some(_) if self.instances.is_full() => true,
            Some((service, name)) => !push(service, name),
        };
        (full, count > before)
    }

    /// Gives a name of this service its breaker, unless it has one.
    fn add(&self, service: usize, name: &str, host: &dyn Host, effects: &mut Effects) {
        if self.instances.number_of(name).is_none()
            && let Some(configured) = self.config.services.get(service)
            && let Some(added) = self.instances.add(name, service, configured)
            && let Some(instance) = self.instances.get(Number::Fixed(added))
            && let Some(record) = ServiceHandle::of(&self.config.services, instance)
        {
            define(record.number, name, host);
            record.ensure(host, effects);
        }
    }
}

/// The names that an older version listed as made by a template.
pub(crate) fn of_template(template: &str, host: &dyn Host) -> Vec<String> {
    let list = host.load(KEY).ok().flatten().and_then(|(bytes, _)| decode(&bytes));
    let list = list.unwrap_or_default();
    let of_template = entries(&list).filter(|(by, _)| *by == template);
    of_template.map(|(_, name)| name.to_owned()).collect()
}

/// Whether the names of a service are in the list. Older versions had those in it as well that clients
/// choose.
fn is_listed(service: &Service) -> bool {
    !service.name.is_plain() && !service.name.is_of_clients()
}

/// `None`: it is no list.
fn decode(bytes: &[u8]) -> Option<Texts> {
    let allowed = |number: usize, byte| {
        is_name_byte(byte) || (number.is_multiple_of(2) && b"{}".contains(&byte))
    };
    let list = Texts::decode(bytes, allowed)?;
    let texts = list.iter().count();
    (texts.is_multiple_of(2) && texts / 2 <= MOST_NAMES).then_some(list)
}

/// Each template of a list, and the name that it has made.
fn entries(list: &Texts) -> impl Iterator<Item = (&str, &str)> {
    let mut texts = list.iter();
    std::iter::from_fn(move || texts.next().zip(texts.next()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

    use super::*;

    fn sample() -> Texts {
        let mut list = Texts::default();
        ["{cluster}", "a|b", "x-{host}", "x-c"].into_iter().for_each(|text| list.push(text));
        list
    }

    #[test]
    fn a_list_reads_as_it_was_written() {
        let list = sample();
        assert!(list.bytes().starts_with(b"\x01\x09{cluster}\x03a|b"));
        assert_eq!(decode(list.bytes()), Some(sample()));
        assert!(entries(&list).eq([("{cluster}", "a|b"), ("x-{host}", "x-c")]));
        assert_eq!(decode(&[FORMAT]), Some(Texts::default()));
    }

    #[test]
    fn a_damaged_list_is_none_or_a_shorter_one() {
        for len in 0..sample().bytes().len() {
            let cut = decode(sample().bytes().get(..len).unwrap());
            assert!(cut.is_none_or(|list| entries(&list).count() < 2), "cut at {len}");
        }
        for bytes in [&b""[..], b"\x02", b"\x01\x00\x00", b"\x01\x01a\x01/", b"\x01\x01a\x01\xff"] {
            assert_eq!(decode(bytes), None, "{bytes:?}");
        }
    }
}
