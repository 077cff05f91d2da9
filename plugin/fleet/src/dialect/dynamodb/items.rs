//! The recipe's item of a service.

use super::answer::found;
use super::{Call, KEY, MAX_KEYS, batch_get, number, text, update};
use crate::dialect::StoreError;
use crate::json::{Json, object};
use crate::recipe::{Item, ItemChange, ItemState};
use crate::sorted::Sorted;

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
pub fn items(table: &str, status: u16, body: &[u8]) -> Result<Sorted<String, Item>, StoreError> {
    found(table, status, body)?.iter().map(item).collect()
}

/// Changes an item as the recipe does, if it is as it was read. `at`: the time as the recipe
/// writes it. Its answer is [as to a swap](super::rows::swapped).
#[must_use]
pub fn change(table: &str, service: &str, was: Option<Item>, to: ItemChange, at: &str) -> Call {
    let Some(was) = was else {
        return create(table, service, at);
    };
    let mut values = vec![
        (":read_state".to_owned(), text(was.state.name())),
        (":read_count".to_owned(), number(&was.failures.to_string())),
    ];
    let mut with = |name: &str, value: Json| values.push((name.to_owned(), value));
    let expression = match to {
        ItemChange::Failures(failures) => {
            with(":inc", number(&failures.to_string()));
            with(":timestamp", text(at));
            "SET FailureCount = FailureCount + :inc, LastFailureTime = :timestamp"
        }
        ItemChange::Trip => {
            with(":open_state", text(ItemState::Open.name()));
            "SET #state = :open_state"
        }
        ItemChange::Success | ItemChange::Create => {
            with(":closed_state", text(ItemState::Closed.name()));
            with(":zero", number("0"));
            with(":timestamp", text(at));
            "SET #state = :closed_state, FailureCount = :zero, LastSuccessTime = :timestamp"
        }
    };
    let condition = "#state = :read_state AND FailureCount = :read_count";
    update(&object([
        ("TableName", table.into()),
        ("Key", object([(KEY, text(service))])),
        ("UpdateExpression", expression.into()),
        ("ConditionExpression", condition.into()),
        ("ExpressionAttributeNames", object([("#state", "State".into())])),
        ("ExpressionAttributeValues", Json::Object(values)),
    ]))
}

fn create(table: &str, service: &str, at: &str) -> Call {
    let item = object([
        (KEY, text(service)),
        ("State", text(ItemState::Closed.name())),
        ("FailureCount", number("0")),
        ("LastFailureTime", object([("NULL", Json::Bool(true))])),
        ("LastSuccessTime", text(at)),
    ]);
    let condition = Json::Text(format!("attribute_not_exists({KEY})"));
    let body =
        object([("TableName", table.into()), ("Item", item), ("ConditionExpression", condition)]);
    Call::new("DynamoDB_20120810.PutItem", &body)
}

fn item(item: &Json) -> Result<(String, Item), StoreError> {
    let unreadable = |name: &str| {
        let of = item.text_at(&[KEY, "S"]).unwrap_or_default();
        let found = item.at(&[name]).map_or_else(|| "absent".to_owned(), Json::written);
        StoreError::unreadable(&format!("{name} of the item {of}"), &found)
    };
    let service = item.text_at(&[KEY, "S"]).ok_or_else(|| unreadable(KEY))?;
    let state = item.text_at(&["State", "S"]);
    let state = ItemState::ALL.into_iter().find(|it| Some(it.name()) == state);
    let state = state.ok_or_else(|| unreadable("State"))?;
    let failures = item.text_at(&["FailureCount", "N"]).and_then(|it| it.parse().ok());
    let failures = failures.ok_or_else(|| unreadable("FailureCount"))?;
    Ok((service.to_owned(), Item { state, failures }))
}
