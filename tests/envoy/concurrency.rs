//! Two hundred clients on four workers: whatever the interleaving, the breaker is one.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use envoy_harness::Stats;
use envoy_harness::client::Client;
use serde_json::{Value, json};
use services::{Counts, Downstream, Mode};
use tests::{Breaker, Edge, PAYMENT, answered_by, clusters};

use tests::load::{Load, WITHIN, patient_fallback, patient_route, until};

const WORKERS: u32 = 4;
const CLIENTS: usize = 200;
const PATH: &str = "/payment-service/charge";

/// How many trials a half-open period permits, in turn.
const PERMITTED: [u64; 3] = [1, 3, 10];

/// What Envoy counts of the breaker of one service.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Metrics {
    service: String,
    stats: Stats,
}

impl Metrics {
    async fn of(edge: &Edge, service: &str) -> Result<Self> {
        Ok(Self { service: service.to_owned(), stats: edge.envoy.stats().await? })
    }

    /// The sum of a metric over all labels, or over those that contain this.
    fn sum(&self, name: &str, label: &str) -> u64 {
        let (prefix, suffix) = (
            format!("wasmcustom.cb_service=.={};.;", self.service),
            format!("edge_breaker_{name}"),
        );
        let all = self.stats.matching(&prefix);
        let of_name = all.filter(|(stat, _)| stat.ends_with(&suffix) && stat.contains(label));
        of_name.map(|(_, value)| value).sum()
    }

    fn transitions(&self, to: &str) -> u64 {
        self.sum("transitions_total", &format!("cb_to=.={to};.;"))
    }

    fn calls(&self, outcome: &str) -> u64 {
        self.sum("calls_total", &format!("cb_outcome=.={outcome};.;"))
    }

    /// Shared-state updates that were given up, of all services.
    fn lost_updates(&self) -> u64 {
        self.stats.get("wasmcustom.edge_breaker_lost_updates_total").unwrap_or_default()
    }
}

/// A configuration with one service, with all that it is not about left out.
fn plugin(service: Value) -> Value {
    let mut plugin = json!({
        "expose_state": "always",
        "services": [{ "name": PAYMENT, "fallback": patient_fallback() }],
    });
    for (field, value) in service.as_object().into_iter().flatten() {
        plugin["services"][0][field] = value.clone();
    }
    plugin
}

/// The log lines of the service's transitions to a state.
fn transition_lines(edge: &Edge, service: &str, to: &str) -> Vec<String> {
    let (service, to) = (format!("service={service} "), format!(" to={to} "));
    let log = edge.envoy.log();
    let lines = log.lines().filter(|line| line.contains("event=transition"));
    lines.filter(|line| line.contains(&service) && line.contains(&to)).map(str::to_owned).collect()
}

/// Waits until the breaker's metrics are so.
async fn until_metrics(
    edge: &Edge,
    service: &str,
    what: &str,
    wanted: impl Fn(&Metrics) -> bool,
) -> Result<Metrics> {
    let start = Instant::now();
    loop {
        let metrics = Metrics::of(edge, service).await?;
        if wanted(&metrics) {
            return Ok(metrics);
        }
        if start.elapsed() > WITHIN {
            let shown: Vec<_> = metrics.stats.matching(service).collect();
            bail!("not after {WITHIN:?}: {what}: {shown:#?}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until all these requests are counted: some end only after their answers.
async fn at_rest(edge: &Edge, service: &str, requests: u64) -> Result<Metrics> {
    let counted = |it: &Metrics| it.sum("calls_total", "") + it.sum("not_permitted_total", "");
    let what = format!("{requests} requests are counted");
    until_metrics(edge, service, &what, |metrics| counted(metrics) >= requests).await
}

/// How many of the clients' connections each worker has taken.
async fn connections(edge: &Edge) -> Result<Vec<u64>> {
    let stats = edge.envoy.stats().await?;
    let of_workers = stats.matching(".worker_").filter(|(name, _)| {
        name.starts_with("listener.127.0.0.1") && name.ends_with("downstream_cx_active")
    });
    Ok(of_workers.map(|(_, connections)| connections).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_fails_two_hundred_clients_trips_once_and_is_then_left_alone_by_all_workers()
-> Result<()> {
    let edge = Edge::start_with(
        plugin(json!({ "open": { "wait_duration": "5m" } })),
        WORKERS,
        patient_route(),
    )
    .await?;
    let service = edge.services.service(PAYMENT);
    // Long enough for all clients to have a call in flight when the first ones fail.
    service.set_latency(Duration::from_millis(500));
    service.set_failure_rate(1.0);
    let load = Load::start(CLIENTS, &edge.url(PATH));

    // A request that begins when a client has already been told that the breaker is open is not
    // to reach the service.
    load.until("one is diverted", |tally| tally.by("cluster") > 0).await?;
    load.mark();
    load.until_all_passed_the_mark().await?;
    let after_the_trip = service.counts();
    let connections = connections(&edge).await?;
    load.until_more(5_000).await?;
    let tally = load.stop().await;

    assert_eq!(service.counts(), after_the_trip, "{tally}");
    assert_eq!(after_the_trip.in_flight, 0);
    let told_open = |by: &str| by == "cluster";
    let elsewhere =
        tally.count(|answer| answer.mark > 0 && !(told_open(&answer.by) && answer.state == "OPEN"));
    assert_eq!(elsewhere, 0, "{tally}");
    // Three failed, and when the third one did, every other client had one call in flight at most.
    let calls = service.calls();
    assert!((3..=3 + CLIENTS as u64 - 1).contains(&calls), "{calls} calls; {tally}");
    assert_eq!((tally.by("replay"), tally.by("downstream")), (calls, 0), "{tally}");

    let metrics = at_rest(&edge, PAYMENT, tally.all()).await?;
    assert_eq!(metrics.transitions("open"), 1);
    assert_eq!(metrics.sum("transitions_total", ""), 1);
    let lines = transition_lines(&edge, PAYMENT, "OPEN");
    assert_eq!(lines.len(), 1, "{lines:#?}");
    let breaker = edge.breaker(PAYMENT).await?;
    let expected = Breaker {
        state: "OPEN".to_owned(),
        failure_count: 3,
        generation: 2,
        trip_reason: Some("consecutive_failures".to_owned()),
    };
    assert_eq!(breaker, expected);

    // All of that by all workers together.
    assert_eq!(connections.len(), WORKERS as usize, "{connections:?}");
    assert!(connections.iter().all(|count| *count >= 25), "{connections:?}");
    Ok(())
}

#[tokio::test]
async fn a_trip_on_one_worker_holds_for_all_workers_at_once() -> Result<()> {
    const TRIPS: usize = 5;
    let name = |number: usize| format!("service-{number}");
    let services: Vec<_> = (0..TRIPS)
        .map(|number| {
            let path = format!("/{}/", name(number));
            json!({ "name": name(number), "match": { "path_prefixes": [path] } })
        })
        .collect();
    let plugin = json!({
        "defaults": { "open": { "wait_duration": "5m" }, "fallback": patient_fallback() },
        "services": services,
    });
    let edge = Edge::start_with(plugin, WORKERS, patient_route()).await?;
    // A connection of its own each, so that every worker has some.
    let clients = [(); 16].map(|()| Client::new().timeout(WITHIN));
    for number in 0..TRIPS {
        let service = edge.services.service(&name(number));
        let url = edge.url(&format!("/{}/", name(number)));
        // Every worker has just seen the breaker closed, ...
        for client in &clients {
            assert_eq!(answered_by(&client.get(&url).await?), "downstream");
        }
        // ... it is tripped by calls of one of them, ...
        service.set_failure_rate(1.0);
        for _ in 0..3 {
            assert_eq!(answered_by(&clients[0].get(&url).await?), "replay");
        }
        // ... and the next request diverted, whoever gets it.
        let calls = service.calls();
        for client in &clients {
            let response = client.get(&url).await?;
            assert_eq!(answered_by(&response), "cluster", "{response:?}");
            assert_eq!(response.header("x-circuit-breaker-state"), Some("OPEN"), "{response:?}");
        }
        assert_eq!(service.calls(), calls);
    }
    let connections = connections(&edge).await?;
    assert!(connections.iter().all(|count| *count >= 3), "{connections:?}");
    Ok(())
}

/// Services that have just tripped, one for each number of permitted trials, in one Envoy.
async fn tripped(half_open: Value, open: Value) -> Result<Edge> {
    let services = PERMITTED.map(|permitted| {
        let mut service = json!({
            "name": name(permitted),
            "match": { "path_prefixes": [path(permitted)] },
            "trip": { "consecutive_failures": 1 },
            "half_open": { "permitted_calls": permitted, "max_wait_duration": "5m" },
        });
        for (field, value) in half_open.as_object().into_iter().flatten() {
            service["half_open"][field] = value.clone();
        }
        if service["half_open"]["success_threshold"] == "all" {
            service["half_open"]["success_threshold"] = json!(permitted);
        }
        service
    });
    let plugin = json!({
        "expose_state": "always",
        "defaults": { "open": open, "fallback": patient_fallback() },
        "services": services,
    });
    Edge::start_with(plugin, WORKERS, patient_route()).await
}

fn name(permitted: u64) -> String {
    format!("permits-{permitted}")
}

fn path(permitted: u64) -> String {
    format!("/{}/", name(permitted))
}

/// Fails once, which trips, and then behaves like this.
async fn trip(edge: &Edge, permitted: u64, mode: Mode, latency: Duration) -> Result<Downstream> {
    let service = edge.services.service(&name(permitted));
    service.set_mode(Mode::Status(500));
    edge.get(&path(permitted)).await?;
    let breaker = edge.breaker(&name(permitted)).await?;
    assert_eq!(breaker.generation, 2, "{breaker:?}");
    service.set_mode(mode);
    service.set_latency(latency);
    service.reset_calls();
    Ok(service)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_than_the_permitted_trials_reach_a_service_that_does_not_answer_them() -> Result<()>
{
    let open = json!({ "wait_duration": "100ms", "jitter": 0 });
    let edge = tripped(json!({}), open).await?;
    for permitted in PERMITTED {
        let service = trip(&edge, permitted, Mode::Hang, Duration::ZERO).await?;
        let load = Load::start(CLIENTS, &edge.url(&path(permitted)));
        let half_open = "2000 are diverted by the half-open breaker";
        let tally = load
            .until(half_open, |tally| {
                tally.count(|answer| answer.by == "cluster" && answer.state == "HALF_OPEN") >= 2_000
            })
            .await?;
        until(&service, |counts| counts.calls >= permitted).await?;
        let Counts { calls, in_flight, max_in_flight, .. } = service.counts();
        assert_eq!(
            (calls, in_flight, max_in_flight),
            (permitted, permitted, permitted),
            "calls, in flight and most in flight with {permitted} permitted; {tally}"
        );
        assert_eq!(tally.admitted() + tally.by("error"), 0, "{tally}");
        assert_eq!(edge.breaker(&name(permitted)).await?.state, "HALF_OPEN");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_service_is_closed_by_the_permitted_trials_and_nothing_else_passes_before()
-> Result<()> {
    let half_open = json!({ "success_threshold": "all" });
    let edge = tripped(half_open, json!({ "wait_duration": "100ms", "jitter": 0 })).await?;
    for permitted in PERMITTED {
        let latency = Duration::from_millis(300);
        let service = trip(&edge, permitted, Mode::Normal, latency).await?;
        let load = Load::start(CLIENTS, &edge.url(&path(permitted)));
        edge.wait_for(&name(permitted), "CLOSED", WITHIN).await?;
        load.mark();
        load.until_all_passed_the_mark().await?;
        let tally = load.stop().await;

        // The last of the trials to end is still one of a half-open breaker when its answer
        // begins, and what was admitted after it is answered by a closed one.
        let trials = tally.count(|answer| answer.by == "downstream" && answer.state == "HALF_OPEN");
        assert_eq!(trials, permitted, "{tally}");
        let not_good = tally.count(|answer| answer.status != "200");
        assert_eq!((tally.by("replay"), not_good), (0, 0), "{tally}");
        assert_eq!(service.calls(), tally.by("downstream"), "{tally}");
        let after = tally.count(|answer| answer.mark > 0 && answer.by != "downstream");
        assert_eq!(after, 0, "{tally}");

        let metrics = at_rest(&edge, &name(permitted), 1 + tally.all()).await?;
        let transitions = ["open", "half_open", "closed"].map(|to| metrics.transitions(to));
        assert_eq!(transitions, [1, 1, 1], "to open, half-open and closed; {tally}");
        assert_eq!(edge.breaker(&name(permitted)).await?.generation, 4);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_service_that_fails_its_trials_sees_no_more_than_the_permitted_ones() -> Result<()> {
    // The second wait is a hundred times as long as the first: there is one period of trials.
    let open = json!({ "wait_duration": "1s", "backoff_rate": 100, "jitter": 0 });
    let edge = tripped(json!({}), open).await?;
    for permitted in PERMITTED {
        let latency = Duration::from_millis(500);
        let service = trip(&edge, permitted, Mode::Status(500), latency).await?;
        let load = Load::start(CLIENTS, &edge.url(&path(permitted)));
        let reopened = |metrics: &Metrics| metrics.transitions("open") == 2;
        until_metrics(&edge, &name(permitted), "open again", reopened).await?;
        load.mark();
        load.until_all_passed_the_mark().await?;
        load.until_more(1_000).await?;
        let tally = load.stop().await;

        let Counts { calls, in_flight, max_in_flight, .. } = service.counts();
        assert!((1..=permitted).contains(&calls), "{calls} calls, {permitted} permitted; {tally}");
        assert!(max_in_flight <= permitted, "{max_in_flight} at once, {permitted} permitted");
        assert_eq!((tally.by("replay"), tally.by("downstream"), in_flight), (calls, 0, 0));
        let elsewhere = tally.count(|it| it.mark > 0 && (it.by != "cluster" || it.state != "OPEN"));
        assert_eq!(elsewhere, 0, "{tally}");
        let breaker = edge.breaker(&name(permitted)).await?;
        assert_eq!((breaker.state.as_str(), breaker.generation), ("OPEN", 4), "{breaker:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_many_periods_the_calls_that_reach_the_service_are_no_more_than_the_permitted_ones()
-> Result<()> {
    const PERIODS: u64 = 10;
    let open = json!({ "wait_duration": "50ms", "backoff_rate": 1, "jitter": 0 });
    let edge = tripped(json!({}), open).await?;
    for permitted in PERMITTED {
        let latency = Duration::from_millis(20);
        let service = trip(&edge, permitted, Mode::Status(500), latency).await?;
        let load = Load::start(CLIENTS, &edge.url(&path(permitted)));
        let enough = |metrics: &Metrics| metrics.transitions("half_open") >= PERIODS;
        until_metrics(&edge, &name(permitted), "ten periods", enough).await?;
        let tally = load.stop().await;

        // The first one is that which tripped it.
        let metrics = at_rest(&edge, &name(permitted), 1 + tally.all()).await?;
        let periods = metrics.transitions("half_open");
        let (calls, most) = (service.calls(), permitted * periods);
        assert!((periods - 1..=most).contains(&calls), "{calls} in {periods} periods; {tally}");
        assert_eq!((tally.by("replay"), tally.by("downstream")), (calls, 0), "{tally}");
        // Each period was ended by one failure, once: but for the last, which may not be over.
        let reopened = metrics.sum("transitions_total", "cb_reason=.=trial_failed;.;");
        let breaker = edge.breaker(&name(permitted)).await?;
        let under_way = u64::from(breaker.state == "HALF_OPEN");
        assert_eq!(reopened + under_way, periods, "{breaker:?}; {tally}");
        assert_eq!(breaker.generation, 1 + metrics.sum("transitions_total", ""), "{breaker:?}");
        assert_eq!(transition_lines(&edge, &name(permitted), "HALF_OPEN").len() as u64, periods);
        assert_eq!(metrics.lost_updates(), 0, "{tally}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_failure_is_lost_when_all_workers_count_at_once() -> Result<()> {
    let service = json!({ "trip": { "consecutive_failures": 1_000_000_000 } });
    let edge = Edge::start_with(plugin(service), WORKERS, patient_route()).await?;
    let service = edge.services.service(PAYMENT);
    service.set_failure_rate(1.0);
    let load = Load::start(CLIENTS, &edge.url(PATH));
    load.until_more(4_000).await?;
    let tally = load.stop().await;
    let metrics = at_rest(&edge, PAYMENT, tally.all()).await?;
    let breaker = edge.breaker(PAYMENT).await?;
    let counted = [breaker.failure_count, metrics.calls("failure"), service.calls()];
    assert_eq!(counted, [tally.all(); 3], "in a row, by the metric and at the service; {tally}");
    assert_eq!((tally.by("replay"), metrics.lost_updates()), (tally.all(), 0), "{tally}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_counts_match_what_was_sent_after_the_service_was_down_three_times() -> Result<()> {
    let service = json!({
        "open": { "wait_duration": "100ms", "backoff_rate": 1 },
        "half_open": { "permitted_calls": 3, "success_threshold": 2 },
    });
    let edge = Edge::start_with(plugin(service), WORKERS, patient_route()).await?;
    let service = edge.services.service(PAYMENT);
    service.set_latency(Duration::from_millis(5));
    let load = Load::start(CLIENTS, &edge.url(PATH));
    for times in 1..=3 {
        load.until_more(500).await?;
        service.set_failure_rate(1.0);
        let down = |metrics: &Metrics| metrics.transitions("half_open") >= 2 * times;
        until_metrics(&edge, PAYMENT, "trials have failed", down).await?;
        service.set_failure_rate(0.0);
        edge.wait_for(PAYMENT, "CLOSED", WITHIN).await?;
    }
    load.until_more(500).await?;
    let tally = load.stop().await;

    let metrics = at_rest(&edge, PAYMENT, tally.all()).await?;
    let admitted = metrics.sum("calls_total", "");
    let diverted = metrics.sum("not_permitted_total", "");
    assert_eq!(admitted + diverted, tally.all(), "{admitted} and {diverted}; {tally}");
    assert_eq!(service.calls(), admitted, "{tally}");
    for (counted, answered) in [
        (metrics.calls("success"), tally.by("downstream")),
        (metrics.calls("failure"), tally.by("replay")),
        (metrics.calls("ignored") + metrics.calls("aborted") + metrics.lost_updates(), 0),
        (diverted, tally.by("cluster")),
        (metrics.sum("fallback_total", "cb_kind=.=cluster;.;"), tally.by("cluster")),
        (metrics.sum("fallback_total", "cb_kind=.=replay;.;"), tally.by("replay")),
        (edge.services.fallback_calls(), tally.by("cluster") + tally.by("replay")),
    ] {
        assert_eq!(
            counted,
            answered,
            "{tally}\n{:#?}",
            metrics.stats.matching("cb_").collect::<Vec<_>>()
        );
    }
    let breaker = edge.breaker(PAYMENT).await?;
    assert_eq!((breaker.state.as_str(), breaker.failure_count), ("CLOSED", 0), "{breaker:?}");
    assert_eq!(breaker.generation, 1 + metrics.sum("transitions_total", ""), "{breaker:?}");
    let [to_open, to_half_open, to_closed] =
        ["open", "half_open", "closed"].map(|to| metrics.transitions(to));
    assert_eq!(to_open, to_half_open, "each time it was open it became half-open");
    assert!((3..=to_half_open).contains(&to_closed), "{to_closed} of {to_half_open}");
    for (to, count) in [("OPEN", to_open), ("HALF_OPEN", to_half_open), ("CLOSED", to_closed)] {
        assert_eq!(transition_lines(&edge, PAYMENT, to).len() as u64, count, "lines to {to}");
    }
    Ok(())
}

#[tokio::test]
async fn one_health_check_is_made_at_a_time_and_per_interval_whatever_the_number_of_workers()
-> Result<()> {
    let (one, four) = tokio::join!(count_health_checks(1), count_health_checks(4));
    one.and(four)
}

/// The checks go to a service of their own, which can be slow, and counts what it has at once.
async fn count_health_checks(workers: u32) -> Result<()> {
    const INTERVAL: Duration = Duration::from_secs(1);
    let plugin = plugin(json!({ "health_check": {
        "cluster": clusters::SERVICE,
        "path": "/checked",
        "interval": "1s",
        "timeout": "1s",
    }}));
    let edge = Edge::start_with(plugin, workers, patient_route()).await?;
    let checked = edge.services.service("checked");
    checked.set_latency(Duration::from_millis(100));
    checked.set_failure_rate(1.0);
    edge.services.service(PAYMENT).set_failure_rate(1.0);
    let start = Instant::now();
    // So many clients that every worker has to do with the service.
    let load = Load::start(16, &edge.url(PATH));
    let counts = until(&checked, |counts| counts.calls >= 5).await?;
    let elapsed = start.elapsed();
    load.stop().await;
    // From the end of one check to the beginning of the next there is an interval.
    let most = 1 + elapsed.as_millis() / INTERVAL.as_millis();
    assert!(
        u128::from(counts.calls) <= most && counts.max_in_flight == 1,
        "{counts:?} in {elapsed:?} with {workers} workers"
    );
    let metrics = Metrics::of(&edge, PAYMENT).await?;
    let told = metrics.sum("health_checks_total", "cb_result=.=unhealthy;.;");
    assert!((4..=checked.calls()).contains(&told), "{told} told, {:?}", checked.counts());
    Ok(())
}
