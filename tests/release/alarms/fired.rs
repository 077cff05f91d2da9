//! Alarms that are seen to fire, and to clear.

use anyhow::Result;
use services::Health;
use tests::{PATIENCE, PAYMENT};

use crate::alarms::promql::scaled;
use crate::alarms::server::Alert;
use crate::alarms::watched::Watched;

fn is_there(alerts: &[Alert], alarm: &str) -> bool {
    alerts.iter().any(|alert| alert.name == alarm && alert.service == PAYMENT)
}

fn fires(alerts: &[Alert], alarm: &str) -> bool {
    alerts.iter().any(|alert| alert.name == alarm && alert.service == PAYMENT && alert.firing)
}

#[tokio::test]
#[ignore = "make test-deep: takes Prometheus"]
async fn both_alarms_of_the_recipe_fire_while_a_service_fails_and_clear_when_it_is_well()
-> Result<()> {
    let watched = Watched::start().await?;
    let (edge, prometheus) = (&watched.edge, &watched.prometheus);
    let payment = edge.services.service(PAYMENT);
    let _callers = watched.callers(8);
    prometheus
        .wait_for(&scaled("increase(edge_breaker_calls_total{cb_outcome=\"success\"}[5m]) > 9"))
        .await?;
    assert_eq!(prometheus.alerts().await?, [], "alarms while all is well");

    // Its health check does not notice.
    payment.set_health(Health::Healthy);
    payment.set_failure_rate(1.0);
    let opened = prometheus.wait_for_alerts("open", |alerts| fires(alerts, "CircuitBreakerOpen"));
    opened.await?;
    // The breaker would be open for longer each time: calls go on failing where it may not divert them.
    watched.command("metrics-only").await?;
    let failing = prometheus.wait_for_alerts("failing", |alerts| fires(alerts, "ServiceFailures"));
    failing.await?;

    payment.set_failure_rate(0.0);
    watched.command("reset").await?;
    edge.wait_for(PAYMENT, "CLOSED", PATIENCE).await?;
    let clear = |alerts: &[Alert]| {
        !is_there(alerts, "CircuitBreakerOpen") && !is_there(alerts, "ServiceFailures")
    };
    prometheus.wait_for_alerts("clear", clear).await?;
    let others = prometheus.alerts().await?;
    assert!(others.iter().all(|alert| alert.service == PAYMENT), "of another service: {others:?}");
    Ok(())
}

#[tokio::test]
#[ignore = "make test-deep: takes Prometheus"]
async fn a_service_that_stays_down_and_a_fallback_that_fails_are_told_until_both_are_well()
-> Result<()> {
    let watched = Watched::start().await?;
    let (edge, prometheus) = (&watched.edge, &watched.prometheus);
    let payment = edge.services.service(PAYMENT);
    let _callers = watched.callers(3);
    payment.set_health(Health::Sick);
    payment.set_failure_rate(1.0);
    edge.services.set_fallback_status(500);
    let fallback = |alerts: &[Alert]| {
        alerts.iter().any(|alert| alert.name == "CircuitBreakerFallbackFailing" && alert.firing)
    };
    prometheus.wait_for_alerts("the fallback fails", fallback).await?;
    let stuck = |alerts: &[Alert]| fires(alerts, "CircuitBreakerStuckOpen");
    prometheus.wait_for_alerts("stuck", stuck).await?;

    edge.services.set_fallback_status(200);
    payment.set_failure_rate(0.0);
    payment.set_health(Health::Healthy);
    let clear =
        |alerts: &[Alert]| !fallback(alerts) && !is_there(alerts, "CircuitBreakerStuckOpen");
    prometheus.wait_for_alerts("clear", clear).await?;
    Ok(())
}
