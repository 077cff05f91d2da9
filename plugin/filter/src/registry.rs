//! The names that were made at run time of the proxy's own words, in the order in which they were first
//! seen.
//!
//! Which clusters and routes there are is for the operator to say, so none has to make room. They are one list in the shared store, so that their bound holds over all workers, and so that
//! each of them, whatever requests it sees, makes health checks for all and shows all. The list only
//! grows: by compare-and-swap, and never beyond the bound.

use std::cell::Cell;

use crate::config::Service;
use crate::effects::Effects;
use crate::host::{Host, SwapError, Version, define};
use crate::instances::Number;
use crate::naming::{is_name_byte, push_text, take_text};
use crate::services::Services;
use crate::store::{ATTEMPTS, Lost};
use crate::telemetry::ModuleMetric;
use crate::unreadable::{Unreadable, Watch};

/// No service's name has a slash.
const KEY: &str = "edge-breaker/v1/names/list";

/// The most names that are kept, of all configurations that share a store.
pub(crate) const MOST_NAMES: usize = 8192;

const FORMAT: u8 = 1;

/// What one worker keeps of the list.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The version that was read last, all of whose names have their breakers here.
    version: Cell<Option<Version>>,
    /// Whether there is room for no other name. That does not change before the list is lost.
    full: Cell<bool>,
    /// Whether that was complained of since the last tick.
    said_full: Cell<bool>,
    /// What is remembered of a list that cannot be read.
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

/// A name, and the template it was made by.
type Entry<'a> = (&'a str, &'a str);

impl Services {
    /// The breaker of a name made by this service's template, which may be new.
    pub(crate) fn meet(
        &self,
        service: usize,
        name: &str,
        host: &impl Host,
        effects: &mut Effects,
    ) -> Result<Number, Nameless> {
        if let Some(number) = self.instances.number_of(name) {
            return Ok(Number::Fixed(number));
        }
        let met = match self.seen.full.get() {
            true => Err(Nameless::Full),
            false => self.register(Some((service, name)), host, effects),
        };
        if matches!(met, Err(Nameless::Full)) && !self.seen.said_full.replace(true) {
            effects.warn(format!(
                "event=left_alone reason=max_services max_services={} name={name} remedy=\"raise \
                 max_services, or match fewer requests\"",
                self.config.max_services,
            ));
        }
        met?;
        self.instances.number_of(name).map(Number::Fixed).ok_or(Nameless::Full)
    }

    /// Gives breakers to the names that other workers have met. It costs nothing where no name is
    /// made.
    pub(crate) fn learn_names(&self, host: &impl Host, effects: &mut Effects) {
        if self.config.has_templates() {
            self.seen.full.set(false);
            self.seen.said_full.set(false);
            if self.register(None, host, effects).is_err() {
                effects.count(ModuleMetric::LostUpdates);
            }
        }
    }

    /// The names that an older version listed as made by a template.
    pub(crate) fn listed(&self, template: &str, host: &impl Host) -> Vec<String> {
        let Ok(Some((list, _))) = host.load(KEY) else {
            return Vec::new();
        };
        let of_template = decode(&list).unwrap_or_default().into_iter();
        of_template.filter(|(by, _)| *by == template).map(|(_, name)| name.to_owned()).collect()
    }

    /// Reads the list, and adds what it lacks: a new name, and those that are at work here though
    /// the list was lost.
    fn register(
        &self,
        new: Option<(usize, &str)>,
        host: &impl Host,
        effects: &mut Effects,
    ) -> Result<(), Nameless> {
        for _ in 0..ATTEMPTS {
            let stored = host.load(KEY).map_err(|_| Nameless::Lost(Lost::Store))?;
            let version = stored.as_ref().map(|(_, version)| *version);
            if new.is_none() && version.is_some() && version == self.seen.version.get() {
                return Ok(());
            }
            let mut list = stored.map_or_else(|| vec![FORMAT], |(bytes, _)| bytes);
            if let Some(version) = version
                && decode(&list).is_none()
            {
                let value = Unreadable {
                    bytes: &list,
                    version,
                    known: FORMAT,
                    service: None,
                    problem: &"names",
                };
                if !self.seen.watch.may_replace(&value, host, effects) {
                    return Err(Nameless::Lost(Lost::Newer));
                }
                list = vec![FORMAT];
            }
            let entries = decode(&list).unwrap_or_default();
            self.adopt(&entries, host, effects);
            let (added, full) = self.missing(&entries, new);
            if added.len() == 1 {
                self.seen.version.set(version);
                if full {
                    self.seen.full.set(true);
                    return Err(Nameless::Full);
                }
                return Ok(());
            }
            list.extend_from_slice(added.get(1..).unwrap_or_default());
            match host.swap(KEY, &list, version) {
                Ok(()) => {
                    let entries = decode(&added).unwrap_or_default();
                    self.adopt(&entries, host, effects);
                    return if full { Err(Nameless::Full) } else { Ok(()) };
                }
                Err(SwapError::Conflict) => {}
                Err(SwapError::Fault(_)) => return Err(Nameless::Lost(Lost::Store)),
            }
        }
        Err(Nameless::Lost(Lost::Race))
    }

    /// What the list lacks, as a list, and whether there is no room for the new name.
    fn missing(&self, entries: &[Entry<'_>], new: Option<(usize, &str)>) -> (Vec<u8>, bool) {
        let mut listed = vec![false; self.instances.len()];
        for (_, name) in entries {
            let number = self.instances.number_of(name);
            if let Some(place) = number.and_then(|number| listed.get_mut(number)) {
                *place = true;
            }
        }
        let mut count = entries.len();
        let mut added = vec![FORMAT];
        let mut push = |service: usize, name: &str| {
            let Some(service) = self.config.services.get(service) else {
                return true;
            };
            if count < MOST_NAMES {
                count = count.saturating_add(1);
                push_text(&mut added, service.name.text());
                push_text(&mut added, name);
                return true;
            }
            false
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
        (added, full)
    }

    /// Gives each name that was made by a template of this configuration its breaker.
    fn adopt(&self, entries: &[Entry<'_>], host: &impl Host, effects: &mut Effects) {
        for (template, name) in entries {
            let mut services = self.config.services.iter().enumerate();
            let service = services.find(|(_, it)| is_listed(it) && it.name.text() == *template);
            if let Some((number, service)) = service
                && self.instances.number_of(name).is_none()
                && let Some(added) = self.instances.add(name, number, service)
                && let Some(record) = self.record(Number::Fixed(added))
            {
                define(record.number, name, host);
                record.ensure(host, effects);
            }
        }
    }
}

/// Whether the names of a service are in the list. Older versions had those in it as well that clients
/// have a say in.
fn is_listed(service: &Service) -> bool {
    !service.name.is_plain() && !service.name.is_of_clients()
}

/// The entries of a list; `None`: it is none.
fn decode(list: &[u8]) -> Option<Vec<Entry<'_>>> {
    let (format, mut rest) = list.split_first()?;
    let mut entries = Vec::new();
    while !rest.is_empty() {
        let (template, after) =
            take_text(rest, |byte| is_name_byte(byte) || b"{}".contains(&byte))?;
        let (name, after) = take_text(after, is_name_byte)?;
        entries.push((template, name));
        rest = after;
    }
    (*format == FORMAT && entries.len() <= MOST_NAMES).then_some(entries)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

    use super::*;

    fn sample() -> Vec<u8> {
        let mut list = vec![FORMAT];
        for text in ["{cluster}", "a|b", "x-{host}", "x-c"] {
            push_text(&mut list, text);
        }
        list
    }

    #[test]
    fn a_list_reads_as_it_was_written() {
        assert!(sample().starts_with(b"\x01\x09{cluster}\x03a|b"));
        assert_eq!(decode(&sample()), Some(vec![("{cluster}", "a|b"), ("x-{host}", "x-c")]));
        assert_eq!(decode(&[FORMAT]), Some(Vec::new()));
    }

    #[test]
    fn a_damaged_list_is_none_or_a_shorter_one() {
        for len in 0..sample().len() {
            let cut = decode(sample().get(..len).unwrap()).map(|entries| entries.len());
            assert!(cut.is_none_or(|entries| entries < 2), "cut at {len}");
        }
        for bytes in [&b""[..], b"\x02", b"\x01\x00\x00", b"\x01\x01a\x01/", b"\x01\x01a\x01\xff"] {
            assert_eq!(decode(bytes), None, "{bytes:?}");
        }
    }
}
