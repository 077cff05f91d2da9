//! What DynamoDB answers to any call.

use crate::dialect::{StoreError, json_of, short};
use crate::json::Json;

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
    Done(Json),
    /// The condition did not hold.
    Refused,
}

/// Reads the answer to any call.
pub(super) fn outcome(status: u16, body: &[u8]) -> Result<Outcome, StoreError> {
    if status == 200 {
        let value = json_of(body)?;
        return match value {
            Json::Object(_) => Ok(Outcome::Done(value)),
            _ => Err(StoreError::unreadable("the answer", &value.written())),
        };
    }
    let value = json_of(body).unwrap_or_default();
    let kind = value.text_at(&["__type"]).unwrap_or_default();
    let kind = kind.rsplit_once('#').map_or(kind, |(_, kind)| kind);
    if kind == "ConditionalCheckFailedException" {
        return Ok(Outcome::Refused);
    }
    let message = value.text_at(&["message"]).or_else(|| value.text_at(&["Message"]));
    let said = match kind {
        "" => short(&String::from_utf8_lossy(body)),
        kind => format!("{}: {}", short(kind), short(message.unwrap_or_default())),
    };
    let found = format!("DynamoDB answered {status} {said}");
    if THROTTLED.contains(&kind) || status == 429 {
        return Err(StoreError::throttled(found));
    }
    let known = KNOWN.iter().find(|(name, _)| *name == kind).map(|(_, remedy)| *remedy);
    let remedy = known.unwrap_or(match status {
        401 | 403 => "check the credentials of aws_request_signing, and their rights",
        _ => "it is asked again",
    });
    Err(StoreError::failed(found, remedy))
}

/// The items of a table in the answer to a `BatchGetItem`.
pub(super) fn found(table: &str, status: u16, body: &[u8]) -> Result<Vec<Json>, StoreError> {
    let Outcome::Done(mut answer) = outcome(status, body)? else {
        return Err(StoreError::unreadable("the answer to a read", "a refusal"));
    };
    if answer.at(&["UnprocessedKeys"]).is_some_and(|keys| !keys.fields().is_empty()) {
        return Err(StoreError::throttled("DynamoDB has left out keys".to_owned()));
    }
    match answer.at_mut(&["Responses", table]) {
        Some(Json::List(items)) => Ok(core::mem::take(items)),
        _ => Err(StoreError::unreadable("Responses", &answer.written())),
    }
}
