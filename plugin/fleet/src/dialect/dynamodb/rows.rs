//! A region's row as an item.

use super::answer::{Outcome, found, outcome};
use super::{Call, KEY, MAX_KEYS, batch_get, number, text, update};
use crate::dialect::StoreError;
use crate::entry::{Entry, Key, lease_text};
use crate::json::{Json, object};
use crate::request::Answer;
use crate::row::{Lease, Regions, Row};
use crate::sorted::Sorted;

/// What the key of a row begins with, which no service's name does.
const ROW: &str = "edge-breaker/fleet/";

/// The attribute that counts how often the row was written.
const NUMBER: &str = "number";

/// Reads the rows of these regions, the first [`MAX_KEYS`] of them.
#[must_use]
pub fn read(table: &str, regions: &[&str], consistent: bool) -> Call {
    batch_get(table, regions.iter().take(MAX_KEYS).map(|it| row_key(it)), consistent)
}

/// The answer to [`read`], and how many entries are left out, as they cannot be read.
///
/// # Errors
///
/// If it is none.
pub fn rows(
    table: &str,
    regions: &[&str],
    status: u16,
    body: &[u8],
) -> Result<(Answer, usize), StoreError> {
    let none = regions.iter().map(|region| ((*region).to_owned(), Row::default()));
    let mut rows: Sorted<_, _> = none.collect();
    let mut left_out = 0_usize;
    for item in found(table, status, body)? {
        let region = item.text_at(&[KEY, "S"]).and_then(|key| key.strip_prefix(ROW));
        if let Some(row) = region.and_then(|region| rows.get_mut(region)) {
            left_out = left_out.saturating_add(fill(row, &item)?);
        }
    }
    Ok((Answer::Rows(Regions(rows)), left_out))
}

/// Changes the row of a region, whatever is there.
#[must_use]
pub fn write(table: &str, region: &str, set: &[Entry], remove: &[Key]) -> Call {
    update(&changed(table, region, set, remove))
}

/// The answer to [`write()`].
///
/// # Errors
///
/// If it is none.
pub fn written(status: u16, body: &[u8]) -> Result<Answer, StoreError> {
    match outcome(status, body)? {
        Outcome::Done(_) => Ok(Answer::Written),
        Outcome::Refused => Err(StoreError::unreadable("the answer to a write", "a refusal")),
    }
}

/// Changes a lease, if it is as it was read.
#[must_use]
pub fn swap(table: &str, region: &str, service: &str, was: Option<&Lease>, to: &Lease) -> Call {
    let mut body = changed(table, region, &[Entry::Lease(service.to_owned(), *to)], &[]);
    let condition = match was {
        None => "attribute_not_exists(#s0)",
        Some(_) => "#s0 = :was",
    };
    if let Json::Object(body) = &mut body {
        body.push(("ConditionExpression".to_owned(), condition.into()));
    }
    if let (Some(Json::Object(values)), Some(was)) =
        (body.at_mut(&["ExpressionAttributeValues"]), was)
    {
        values.push((":was".to_owned(), text(&lease_text(was))));
    }
    update(&body)
}

/// The answer to [`swap`], or to [a change of an item](super::items::change).
///
/// # Errors
///
/// If it is none.
pub fn swapped(status: u16, body: &[u8]) -> Result<Answer, StoreError> {
    Ok(match outcome(status, body)? {
        Outcome::Done(_) => Answer::Written,
        Outcome::Refused => Answer::Refused,
    })
}

fn row_key(region: &str) -> String {
    format!("{ROW}{region}")
}

/// How many of an item's attributes are left out.
fn fill(row: &mut Row, item: &Json) -> Result<usize, StoreError> {
    let number = item.text_at(&[NUMBER, "N"]);
    row.number = number.and_then(|it| it.parse().ok()).ok_or_else(|| {
        StoreError::unreadable("the attribute number of a row", number.unwrap_or("absent"))
    })?;
    let entries = item.fields().iter();
    let entries = entries.filter(|(name, _)| ![KEY, NUMBER].contains(&name.as_str()));
    let added =
        entries.map(|(name, value)| row.add(name, value.text_at(&["S"]).unwrap_or_default()));
    Ok(added.filter(|added| !added).count())
}

fn changed(table: &str, region: &str, set: &[Entry], remove: &[Key]) -> Json {
    let mut names = vec![("#n".to_owned(), NUMBER.into())];
    let mut values = vec![(":one".to_owned(), number("1"))];
    let (mut sets, mut removes) = (Vec::new(), Vec::new());
    for (place, entry) in set.iter().enumerate() {
        names.push((format!("#s{place}"), Json::Text(entry.key().text())));
        values.push((format!(":s{place}"), text(&entry.text())));
        sets.push(format!("#s{place} = :s{place}"));
    }
    for (place, key) in remove.iter().enumerate() {
        names.push((format!("#r{place}"), Json::Text(key.text())));
        removes.push(format!("#r{place}"));
    }
    let part = |word: &str, of: &[String]| match of {
        [] => String::new(),
        of => format!("{word} {} ", of.join(", ")),
    };
    let expression = format!("{}{}ADD #n :one", part("SET", &sets), part("REMOVE", &removes));
    object([
        ("TableName", table.into()),
        ("Key", object([(KEY, text(&row_key(region)))])),
        ("UpdateExpression", Json::Text(expression)),
        ("ExpressionAttributeNames", Json::Object(names)),
        ("ExpressionAttributeValues", Json::Object(values)),
    ])
}
