//! What DynamoDB answers to any call.

use serde_json::Value;

use crate::dialect::{StoreError, json_of, short, text_at};

/// What is answered to what it does not do, and what helps.
const KNOWN: &[(&str, &str)] = &[
    (
        "AccessDeniedException",
        "allow dynamodb:BatchGetItem and dynamodb:UpdateItem on the table, and dynamodb:PutItem \
         with fleet.recipe",
    ),
    ("ExpiredTokenException", "renew the credentials of aws_request_signing"),
    ("IncompleteSignatureException", "put aws_request_signing on the store's cluster"),
    ("InvalidSignatureException", "check the credentials of aws_request_signing, and the clock"),
    ("MissingAuthenticationTokenException", "put aws_request_signing on the store's cluster"),
    ("ResourceNotFoundException", "create fleet.table in fleet.region"),
    ("SignatureDoesNotMatch", "check the credentials of aws_request_signing, and the clock"),
    ("UnrecognizedClientException", "check the credentials of aws_request_signing"),
    ("ValidationException", "the table's key has to be ServiceName, a text"),
];

const THROTTLED: &[&str] = &[
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
];

/// What a call has come to.
pub(super) enum Outcome {
    Done(Value),
    /// The condition did not hold.
    Refused,
}

/// Reads the answer to any call.
pub(super) fn outcome(status: u16, body: &[u8]) -> Result<Outcome, StoreError> {
    if status == 200 {
        let value = json_of(body)?;
        return match value.is_object() {
            true => Ok(Outcome::Done(value)),
            false => Err(StoreError::unreadable("the answer", &value.to_string())),
        };
    }
    let value = json_of(body).unwrap_or_default();
    let kind = text_at(&value, "/__type").unwrap_or_default();
    let kind = kind.rsplit_once('#').map_or(kind, |(_, kind)| kind);
    if kind == "ConditionalCheckFailedException" {
        return Ok(Outcome::Refused);
    }
    let message = text_at(&value, "/message").or_else(|| text_at(&value, "/Message"));
    let said = match kind {
        "" => short(&String::from_utf8_lossy(body)),
        kind => format!("{}: {}", short(kind), short(message.unwrap_or_default())),
    };
    let found = format!("DynamoDB answered {status} {said}");
    if THROTTLED.contains(&kind) || status == 429 {
        return Err(StoreError::throttled(found));
    }
    let known = KNOWN.iter().find(|(name, _)| *name == kind);
    Err(StoreError::failed(found, known.map_or("it is asked again", |(_, remedy)| remedy)))
}

/// The items of a table in the answer to a `BatchGetItem`.
pub(super) fn found(table: &str, status: u16, body: &[u8]) -> Result<Vec<Value>, StoreError> {
    let Outcome::Done(mut answer) = outcome(status, body)? else {
        return Err(StoreError::unreadable("the answer to a read", "a refusal"));
    };
    let unprocessed = answer.get("UnprocessedKeys").and_then(Value::as_object);
    if unprocessed.is_some_and(|keys| !keys.is_empty()) {
        return Err(StoreError::throttled("DynamoDB has left out keys".to_owned()));
    }
    let items = answer.get_mut("Responses").and_then(|it| it.get_mut(table)).map(Value::take);
    match items {
        Some(Value::Array(items)) => Ok(items),
        _ => Err(StoreError::unreadable("Responses", &answer.to_string())),
    }
}
