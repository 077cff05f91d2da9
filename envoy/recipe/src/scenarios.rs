//! The recipe's four validation scenarios, each with what the recipe expects of it.

use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::time::sleep;

use crate::board::Board;
use crate::observed::{Answerer, Expected, difference};
use crate::recipe::Recipe;

/// One call and two retries.
const ATTEMPTS: u64 = 3;

/// Longer than a failed health check and its retries can put off the one that passes.
const RECOVERY_LIMIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);

const SERVED: Expected =
    Expected { answered_by: Answerer::Service, service_calls: 1, state: "CLOSED", failures: 0 };

const DIVERTED: Expected = Expected {
    answered_by: Answerer::FallbackAtOnce,
    service_calls: 0,
    state: "OPEN",
    failures: 3,
};

const fn failed(state: &'static str, failures: u64) -> Expected {
    Expected {
        answered_by: Answerer::FallbackAfterFailure,
        service_calls: ATTEMPTS,
        state,
        failures,
    }
}

/// "Circuit breaker should be in CLOSED state with low failure count."
pub(crate) async fn closed(recipe: &Recipe<'_>, board: &mut Board) -> Result<()> {
    board.scenario("Closed", "The service works; three payments.");
    play(recipe, board, &[SERVED, SERVED, SERVED]).await
}

/// "Circuit breaker state should change to OPEN after threshold failures."
pub(crate) async fn open(recipe: &Recipe<'_>, board: &mut Board) -> Result<()> {
    recipe.service().set_failure_rate(0.9);
    recipe.service().set_latency(Duration::from_millis(300));
    board.scenario(
        "Open",
        "9 of 10 calls fail, each after 300 ms; five payments. Each failed call is tried twice \
         more,\nafter a wait of up to 1 s and one of up to 2 s.",
    );
    let expected =
        [failed("CLOSED", 1), failed("CLOSED", 2), failed("OPEN", 3), DIVERTED, DIVERTED];
    play(recipe, board, &expected).await
}

/// "Execution should complete successfully using fallback service."
pub(crate) async fn fallback(recipe: &Recipe<'_>, board: &mut Board) -> Result<()> {
    board.scenario("Fallback", "A payment while the breaker is open.");
    play(recipe, board, &[DIVERTED]).await
}

/// "Health check should pass and reset circuit breaker to CLOSED."
pub(crate) async fn recovery(recipe: &Recipe<'_>, board: &mut Board) -> Result<()> {
    let service = recipe.service();
    service.set_failure_rate(0.1);
    service.set_latency(Duration::from_millis(100));
    board.scenario(
        "Recovery",
        "1 of 10 calls fails, each takes 100 ms. Waiting for the health check to pass: one that \
         failed\nis tried again after 2 s, 4 s and 8 s.",
    );
    let start = Instant::now();
    let (calls, checks) = (service.calls(), service.health_calls());
    let mut breaker = recipe.breaker().await?;
    while breaker.state != "CLOSED" && start.elapsed() < RECOVERY_LIMIT {
        sleep(POLL).await;
        breaker = recipe.breaker().await?;
    }
    let checks = service.health_calls() - checks;
    let waited = start.elapsed().as_secs_f64();
    board.note(&format!("{breaker} after {waited:.1} s; health checks made: {checks}"));
    board.check(difference("state after the wait", &"CLOSED", &breaker.state.as_str()));
    board.check(difference("failures after the wait", &0, &breaker.failure_count));
    board.check(difference("calls to the service while waiting", &calls, &service.calls()));
    board.check((checks == 0).then(|| "no health check was made".to_owned()));
    play(recipe, board, &[SERVED]).await
}

/// Makes a payment for each of the expectations.
async fn play(recipe: &Recipe<'_>, board: &mut Board, expected: &[Expected]) -> Result<()> {
    board.head();
    for (number, expected) in (1..).zip(expected) {
        let seen = recipe.pay().await?;
        board.row(number, &seen);
        let differences = expected.differences(&seen);
        board.check(differences.into_iter().map(|text| format!("payment {number}: {text}")));
    }
    board.verdict();
    Ok(())
}
