//! What each breaker has counted in the last ten minutes, in pieces of five seconds.
//!
//! It is there for whoever looks at a breaker later, so only configurations with an admin API keep it.
//! The counters of the whole process are the source. One worker looks at them, by a lease, at the end
//! of each piece, and adds to the histories of those breakers of which something has moved. A few
//! breakers at a time: a tick stays short, however many there are ([`histories`](crate::histories)).

mod pieces;

use std::cell::Cell;
use std::hash::Hasher as _;

use breaker::{DivertReason, Outcome, StateName, Timestamp};
use config::{Config, Hash};
use shared::{Lost, Watch};

use self::pieces::worse;
pub(crate) use self::pieces::{Counted, PIECE, Pieces, end_of, number_at};
use crate::effects::Effects;
use crate::events::Ring;
use crate::host::Host;
use crate::lease::WorkerLease;
use crate::parts::Part;
use crate::telemetry::{Metric, ServiceMetric};
use crate::tenure::Tenure;

/// No service's name has a slash.
const KEY: &str = "edge-breaker/v1/history/lease/";

/// All that a call may end as.
const OUTCOMES: [Outcome; 4] =
    [Outcome::Success, Outcome::FAILURE, Outcome::Ignored, Outcome::Aborted];

/// What one worker keeps of the lease, and of how far it has come.
#[derive(Debug)]
pub(crate) struct Historian {
    /// The key of the lease; `None`: nobody looks at histories here.
    key: Option<String>,
    lease: WorkerLease,
    /// The piece that is being added, and how many breakers have it.
    piece: Cell<u64>,
    place: Cell<usize>,
}

/// What one worker keeps of a breaker's history.
#[derive(Debug, Default)]
pub(crate) struct Sampled {
    /// The breaker when it was looked at last.
    last: Cell<Option<(StateName, Counted)>>,
    watch: Watch,
}

impl Historian {
    /// One for a configuration. Configurations that name the same services share a lease.
    pub(crate) fn new(config: &Config) -> Self {
        let names = config.services.iter().map(|service| service.name.text());
        let key = || format!("{KEY}{:x}", names.fold(Hash::default(), Hash::text).finish());
        Self {
            key: config.admin.is_some().then(key),
            lease: WorkerLease::default(),
            piece: Cell::default(),
            place: Cell::default(),
        }
    }

    /// The piece that is to be added next, the first since which somebody looks, and how many breakers
    /// have it already; `None`: another worker adds it, or all have it.
    pub(crate) fn due(&self, host: &dyn Host, effects: &mut Effects) -> Option<(u64, u64, usize)> {
        // Nobody could look at them.
        host.gauges()?;
        let key = self.key.as_deref()?;
        let current = number_at(host.now().monotonic);
        let held = self.lease.hold(key, current.saturating_add(1), host, effects).ok()??;
        if held.is_new {
            // The piece that has ended last may have been added by who had the lease before.
            self.piece.set(current.saturating_sub(1));
            self.place.set(0);
        }
        let piece = current.checked_sub(1)?;
        (self.piece.get() != piece).then_some((piece, held.since, self.place.get()))
    }

    /// So many breakers have a piece now.
    pub(crate) fn pause(&self, place: usize) {
        self.place.set(place);
    }

    /// All breakers have a piece now.
    pub(crate) fn end(&self, piece: u64) {
        self.place.set(0);
        self.piece.set(piece);
    }

    /// The first piece since which somebody looks at the counters.
    pub(crate) fn known_since(
        &self,
        now: Timestamp,
        host: &dyn Host,
        effects: &mut Effects,
    ) -> Option<u64> {
        let next = number_at(now).saturating_add(1);
        self.lease.since(self.key.as_deref()?, next, host, effects)
    }
}

/// The history of a service.
pub(crate) struct History<'a> {
    pub(crate) local: &'a Sampled,
    /// The key of the service's record.
    pub(crate) record: &'a str,
    pub(crate) tenure: Option<&'a Tenure>,
    /// The number of its metrics; `None`: others are counted in them as well.
    pub(crate) series: Option<usize>,
    pub(crate) service: &'a str,
}

impl History<'_> {
    fn key(&self) -> String {
        format!("{}/history", self.record)
    }

    fn part<'b>(&'b self, key: &'b str) -> Part<'b> {
        Part {
            key,
            watch: &self.local.watch,
            service: Some(self.service),
            tenure: self.tenure,
            what: "history",
            is_one: |bytes| Pieces::decode(bytes).is_some(),
        }
    }

    /// What is kept, if anything is.
    pub(crate) fn load(
        &self,
        host: &dyn Host,
        effects: &mut Effects,
    ) -> Result<Option<Pieces>, Lost> {
        let pieces = self.part(&self.key()).load(host, effects)?;
        let is_counted = self.series.is_some() && host.gauges().is_some();
        Ok(pieces.filter(|_| is_counted).and_then(|bytes| Pieces::decode(&bytes)))
    }

    /// Looks at the counters at the end of a piece, and writes what has moved: whether it has written.
    pub(crate) fn sample(
        &self,
        piece: u64,
        known_since: u64,
        events: &Ring,
        host: &dyn Host,
        effects: &mut Effects,
    ) -> bool {
        let Some(now) = self.look(host) else {
            return false;
        };
        if self.local.last.replace(Some(now)) == Some(now) {
            return false;
        }
        let (state, total) = now;
        let begin = host.now().wall_time_of(end_of(piece.saturating_sub(1))).as_nanos();
        let of_piece = events.newest_first().map(|(_, event)| event);
        let worst = of_piece
            .take_while(|event| event.at.as_nanos() >= begin)
            .filter(|event| event.service == self.service)
            .fold(state, |worst, event| worse(worst, event.to));
        let written = self.part(&self.key()).update(host, effects, &mut |bytes| {
            let pieces = match bytes.and_then(Pieces::decode) {
                Some(mut pieces) => {
                    pieces.add(piece, worst, state, total, known_since);
                    pieces
                }
                None => Pieces::begun(piece, state, total),
            };
            Some(pieces.encode())
        });
        if written.is_err() {
            self.local.last.set(None);
        }
        true
    }

    /// The state that the gauge shows, and what was counted; `None`: it is counted with others, or the
    /// proxy does not tell.
    fn look(&self, host: &dyn Host) -> Option<(StateName, Counted)> {
        let (series, gauges) = (self.series?, host.gauges()?);
        let read = |metric| gauges.read(Metric::Of(series, metric));
        let sum = |metrics: &[ServiceMetric]| {
            metrics.iter().try_fold(0, |sum: u64, metric| Some(sum.saturating_add(read(*metric)?)))
        };
        let state = read(ServiceMetric::State)?;
        let counted = Counted {
            calls: sum(&OUTCOMES.map(ServiceMetric::Calls))?,
            failures: read(ServiceMetric::Calls(Outcome::FAILURE))?,
            diverted: sum(&DivertReason::ALL.map(ServiceMetric::NotPermitted))?,
        };
        Some((StateName::ALL.into_iter().find(|it| it.gauge() == state)?, counted))
    }
}
