//! What the clients have seen, and what it comes to.

use std::time::Duration;

use serde::Serialize;

use crate::outage::service::Received;

/// So many answers of the service in a row, and it is back.
const BACK: usize = 10;

/// Who gave the answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Answer {
    Service,
    Fallback,
    /// None came in time, it was an error, or it broke off.
    Error,
}

/// One request, in the order in which they were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Seen {
    /// When it was sent, from the beginning of the outage.
    pub(crate) at: Duration,
    pub(crate) answer: Answer,
}

/// What an outage was like.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Tally {
    /// Requests that got no good answer, from the outage's beginning until the service was back.
    pub(crate) errors: u64,
    /// Calls that the service received while it lasted.
    pub(crate) calls: u64,
    /// Health checks of it.
    pub(crate) checks: u64,
    /// Seconds from its end until the service answers again; `None`: it did not in time.
    pub(crate) back: Option<f64>,
}

impl Tally {
    pub(crate) fn new(seen: &[Seen], received: Received, outage: Duration) -> Self {
        let errors = seen.iter().filter(|it| it.answer == Answer::Error).count() as u64;
        let Received { calls, checks } = received;
        Self { errors, calls, checks, back: back(seen, outage) }
    }
}

/// Whether the last answers show that the service is back.
pub(crate) fn is_back(seen: &[Seen], outage: Duration) -> bool {
    back(seen, outage).is_some()
}

fn back(seen: &[Seen], outage: Duration) -> Option<f64> {
    let after = seen.iter().position(|it| it.at >= outage)?;
    let rows = seen.get(after..)?.windows(BACK);
    let well = |row: &&[Seen]| row.iter().all(|it| it.answer == Answer::Service);
    let first = rows.into_iter().find(well)?.first()?;
    Some(first.at.saturating_sub(outage).as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTAGE: Duration = Duration::from_secs(2);

    /// One request each 100 ms: `s`, `f` or `e` for its answer.
    fn seen(answers: &str) -> Vec<Seen> {
        let answer = |letter| match letter {
            's' => Answer::Service,
            'f' => Answer::Fallback,
            _ => Answer::Error,
        };
        let times = (0..).map(|it| Duration::from_millis(100) * it);
        let seen = times.zip(answers.chars());
        seen.map(|(at, letter)| Seen { at, answer: answer(letter) }).collect()
    }

    #[test]
    fn a_service_is_back_with_the_first_of_many_answers_in_a_row_after_the_outage() {
        // 20 during the outage, which the service answered as well.
        let answers = format!("{}ffsfff{}", "s".repeat(20), "s".repeat(10));
        assert_eq!(back(&seen(&answers), OUTAGE), Some(0.6));
    }

    #[test]
    fn a_service_is_not_back_before_so_many_answers() {
        let answers = format!("{}{}", "f".repeat(20), "s".repeat(BACK - 1));
        assert_eq!(back(&seen(&answers), OUTAGE), None);
    }

    #[test]
    fn errors_count_whether_they_come_during_the_outage_or_after_it() {
        let answers = format!("e{}e{}", "f".repeat(19), "s".repeat(10));
        let received = Received { calls: 3, checks: 7 };
        let tally = Tally::new(&seen(&answers), received, OUTAGE);
        assert_eq!(tally, Tally { errors: 2, calls: 3, checks: 7, back: Some(0.1) });
    }
}
