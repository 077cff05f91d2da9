//! What a process has seen of the fleet, and when it changed.

use core::time::Duration;

use breaker::Timestamp;

use crate::entry::Key;
use crate::identity::ProcessId;
use crate::row::{Lease, LeaseState, Regions, Report, Row};
use crate::seen::Seen;
use crate::sorted::Sorted;

/// What all regions have written, as far as this process has seen it.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    rows: Regions,
    marks: Sorted<String, Marks>,
}

/// When the parts of a row were seen to change.
#[derive(Clone, Debug)]
struct Marks {
    /// Since when looks have found earlier rows than the one known, and no others.
    behind: Option<Timestamp>,
    reports: Sorted<(String, ProcessId), Mark>,
    leases: Sorted<String, Seen>,
}

/// A look at the store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// When the one before was asked for.
    pub(crate) before: Timestamp,
    /// When it was answered.
    pub(crate) now: Timestamp,
    /// How long what does not change is believed.
    pub(crate) longest: Duration,
}

impl Look {
    const fn change(&self) -> Seen {
        Seen::changed_between(self.before, self.now)
    }
}

/// What is known of a report besides what it says.
#[derive(Clone, Copy, Debug)]
struct Mark {
    seen: Seen,
    /// The service was found to be well after this trip, so that it opens nobody any more.
    answered: bool,
}

/// Who reports a service as open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reporter {
    /// Its region.
    pub region: String,
    /// The process.
    pub by: ProcessId,
    /// Whether it was seen to say so within `max_staleness`.
    pub live: bool,
    /// Whether the service was found to be well since.
    pub answered: bool,
}

impl Reporter {
    /// Whether it counts.
    #[must_use]
    pub const fn counts(&self) -> bool {
        self.live && !self.answered
    }
}

impl View {
    /// Takes in what a read has found. `false`: some of it is older than what was known.
    pub(crate) fn read(&mut self, own: &str, found: Regions, look: Look) -> bool {
        let mut in_order = true;
        for (region, row) in found.0.into_entries() {
            let known = self.rows.0.get(&region).zip(self.marks.get_mut(&region));
            let passed = match known {
                Some((known, marks)) if row.number >= known.number => {
                    marks.behind = None;
                    if row.number == known.number {
                        continue;
                    }
                    marks.compare(known, &row, look)
                }
                Some((_, marks)) => {
                    let since = *marks.behind.get_or_insert(look.now);
                    if look.now.since(since) < look.longest {
                        in_order = false;
                        continue;
                    }
                    // The store has begun anew.
                    self.start_over(&region, &row, look)
                }
                None => self.start_over(&region, &row, look),
            };
            self.rows.join(Regions(Sorted::of(region.clone(), row)));
            if region == own {
                passed.iter().for_each(|service| self.answer(service));
            }
        }
        in_order
    }

    /// The first look at a region.
    fn start_over(&mut self, region: &str, row: &Row, look: Look) -> Vec<String> {
        self.rows.0.remove(region);
        self.marks.insert(region.to_owned(), Marks::found(row, look.now));
        Vec::new()
    }

    /// Forgets everything: the next look is the first one again.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Whether nothing has been seen yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// The service was found to be well: what has been reported of it up to now counts no more.
    pub(crate) fn answer(&mut self, service: &str) {
        let marks = self.marks.iter_mut().flat_map(|(_, marks)| marks.reports.iter_mut());
        marks.filter(|((name, _), _)| name == service).for_each(|(_, mark)| mark.answered = true);
    }

    /// All who report a service, or those of one region.
    pub(crate) fn reporters(
        &self,
        service: &str,
        of: Option<&str>,
        longest: Duration,
        now: Timestamp,
    ) -> impl Iterator<Item = Reporter> {
        let regions = self.marks.iter().filter(move |(name, _)| of.is_none_or(|of| of == *name));
        regions.flat_map(move |(region, marks)| {
            let reports = marks.reports.iter().filter(move |((name, _), _)| name == service);
            reports.map(move |((_, by), mark)| Reporter {
                region: region.clone(),
                by: *by,
                live: mark.seen.is_live(longest, now),
                answered: mark.answered,
            })
        })
    }

    /// The services of which any report is there.
    pub(crate) fn reported(&self) -> impl Iterator<Item = &str> {
        self.marks.values().flat_map(|marks| marks.reports.keys()).map(|(name, _)| name.as_str())
    }

    /// The lease of a region on a service's checks, and when it was seen to change.
    pub(crate) fn lease(&self, region: &str, service: &str) -> Option<(&Lease, &Seen)> {
        let lease = self.rows.0.get(region)?.leases.get(service)?;
        Some((lease, self.marks.get(region)?.leases.get(service)?))
    }

    /// What this process has just written, and the next look will find.
    pub(crate) fn put_lease(&mut self, region: &str, service: &str, lease: Lease, now: Timestamp) {
        let (Some(row), Some(marks)) = (self.rows.0.get_mut(region), self.marks.get_mut(region))
        else {
            return;
        };
        row.leases.insert(service.to_owned(), lease);
        marks.leases.insert(service.to_owned(), Seen::changed_between(now, now));
        if lease.state == LeaseState::Passed {
            self.answer(service);
        }
    }

    /// What a process has written, by service.
    pub(crate) fn reports_of(
        &self,
        region: &str,
        by: ProcessId,
    ) -> impl Iterator<Item = (&str, Report)> {
        let reports = self.rows.0.get(region).into_iter().flat_map(|row| row.reports.iter());
        let own = reports.filter(move |((_, it), _)| *it == by);
        own.map(|((service, _), report)| (service.as_str(), *report))
    }

    /// Entries of a region that nobody has written for at least so long, and no leases of what is
    /// reported: its checks may be far apart.
    pub(crate) fn abandoned(
        &self,
        region: &str,
        for_: Duration,
        now: Timestamp,
    ) -> impl Iterator<Item = Key> {
        let marks = self.marks.get(region).into_iter();
        marks.flat_map(move |marks| {
            let reports =
                marks.reports.iter().filter(move |(_, mark)| mark.seen.quiet(now) >= for_);
            let reports = reports.map(|((service, by), _)| Key::Report(service.clone(), *by));
            let is_reported = |service: &String| marks.reports.keys().any(|(it, _)| it == service);
            let leases = marks
                .leases
                .iter()
                .filter(move |(service, seen)| seen.quiet(now) >= for_ && !is_reported(service));
            reports.chain(leases.map(|(service, _)| Key::Lease(service.clone())))
        })
    }
}

impl Marks {
    fn found(row: &Row, now: Timestamp) -> Self {
        let seen = Seen::found(now);
        let mark = Mark { seen, answered: false };
        Self {
            behind: None,
            reports: row.reports.keys().map(|key| (key.clone(), mark)).collect(),
            leases: row.leases.keys().map(|key| (key.clone(), seen)).collect(),
        }
    }

    /// Takes note of what has changed from a row to a later one. The services that have passed
    /// their check meanwhile.
    fn compare(&mut self, known: &Row, row: &Row, look: Look) -> Vec<String> {
        self.reports.retain(|key| row.reports.contains(key));
        for (key, report) in row.reports.iter() {
            let was = known.reports.get(key);
            let Some(mark) = self.reports.get_mut(key) else {
                self.reports.insert(key.clone(), Mark { seen: look.change(), answered: false });
                continue;
            };
            if was.is_none_or(|was| was.trip != report.trip) {
                mark.answered = false;
            }
            if was != Some(report) {
                mark.seen = look.change();
            }
        }
        self.leases.retain(|key| row.leases.contains(key));
        let mut passed = Vec::new();
        for (service, lease) in row.leases.iter() {
            if known.leases.get(service) != Some(lease) || !self.leases.contains(service) {
                self.leases.insert(service.clone(), look.change());
                if lease.state == LeaseState::Passed {
                    passed.push(service.clone());
                }
            }
        }
        passed
    }
}
