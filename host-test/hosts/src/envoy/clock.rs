//! Real time. A busy machine may stand still for longer than a scenario allows for; what comes of it
//! then says nothing, and the scenario is played again.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use scenario::{CalloutAnswer, Clock as When, Event, Scenario};

/// By how much a step may be late. Scenarios leave half a second between the end of a wait and the
/// steps before and after it.
const TOLERANCE: Duration = Duration::from_millis(450);
/// How often the proxy is asked whether it keeps pace, where its timers matter.
const PACE: Duration = Duration::from_millis(100);

/// A step came too late for what it is about.
#[derive(Debug)]
pub(crate) struct TooLate(Duration);

impl fmt::Display for TooLate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the machine is too slow: {:?} late", self.0)
    }
}

impl std::error::Error for TooLate {}

/// The time since a scenario began, as it is and as it should be.
pub(super) struct Clock {
    start: Instant,
    planned: Duration,
    /// Whether time matters at all.
    matters: bool,
    /// Whether callouts are held back until their time is over.
    holds: bool,
    /// Whether time matters at the moment: not while all breakers are closed.
    runs: bool,
    /// Whether timers of the proxy matter.
    pub(super) has_timers: bool,
    slept: Instant,
}

impl Clock {
    pub(super) fn of(scenario: &Scenario) -> Self {
        let checks = scenario.config.to_string().contains("\"health_check\"");
        let held = scenario
            .steps
            .iter()
            .any(|step| matches!(step.event, Event::Upstream { answers: CalloutAnswer::Held, .. }));
        let now = Instant::now();
        Self {
            start: now,
            planned: Duration::ZERO,
            matters: scenario.steps.iter().any(|step| step.clock != When::Now),
            holds: held,
            runs: held,
            has_timers: checks || held,
            slept: now,
        }
    }

    /// The scenario begins.
    pub(super) fn start(&mut self) {
        self.start = Instant::now();
    }

    /// So much more time is to pass.
    pub(super) fn plan(&mut self, by: Duration) {
        self.planned += by;
    }

    /// Lets time pass. `true`: not all of it yet, so that one may look whether all keeps pace.
    pub(super) async fn sleep(&mut self) -> bool {
        let end = self.start + self.planned;
        let next = if self.has_timers { end.min(Instant::now() + PACE) } else { end };
        tokio::time::sleep_until(next.into()).await;
        self.slept = next;
        next < end
    }

    /// Whether what was done since the last sleep was done in time.
    ///
    /// # Errors
    /// [`TooLate`].
    pub(super) fn check_pace(&self) -> Result<()> {
        let late = self.slept.elapsed();
        ensure!(late <= TOLERANCE, TooLate(late));
        Ok(())
    }

    /// Something is about to happen. While nothing waits for anything it is never too late for it.
    pub(super) fn begin(&mut self) {
        if !self.runs {
            let now = Instant::now();
            self.start = now.checked_sub(self.planned).unwrap_or(now).max(self.start);
        }
    }

    /// What happened is done, and this is whether all breakers are closed.
    ///
    /// # Errors
    /// [`TooLate`], if it matters.
    pub(super) fn done(&mut self, all_closed: bool) -> Result<()> {
        let mattered = self.runs;
        self.runs = self.holds || !all_closed;
        let late = self.start.elapsed().saturating_sub(self.planned);
        let matters = self.matters && (mattered || self.runs);
        ensure!(!matters || late <= TOLERANCE, TooLate(late));
        Ok(())
    }
}
