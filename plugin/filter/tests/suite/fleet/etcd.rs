//! etcd's JSON gateway, as far as a fleet asks it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use filter::{CalloutAnswer, CalloutRequest, Headers};
use serde_json::{Value, json};

/// How it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Is {
    #[default]
    Well,
    /// It does not answer.
    Silent,
    /// Whatever answers is no etcd.
    Garbage,
    Throttling,
}

#[derive(Default)]
pub(crate) struct Etcd {
    pub(crate) is: Cell<Is>,
    pub(crate) reads: Cell<usize>,
    pub(crate) writes: Cell<usize>,
    keys: RefCell<BTreeMap<String, String>>,
    revision: Cell<u64>,
}

fn unpacked(value: &Value) -> String {
    let bytes = STANDARD.decode(value.as_str().unwrap_or_default()).unwrap();
    String::from_utf8(bytes).unwrap()
}

impl Etcd {
    pub(crate) fn keys(&self) -> Vec<String> {
        self.keys.borrow().keys().cloned().collect()
    }

    pub(crate) fn answer(&self, callout: &CalloutRequest) -> CalloutAnswer {
        let header = |name: &str| {
            callout.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
        };
        assert_eq!(
            (header(":method"), header("content-type")),
            (Some("POST"), Some("application/json"))
        );
        let asked: Value = serde_json::from_slice(&callout.body).unwrap();
        let answered = |status: u16, body: Vec<u8>| {
            CalloutAnswer::Answered(Headers::from_pairs(&[(":status", status.to_string())]), body)
        };
        let path = header(":path");
        let count = if path == Some("/v3/kv/range") { &self.reads } else { &self.writes };
        count.set(count.get() + 1);
        match (self.is.get(), path) {
            (Is::Silent, _) => CalloutAnswer::Failed,
            (Is::Garbage, _) => answered(200, b"<html>it works</html>".to_vec()),
            (Is::Throttling, _) => answered(429, b"{}".to_vec()),
            (Is::Well, Some("/v3/kv/range")) => answered(200, self.range(&asked)),
            (Is::Well, Some("/v3/kv/txn")) => answered(200, self.change(&asked)),
            (Is::Well, path) => panic!("{path:?}"),
        }
    }

    fn range(&self, asked: &Value) -> Vec<u8> {
        let (from, to) = (unpacked(&asked["key"]), unpacked(&asked["range_end"]));
        let keys = self.keys.borrow();
        let found = keys.range(from..to).map(
            |(key, value)| json!({"key": STANDARD.encode(key), "value": STANDARD.encode(value)}),
        );
        let header = json!({"revision": self.revision.get().to_string()});
        json!({"header": header, "kvs": found.collect::<Vec<_>>()}).to_string().into_bytes()
    }

    fn change(&self, asked: &Value) -> Vec<u8> {
        let mut keys = self.keys.borrow_mut();
        let compared = asked["compare"].as_array().cloned().unwrap_or_default();
        let holds = compared.iter().all(|it| {
            let found = keys.get(&unpacked(&it["key"])).cloned();
            match it["target"].as_str() {
                Some("VERSION") => found.is_none(),
                _ => found == Some(unpacked(&it["value"])),
            }
        });
        if holds {
            self.revision.set(self.revision.get() + 1);
            for change in asked["success"].as_array().unwrap() {
                if let Some(put) = change.get("requestPut") {
                    keys.insert(unpacked(&put["key"]), unpacked(&put["value"]));
                }
                if let Some(delete) = change.get("requestDeleteRange") {
                    keys.remove(&unpacked(&delete["key"]));
                }
            }
        }
        let header = json!({"revision": self.revision.get().to_string()});
        json!({"header": header, "succeeded": holds}).to_string().into_bytes()
    }
}
