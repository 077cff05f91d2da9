//! Plays a rule on the calls of a log.

use rules::{Rule, SEC, UnderWay};

use super::calls::Sample;
use super::outages::Outage;

/// Jitter and shares are drawn by this seed, so that the same log gets the same advice.
const SEED: u64 = 1;

/// A diversion with none in so much time and so many calls before is a new one.
const APART: u64 = 10 * SEC;
const CALLS_APART: usize = 20;

/// What a rule would have done.
#[derive(Clone, Debug, Default)]
pub(super) struct Played {
    pub(super) bad_diverted: usize,
    pub(super) good_diverted: usize,
    /// How often it begins to divert.
    pub(super) times: usize,
    /// For each call, whether it is diverted.
    pub(super) diverted: Vec<bool>,
}

/// Plays all calls. What it lets through ends as it did.
pub(super) fn play(rule: Box<dyn Rule>, calls: &[Sample]) -> Played {
    let mut random = fastrand::Rng::with_seed(SEED);
    let mut under_way = UnderWay::new(rule, move || random.u32(..));
    let mut played = Played { diverted: Vec::with_capacity(calls.len()), ..Played::default() };
    let mut last: Option<(usize, u64)> = None;
    for (index, call) in calls.iter().enumerate() {
        // The clock of a rule starts at a second.
        let now = SEC.saturating_add(call.at);
        under_way.until(now);
        let ticket = under_way.admit(now);
        if let Some(ticket) = ticket {
            under_way.begin(ticket, now, !call.failed, call.took);
        } else {
            played.bad_diverted += usize::from(call.bad);
            played.good_diverted += usize::from(!call.bad);
            let is_new =
                last.is_none_or(|(at, then)| now - then > APART && index - at > CALLS_APART);
            played.times += usize::from(is_new);
            last = Some((index, now));
        }
        played.diverted.push(ticket.is_none());
    }
    played
}

impl Played {
    /// Bad calls of an outage that are let through.
    pub(super) fn let_through(&self, calls: &[Sample], outages: &[Outage]) -> usize {
        let of_outages = outages.iter().flat_map(|it| it.range.clone());
        of_outages.filter(|index| calls[*index].bad && !self.diverted[*index]).count()
    }
}
