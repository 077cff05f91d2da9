//! DynamoDB's JSON 1.0: a table whose key is the text `ServiceName`, as the recipe's is.
//!
//! A region's row is one item. Each of its entries is an attribute of its own, so a process sets its
//! own without a look at the others.

mod answer;
pub mod items;
pub mod rows;

use crate::json::{Json, object};

/// The most keys that one `BatchGetItem` takes.
pub const MAX_KEYS: usize = 100;

/// The table's key.
const KEY: &str = "ServiceName";

/// What is sent: `POST /`, with `content-type: application/x-amz-json-1.0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The header `x-amz-target`.
    pub target: &'static str,
    /// The body.
    pub body: Vec<u8>,
}

impl Call {
    fn new(target: &'static str, body: &Json) -> Self {
        Self { target, body: body.written().into_bytes() }
    }
}

fn batch_get(table: &str, keys: impl Iterator<Item = String>, consistent: bool) -> Call {
    let keys = Json::List(keys.map(|key| object([(KEY, text(&key))])).collect());
    let wanted = object([("Keys", keys), ("ConsistentRead", Json::Bool(consistent))]);
    let body = object([("RequestItems", object([(table, wanted)]))]);
    Call::new("DynamoDB_20120810.BatchGetItem", &body)
}

fn update(body: &Json) -> Call {
    Call::new("DynamoDB_20120810.UpdateItem", body)
}

/// A text, as an attribute.
fn text(value: &str) -> Json {
    object([("S", value.into())])
}

/// A number, as an attribute.
fn number(value: &str) -> Json {
    object([("N", value.into())])
}
