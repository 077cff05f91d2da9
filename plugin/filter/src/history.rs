//! What each breaker has counted in the last ten minutes, in pieces of five seconds.
//!
//! It is there for whoever looks at a breaker later, so only configurations with an admin API keep it.
//! The counters of the whole process are the source. One worker looks at them, by a lease, at the end
//! of each piece, and adds to the histories of those breakers of which something has moved. A few
//! breakers at a time: a tick stays short, however many there are.

mod lease;
mod pieces;

use std::cell::Cell;
use std::hash::Hasher as _;

use breaker::{DivertReason, Outcome, StateName, Timestamp};
use config::{Config, Hash};
use shared::{Decision, Lost, Watch};

use self::lease::Lease;
pub(crate) use self::lease::LeaseKind;
use self::pieces::{Counted, Pieces, end_of, number_at, worse};
pub(crate) use self::pieces::{PIECE, PiecesKind};
use crate::calendar::rfc3339;
use crate::effects::Effects;
use crate::events::{self, Ring};
use crate::handle::ServiceHandle;
use crate::host::Host;
use crate::json::Json;
use crate::services::Services;
use crate::telemetry::{Metric, ServiceMetric};

/// No service's name has a slash.
const KEY: &str = "edge-breaker/v1/history/lease/";

/// The most histories that are written in one tick.
const MOST_WRITTEN: usize = 50;

/// All that a call may end as.
const OUTCOMES: [Outcome; 4] =
    [Outcome::Success, Outcome::FAILURE, Outcome::Ignored, Outcome::Aborted];

/// What one worker keeps of the lease, and of how far it has come.
#[derive(Debug)]
pub(crate) struct Historian {
    /// The key of the lease; `None`: nobody looks at histories here.
    key: Option<String>,
    /// The lease as it was seen last, and the turn in which it was this worker's.
    lease: Cell<Option<Lease>>,
    mine: Cell<Option<u64>>,
    watch: Watch,
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
            lease: Cell::default(),
            mine: Cell::default(),
            watch: Watch::default(),
            piece: Cell::default(),
            place: Cell::default(),
        }
    }

    fn cell<'a>(&'a self, key: &'a str) -> shared::Cell<'a, LeaseKind> {
        shared::Cell { key, kind: LeaseKind, watch: &self.watch, service: None }
    }

    /// The lease, if it is this worker's.
    fn held(&self, host: &dyn Host, effects: &mut Effects) -> Option<Lease> {
        let key = self.key.as_deref()?;
        let (now, mine) = (host.now().monotonic, self.mine.get());
        if let Some(lease) = self.lease.get() {
            if lease.is_fresh(mine, now) {
                return Some(lease);
            }
            if lease.is_anothers(mine, now) {
                return None;
            }
        }
        let asked = self.cell(key).update(host, effects, |lease, _| {
            match Lease::ask(*lease, mine, host.now().monotonic) {
                Ok(held) => Decision::Keep((held, false)),
                Err(taken) => {
                    *lease = Some(taken);
                    Decision::Store((taken, true))
                }
            }
        });
        let (lease, is_taken) = asked.ok()?;
        self.lease.set(Some(lease));
        if is_taken && self.mine.replace(Some(lease.turn())) != Some(lease.turn()) {
            // The piece that has ended last may have been added by who had the lease before.
            self.piece.set(number_at(now).saturating_sub(1));
            self.place.set(0);
        }
        (self.mine.get() == Some(lease.turn())).then_some(lease)
    }

    /// The first piece since which somebody looks at the counters.
    fn known_since(&self, now: Timestamp, host: &dyn Host, effects: &mut Effects) -> Option<u64> {
        let mut lease = None;
        self.cell(self.key.as_deref()?).load(host, effects, &mut lease).ok()?;
        Some(lease?.known_since(now))
    }
}

impl Services {
    /// Adds the last piece to some of the histories that it is missing in.
    pub(crate) fn keep_history(&self, host: &dyn Host, effects: &mut Effects) {
        let historian = &self.historian;
        let Some(lease) = historian.held(host, effects) else {
            return;
        };
        let Some(piece) = number_at(host.now().monotonic).checked_sub(1) else {
            return;
        };
        if historian.piece.get() == piece {
            return;
        }
        let Ok(events) = events::latest(host) else {
            return;
        };
        let (mut written, mut place) = (0, historian.place.get());
        for handle in self.handles().skip(place) {
            if written >= MOST_WRITTEN {
                return historian.place.set(place);
            }
            written += usize::from(sample(&handle, piece, lease.since, &events, host, effects));
            place += 1;
        }
        historian.place.set(0);
        historian.piece.set(piece);
    }

    /// A breaker's history, as the admin API shows it.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub(crate) fn history(
        &self,
        handle: &ServiceHandle<'_>,
        host: &dyn Host,
        effects: &mut Effects,
    ) -> Result<Json<'static>, Lost> {
        let now = host.now();
        let newest = number_at(now.monotonic).saturating_sub(1);
        let mut pieces = None;
        let key = key(handle);
        cell(handle, &key).load(host, effects, &mut pieces)?;
        let known_since = self.historian.known_since(now.monotonic, host, effects);
        let is_kept = handle.instance.has_own_series() && host.gauges().is_some();
        let pieces = pieces.filter(|_| is_kept).map(|pieces: Pieces| {
            let pieces = pieces.up_to(newest, known_since.unwrap_or(u64::MAX)).into_iter();
            let shown = pieces.map(|piece| {
                let Counted { calls, failures, diverted } = piece?.counted;
                Some(Json::object([
                    ("state", Json::text(piece?.state.name())),
                    ("calls", calls.into()),
                    ("failures", failures.into()),
                    ("diverted", diverted.into()),
                ]))
            });
            Json::List(shown.map(Json::from).collect())
        });
        Ok(Json::object([
            ("service_name", handle.instance.name.clone().into()),
            ("ends_at", rfc3339(now.wall_time_of(end_of(newest))).into()),
            ("piece_seconds", PIECE.as_secs().into()),
            ("pieces", pieces.into()),
        ]))
    }
}

fn key(handle: &ServiceHandle<'_>) -> String {
    format!("{}/history", handle.instance.key)
}

fn cell<'a>(handle: &'a ServiceHandle<'_>, key: &'a str) -> shared::Cell<'a, PiecesKind<'a>> {
    let instance = &handle.instance;
    let kind = PiecesKind(instance.tenure.as_ref());
    shared::Cell { key, kind, watch: &instance.sampled.watch, service: Some(&instance.name) }
}

/// Looks at a breaker at the end of a piece, and writes what has moved: whether it has written.
fn sample(
    handle: &ServiceHandle<'_>,
    piece: u64,
    known_since: u64,
    events: &Ring,
    host: &dyn Host,
    effects: &mut Effects,
) -> bool {
    let instance = &handle.instance;
    let Some((state, total)) = look(handle, host) else {
        return false;
    };
    if instance.sampled.last.replace(Some((state, total))) == Some((state, total)) {
        return false;
    }
    let now = host.now();
    let begin = now.wall_time_of(end_of(piece.saturating_sub(1)));
    let of_piece = events
        .newest_first()
        .map(|(_, event)| event)
        .take_while(|it| it.at.as_nanos() >= begin.as_nanos());
    let worst = of_piece
        .filter(|event| event.service == instance.name)
        .fold(state, |worst, event| worse(worst, event.to));
    let key = key(handle);
    let written = cell(handle, &key).update(host, effects, |pieces, _| {
        match pieces {
            Some(pieces) => pieces.add(piece, worst, state, total, known_since),
            None => *pieces = Some(Pieces::begun(piece, state, total)),
        }
        Decision::Store(())
    });
    if written.is_err() {
        instance.sampled.last.set(None);
    }
    true
}

/// The state that a breaker's gauge shows, and what was counted of it; `None`: it is counted with others,
/// or the proxy does not tell.
fn look(handle: &ServiceHandle<'_>, host: &dyn Host) -> Option<(StateName, Counted)> {
    if !handle.instance.has_own_series() {
        return None;
    }
    let gauges = host.gauges()?;
    let read = |metric| gauges.read(Metric::Of(handle.number, metric));
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
