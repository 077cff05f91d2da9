//! The entries of a row as text: what every store keeps them as.
//!
//! Each has a version of its own, so that filters of two versions can share a row: what a newer one
//! has written is left alone.

use crate::identity::ProcessId;
use crate::json::Json;
use crate::row::{Lease, LeaseState, MAX_ENTRIES, MAX_NAME, Report, Row};

/// The version of what is written.
const VERSION: u64 = 1;

/// Where an entry is in its row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// The report of a service by a process.
    Report(String, ProcessId),
    /// The lease on a service's health checks.
    Lease(String),
}

/// An entry that is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A report.
    Report(String, ProcessId, Report),
    /// A lease.
    Lease(String, Lease),
}

impl Key {
    /// The key as text.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Report(service, by) => format!("report/{by}/{service}"),
            Self::Lease(service) => format!("lease/{service}"),
        }
    }

    /// The key of this text; `None`: it is none of a fleet's.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = |service: &str| (service.len() <= MAX_NAME).then(|| service.to_owned());
        match text.split_once('/')? {
            ("lease", service) => fits(service).map(Self::Lease),
            ("report", rest) => {
                let (by, service) = rest.split_once('/')?;
                Some(Self::Report(fits(service)?, ProcessId::parse(by)?))
            }
            _ => None,
        }
    }
}

impl Entry {
    /// Where it is.
    #[must_use]
    pub fn key(&self) -> Key {
        match self {
            Self::Report(service, by, _) => Key::Report(service.clone(), *by),
            Self::Lease(service, _) => Key::Lease(service.clone()),
        }
    }

    /// What it says, as text.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Report(_, _, Report { trip, beat }) => {
                format!(r#"{{"v":{VERSION},"trip":{trip},"beat":{beat}}}"#)
            }
            Self::Lease(_, lease) => lease_text(lease),
        }
    }
}

/// What a lease says, as text: a conditional write compares it, so it is the same in every build.
pub(crate) fn lease_text(Lease { number, holder, state }: &Lease) -> String {
    let state = state.name();
    format!(r#"{{"v":{VERSION},"number":{number},"holder":"{holder}","state":"{state}"}}"#)
}

impl Row {
    /// Adds an entry as it was found in a store. `false`: it is left out, as it cannot be read, or
    /// there are too many.
    pub fn add(&mut self, key: &str, text: &str) -> bool {
        if self.reports.len().saturating_add(self.leases.len()) >= MAX_ENTRIES {
            return false;
        }
        let Some(value) = Json::read(text.as_bytes()) else {
            return false;
        };
        match Key::parse(key) {
            Some(Key::Report(service, by)) => {
                report(&value).map(|report| self.reports.insert((service, by), report)).is_some()
            }
            Some(Key::Lease(service)) => {
                lease(&value).map(|lease| self.leases.insert(service, lease)).is_some()
            }
            None => false,
        }
    }

    /// Everything in it, as text.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        let reports = self.reports.iter();
        let reports = reports.map(|((name, by), it)| Entry::Report(name.clone(), *by, *it));
        reports.chain(self.leases.iter().map(|(name, it)| Entry::Lease(name.clone(), *it)))
    }
}

fn is_known(value: &Json) -> bool {
    value.number_at(&["v"]) == Some(VERSION)
}

fn report(value: &Json) -> Option<Report> {
    let trip = u32::try_from(value.number_at(&["trip"])?).ok()?;
    is_known(value).then_some(Report { trip, beat: value.number_at(&["beat"])? })
}

fn lease(value: &Json) -> Option<Lease> {
    let state = value.text_at(&["state"])?;
    let state = LeaseState::ALL.into_iter().find(|it| it.name() == state)?;
    let holder = ProcessId::parse(value.text_at(&["holder"])?)?;
    is_known(value).then_some(Lease { number: value.number_at(&["number"])?, holder, state })
}
