//! HAProxy: health checks, and failing answers that mark a server down before the next check.

use std::net::SocketAddr;

use anyhow::Result;
use tests::debian::Tool;

use crate::outage::peers::process::{Process, free_address};
use crate::outage::peers::{AGAIN, AT_ONCE, CALL, FAILURES};
use crate::outage::service::HEALTH;

pub(super) async fn start(
    service: SocketAddr,
    fallback: SocketAddr,
) -> Result<(Process, SocketAddr)> {
    let tool = Tool::named("haproxy", "haproxy")?;
    let address = free_address()?;
    let configuration = configuration(address, service, fallback);
    let process = Process::start(
        &tool,
        |_| configuration,
        // In the foreground, quietly.
        |file, _| vec!["-db".to_owned(), "-f".to_owned(), file.display().to_string()],
        address,
    )
    .await?;
    Ok((process, address))
}

/// `observe`: failing answers count. `be_conn`: the manual's way to another backend when one is
/// full. `retry-on`: a call that failed is tried again, at the backup once the server is down.
fn configuration(address: SocketAddr, service: SocketAddr, fallback: SocketAddr) -> String {
    let (call, again) = (CALL.as_secs(), AGAIN.as_secs());
    format!(
        "\
defaults
  mode http
  timeout connect {call}s
  timeout client 30s
  timeout server {call}s
  timeout check 1s
  retries 3
  option redispatch 1
  retry-on all-retryable-errors

frontend ingress
  bind {address}
  use_backend full if {{ be_conn(payments) ge {AT_ONCE} }}
  default_backend payments

backend payments
  option httpchk GET {HEALTH}
  default-server inter {again}s fall 1 rise 1
  server service {service} check observe layer7 error-limit {FAILURES} on-error mark-down
  server fallback {fallback} backup

backend full
  server fallback {fallback}
"
    )
}
