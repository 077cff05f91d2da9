//! What there is to see of a fleet, from any worker: the one that has the lease writes it down when it
//! changes.

use breaker::Now;
use shared::{Cell, Decision};

use ::fleet::{Identity, Reporter, Verdict};

use super::Member;
use super::process::ShownKind;
use crate::effects::Effects;
use crate::host::Host;
use crate::json::{Fields, Json};
use crate::telemetry::{Metric, ModuleMetric};

/// No more services are shown, and of each no more reporters.
const MOST_SERVICES: usize = 256;
const MOST_REPORTERS: usize = 16;

impl Member {
    /// Writes down what there is to see, if it has changed.
    pub(crate) fn show(&self, now: Now, host: &dyn Host, effects: &mut Effects) {
        let Some((me, verdicts)) = self.verdicts(now.monotonic) else {
            return;
        };
        let text = written(me, verdicts);
        let Ok(mut shown) = self.shown.try_borrow_mut() else {
            return;
        };
        if *shown == text {
            return;
        }
        let cell =
            Cell { key: &self.shown_key, kind: ShownKind, watch: &self.watch, service: None };
        let stored = cell.update(host, effects, |known, _| {
            *known = Some(text.clone());
            Decision::Store(())
        });
        if stored.is_ok() {
            *shown = text;
        }
    }

    /// What was written down last, and how old what it was made of is; `None`: nothing can be read.
    pub(crate) fn seen(&self, host: &dyn Host, effects: &mut Effects) -> Option<String> {
        let mut text = None;
        let cell =
            Cell { key: &self.shown_key, kind: ShownKind, watch: &self.watch, service: None };
        cell.load(host, effects, &mut text).ok()?;
        let age = host.gauges().and_then(|it| it.read(Metric::Module(ModuleMetric::FleetAge)));
        let seen = Json::Written(text.unwrap_or_else(|| "null".to_owned()));
        let mut shown = Fields::new();
        shown.maybe("age_seconds", age);
        shown.add("seen", seen);
        Some(shown.end().written())
    }
}

fn written(me: Identity, verdicts: Vec<(String, Verdict)>) -> String {
    let services = verdicts.into_iter().take(MOST_SERVICES).map(|(name, verdict)| {
        let reporters = verdict.reporters.iter().take(MOST_REPORTERS).map(reporter);
        let prober = verdict.prober.map(|prober| {
            let mut shown = Fields::new();
            shown.text("process", &prober.by.to_string());
            shown.text("lease", prober.state.name());
            shown.end()
        });
        let mut shown = Fields::new();
        shown.text("service_name", &name);
        shown.flag("open", verdict.open);
        shown.flag("stale", verdict.stale);
        shown.text("standing", verdict.standing.name());
        shown.add("reporters", Json::List(reporters.collect()));
        shown.add("prober", prober.unwrap_or_default());
        shown.end()
    });
    let services = Json::List(services.collect());
    let mut shown = Fields::new();
    shown.text("process", &me.id.to_string());
    shown.add("services", services);
    shown.end().written()
}

fn reporter(reporter: &Reporter) -> Json<'static> {
    let mut shown = Fields::new();
    shown.text("process", &reporter.by.to_string());
    shown.text("region", &reporter.region);
    shown.flag("counts", reporter.counts());
    shown.end()
}
