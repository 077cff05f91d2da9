//! No trial keeps its place for ever: hung, given up or cut off, the service comes back by itself.
//!
//! Every behaviour is shown twice: with a wait alone, and with a health check that leads to trials.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use envoy_harness::client::{Response, empty};
use envoy_harness::config::cluster;
use http::StatusCode;
use serde_json::{Value, json};
use services::{Downstream, Health, Mode};
use tests::{Breaker, Edge, Outcomes, PATIENCE, PAYMENT, primary_route};
use tokio::io::AsyncWriteExt;

use crate::upstream::RawUpstream;

const PATH: &str = "/payment-service/charge";

/// How long a trial keeps its place where it is to lose it.
const PLACE: Duration = Duration::from_secs(1);

/// A service that trips on one failure, and asks for a trial soon after. `place` is how long a
/// trial may keep its place.
fn plugin(checked: bool, place: &str) -> Value {
    let mut service = json!({
        "name": PAYMENT,
        "trip": { "consecutive_failures": 1 },
        "half_open": { "max_wait_duration": place },
    });
    if checked {
        service["health_check"] = json!({
            "cluster": "health", "path": "/payment-service", "interval": "50ms", "then": "half_open",
        });
    } else {
        service["open"] = json!({ "wait_duration": "100ms", "backoff_rate": 1, "jitter": 0 });
    }
    json!({ "services": [service] })
}

/// An Envoy whose route has this time limit, and a service that has just tripped.
async fn tripped(plugin: Value, timeout: Duration) -> Result<(Edge, Downstream)> {
    let edge = Edge::start_with(plugin, 2, primary_route().timeout(timeout)).await?;
    let payment = edge.services.service(PAYMENT);
    payment.set_health(Health::Healthy);
    payment.set_mode(Mode::Status(500));
    assert_eq!(edge.get(PATH).await?.status, 500);
    Ok((edge, payment))
}

/// Sends requests until the service gets one: a trial. Those before it are turned away.
async fn trial(edge: &Edge, payment: &Downstream) -> Result<Result<Response>> {
    let calls = payment.calls();
    let start = Instant::now();
    loop {
        let response = edge.get(PATH).await;
        if payment.calls() > calls {
            ensure!(payment.calls() == calls + 1, "{} calls at once", payment.calls() - calls);
            return Ok(response);
        }
        let status = response?.status;
        ensure!(status == StatusCode::SERVICE_UNAVAILABLE, "turned away with {status}");
        ensure!(
            start.elapsed() < PATIENCE,
            "no trial in {PATIENCE:?}: {:?}",
            edge.breaker(PAYMENT).await?
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A trial that never ends by itself, once the service has it.
async fn hanging_trial(edge: &Edge, payment: &Downstream) -> Result<tokio::task::JoinHandle<()>> {
    let calls = payment.calls();
    let (client, url) = (edge.client.clone(), edge.url(PATH));
    let task = tokio::spawn(async move {
        loop {
            let request = http::Request::get(&url).body(empty()).expect("a request");
            // Those before the trial are turned away.
            let _ = client.open(request).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let began = payment.until(|counts| counts.calls > calls);
    tokio::time::timeout(PATIENCE, began).await.context("no trial")?;
    Ok(task)
}

/// A good answer ends a moment before the breaker closes.
async fn assert_closed(edge: &Edge) -> Result<Breaker> {
    let breaker = edge.wait_for(PAYMENT, "CLOSED", PATIENCE).await?;
    assert_eq!(breaker.failure_count, 0, "{breaker:?}");
    Ok(breaker)
}

/// How often a failed trial has opened the breaker again.
async fn reopened(edge: &Edge) -> Result<u64> {
    edge.metric(PAYMENT, "cb_to=.=open;.;cb_reason=.=trial_failed;.;", "transitions_total").await
}

#[tokio::test]
async fn a_hung_trial_frees_its_slot() -> Result<()> {
    for checked in [false, true] {
        let (edge, payment) = tripped(plugin(checked, "1s"), Duration::ZERO).await?;
        payment.set_mode(Mode::Hang);
        let began = Instant::now();
        let hung = hanging_trial(&edge, &payment).await?;
        payment.set_mode(Mode::Normal);
        let next = trial(&edge, &payment).await??;
        assert_eq!(next.status, 200, "checked: {checked}");
        // Until then the place was kept.
        assert!(began.elapsed() >= PLACE, "checked: {checked}, {:?}", began.elapsed());
        let closed = assert_closed(&edge).await?;
        // The first trial hangs to this moment, and its end changes nothing.
        assert_eq!(payment.in_flight(), 1);
        hung.abort();
        let aborted = Outcomes { success: 1, failure: 1, ignored: 0, aborted: 1 };
        edge.wait_for_outcomes(PAYMENT, aborted).await?;
        assert_eq!(edge.breaker(PAYMENT).await?, closed);
    }
    Ok(())
}

#[tokio::test]
async fn a_trial_that_hangs_in_the_middle_of_its_answer_frees_its_slot() -> Result<()> {
    for checked in [false, true] {
        // A service that fails, stops in the middle of an answer, and answers well from then on.
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let service = RawUpstream::start(move |mut stream| {
            let call = counted.fetch_add(1, Ordering::SeqCst);
            async move {
                let answer = match call {
                    0 => "HTTP/1.1 500 Failed\r\ncontent-length: 0\r\n\r\n",
                    1 => "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf.",
                    _ => "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
                };
                let _ = stream.write_all(answer.as_bytes()).await;
                if call == 1 {
                    std::future::pending::<()>().await;
                }
            }
        })
        .await?;
        let edge = Edge::setup(plugin(checked, "1s"))
            .workers(2)
            .cluster(cluster("stalling", service.address()))
            .route(primary_route().cluster("stalling").timeout(Duration::ZERO))
            .start()
            .await?;
        edge.services.service(PAYMENT).set_health(Health::Healthy);
        assert_eq!(edge.get(PATH).await?.status, 500, "checked: {checked}");
        let start = Instant::now();
        let hung = loop {
            ensure!(start.elapsed() < PATIENCE, "no trial: {:?}", edge.breaker(PAYMENT).await?);
            let response = edge.client.open(edge.request("GET", PATH, empty())?).await?;
            if response.status() == 200 {
                break response;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        assert_eq!(calls.load(Ordering::SeqCst), 2, "checked: {checked}");
        let start = Instant::now();
        while edge.get(PATH).await?.status != 200 {
            ensure!(start.elapsed() < PATIENCE, "no trial: {:?}", edge.breaker(PAYMENT).await?);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(calls.load(Ordering::SeqCst), 3, "checked: {checked}");
        assert_closed(&edge).await?;
        drop(hung);
        let outcomes = Outcomes { success: 1, failure: 1, ignored: 0, aborted: 1 };
        edge.wait_for_outcomes(PAYMENT, outcomes).await?;
        assert_closed(&edge).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_hung_trial_that_the_route_ends_has_failed() -> Result<()> {
    for checked in [false, true] {
        let timeout = Duration::from_secs(1);
        let (edge, payment) = tripped(plugin(checked, "5m"), timeout).await?;
        payment.set_mode(Mode::Hang);
        assert_eq!(trial(&edge, &payment).await??.status, 504, "checked: {checked}");
        let failed = Outcomes { failure: 2, ..Outcomes::default() };
        edge.wait_for_outcomes(PAYMENT, failed).await?;
        payment.set_mode(Mode::Normal);
        assert_eq!(trial(&edge, &payment).await??.status, 200, "checked: {checked}");
        assert_closed(&edge).await?;
        assert_eq!(reopened(&edge).await?, 1, "checked: {checked}");
    }
    Ok(())
}

#[tokio::test]
async fn a_trial_that_its_client_gives_up_frees_its_slot() -> Result<()> {
    for checked in [false, true] {
        // Its place would be kept for longer than this test lasts.
        let (edge, payment) = tripped(plugin(checked, "5m"), Duration::ZERO).await?;
        payment.set_mode(Mode::Hang);
        let given_up = hanging_trial(&edge, &payment).await?;
        let diverted = edge.get(PATH).await?;
        assert_eq!((diverted.status.as_u16(), payment.calls()), (503, 2), "checked: {checked}");
        assert_eq!(diverted.header("x-circuit-breaker-state"), Some("HALF_OPEN"));
        assert_eq!(diverted.json()?["fallback_reason"], "Circuit breaker is half-open");
        given_up.abort();
        let aborted = Outcomes { failure: 1, aborted: 1, ..Outcomes::default() };
        edge.wait_for_outcomes(PAYMENT, aborted).await?;
        assert_eq!(edge.breaker(PAYMENT).await?.state, "HALF_OPEN", "checked: {checked}");
        payment.set_mode(Mode::Normal);
        let next = edge.get(PATH).await?;
        assert_eq!((next.status.as_u16(), payment.calls()), (200, 3), "checked: {checked}");
        assert_closed(&edge).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_trial_whose_answer_is_cut_off_has_failed() -> Result<()> {
    for checked in [false, true] {
        let (edge, payment) = tripped(plugin(checked, "5m"), Duration::ZERO).await?;
        payment.set_mode(Mode::CutBody);
        let answer = trial(&edge, &payment).await?;
        assert!(answer.is_err(), "checked: {checked}: a whole answer: {answer:?}");
        let failed = Outcomes { failure: 2, ..Outcomes::default() };
        edge.wait_for_outcomes(PAYMENT, failed).await?;
        payment.set_mode(Mode::Normal);
        assert_eq!(trial(&edge, &payment).await??.status, 200, "checked: {checked}");
        assert_closed(&edge).await?;
        assert_eq!(reopened(&edge).await?, 1, "checked: {checked}");
    }
    Ok(())
}

#[tokio::test]
async fn a_trial_that_is_turned_away_does_not_close_the_breaker_and_is_not_repeated_at_once()
-> Result<()> {
    for (checked, pause) in [(false, Duration::from_secs(1)), (true, Duration::from_millis(50))] {
        let (edge, payment) = tripped(plugin(checked, "5m"), PATIENCE).await?;
        payment.set_mode(Mode::Status(429));
        assert_eq!(trial(&edge, &payment).await??.status, 429, "checked: {checked}");
        let ignored = Outcomes { failure: 1, ignored: 1, ..Outcomes::default() };
        edge.wait_for_outcomes(PAYMENT, ignored).await?;
        let told = edge.breaker(PAYMENT).await?;
        assert_eq!(told.state, "HALF_OPEN", "checked: {checked}");
        // Its place is free again, but nobody gets it yet.
        for trials in 2..=4 {
            let began = Instant::now();
            assert_eq!(trial(&edge, &payment).await??.status, 429, "checked: {checked}");
            let waited = began.elapsed();
            // The pause began before the answer to the trial before this one was there.
            ensure!(checked || waited >= pause / 2, "{waited:?}, not {pause:?}");
            let ignored = Outcomes { failure: 1, ignored: trials, ..Outcomes::default() };
            edge.wait_for_outcomes(PAYMENT, ignored).await?;
        }
        assert_eq!(edge.breaker(PAYMENT).await?.state, "HALF_OPEN", "checked: {checked}");
        payment.set_mode(Mode::Normal);
        assert_eq!(trial(&edge, &payment).await??.status, 200, "checked: {checked}");
        assert_closed(&edge).await?;
    }
    Ok(())
}

#[tokio::test]
async fn three_answers_that_are_cut_off_trip() -> Result<()> {
    let edge = Edge::start(json!({ "services": [{ "name": PAYMENT }] }), 2).await?;
    let payment = edge.services.service(PAYMENT);
    payment.set_mode(Mode::CutBody);
    for failures in 1..=3 {
        let answer = edge.get(PATH).await;
        assert!(answer.is_err(), "a whole answer: {answer:?}");
        let failed = Outcomes { failure: failures, ..Outcomes::default() };
        edge.wait_for_outcomes(PAYMENT, failed).await?;
        assert_eq!(edge.breaker(PAYMENT).await?.failure_count, failures);
    }
    let breaker = edge.breaker(PAYMENT).await?;
    assert_eq!(breaker.state, "OPEN", "{breaker:?}");
    Ok(())
}

#[tokio::test]
async fn a_call_that_its_client_gives_up_is_neither_success_nor_failure() -> Result<()> {
    let edge = Edge::start(json!({ "services": [{ "name": PAYMENT }] }), 2).await?;
    let payment = edge.services.service(PAYMENT);
    payment.set_mode(Mode::Status(500));
    for _ in 0..2 {
        edge.get(PATH).await?;
    }
    let before = edge.breaker(PAYMENT).await?;
    assert_eq!(before.failure_count, 2);
    payment.set_mode(Mode::Hang);
    for given_up in 1..=4 {
        let client = edge.client.clone();
        let request = edge.request("GET", PATH, empty())?;
        let call = tokio::spawn(async move { client.open(request).await });
        tokio::time::timeout(PATIENCE, payment.until(|counts| counts.in_flight == 1)).await?;
        call.abort();
        tokio::time::timeout(PATIENCE, payment.until(|counts| counts.in_flight == 0)).await?;
        let aborted = Outcomes { failure: 2, aborted: given_up, ..Outcomes::default() };
        edge.wait_for_outcomes(PAYMENT, aborted).await?;
    }
    assert_eq!(edge.breaker(PAYMENT).await?, before);
    Ok(())
}
