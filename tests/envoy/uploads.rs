//! Clients that begin requests and do not end them, beside others.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use envoy_harness::client::{Client, RawConnection};
use serde_json::{Value, json};
use services::{Downstream, Mode};
use tests::{Edge, PATIENCE, PAYMENT};
use tokio::task::JoinSet;

const PATH: &str = "/payment-service/charge";
const PLACES: usize = 20;
const SECOND: Duration = Duration::from_secs(1);
/// How often a second somebody asks for an answer.
const ASKED: u32 = 100;

/// A request of whose body only a part is sent.
async fn stalled(edge: &Edge) -> Result<RawConnection> {
    let mut connection = RawConnection::connect(edge.address).await?;
    let head = format!("POST {PATH} HTTP/1.1\r\nhost: payment\r\ncontent-length: 10\r\n");
    connection.send(format!("{head}connection: close\r\n\r\nhalf ")).await?;
    Ok(connection)
}

/// The rest of it, and its answer.
async fn completed(mut upload: RawConnection) -> Result<String> {
    upload.send("whole").await?;
    Ok(String::from_utf8_lossy(&upload.read_to_end().await?).into_owned())
}

async fn until_in_flight(service: &Downstream, calls: usize) -> Result<()> {
    let reached = service.until(|counts| counts.in_flight == calls as u64);
    let why = || format!("{calls} in flight: {:?}", service.counts());
    tokio::time::timeout(PATIENCE, reached).await.with_context(why)?;
    Ok(())
}

/// Asks at most so often a second until there is a good answer, and says how often that was. A bound is
/// told in these, since a machine that stands still asks nothing.
async fn until_served(edge: &Edge) -> Result<u32> {
    let began = Instant::now();
    let mut asked = 1;
    while edge.get(PATH).await?.status != 200 {
        ensure!(began.elapsed() < PATIENCE, "nobody is served: {:?}", edge.breaker(PAYMENT).await?);
        tokio::time::sleep(SECOND / ASKED).await;
        asked += 1;
    }
    Ok(asked)
}

fn bulkhead(fields: Value) -> Value {
    let mut bulkhead = json!({ "max_concurrent_calls": PLACES, "on_full": "reject" });
    for (name, value) in fields.as_object().into_iter().flatten() {
        bulkhead[name] = value.clone();
    }
    json!({ "services": [{ "name": PAYMENT, "bulkhead": bulkhead }] })
}

async fn all_stalled(edge: &Edge) -> Result<Vec<RawConnection>> {
    let mut uploads = Vec::new();
    for _ in 0..PLACES {
        uploads.push(stalled(edge).await?);
    }
    until_in_flight(&edge.services.service(PAYMENT), PLACES).await?;
    Ok(uploads)
}

#[tokio::test]
async fn twenty_uploads_that_stall_keep_the_others_out_for_a_second() -> Result<()> {
    let edge = Edge::start(bulkhead(json!({})), 2).await?;
    let began = Instant::now();
    let mut uploads = all_stalled(&edge).await?;
    let asked = until_served(&edge).await?;
    // A busy machine may have needed the second to begin them all.
    ensure!(asked < 2 * ASKED, "served when {asked} had asked");
    ensure!(began.elapsed() > SECOND * 8 / 10, "served after {:?}", began.elapsed());

    // There is a place for one that is complete at last.
    let answer = completed(uploads.swap_remove(0)).await?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    Ok(())
}

#[tokio::test]
async fn an_upload_that_gets_no_permit_is_answered_before_its_last_byte_goes_on() -> Result<()> {
    let edge = Edge::start(bulkhead(json!({})), 2).await?;
    let service = edge.services.service(PAYMENT);
    let mut uploads = all_stalled(&edge).await?;
    until_served(&edge).await?;
    service.set_mode(Mode::Hang);
    let mut others = JoinSet::new();
    for _ in 0..PLACES {
        let url = edge.url(PATH);
        // The uploads' places return one after the other, as they had begun.
        others.spawn(async move {
            while Client::new().get(&url).await?.status == 503 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            anyhow::Ok(())
        });
    }
    until_in_flight(&service, 2 * PLACES).await?;

    let answer = completed(uploads.swap_remove(0)).await?;
    ensure!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    ensure!(answer.contains("Bulkhead is full") && answer.contains("retry-after"), "{answer}");
    // The service hears that it is gone, and never has all of it.
    until_in_flight(&service, 2 * PLACES - 1).await?;
    let full = edge.metric(PAYMENT, "cb_reason=.=bulkhead;.;", "not_permitted_total").await?;
    ensure!(full > 0, "it is counted");
    ensure!(edge.breaker(PAYMENT).await?.failure_count == 0, "it is no failure");
    Ok(())
}

#[tokio::test]
async fn an_upload_that_takes_its_time_keeps_its_permit_where_it_may() -> Result<()> {
    let edge = Edge::start(bulkhead(json!({ "max_request_duration": "1m" })), 2).await?;
    let mut uploads = all_stalled(&edge).await?;
    tokio::time::sleep(3 * SECOND / 2).await;
    ensure!(edge.get(PATH).await?.status == 503, "there is no place");
    let answer = completed(uploads.swap_remove(0)).await?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    until_served(&edge).await?;
    Ok(())
}

/// Thirty requests a second that stall, four honest ones a second, and one trial at a time.
#[tokio::test]
async fn uploads_that_stall_do_not_keep_a_breaker_half_open() -> Result<()> {
    let plugin = json!({ "services": [{
        "name": PAYMENT,
        "trip": { "consecutive_failures": 1 },
        "open": { "wait_duration": "100ms", "jitter": 0 },
        "half_open": { "permitted_calls": 1 },
    }] });
    let edge = Edge::start(plugin, 2).await?;
    let service = edge.services.service(PAYMENT);
    service.set_mode(Mode::Status(500));
    ensure!(edge.get(PATH).await?.status == 500, "it trips");
    service.set_mode(Mode::Normal);
    tokio::time::sleep(SECOND / 5).await;

    // The first trial is one that stalls.
    let calls = service.calls();
    let mut uploads = vec![stalled(&edge).await?];
    tokio::time::timeout(PATIENCE, service.until(|counts| counts.calls > calls)).await?;
    ensure!(edge.breaker(PAYMENT).await?.state == "HALF_OPEN", "it is half-open");
    let began = Instant::now();
    let mut beat = 0;
    loop {
        tokio::time::sleep(SECOND / 34).await;
        beat += 1;
        if beat % 8 != 0 {
            uploads.push(stalled(&edge).await?);
        } else if edge.get(PATH).await?.status == 200 {
            break;
        }
        ensure!(began.elapsed() < PATIENCE, "still {:?}", edge.breaker(PAYMENT).await?);
    }
    let took = began.elapsed();
    ensure!(took > SECOND * 8 / 10 && beat < 3 * 34, "it closed after {took:?}, {beat} beats");
    edge.wait_for(PAYMENT, "CLOSED", PATIENCE).await?;
    Ok(())
}

/// A service that is sent nothing but requests with bodies: honest ones take no place from one
/// that stalls, and have theirs when it has lost its own.
#[tokio::test]
async fn a_service_that_gets_uploads_only_closes_as_well() -> Result<()> {
    let plugin = json!({ "services": [{
        "name": PAYMENT,
        "trip": { "consecutive_failures": 1 },
        "open": { "wait_duration": "100ms", "jitter": 0 },
        "half_open": { "permitted_calls": 1 },
    }] });
    let edge = Edge::start(plugin, 2).await?;
    let service = edge.services.service(PAYMENT);
    service.set_mode(Mode::Status(500));
    ensure!(edge.get(PATH).await?.status == 500, "it trips");
    service.set_mode(Mode::Normal);
    tokio::time::sleep(SECOND / 5).await;

    let calls = service.calls();
    let _stalled = stalled(&edge).await?;
    tokio::time::timeout(PATIENCE, service.until(|counts| counts.calls > calls)).await?;
    let began = Instant::now();
    let mut posted = 1;
    while edge.post(PATH, "a whole body").await?.status != 200 {
        ensure!(began.elapsed() < PATIENCE, "still {:?}", edge.breaker(PAYMENT).await?);
        tokio::time::sleep(SECOND / 10).await;
        posted += 1;
    }
    // A second to complete, and one that only requests without a body could use.
    let took = began.elapsed();
    ensure!(took > SECOND * 18 / 10 && posted < 4 * 10, "it closed after {took:?}, {posted} posts");
    edge.wait_for(PAYMENT, "CLOSED", PATIENCE).await?;
    Ok(())
}
