//! What may be written in a configuration, and what it is refused with.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has failed, as it should"
)]

mod docs;
mod page;
mod patterns;
mod shapes;
mod texts;

use serde_json::{Value, json};

const PAYMENT: &str = "payment-service";

/// The configuration of one service that is told by its host, with further fields.
fn service(name: &str, fields: &Value) -> Value {
    let mut service = json!({"name": name, "match": {"hosts": [name]}});
    for (field, value) in fields.as_object().unwrap() {
        service[field] = value.clone();
    }
    service
}
