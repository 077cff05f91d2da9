//! DynamoDB's JSON 1.0: a table whose key is the text `ServiceName`, as the recipe's is.
//!
//! A region's row is one item. Each of its entries is an attribute of its own, so a process sets its
//! own without a look at the others.

mod answer;
pub mod items;
pub mod rows;

use serde_json::{Value, json};

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
    fn new(target: &'static str, body: &Value) -> Self {
        Self { target, body: body.to_string().into_bytes() }
    }
}

fn batch_get(table: &str, keys: impl Iterator<Item = String>, consistent: bool) -> Call {
    let keys: Vec<_> = keys.map(|key| json!({ KEY: { "S": key } })).collect();
    let wanted = json!({ "Keys": keys, "ConsistentRead": consistent });
    Call::new("DynamoDB_20120810.BatchGetItem", &json!({ "RequestItems": { table: wanted } }))
}

fn update(body: &Value) -> Call {
    Call::new("DynamoDB_20120810.UpdateItem", body)
}
