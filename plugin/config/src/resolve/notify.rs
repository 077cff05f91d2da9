//! Notifications: whom to post to, and how often to try.

use std::time::Duration;

use super::{SECOND, check_cluster, check_host, check_path, header_list};
use crate::duration::written;
use crate::error::ConfigError;
use crate::model::Notify;
use crate::wire;

const LONGEST_TIMEOUT: Duration = Duration::from_secs(60);
const MOST_RETRIES: u32 = 10;
const DEFAULT_RETRIES: u32 = 3;

pub(super) fn notify(wire: wire::Notify) -> Result<Notify, ConfigError> {
    let path = |field: &str| format!("notify.{field}");
    let Some(cluster) = wire.cluster else {
        let remedy = "name the cluster to post to, such as \"ops\"";
        return Err(ConfigError::at(path("cluster"), "absent", remedy));
    };
    check_cluster(&cluster, || path("cluster"))?;
    check_host(wire.host.as_deref(), || path("host"))?;
    let request_path = wire.path.unwrap_or_else(|| "/".to_owned());
    check_path(&request_path, || path("path"))?;
    let timeout = wire.timeout.map_or(2 * SECOND, |span| span.0);
    if !(Duration::from_millis(1)..=LONGEST_TIMEOUT).contains(&timeout) {
        let remedy = format!("give from \"1ms\" to {}", written(LONGEST_TIMEOUT));
        return Err(ConfigError::at(path("timeout"), written(timeout), remedy));
    }
    let num_retries = wire.num_retries.unwrap_or(DEFAULT_RETRIES);
    if num_retries > MOST_RETRIES {
        let remedy = format!("give 0 to {MOST_RETRIES}");
        return Err(ConfigError::at(path("num_retries"), num_retries, remedy));
    }
    let mut headers = vec![
        (":method".to_owned(), "POST".to_owned()),
        (":path".to_owned(), request_path),
        (":authority".to_owned(), wire.host.unwrap_or_else(|| cluster.clone())),
        ("content-type".to_owned(), "application/cloudevents+json".to_owned()),
    ];
    let own = header_list(wire.headers.unwrap_or_default(), &path("headers"))?;
    if own.iter().any(|(name, _)| name == "content-type") {
        let remedy = "leave it out: it is application/cloudevents+json";
        return Err(ConfigError::at(path("headers.content-type"), "present", remedy));
    }
    headers.extend(own);
    Ok(Notify { cluster, headers, timeout, num_retries })
}
