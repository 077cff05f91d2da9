//! The histories of all breakers: kept by the timer, and shown by the admin API.

use shared::Lost;

use crate::calendar::rfc3339;
use crate::effects::Effects;
use crate::events;
use crate::handle::ServiceHandle;
use crate::history::{Counted, PIECE, end_of, number_at};
use crate::host::Host;
use crate::json::{Fields, Json};
use crate::services::Services;

/// The most histories that are written in one tick.
const MOST_WRITTEN: usize = 50;

impl Services {
    /// Adds the last piece to some of the histories that it is missing in.
    pub(crate) fn keep_histories(&self, host: &dyn Host, effects: &mut Effects) {
        let Some((piece, known_since, mut place)) = self.historian.due(host, effects) else {
            return;
        };
        let Ok(events) = events::latest(host) else {
            return;
        };
        let mut written: usize = 0;
        for handle in self.handles().skip(place) {
            if written >= MOST_WRITTEN {
                return self.historian.pause(place);
            }
            let wrote = handle.history().sample(piece, known_since, &events, host, effects);
            written = written.saturating_add(wrote.into());
            place = place.saturating_add(1);
        }
        self.historian.end(piece);
    }

    /// A breaker's history, as the admin API shows it.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub(crate) fn shown_history(
        &self,
        handle: &ServiceHandle<'_>,
        host: &dyn Host,
        effects: &mut Effects,
    ) -> Result<Json<'static>, Lost> {
        let now = host.now();
        let newest = number_at(now.monotonic).saturating_sub(1);
        let pieces = handle.history().load(host, effects)?;
        let known_since = self.historian.known_since(now.monotonic, host, effects);
        let pieces = pieces.map(|pieces| {
            let pieces = pieces.up_to(newest, known_since.unwrap_or(u64::MAX)).into_iter();
            let shown = pieces.map(|piece| {
                let Counted { calls, failures, diverted } = piece?.counted;
                let mut shown = Fields::new();
                shown.text("state", piece?.state.name());
                shown.number("calls", calls);
                shown.number("failures", failures);
                shown.number("diverted", diverted);
                Some(shown.end())
            });
            Json::List(shown.map(Json::from).collect())
        });
        let mut shown = Fields::new();
        shown.text("service_name", &handle.instance.name);
        shown.text("ends_at", &rfc3339(now.wall_time_of(end_of(newest))));
        shown.number("piece_seconds", PIECE.as_secs());
        shown.add("pieces", pieces.into());
        Ok(shown.end())
    }
}
