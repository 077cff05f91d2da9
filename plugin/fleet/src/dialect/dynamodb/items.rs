//! The recipe's item of a service.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::answer::found;
use super::{Call, KEY, MAX_KEYS, batch_get, update};
use crate::dialect::{StoreError, text_at};
use crate::recipe::{Item, ItemChange, ItemState};

/// Reads the items of these services, as they are after all that was written before.
#[must_use]
pub fn read(table: &str, services: &[&str]) -> Vec<Call> {
    let batches = services.chunks(MAX_KEYS);
    batches.map(|batch| batch_get(table, batch.iter().map(|it| (*it).to_owned()), true)).collect()
}

/// The answer to one of [`read`]: the items that there are.
///
/// # Errors
///
/// If it is none, or an item is not the recipe's.
pub fn items(table: &str, status: u16, body: &[u8]) -> Result<BTreeMap<String, Item>, StoreError> {
    found(table, status, body)?.iter().map(item).collect()
}

/// Changes an item as the recipe does, if it is as it was read. `at`: the time as the recipe
/// writes it. Its answer is [as to a swap](super::rows::swapped).
#[must_use]
pub fn change(table: &str, service: &str, was: Option<Item>, to: ItemChange, at: &str) -> Call {
    let Some(was) = was else {
        return create(table, service, at);
    };
    let mut values = serde_json::Map::from_iter([
        (":read_state".to_owned(), json!({ "S": was.state.name() })),
        (":read_count".to_owned(), json!({ "N": was.failures.to_string() })),
    ]);
    let mut with = |name: &str, value: Value| _ = values.insert(name.to_owned(), value);
    let expression = match to {
        ItemChange::Failures(number) => {
            with(":inc", json!({ "N": number.to_string() }));
            with(":timestamp", json!({ "S": at }));
            "SET FailureCount = FailureCount + :inc, LastFailureTime = :timestamp"
        }
        ItemChange::Trip => {
            with(":open_state", json!({ "S": ItemState::Open.name() }));
            "SET #state = :open_state"
        }
        ItemChange::Success | ItemChange::Create => {
            with(":closed_state", json!({ "S": ItemState::Closed.name() }));
            with(":zero", json!({ "N": "0" }));
            with(":timestamp", json!({ "S": at }));
            "SET #state = :closed_state, FailureCount = :zero, LastSuccessTime = :timestamp"
        }
    };
    update(&json!({
        "TableName": table,
        "Key": { KEY: { "S": service } },
        "UpdateExpression": expression,
        "ConditionExpression": "#state = :read_state AND FailureCount = :read_count",
        "ExpressionAttributeNames": { "#state": "State" },
        "ExpressionAttributeValues": values,
    }))
}

fn create(table: &str, service: &str, at: &str) -> Call {
    let item = json!({
        KEY: { "S": service },
        "State": { "S": ItemState::Closed.name() },
        "FailureCount": { "N": "0" },
        "LastFailureTime": { "NULL": true },
        "LastSuccessTime": { "S": at },
    });
    let condition = format!("attribute_not_exists({KEY})");
    let body = json!({ "TableName": table, "Item": item, "ConditionExpression": condition });
    Call::new("DynamoDB_20120810.PutItem", &body)
}

fn item(item: &Value) -> Result<(String, Item), StoreError> {
    let unreadable = |name: &str| {
        let of = text_at(item, "/ServiceName/S").unwrap_or_default();
        let found = item.get(name).map_or_else(|| "absent".to_owned(), ToString::to_string);
        StoreError::unreadable(&format!("{name} of the item {of}"), &found)
    };
    let service = text_at(item, "/ServiceName/S").ok_or_else(|| unreadable(KEY))?;
    let state = text_at(item, "/State/S");
    let state = ItemState::ALL.into_iter().find(|it| Some(it.name()) == state);
    let state = state.ok_or_else(|| unreadable("State"))?;
    let failures = text_at(item, "/FailureCount/N").and_then(|it| it.parse().ok());
    let failures = failures.ok_or_else(|| unreadable("FailureCount"))?;
    Ok((service.to_owned(), Item { state, failures }))
}
