//! etcd's JSON gateway: each entry of the row is a key of its own, below the prefix and the region.
//!
//! Keys and values are in base64, and numbers are texts, as in all JSON that is made of protocol
//! buffers; what is zero is left out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{StoreError, json_of, short};
use crate::entry::{Entry, Key, lease_text};
use crate::json::{Json, object};
use crate::request::Answer;
use crate::row::{Lease, MAX_ENTRIES, Regions, Row};
use crate::sorted::Sorted;

/// What is sent: `POST` to the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The path.
    pub path: &'static str,
    /// The body.
    pub body: Vec<u8>,
}

impl Call {
    fn new(path: &'static str, body: &Json) -> Self {
        Self { path, body: body.written().into_bytes() }
    }
}

/// Reads the row of a region.
#[must_use]
pub fn read(prefix: &str, region: &str, consistent: bool) -> Call {
    let below = folder(prefix, region);
    // What comes after all keys that begin so: `/` is followed by `0`.
    let end = format!("{}0", below.strip_suffix('/').unwrap_or(&below));
    let body = object([
        ("key", packed(&below)),
        ("range_end", packed(&end)),
        ("limit", Json::Text(MAX_ENTRIES.to_string())),
        ("serializable", Json::Bool(!consistent)),
    ]);
    Call::new("/v3/kv/range", &body)
}

/// The answer to [`read`], and how many entries are left out, as they cannot be read.
///
/// # Errors
///
/// If it is none.
pub fn row(
    prefix: &str,
    region: &str,
    status: u16,
    body: &[u8],
) -> Result<(Answer, usize), StoreError> {
    let answer = done(status, body)?;
    let below = folder(prefix, region);
    let mut row = Row { number: revision(&answer)?, ..Row::default() };
    let found = answer.at(&["kvs"]).map_or(&[][..], Json::entries);
    let added = found.iter().map(|kv| {
        let key = kv.text_at(&["key"]).and_then(unpacked).unwrap_or_default();
        let value = kv.text_at(&["value"]).and_then(unpacked).unwrap_or_default();
        key.strip_prefix(&below).is_some_and(|key| row.add(key, &value))
    });
    let left_out = added.filter(|added| !added).count();
    Ok((Answer::Rows(Regions(Sorted::of(region.to_owned(), row))), left_out))
}

/// Changes the row of a region, whatever is there.
#[must_use]
pub fn write(prefix: &str, region: &str, set: &[Entry], remove: &[Key]) -> Call {
    let below = folder(prefix, region);
    let puts = set.iter().map(|entry| put(&below, entry));
    let deletes = remove.iter().map(|key| {
        let key = packed(&format!("{below}{}", key.text()));
        object([("requestDeleteRange", object([("key", key)]))])
    });
    let success = Json::List(puts.chain(deletes).collect());
    Call::new("/v3/kv/txn", &object([("success", success)]))
}

/// Changes a lease, if it is as it was read.
#[must_use]
pub fn swap(prefix: &str, region: &str, service: &str, was: Option<&Lease>, to: &Lease) -> Call {
    let below = folder(prefix, region);
    let entry = Entry::Lease(service.to_owned(), *to);
    let key = packed(&format!("{below}{}", entry.key().text()));
    let (target, name, value) = match was {
        None => ("VERSION", "version", "0".into()),
        Some(was) => ("VALUE", "value", packed(&lease_text(was))),
    };
    let target = target.into();
    let compare =
        object([("target", target), ("result", "EQUAL".into()), ("key", key), (name, value)]);
    let (compare, success) = (vec![compare], vec![put(&below, &entry)]);
    let body = object([("compare", Json::List(compare)), ("success", Json::List(success))]);
    Call::new("/v3/kv/txn", &body)
}

/// The answer to [`write()`] or [`swap`].
///
/// # Errors
///
/// If it is none.
pub fn written(status: u16, body: &[u8]) -> Result<Answer, StoreError> {
    let answer = done(status, body)?;
    revision(&answer)?;
    match answer.at(&["succeeded"]) {
        Some(Json::Bool(true)) => Ok(Answer::Written),
        _ => Ok(Answer::Refused),
    }
}

fn folder(prefix: &str, region: &str) -> String {
    format!("{prefix}/{region}/")
}

fn put(below: &str, entry: &Entry) -> Json {
    let (key, value) = (format!("{below}{}", entry.key().text()), entry.text());
    object([("requestPut", object([("key", packed(&key)), ("value", packed(&value))]))])
}

fn packed(text: &str) -> Json {
    Json::Text(STANDARD.encode(text))
}

fn unpacked(text: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(text).ok()?).ok()
}

fn revision(answer: &Json) -> Result<u64, StoreError> {
    let revision = answer.text_at(&["header", "revision"]).and_then(|it| it.parse().ok());
    revision.ok_or_else(|| StoreError::unreadable("header.revision", &answer.written()))
}

fn done(status: u16, body: &[u8]) -> Result<Json, StoreError> {
    if status == 200 {
        return json_of(body);
    }
    let value = json_of(body).unwrap_or_default();
    let message = value.text_at(&["message"]).or_else(|| value.text_at(&["error"]));
    let found = match message {
        Some(message) => format!("etcd answered {status} {}", short(message)),
        None => format!("etcd answered {status} {}", short(&String::from_utf8_lossy(body))),
    };
    Err(match status {
        429 => StoreError::throttled(found),
        401 | 403 => StoreError::failed(
            found,
            "allow the cluster's user to read and write below fleet.prefix",
        ),
        404 => StoreError::failed(found, "etcd 3.4 or newer has /v3/kv; is fleet.cluster etcd?"),
        _ => StoreError::failed(found, "it is asked again"),
    })
}
