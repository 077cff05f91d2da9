//! Calls that come whatever becomes of the others.

use rules::{SEC, UnderWay};

use super::service::Service;
use super::watch::Watch;
use super::{Make, Tally};
use crate::rng::Rng;
use crate::scenario::Scenario;

pub(super) fn play(scenario: &Scenario, make: Make<'_>, seed: u64) -> Vec<Tally> {
    let mut rng = Rng::new(seed);
    let mut random = Rng::new(seed ^ 0xABCD_EF01);
    let mut calls = UnderWay::new(make(), move || random.word());
    let mut watch = Watch::new();
    let mut began = SEC;
    let mut now = began as f64;
    let mut service = Service::new(scenario, began, &mut rng);
    let mut tallies = Vec::new();
    for phase in &scenario.phases {
        let mut jitter = 1.0;
        if scenario.jitter > 0.0 && !tallies.is_empty() {
            jitter += scenario.jitter * (2.0 * rng.unit() - 1.0);
        }
        let end = began + (phase.s * jitter * 1e9) as u64;
        let gap = 1e9 / (scenario.rps * phase.rps_x.unwrap_or(1.0));
        let mut tally = Tally::default();
        watch.begin();
        let before = calls.transitions();
        loop {
            now += rng.exponential(gap);
            if now >= end as f64 {
                now = end as f64;
                break;
            }
            let at = now as u64;
            calls.until(at);
            let part = (at - began) as f64 / (end - began) as f64;
            let fate = service.fate(phase, part, now, &mut rng);
            let Some(ticket) = calls.admit(at) else {
                tally.reject(!fate.bad && fate.took <= service.patience());
                watch.see(true, at, began, &mut tally);
                continue;
            };
            let fate = service.serve(fate, phase, at);
            tally.pass(!fate.bad);
            let is_slow = scenario.slow_ms > 0.0 && fate.took as f64 > scenario.slow_ms * 1e6;
            tally.slow += u64::from(!fate.bad && is_slow);
            watch.see(false, at, began, &mut tally);
            calls.begin(ticket, at, !fate.bad, fate.took);
        }
        let transitions = calls.transitions().zip(before);
        tally.transitions = transitions.map(|(now, before)| now - before);
        tallies.push(tally);
        began = end;
    }
    tallies
}
