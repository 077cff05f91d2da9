//! Notifications: where to post, and how often to try.

use crate::error::ConfigError;
use crate::fields::NotifyFields;
use crate::model::Notify;
use crate::reader::Reader;

pub(super) fn notify(from: &Reader<'_>) -> Result<Notify, ConfigError> {
    let mut refused = Ok(());
    let fields = NotifyFields::read(from, &mut refused);
    refused?;
    let NotifyFields { cluster, host, path, headers: own, timeout, num_retries } = fields;
    let mut headers = vec![
        (":method".to_owned(), "POST".to_owned()),
        (":path".to_owned(), path),
        (":authority".to_owned(), host.unwrap_or_else(|| cluster.clone())),
        ("content-type".to_owned(), "application/cloudevents+json".to_owned()),
    ];
    if own.iter().any(|(name, _)| name == "content-type") {
        let remedy = "leave it out: it is application/cloudevents+json";
        return Err(from.error("headers.content-type", "present", remedy));
    }
    headers.extend(own);
    Ok(Notify { cluster, headers, timeout, num_retries })
}
