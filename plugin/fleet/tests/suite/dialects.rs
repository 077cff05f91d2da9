//! What is sent to the two stores, and what is made of their answers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fleet::dialect::{dynamodb, etcd};
use fleet::{
    Answer, Entry, Fault, Item, ItemChange, ItemState, Key, Lease, LeaseState, ProcessId, Report,
};
use proptest::prelude::*;
use serde_json::{Value, json};

const ME: ProcessId = ProcessId::from_bits(0xff);
const REPORT: Report = Report { trip: 3, beat: 17 };
const LEASE: Lease = Lease { number: 5, holder: ME, state: LeaseState::Held };

fn report() -> Entry {
    Entry::Report("payment".to_owned(), ME, REPORT)
}

fn body_of(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

fn packed(text: &str) -> String {
    STANDARD.encode(text)
}

#[test]
fn dynamodb_is_asked_for_all_rows_at_once() {
    let call = dynamodb::rows::read("state", &["a", "b"], true);
    assert_eq!(call.target, "DynamoDB_20120810.BatchGetItem");
    assert_eq!(
        body_of(&call.body),
        json!({ "RequestItems": { "state": {
            "Keys": [
                { "ServiceName": { "S": "edge-breaker/fleet/a" } },
                { "ServiceName": { "S": "edge-breaker/fleet/b" } },
            ],
            "ConsistentRead": true,
        } } })
    );
}

#[test]
fn dynamodbs_rows_are_read_and_one_that_is_not_there_is_empty() {
    let answer = json!({
        "Responses": { "state": [{
            "ServiceName": { "S": "edge-breaker/fleet/a" },
            "number": { "N": "9" },
            "report/00000000000000ff/payment": { "S": report().text() },
            "lease/payment": { "S": r#"{"v":1,"number":5,"holder":"00000000000000ff","state":"held"}"# },
            "stranger": { "S": "x" },
        }] },
        "UnprocessedKeys": {},
    });
    let read = dynamodb::rows::rows("state", &["a", "b"], 200, answer.to_string().as_bytes());
    let Ok((Answer::Rows(regions), left_out)) = read else { panic!("{read:?}") };
    assert_eq!(left_out, 1);
    assert_eq!(regions.0.get("a").unwrap().number, 9);
    assert_eq!(regions.0.get("a").unwrap().reports.get(&("payment".to_owned(), ME)), Some(&REPORT));
    assert_eq!(regions.0.get("a").unwrap().leases.get("payment"), Some(&LEASE));
    assert_eq!(regions.0.get("b"), Some(&fleet::Row::default()));
}

#[test]
fn dynamodbs_row_is_changed_in_one_update_without_a_condition() {
    let gone = Key::Report("stock".to_owned(), ME);
    let call = dynamodb::rows::write("state", "a", &[report()], &[gone]);
    assert_eq!(call.target, "DynamoDB_20120810.UpdateItem");
    assert_eq!(
        body_of(&call.body),
        json!({
            "TableName": "state",
            "Key": { "ServiceName": { "S": "edge-breaker/fleet/a" } },
            "UpdateExpression": "SET #s0 = :s0 REMOVE #r0 ADD #n :one",
            "ExpressionAttributeNames": {
                "#n": "number",
                "#s0": "report/00000000000000ff/payment",
                "#r0": "report/00000000000000ff/stock",
            },
            "ExpressionAttributeValues": {
                ":one": { "N": "1" },
                ":s0": { "S": report().text() },
            },
        })
    );
}

#[test]
fn dynamodbs_lease_is_changed_only_as_it_was_read() {
    let to = Lease { number: 6, ..LEASE };
    let first = body_of(&dynamodb::rows::swap("state", "a", "payment", None, &to).body);
    assert_eq!(first["ConditionExpression"], "attribute_not_exists(#s0)");
    let next = body_of(&dynamodb::rows::swap("state", "a", "payment", Some(&LEASE), &to).body);
    assert_eq!(next["ConditionExpression"], "#s0 = :was");
    let was = Entry::Lease("payment".to_owned(), LEASE).text();
    assert_eq!(next["ExpressionAttributeValues"][":was"]["S"], was);
    let refused =
        br#"{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"}"#;
    assert_eq!(dynamodb::rows::swapped(400, refused), Ok(Answer::Refused));
    assert_eq!(dynamodb::rows::swapped(200, b"{}"), Ok(Answer::Written));
}

#[test]
fn dynamodbs_errors_say_what_helps() {
    let error = |status, body: &[u8]| dynamodb::rows::written(status, body).unwrap_err();
    let throttled = br#"{"__type":"x#ProvisionedThroughputExceededException","message":"slow"}"#;
    assert_eq!(error(400, throttled).fault, Fault::Throttled);
    let signature = error(403, br#"{"__type":"x#InvalidSignatureException","message":"expired"}"#);
    assert_eq!(signature.fault, Fault::Failed);
    assert_eq!(
        signature.to_string(),
        "DynamoDB answered 403 'InvalidSignatureException': 'expired': check the credentials of \
         aws_request_signing, and the clock"
    );
    // What moto answers to a request that is not signed.
    let xml = error(200, b"<?xml version=\"1.0\"?><ListAllMyBucketsResult>");
    assert!(xml.to_string().contains("fleet.cluster"), "{xml}");
    assert_eq!(error(500, b"").fault, Fault::Failed);
    // What moto answers to a signature that is wrong.
    let xml = error(403, b"<?xml version=\"1.0\"?><ErrorResponse>");
    assert!(xml.to_string().contains("aws_request_signing"), "{xml}");
}

#[test]
fn keys_that_dynamodb_has_left_out_are_throttling() {
    let answer = br#"{"Responses":{"state":[]},"UnprocessedKeys":{"state":{"Keys":[]}}}"#;
    let error = dynamodb::rows::rows("state", &["a"], 200, answer).unwrap_err();
    assert_eq!(error.fault, Fault::Throttled);
}

#[test]
fn the_recipes_item_is_changed_by_the_recipes_expressions_as_it_was_read() {
    let was = Item { state: ItemState::Closed, failures: 2 };
    let change =
        |to| body_of(&dynamodb::items::change("state", "payment", Some(was), to, "T").body);
    let failed = change(ItemChange::Failures(1));
    assert_eq!(
        failed["UpdateExpression"],
        "SET FailureCount = FailureCount + :inc, LastFailureTime = :timestamp"
    );
    assert_eq!(
        failed["ConditionExpression"],
        "#state = :read_state AND FailureCount = :read_count"
    );
    assert_eq!(
        failed["ExpressionAttributeValues"],
        json!({
            ":inc": { "N": "1" },
            ":timestamp": { "S": "T" },
            ":read_state": { "S": "CLOSED" },
            ":read_count": { "N": "2" },
        })
    );
    assert_eq!(change(ItemChange::Trip)["UpdateExpression"], "SET #state = :open_state");
    assert_eq!(
        change(ItemChange::Success)["UpdateExpression"],
        "SET #state = :closed_state, FailureCount = :zero, LastSuccessTime = :timestamp"
    );
}

#[test]
fn the_recipes_item_is_created_with_its_five_attributes_and_no_others() {
    let call = dynamodb::items::change("state", "payment", None, ItemChange::Create, "T");
    let item = body_of(&call.body)["Item"].clone();
    let names: Vec<_> = item.as_object().unwrap().keys().cloned().collect();
    assert_eq!(
        names,
        ["FailureCount", "LastFailureTime", "LastSuccessTime", "ServiceName", "State"]
    );
}

#[test]
fn the_recipes_items_are_read_a_hundred_at_a_time() {
    let names: Vec<_> = (0..250).map(|it| format!("service-{it}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    assert_eq!(dynamodb::items::read("state", &names).len(), 3);
    let answer = json!({ "Responses": { "state": [{
        "ServiceName": { "S": "payment" },
        "State": { "S": "OPEN" },
        "FailureCount": { "N": "3" },
        "LastFailureTime": { "S": "2026-01-01T00:00:00Z" },
        "LastSuccessTime": { "NULL": true },
    }] } });
    let items = dynamodb::items::items("state", 200, answer.to_string().as_bytes()).unwrap();
    assert_eq!(items.get("payment"), Some(&Item { state: ItemState::Open, failures: 3 }));
}

#[test]
fn an_item_that_is_not_the_recipes_is_an_error_with_its_place() {
    let answer = br#"{"Responses":{"state":[{"ServiceName":{"S":"pay"},"State":{"S":"AJAR"}}]}}"#;
    let error = dynamodb::items::items("state", 200, answer).unwrap_err();
    assert!(error.to_string().starts_with("State of the item pay is "), "{error}");
}

#[test]
fn etcd_is_asked_for_all_that_is_below_prefix_and_region() {
    let call = etcd::read("breakers", "a", false);
    assert_eq!(call.path, "/v3/kv/range");
    let body = body_of(&call.body);
    assert_eq!(body["key"], packed("breakers/a/"));
    assert_eq!(body["range_end"], packed("breakers/a0"));
    assert_eq!(body["serializable"], true);
}

#[test]
fn etcds_row_is_read() {
    let kv = |key: &str, value: &str| json!({ "key": packed(key), "value": packed(value) });
    let answer = json!({
        "header": { "revision": "12" },
        "kvs": [
            kv("breakers/a/report/00000000000000ff/payment", &report().text()),
            kv("breakers/a/stranger", "x"),
        ],
        "count": "2",
    });
    let read = etcd::row("breakers", "a", 200, answer.to_string().as_bytes());
    let Ok((Answer::Rows(regions), left_out)) = read else { panic!("{read:?}") };
    assert_eq!((left_out, regions.0.get("a").unwrap().number), (1, 12));
    assert_eq!(regions.0.get("a").unwrap().reports.get(&("payment".to_owned(), ME)), Some(&REPORT));
    let empty = etcd::row("breakers", "a", 200, br#"{"header":{"revision":"1"}}"#);
    assert!(matches!(empty, Ok((Answer::Rows(_), 0))), "{empty:?}");
}

#[test]
fn etcds_row_is_changed_in_one_transaction() {
    let call = etcd::write("breakers", "a", &[report()], &[Key::Lease("payment".to_owned())]);
    assert_eq!(call.path, "/v3/kv/txn");
    assert_eq!(
        body_of(&call.body),
        json!({ "success": [
            { "requestPut": {
                "key": packed("breakers/a/report/00000000000000ff/payment"),
                "value": packed(&report().text()),
            } },
            { "requestDeleteRange": { "key": packed("breakers/a/lease/payment") } },
        ] })
    );
}

#[test]
fn etcds_lease_is_changed_only_as_it_was_read() {
    let to = Lease { number: 6, ..LEASE };
    let first = body_of(&etcd::swap("breakers", "a", "payment", None, &to).body);
    assert_eq!(first["compare"][0]["version"], "0");
    let next = body_of(&etcd::swap("breakers", "a", "payment", Some(&LEASE), &to).body);
    let was = Entry::Lease("payment".to_owned(), LEASE).text();
    assert_eq!(next["compare"][0]["value"], packed(&was));
    let done = br#"{"header":{"revision":"13"},"succeeded":true}"#;
    assert_eq!(etcd::written(200, done), Ok(Answer::Written));
    assert_eq!(etcd::written(200, br#"{"header":{"revision":"13"}}"#), Ok(Answer::Refused));
}

#[test]
fn etcds_errors_say_what_helps() {
    let error = |status, body: &[u8]| etcd::written(status, body).unwrap_err();
    let throttled = br#"{"error":"etcdserver: too many requests","code":8}"#;
    assert_eq!(error(429, throttled).fault, Fault::Throttled);
    assert!(error(401, b"{}").to_string().contains("fleet.prefix"));
    assert!(error(200, b"not etcd").to_string().contains("fleet.cluster"));
    assert!(error(200, b"{}").to_string().starts_with("header.revision is "));
}

proptest! {
    #[test]
    fn no_answer_is_too_strange(status in 100..600_u16, body: Vec<u8>, text in "[{}\\[\\]\":,a-zSN0-9]{0,60}") {
        for body in [body.as_slice(), text.as_bytes()] {
            for status in [status, 200] {
                _ = dynamodb::rows::rows("state", &["a"], status, body);
                _ = dynamodb::rows::written(status, body);
                _ = dynamodb::rows::swapped(status, body);
                _ = dynamodb::items::items("state", status, body);
                _ = etcd::row("breakers", "a", status, body);
                _ = etcd::written(status, body);
            }
        }
    }
}
