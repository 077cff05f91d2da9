//! An admin API that others than its operators may come to.

use super::Warning;
use crate::check::finding::Finding;

/// What the sample for Envoy Gateway has.
const PLACEHOLDER: &str = "change-me";

pub(super) fn find(plugin: &Finding) -> Option<Warning> {
    let config = plugin.config();
    let admin = config.get("admin")?.as_object()?;
    let token = admin.get("token").and_then(serde_json::Value::as_str);
    let (what, remedy) = match (&plugin.reachable, token) {
        (_, Some(PLACEHOLDER)) => {
            ("the token of the admin API is the sample's".to_owned(), "give one of your own")
        }
        (Some(address), None) => (
            format!("the admin API listens on {address}, and has no token"),
            "bind its listener to 127.0.0.1, or give admin.token",
        ),
        _ => return None,
    };
    Some(Warning::new(&plugin.place, plugin.text.at(), what, remedy))
}
