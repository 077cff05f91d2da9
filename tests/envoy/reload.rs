//! Updates of the configuration while Envoy runs.

mod under_load;

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use envoy_harness::EnvoyOptions;
use envoy_harness::client::{Client, Response};
use envoy_harness::config::{LdsFile, Listener, Wasm};
use serde_json::{Value, json};
use services::{Health, Ports, Services};
use tests::{
    Breaker, Edge, Outcomes, PAYMENT, bootstrap, clusters, is_left_to_wasm, module, protected,
};

use tests::load::{Load, Tally, WITHIN, patient_route, until};

const UPDATED: &str = "listener_manager.lds.update_success";
/// A check's interval and a timer's, and time for a busy machine.
const SOON: Duration = Duration::from_secs(5);

const REJECTED: &str = "listener_manager.lds.update_rejected";

/// An [`Edge`] whose listener comes from a file. Its port stays what the kernel chose first.
struct Changing {
    edge: Edge,
    file: LdsFile,
}

impl Changing {
    async fn start(plugin: Value) -> Result<Self> {
        // The next answer on a connection from before an update is its last, so that the
        // client's next request meets the new configuration.
        Self::start_with(plugin, &["--drain-strategy", "immediate"]).await
    }

    async fn start_with(plugin: Value, arguments: &[&str]) -> Result<Self> {
        let services = Services::start(Ports::default()).await?;
        let file = LdsFile::new(vec![listener(plugin)?])?;
        let config = bootstrap(&services).lds(&file).build();
        let options = EnvoyOptions::new(config).concurrency(4);
        let options = arguments.iter().fold(options, |options, it| options.arg(*it));
        let envoy = options.start().await?;
        let address = envoy.listener_addr("edge").await?;
        let edge =
            Edge { envoy: envoy.into(), services, client: Client::new(), address, admin: address };
        Ok(Self { edge, file })
    }

    /// Updates the configuration, and waits until Envoy has taken it.
    async fn update(&self, plugin: Value) -> Result<()> {
        let updates = self.edge.envoy.counter(UPDATED).await?;
        self.file.write(vec![listener(plugin)?])?;
        self.edge.envoy.wait_for_counter(UPDATED, updates + 1, WITHIN).await?;
        Ok(())
    }

    /// Updates the configuration with something wrong, and waits until Envoy has refused it.
    async fn refused(&self, listener: Listener) -> Result<()> {
        let rejections = self.edge.envoy.counter(REJECTED).await?;
        self.file.write(vec![listener])?;
        self.edge.envoy.wait_for_counter(REJECTED, rejections + 1, WITHIN).await?;
        Ok(())
    }

    /// Gets a path on a connection of its own.
    async fn get(&self, path: &str) -> Result<Response> {
        Client::new().get(&self.edge.url(path)).await
    }

    /// Gets a path until the answer is so. The workers take over a new configuration one by one.
    async fn get_until(&self, path: &str, body: &str) -> Result<Response> {
        let start = Instant::now();
        loop {
            let response = self.get(path).await?;
            if response.text() == body {
                return Ok(response);
            }
            if start.elapsed() > WITHIN {
                bail!("not {body:?} after {WITHIN:?}: {response:?}");
            }
        }
    }

    async fn breaker(&self, service: &str) -> Result<Breaker> {
        self.edge.breaker(service).await
    }
}

fn listener(mut plugin: Value) -> Result<Listener> {
    plugin["admin"] = json!({});
    protected(&plugin, patient_route())
}

/// Two services: one answered by this body when it is open, and one that trips after so many
/// failures.
fn plugin(body: &str, threshold: u32) -> Value {
    json!({ "services": [
        {
            "name": PAYMENT,
            "match": { "path_prefixes": ["/payment-service"] },
            "open": { "wait_duration": "5m" },
            "fallback": { "response": { "status": 503, "body": body } },
        },
        {
            "name": "inventory-service",
            "match": { "path_prefixes": ["/inventory-service"] },
            "trip": { "consecutive_failures": threshold },
        },
    ]})
}

/// Sends the payment service calls that fail, until its breaker has opened.
async fn trip(changing: &Changing) -> Result<Breaker> {
    changing.edge.services.service(PAYMENT).set_failure_rate(1.0);
    for _ in 0..3 {
        changing.get("/payment-service").await?;
    }
    let breaker = changing.breaker(PAYMENT).await?;
    assert_eq!((breaker.state.as_str(), breaker.failure_count), ("OPEN", 3), "{breaker:?}");
    Ok(breaker)
}

#[tokio::test]
async fn an_update_keeps_an_open_service_open_and_its_settings_are_in_force() -> Result<()> {
    let changing = Changing::start(plugin("first", 3)).await?;
    let inventory = changing.edge.services.service("inventory-service");
    inventory.set_failure_rate(1.0);
    for _ in 0..2 {
        changing.get("/inventory-service").await?;
    }
    let open = trip(&changing).await?;
    let calls = changing.edge.services.service(PAYMENT).calls();
    assert_eq!(changing.get("/payment-service").await?.text(), "first");

    // The services change places, too: what belongs to whom hangs on the name alone.
    let mut updated = plugin("second", 5);
    updated["services"].as_array_mut().expect("services").reverse();
    changing.update(updated).await?;

    let response = changing.get_until("/payment-service", "second").await?;
    assert_eq!(response.header("x-circuit-breaker-state"), Some("OPEN"), "{response:?}");
    assert_eq!(changing.breaker(PAYMENT).await?, open);
    assert_eq!(changing.edge.services.service(PAYMENT).calls(), calls);

    // The other one's run of failures goes on, up to the new threshold.
    for (failures, state) in [(2, "CLOSED"), (3, "CLOSED"), (4, "CLOSED"), (5, "OPEN")] {
        let breaker = changing.breaker("inventory-service").await?;
        assert_eq!((breaker.failure_count, breaker.state.as_str()), (failures, state));
        assert_eq!(inventory.calls(), failures);
        changing.get("/inventory-service").await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_service_that_is_open_over_an_update_is_closed_by_the_new_health_check() -> Result<()> {
    let checked_at = |path: &str| {
        json!({ "services": [{
            "name": PAYMENT,
            "health_check": {
                "cluster": clusters::HEALTH, "path": path, "interval": "100ms", "then": "close",
            },
        }]})
    };
    let changing = Changing::start(checked_at("/first")).await?;
    let [first, second] = ["first", "second"].map(|name| changing.edge.services.service(name));
    first.set_health(Health::Sick);
    second.set_health(Health::Sick);
    let open = trip(&changing).await?;
    until(&first, |counts| counts.health_calls > 0).await?;
    assert_eq!(second.counts().health_calls, 0);

    changing.update(checked_at("/second")).await?;
    until(&second, |counts| counts.health_calls >= 5).await?;
    // The replaced listener drains for minutes, and does not check any more.
    let before = first.counts().health_calls;
    first.set_health(Health::Healthy);
    until(&second, |counts| counts.health_calls >= 20).await?;
    assert_eq!(first.counts().health_calls, before);
    assert_eq!(changing.breaker(PAYMENT).await?, open);
    second.set_health(Health::Healthy);
    let closed = changing.edge.wait_for(PAYMENT, "CLOSED", WITHIN).await?;
    assert_eq!((closed.failure_count, closed.generation), (0, open.generation + 1), "{closed:?}");
    Ok(())
}

/// A service that is checked at this path.
fn checked_at(path: &str) -> Value {
    json!({ "services": [{
        "name": PAYMENT,
        "trip": { "consecutive_failures": 3 },
        "health_check": {
            "cluster": clusters::HEALTH, "path": path, "interval": "500ms", "then": "close",
        },
    }]})
}

/// The first configuration, and a wrong one in its place. Envoy starts no plugin for the first when
/// it is put back, since it has not drained yet: a client holds a connection.
async fn wrongly_checked() -> Result<(Changing, Client)> {
    let changing = Changing::start_with(checked_at("/payment-service"), &[]).await?;
    changing.edge.services.service(PAYMENT).set_health(Health::Healthy);
    changing.edge.services.service("wrong").set_health(Health::Sick);
    let held = Client::new();
    held.get(&changing.edge.url("/payment-service")).await?;
    changing.update(checked_at("/wrong")).await?;
    Ok((changing, held))
}

#[tokio::test]
async fn a_health_check_that_is_put_back_before_it_has_drained_closes_the_breaker_that_trips()
-> Result<()> {
    let (changing, held) = wrongly_checked().await?;
    changing.update(checked_at("/payment-service")).await?;
    trip_on_new_connections(&changing).await?;
    changing.edge.services.service(PAYMENT).set_failure_rate(0.0);
    changing.edge.wait_for(PAYMENT, "CLOSED", SOON).await?;
    drop(held);
    Ok(())
}

#[tokio::test]
async fn a_health_check_that_is_corrected_while_the_breaker_is_open_takes_effect() -> Result<()> {
    let (changing, held) = wrongly_checked().await?;
    trip_on_new_connections(&changing).await?;
    let wrong = changing.edge.services.service("wrong");
    until(&wrong, |counts| counts.health_calls >= 2).await?;
    changing.update(checked_at("/payment-service")).await?;
    changing.edge.services.service(PAYMENT).set_failure_rate(0.0);
    changing.get("/payment-service").await?;
    changing.edge.wait_for(PAYMENT, "CLOSED", SOON).await?;
    drop(held);
    Ok(())
}

/// The first configuration is the wrong one, and its clients hold their connections and call on.
#[tokio::test]
async fn calls_on_connections_from_before_put_no_wrong_health_check_back() -> Result<()> {
    let changing = Changing::start_with(checked_at("/wrong"), &[]).await?;
    let [payment, wrong] = [PAYMENT, "wrong"].map(|name| changing.edge.services.service(name));
    wrong.set_health(Health::Healthy);
    payment.set_health(Health::Sick);
    let held = Client::new();
    held.get(&changing.edge.url("/payment-service")).await?;
    changing.update(checked_at("/payment-service")).await?;
    let open = trip_on_new_connections(&changing).await?;
    let before = payment.counts().health_calls;
    while payment.counts().health_calls < before + 6 {
        held.get(&changing.edge.url("/payment-service")).await?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(wrong.counts().health_calls, 0);
    assert_eq!(changing.breaker(PAYMENT).await?.generation, open.generation);
    Ok(())
}

/// Trips by the configuration that is in force for new connections.
async fn trip_on_new_connections(changing: &Changing) -> Result<Breaker> {
    changing.edge.services.service(PAYMENT).set_failure_rate(1.0);
    for _ in 0..100 {
        let breaker = changing.breaker(PAYMENT).await?;
        if breaker.state == "OPEN" {
            return Ok(breaker);
        }
        changing.get("/payment-service").await?;
    }
    bail!("it does not trip");
}

#[tokio::test]
async fn a_bad_update_is_refused_with_path_value_and_remedy_and_the_old_one_stays() -> Result<()> {
    let changing = Changing::start(plugin("first", 3)).await?;
    let open = trip(&changing).await?;

    let with = |pointer: &str, value: Value| {
        let mut bad = plugin("bad", 3);
        let (parent, field) = pointer.rsplit_once('/').expect("a JSON pointer");
        bad.pointer_mut(parent).expect("a parent")[field] = value;
        bad
    };
    // What is wrong, and what of the message must be there: where, what, and what would be right.
    let bad = [
        (
            with("/services/0/open/wait_duration", json!("5 parsecs")),
            ["services[0].open.wait_duration", "5 parsecs", "\"30s\""],
        ),
        (
            with("/services/1/trip/consecutive_failures", json!(0)),
            ["services[1].trip.consecutive_failures", "0", "1"],
        ),
        (
            with("/services/0/fallbak", json!({ "cluster": "fallback" })),
            ["services[0].fallbak", "unknown field `fallbak`", "`fallback`"],
        ),
    ];
    for (plugin, said) in bad {
        changing.refused(listener(plugin)?).await?;
        let line = refusals(&changing).pop().expect("a refusal in the log");
        assert!(said.iter().all(|part| line.contains(part)), "{said:?} are not all in: {line}");
        let response = changing.get("/payment-service").await?;
        assert_eq!(response.text(), "first", "after {line}");
        assert_eq!(changing.breaker(PAYMENT).await?, open, "after {line}");
    }

    // And the next good one is taken.
    changing.update(plugin("second", 3)).await?;
    changing.get_until("/payment-service", "second").await?;
    assert_eq!(changing.breaker(PAYMENT).await?, open);
    Ok(())
}

/// The lines of the log that tell of a refused configuration.
fn refusals(changing: &Changing) -> Vec<String> {
    let log = changing.edge.envoy.log();
    let lines = log.lines().filter(|line| line.contains("edge-breaker configuration refused"));
    lines.map(str::to_owned).collect()
}

#[tokio::test]
async fn a_struct_is_refused_with_the_hint_to_use_a_string_value() -> Result<()> {
    if is_left_to_wasm("Envoy hands a Struct to a dynamic module as JSON") {
        return Ok(());
    }
    let changing = Changing::start(plugin("first", 3)).await?;
    let mut filter = Wasm::new("edge-breaker", &module()?).vm_id("edge-breaker").build();
    filter["typed_config"]["config"]["configuration"] = json!({
        "@type": "type.googleapis.com/google.protobuf.Struct",
        "value": plugin("bad", 3),
    });
    let listener = Listener::new("edge").balanced().filter(filter).route(patient_route());
    changing.refused(listener).await?;
    let line = refusals(&changing).pop().expect("a refusal in the log");
    assert!(line.contains("Struct") && line.contains("(StringValue)"), "{line}");
    trip(&changing).await?;
    assert_eq!(changing.get("/payment-service").await?.text(), "first");
    Ok(())
}

#[tokio::test]
async fn an_envoy_that_starts_with_a_bad_configuration_ends_with_the_message() -> Result<()> {
    let services = Services::start(Ports::default()).await?;
    let mut bad = plugin("bad", 3);
    bad["services"][0]["open"]["wait_duration"] = json!("soon");
    let config = bootstrap(&services).listener(listener(bad)?).build();
    let error = format!("{:#}", EnvoyOptions::new(config).start().await.unwrap_err());
    assert!(error.contains("Envoy ended at its start"), "{error}");
    let line = error.lines().find(|line| line.contains("edge-breaker configuration refused"));
    let line = line.unwrap_or_else(|| panic!("not said: {error}"));
    let said = ["services[0].open.wait_duration", "\"soon\"", "\"30s\""];
    assert!(said.iter().all(|part| line.contains(part)), "{said:?} are not all in: {line}");
    Ok(())
}

#[tokio::test]
async fn requests_that_are_under_way_when_the_configuration_changes_are_answered_and_counted()
-> Result<()> {
    let changing = Changing::start(plugin("first", 3)).await?;
    let payment = changing.edge.services.service(PAYMENT);
    // Far more than an update takes.
    payment.set_latency(Duration::from_secs(3));
    let load = Load::start(40, &changing.edge.url("/payment-service"));
    assert_eq!(until(&payment, |counts| counts.in_flight == 40).await?.calls, 40);

    changing.update(plugin("second", 3)).await?;
    let answered = load.tally();
    let tally = load.stop().await;
    assert_eq!(answered.all(), 0, "the update came too late to meet a request: {answered}");
    assert_only_good_calls(&changing, &tally).await
}

#[tokio::test]
async fn no_request_is_lost_while_the_configuration_changes_time_and_again() -> Result<()> {
    let changing = Changing::start(plugin("0", 3)).await?;
    let load = Load::start(40, &changing.edge.url("/payment-service"));
    for update in 1..=5 {
        changing.update(plugin(&update.to_string(), 3)).await?;
        load.mark();
        load.until_all_passed_the_mark().await?;
        load.until_more(200).await?;
    }
    let tally = load.stop().await;
    assert_only_good_calls(&changing, &tally).await?;

    // The last one is in force.
    trip(&changing).await?;
    changing.get_until("/payment-service", "5").await?;
    Ok(())
}

/// Every request sent was received by the service, answered by it, and counted as a success.
async fn assert_only_good_calls(changing: &Changing, tally: &Tally) -> Result<()> {
    let sent = tally.all();
    let good = tally.count(|answer| answer.by == "downstream" && answer.status == "200");
    assert_eq!(good, sent, "{tally}");
    assert_eq!(changing.edge.services.service(PAYMENT).calls(), sent, "{tally}");
    let outcomes = Outcomes { success: sent, ..Outcomes::default() };
    changing.edge.wait_for_outcomes(PAYMENT, outcomes).await?;
    let shown = changing.breaker(PAYMENT).await?;
    assert_eq!((shown.state.as_str(), shown.failure_count, shown.generation), ("CLOSED", 0, 1));
    Ok(())
}
