//! What is counted is what happened: a hundred thousand requests over four workers, with failures,
//! diversions, replays and clients that go away, counted by all who took part.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::{Context, Result, bail};
use envoy_harness::client::RawConnection;
use serde_json::json;
use services::{Downstream, Mode};
use tests::{Edge, Outcomes, PAYMENT};
use tokio::task::JoinSet;

use tests::load::{Load, WITHIN, patient_fallback, patient_route};

const INVENTORY: &str = "inventory-service";
const WORKERS: u32 = 4;
const PAYMENTS: u64 = 80_000;
const ITEMS: u64 = 20_000;
const CLIENTS: usize = 30;
/// Clients that go away while they wait.
const LEAVERS: usize = 6;

/// What those who go away have seen.
#[derive(Debug, Default)]
struct Leavers {
    enough: AtomicBool,
    left: AtomicU64,
    diverted: AtomicU64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counters_at_rest_are_what_service_fallback_and_clients_counted_themselves() -> Result<()> {
    let trip = |failures: u32| json!({ "consecutive_failures": failures });
    let mut replaying = patient_fallback();
    replaying["on_failure"] = json!(true);
    let mut plain = patient_fallback();
    plain["on_failure"] = json!(false);
    let edge = Edge::start_with(
        json!({
            "expose_state": "always",
            "defaults": {
                "open": { "wait_duration": "50ms", "max_wait_duration": "100ms" },
                "half_open": { "max_wait_duration": "2m" },
            },
            "services": [
                {
                    "name": PAYMENT, "match": { "path_prefixes": ["/payment-service", "/leaver-"] },
                    "trip": trip(4), "fallback": plain,
                },
                {
                    "name": INVENTORY, "match": { "path_prefixes": ["/inventory-service"] },
                    "trip": trip(4), "fallback": replaying,
                },
            ],
        }),
        WORKERS,
        patient_route(),
    )
    .await?;
    let payment = edge.services.service(PAYMENT);
    let inventory = edge.services.service(INVENTORY);
    payment.set_failure_rate(0.4);
    inventory.set_failure_rate(0.4);
    let hanging: Vec<_> =
        (0..LEAVERS).map(|number| edge.services.service(&format!("leaver-{number}"))).collect();

    let payments = Load::start(CLIENTS, &edge.url("/payment-service/charge"));
    let items = Load::start(CLIENTS, &edge.url("/inventory-service/item"));
    let leavers = Arc::new(Leavers::default());
    let mut leaving = JoinSet::new();
    for service in &hanging {
        service.set_mode(Mode::Hang);
        leaving.spawn(leave(edge.address, service.clone(), leavers.clone()));
    }
    items.until_all(ITEMS).await?;
    let items = items.stop().await;
    payments.until_all(PAYMENTS).await?;
    let payments = payments.stop().await;
    // Those under way end first: none of them is broken off at an unknown moment.
    leavers.enough.store(true, Ordering::SeqCst);
    while let Some(ended) = leaving.join_next().await {
        ended??;
    }
    let (left, diverted) =
        (leavers.left.load(Ordering::SeqCst), leavers.diverted.load(Ordering::SeqCst));

    let received = |by: &str, status: &str, tally: &tests::load::Tally| {
        tally.count(|answer| answer.by == by && answer.status == status)
    };
    let paid = Outcomes {
        success: received("downstream", "200", &payments),
        failure: received("downstream", "500", &payments),
        ignored: 0,
        aborted: left,
    };
    let shipped = Outcomes {
        success: received("downstream", "200", &items),
        failure: received("downstream", "500", &items) + items.by("replay"),
        ignored: 0,
        aborted: 0,
    };
    // Whoever went away is counted when the proxy notices, and the last of all.
    edge.wait_for_outcomes(PAYMENT, paid).await.with_context(|| payments.to_string())?;
    edge.wait_for_outcomes(INVENTORY, shipped).await.with_context(|| items.to_string())?;

    let of_leavers: u64 = hanging.iter().map(Downstream::calls).sum();
    assert_eq!(of_leavers, left, "the service saw each of them");
    assert_eq!(payment.calls(), paid.success + paid.failure, "{payments}");
    assert_eq!(inventory.calls(), shipped.success + shipped.failure, "{items}");

    let sum = async |service: &str, name: &str, labels: &[&str]| {
        let mut sum = 0;
        for label in labels {
            sum += edge.metric(service, label, name).await?;
        }
        anyhow::Ok(sum)
    };
    let reasons = ["open", "half_open", "ramp", "forced_open", "bulkhead"]
        .map(|reason| format!("cb_reason=.={reason};.;"));
    let reasons: Vec<_> = reasons.iter().map(String::as_str).collect();
    let to_cluster = ["cb_kind=.=cluster;.;"];
    let replayed = ["cb_kind=.=replay;.;"];
    let others = ["cb_kind=.=stale;.;", "cb_kind=.=response;.;"];
    let diverted_payments = payments.by("cluster") + diverted;
    for (service, diverted, replays) in
        [(PAYMENT, diverted_payments, 0), (INVENTORY, items.by("cluster"), items.by("replay"))]
    {
        assert_eq!(sum(service, "not_permitted_total", &reasons).await?, diverted, "{service}");
        assert_eq!(sum(service, "fallback_total", &to_cluster).await?, diverted, "{service}");
        assert_eq!(sum(service, "fallback_total", &replayed).await?, replays, "{service}");
        assert_eq!(sum(service, "fallback_total", &others).await?, 0, "{service}");
        assert_eq!(sum(service, "slow_calls_total", &[""]).await?, 0, "{service}");
    }
    let at_the_fallback = diverted_payments + items.by("cluster") + items.by("replay");
    assert_eq!(edge.services.fallback_calls(), at_the_fallback);

    // Each transition began a period, and there is a line and a count for each.
    let stats = edge.envoy.stats().await?;
    for service in [PAYMENT, INVENTORY] {
        let prefix = format!("wasmcustom.cb_service=.={service};.;cb_to");
        let told: u64 = stats.matching(&prefix).map(|(_, value)| value).sum();
        assert_eq!(told, edge.breaker(service).await?.generation - 1, "{service}");
        assert!(told > 10, "{service}: {told} transitions");
    }
    assert_eq!(stats.get("wasmcustom.edge_breaker_lost_updates_total"), Some(0));
    let all = payments.all() + items.all() + left + diverted;
    assert!(
        all >= PAYMENTS + ITEMS && left > 50 && diverted > 50,
        "{left} left, {diverted} diverted"
    );
    assert_eq!(payments.by("error") + items.by("error"), 0, "{payments}{items}");
    println!("{all} requests\n{payments}{items}{left:8} left\n{diverted:8} of them diverted");
    Ok(())
}

/// Asks a service that does not answer, and goes away once it has heard the question: so it is known
/// what became of each call.
async fn leave(
    address: std::net::SocketAddr,
    service: Downstream,
    leavers: Arc<Leavers>,
) -> Result<()> {
    let request = format!("GET /{}/x HTTP/1.1\r\nhost: edge\r\n\r\n", service.name());
    while !leavers.enough.load(Ordering::SeqCst) {
        let heard = service.calls();
        let mut connection = RawConnection::connect(address).await?;
        connection.send(&request).await?;
        let ended = tokio::time::timeout(WITHIN, async {
            tokio::select! {
                _ = service.until(|counts| counts.calls > heard) => Ok(true),
                answer = connection.read_head() => answer.map(|_| false),
            }
        });
        match ended.await.context("neither heard nor answered")?? {
            true => {
                drop(connection);
                leavers.left.fetch_add(1, Ordering::SeqCst);
                // Until the proxy has told the service, its call is under way.
                let gone = tokio::time::timeout(WITHIN, service.until(|it| it.in_flight == 0));
                if gone.await.is_err() {
                    bail!("the service was never told that its client is gone");
                }
            }
            false => {
                leavers.diverted.fetch_add(1, Ordering::SeqCst);
            }
        }
    }
    Ok(())
}
