//! The downstream listener: a call is answered as its service is told to.

use std::convert::Infallible;
use std::io;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::CONTENT_LENGTH;
use hyper::{Request, StatusCode};
use serde::Serialize;

use crate::answer::{self, Answer};
use crate::cut_body::CutBody;
use crate::downstream::Ending;
use crate::registry::Registry;
use crate::server;

/// What the recipe's downstream service answers when all is well.
#[derive(Serialize)]
struct Success {
    message: &'static str,
    timestamp: String,
}

impl Success {
    fn now() -> Self {
        Self { message: "Service response successful", timestamp: answer::timestamp() }
    }
}

/// What the recipe's downstream service says when it fails.
#[derive(Serialize)]
struct Failure {
    message: &'static str,
}

const FAILURE: Failure = Failure { message: "Service temporarily unavailable" };

/// Answers `/{service}/...`, whatever the method.
pub(crate) async fn handle(request: Request<Incoming>, registry: Registry) -> Answer {
    let path = request.uri().path();
    let name = path.split('/').nth(1).unwrap_or_default();
    if name.is_empty() {
        let message = "name a service in the first segment of the path: /payment-service/...";
        return answer::error(StatusCode::NOT_FOUND, message);
    }
    let Some(downstream) = registry.requested(name) else {
        return answer::error(StatusCode::NOT_FOUND, "there are too many services already");
    };
    // Alive to the end of this function, or until the caller goes away and it is dropped.
    let (_call, plan) = downstream.begin_call();
    server::drain(request.into_body()).await?;
    tokio::time::sleep(plan.latency).await;
    match plan.ending {
        Ending::Success => answer::json(StatusCode::OK, &Success::now()),
        Ending::Failure => answer::json(StatusCode::INTERNAL_SERVER_ERROR, &FAILURE),
        Ending::Status(status) => with_status(status),
        Ending::CutBody => cut_body(),
        Ending::Close => Err(io::Error::other("closed before the answer")),
        Ending::Never => match std::future::pending::<Infallible>().await {},
    }
}

fn with_status(status: u16) -> Answer {
    let status = StatusCode::from_u16(status).map_err(io::Error::other)?;
    if status.is_server_error() {
        answer::json(status, &FAILURE)
    } else {
        answer::json(status, &Success::now())
    }
}

/// 200 and half of the announced body, and then an error that closes the connection.
fn cut_body() -> Answer {
    let whole = answer::json_text(&Success::now())?;
    let half = whole.slice(..whole.len() / 2);
    let mut response = answer::with_json_body(StatusCode::OK, CutBody::after(half).boxed());
    response.headers_mut().insert(CONTENT_LENGTH, whole.len().into());
    Ok(response)
}
