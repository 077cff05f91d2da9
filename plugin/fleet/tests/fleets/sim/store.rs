//! A store in several regions, whose rows are copied from each to the others.

use std::collections::BTreeMap;

use fleet::{Answer, Entry, Fault, Key, Regions, Request, Row};

/// What a region's store does with requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    #[default]
    Up,
    /// It gives no answer.
    Dead,
    /// Its answers are none that can be read.
    Garbage,
    Throttling,
}

#[derive(Default)]
pub(crate) struct Store {
    /// What each region can read.
    replicas: BTreeMap<String, Regions>,
    /// What it could before the last change.
    before: BTreeMap<String, Regions>,
    pub(crate) moods: BTreeMap<String, Mood>,
}

/// What a request has come to: the answer, and whether the own row has changed.
pub(crate) type Done = (Result<Answer, Fault>, bool);

impl Store {
    pub(crate) fn new(regions: &[&str]) -> Self {
        let rows = regions.iter().map(|name| ((*name).to_owned(), Row::default())).collect();
        let rows = Regions(rows);
        let replicas: BTreeMap<_, _> =
            regions.iter().map(|name| ((*name).to_owned(), rows.clone())).collect();
        Self { before: replicas.clone(), replicas, moods: BTreeMap::new() }
    }

    pub(crate) fn row(&self, region: &str) -> &Row {
        self.replicas[region].0.get(region).unwrap()
    }

    /// `old`: the read may miss the last change, unless it is to be consistent.
    pub(crate) fn ask(&mut self, region: &str, request: Request, old: bool) -> Option<Done> {
        match self.moods.get(region).copied().unwrap_or_default() {
            Mood::Up => {}
            Mood::Dead => return None,
            Mood::Garbage => return Some((Err(Fault::Failed), false)),
            Mood::Throttling => return Some((Err(Fault::Throttled), false)),
        }
        let done = match request {
            Request::Read { consistent } => {
                let from = if old && !consistent { &self.before } else { &self.replicas };
                (Answer::Rows(from[region].clone()), false)
            }
            Request::Write { set, remove } => {
                self.change(region, |row| {
                    for entry in set {
                        put(row, entry);
                    }
                    for key in remove {
                        match key {
                            Key::Report(service, by) => _ = row.reports.remove(&(service, by)),
                            Key::Lease(service) => _ = row.leases.remove(&service),
                        }
                    }
                });
                (Answer::Written, true)
            }
            Request::Swap { service, was, to } => {
                if self.row(region).leases.get(&service).copied() == was {
                    self.change(region, |row| row.leases.insert(service, to));
                    (Answer::Written, true)
                } else {
                    (Answer::Refused, false)
                }
            }
        };
        Some((Ok(done.0), done.1))
    }

    /// A region's row arrives in another one, as the last that was written wins.
    pub(crate) fn copy(&mut self, region: &str, row: Row, to: &str) {
        let replica = self.replicas.get_mut(to).unwrap();
        if replica.0.get(region).unwrap().number < row.number {
            replica.0.insert(region.to_owned(), row);
        }
    }

    fn change(&mut self, region: &str, with: impl FnOnce(&mut Row)) {
        let replica = self.replicas.get_mut(region).unwrap();
        self.before.insert(region.to_owned(), replica.clone());
        let row = replica.0.get_mut(region).unwrap();
        with(row);
        row.number += 1;
    }
}

fn put(row: &mut Row, entry: Entry) {
    match entry {
        Entry::Report(service, by, report) => row.reports.insert((service, by), report),
        Entry::Lease(service, lease) => row.leases.insert(service, lease),
    }
}
