//! What is known of breakers since they opened, from looking again and again, and from what the proxy has
//! kept of the time before the first look.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;

use super::story::{Opening, time};
use crate::admin::{Admin, Service, Services};

/// Of so many breakers in one look the proxy is asked what it has kept.
const MOST_ASKED: usize = 16;

/// Breakers that are open, by their names.
#[derive(Debug, Default)]
pub(super) struct Openings(HashMap<String, Known>);

#[derive(Debug)]
struct Known {
    opened_at: String,
    opening: Opening,
    /// The counter of diverted calls as it was at the last look.
    counter: Option<u64>,
}

impl Openings {
    pub(super) fn of(&self, service: &Service) -> Option<&Opening> {
        self.0.get(&service.service_name).map(|known| &known.opening)
    }

    /// Takes in what a look has shown, and asks of those that are newly open. What cannot be had is not told.
    pub(super) async fn look(&mut self, admin: &Admin, before: Option<&Services>, now: &Services) {
        let is_open = |service: &&Service| service.state == "OPEN" && service.opened_at.is_some();
        let open: Vec<_> = now.services.iter().filter(is_open).collect();
        let is_known = |name: &str, opened_at: &Option<String>| {
            self.0.get(name).is_some_and(|known| Some(&known.opened_at) == opened_at.as_ref())
        };
        let new: Vec<_> =
            open.iter().filter(|it| !is_known(&it.service_name, &it.opened_at)).copied().collect();
        self.0.retain(|name, known| {
            let is_it = |it: &&&Service| it.service_name == *name;
            open.iter()
                .find(is_it)
                .is_some_and(|it| it.opened_at.as_ref() == Some(&known.opened_at))
        });
        for service in &open {
            if let Some(known) = self.0.get_mut(&service.service_name) {
                known.count(service);
            }
        }
        if new.is_empty() {
            return;
        }
        let events = admin.events().await.unwrap_or_default();
        for (index, service) in new.into_iter().enumerate() {
            let name = &service.service_name;
            let is_of = |event: &&Value| event["service_name"] == **name && event["to"] == "OPEN";
            let was =
                before.and_then(|all| all.services.iter().find(|it| it.service_name == *name));
            let opened_at = service.opened_at.clone().unwrap_or_default();
            let mut known = Known {
                opening: Opening {
                    event: events.iter().find(is_of).cloned(),
                    diverted: 0,
                    is_whole: was.is_some(),
                },
                counter: was.and_then(counter),
                opened_at,
            };
            if was.is_none() && index < MOST_ASKED {
                known.opening.diverted = kept(admin, name, &known.opened_at).await.unwrap_or(0);
            }
            known.count(service);
            self.0.insert(name.clone(), known);
        }
    }
}

impl Known {
    /// Adds what was diverted since the last look. The counter of a proxy that was started anew begins with zero.
    fn count(&mut self, service: &Service) {
        let now = counter(service);
        if let (Some(before), Some(now)) = (self.counter, now) {
            self.opening.diverted += now.saturating_sub(before);
        }
        self.counter = now;
    }
}

fn counter(service: &Service) -> Option<u64> {
    service.other.get("not_permitted")?.as_u64()
}

/// What was diverted since a breaker opened, as far as the proxy has kept it.
async fn kept(admin: &Admin, name: &str, opened_at: &str) -> Option<u64> {
    sum(&admin.history(name).await.ok()?, time(opened_at)?)
}

/// What a history counts as diverted in the pieces that ended after a time.
fn sum(history: &Value, since: Duration) -> Option<u64> {
    let mut ends = time(history["ends_at"].as_str()?)?;
    let piece = Duration::from_secs(history["piece_seconds"].as_u64()?);
    let mut diverted = 0;
    for counted in history["pieces"].as_array()?.iter().rev() {
        if ends <= since {
            break;
        }
        diverted += counted["diverted"].as_u64().unwrap_or(0);
        ends = ends.saturating_sub(piece);
    }
    Some(diverted)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_history_counts_before_the_breaker_opened_is_left_out_and_a_gap_counts_nothing() {
        let piece = |diverted| json!({ "state": "OPEN", "diverted": diverted });
        let history = json!({
            "ends_at": "2026-01-02T03:04:20Z", "piece_seconds": 5,
            "pieces": [piece(100), piece(10), null, piece(1)],
        });
        let since = |text| sum(&history, time(text).unwrap());
        assert_eq!(since("2026-01-02T03:04:07Z"), Some(11));
        assert_eq!(since("2026-01-02T03:04:19Z"), Some(1));
        assert_eq!(since("2026-01-02T03:04:20Z"), Some(0));
        assert_eq!(sum(&json!({ "pieces": null }), Duration::ZERO), None);
    }
}
