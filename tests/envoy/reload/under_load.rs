//! Twenty updates in twenty seconds, at a thousand requests a second.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use envoy_harness::client::Client;
use serde_json::{Value, json};
use tests::{Breaker, Edge, Outcomes, PAYMENT, answered_by};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep_until};

use super::Changing;
use tests::load::WITHIN;

const UPDATES: u32 = 20;
const BETWEEN: Duration = Duration::from_secs(1);
/// A thousand requests a second.
const PACE: Duration = Duration::from_millis(1);
/// No more of them wait for an answer at a time, however slow the machine is.
const AT_ONCE: usize = 200;

const INVENTORY: &str = "inventory-service";
const ORDERS: &str = "order-service";

/// The configuration of an update: each has other values for fields of every kind.
fn plugin(update: u32) -> Value {
    let odd = update % 2 == 1;
    let window = match update % 3 {
        0 => json!({ "sliding_window_size": format!("{}s", 5 + update) }),
        1 => json!({ "sliding_window_type": "count_based", "sliding_window_size": 50 + update }),
        _ => json!({}),
    };
    let mut trip = json!({ "failure_rate_threshold": 20 + update, "minimum_number_of_calls": 10 });
    for (field, value) in window.as_object().into_iter().flatten() {
        trip[field] = value.clone();
    }
    let match_of = |service: &str| json!({ "path_prefixes": [format!("/{service}")] });
    let mut services = vec![
        json!({
            "name": PAYMENT,
            "match": match_of(PAYMENT),
            "trip": trip,
            "half_open": { "permitted_calls": 1 + update % 5, "ramp_duration": format!("{update}s") },
            "bulkhead": { "max_concurrent_calls": 1_000 + update },
            "fallback": { "stale": { "max_entries": 16 + update } },
        }),
        json!({
            "name": INVENTORY,
            "match": match_of(INVENTORY),
            "open": { "wait_duration": "5m", "jitter": update },
            "fallback": { "response": { "status": 200, "body": update.to_string() } },
        }),
        json!({
            "name": ORDERS,
            "match": match_of(ORDERS),
            "trip": { "consecutive_failures": 1_000 + update },
        }),
    ];
    services.extend(odd.then(|| json!({ "name": format!("other-{update}") })));
    let expose_state = if odd { "always" } else { "fallback" };
    json!({ "expose_state": expose_state, "services": services })
}

/// How many requests were sent, and what went wrong with some.
#[derive(Debug, Default)]
struct Sent {
    requests: u64,
    wrong: Vec<String>,
}

/// Sends requests at a steady pace, each of which is to be answered well by this one.
async fn send(edge: &Edge, service: &str, by: &'static str, pace: Duration, until: Until) -> Sent {
    let client = Client::new().timeout(WITHIN);
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut ticks = interval(pace);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut requests = JoinSet::new();
    let mut sent = Sent::default();
    while !until.is_over() {
        ticks.tick().await;
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            break;
        };
        let (client, url) = (client.clone(), edge.url(&format!("/{service}/item")));
        requests.spawn(async move {
            let _place = place;
            match client.get(&url).await {
                Ok(answer) if answer.status == 200 && answered_by(&answer) == by => None,
                Ok(answer) => Some(format!("{answer:?}")),
                Err(error) => Some(format!("{error:#}")),
            }
        });
        sent.requests += 1;
    }
    while let Some(wrong) = requests.join_next().await {
        sent.wrong.extend(wrong.unwrap_or_else(|error| Some(error.to_string())));
    }
    sent
}

/// Whether it is time to send no more.
#[derive(Clone)]
struct Until(Arc<Semaphore>);

impl Until {
    fn is_over(&self) -> bool {
        self.0.is_closed()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_update_under_load_costs_an_answer_a_state_or_a_count() -> Result<()> {
    let changing = Changing::start(plugin(0)).await?;
    let edge = &changing.edge;
    let [payment, inventory, orders] =
        [PAYMENT, INVENTORY, ORDERS].map(|name| edge.services.service(name));
    inventory.set_failure_rate(1.0);
    for _ in 0..3 {
        changing.get("/inventory-service/item").await?;
    }
    let open = changing.breaker(INVENTORY).await?;
    assert_eq!((open.state.as_str(), open.generation), ("OPEN", 2), "{open:?}");
    let seen = inventory.calls();
    orders.set_failure_rate(1.0);

    let until = Until(Arc::new(Semaphore::new(0)));
    let updates = async {
        let start = tokio::time::Instant::now();
        let mut states = Vec::new();
        for update in 1..=UPDATES {
            sleep_until(start + BETWEEN * update).await;
            changing.update(plugin(update)).await?;
            changing.get("/order-service/item").await?;
            states.push(changing.breaker(INVENTORY).await?);
        }
        until.0.close();
        anyhow::Ok(states)
    };
    let (states, good, diverted) = tokio::join!(
        updates,
        send(edge, PAYMENT, "downstream", PACE, until.clone()),
        send(edge, INVENTORY, "response", PACE * 50, until.clone()),
    );

    let wrong: Vec<_> = good.wrong.iter().chain(&diverted.wrong).collect();
    assert!(wrong.is_empty(), "{} answers are wrong, such as {:?}", wrong.len(), wrong.first());
    let changed: Vec<_> = states?.into_iter().filter(|state| *state != open).collect();
    assert!(changed.is_empty(), "an open breaker has changed: {changed:?}");
    assert_eq!(inventory.calls(), seen, "an open breaker has let a call pass");
    assert_eq!(payment.calls(), good.requests);
    let outcomes = Outcomes { success: good.requests, ..Outcomes::default() };
    edge.wait_for_outcomes(PAYMENT, outcomes).await?;
    let counted = changing.breaker(ORDERS).await.context("the service that fails")?;
    let failures = u64::from(UPDATES);
    let expected = Breaker {
        state: "CLOSED".to_owned(),
        failure_count: failures,
        generation: 1,
        trip_reason: None,
    };
    assert_eq!(counted, expected, "failures in a row over all updates");
    println!("{} requests over {UPDATES} updates", good.requests);
    Ok(())
}
