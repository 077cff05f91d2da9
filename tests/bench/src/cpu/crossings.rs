//! What passes between proxy and module for one request: a count that no noise moves.
//!
//! Most of a filter's cost is in the crossings of that border. Envoy names each of them in its
//! trace log.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result};
use envoy_harness::client::Client;
use serde::Serialize;

use crate::cpu::subject::Subject;
use crate::cpu::upstream::Upstream;

const REQUESTS: usize = 5;
const FIRST_CALLBACK: &str = "proxy_on_context_create";
const LAST_CALLBACK: &str = "proxy_on_delete";

/// The calls of one request, in their order and by their names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Crossings {
    /// From the proxy into the module, those that ask for memory included.
    pub(crate) callbacks: Vec<String>,
    /// From the module into the proxy.
    pub(crate) host_calls: Vec<String>,
}

impl Crossings {
    /// Sends a few requests through the filter, and takes that with the fewest calls: a timer's
    /// may have come in between the others'.
    pub(crate) async fn count(subject: &Subject) -> Result<Option<Self>> {
        if !subject.is_wasm() {
            return Ok(None);
        }
        let upstream = Upstream::start().await?;
        let options = subject.options(upstream.address);
        let envoy = options.component_log_level("wasm:trace").start().await?;
        let url = format!("http://{}/payments", envoy.listener_addr("ingress").await?);
        let client = Client::new();
        for _ in 0..REQUESTS {
            client.get(&url).await?;
        }
        envoy.wait_for_log(LAST_CALLBACK, Duration::from_secs(5)).await?;
        let log = envoy.log();
        let requests = requests(&log);
        let fewest = requests.into_iter().min_by_key(Self::total);
        Ok(Some(fewest.context("no request in the trace log")?))
    }

    fn total(&self) -> usize {
        self.callbacks.len() + self.host_calls.len()
    }
}

/// The calls of each request that is complete in the log. None of them overlap.
fn requests(log: &str) -> Vec<Crossings> {
    let mut complete = Vec::new();
    let mut current: Option<Crossings> = None;
    for line in log.lines() {
        if let Some(callback) = called(line, "[host->vm] ") {
            // A stream's context has a parent; a plugin's own has none, and its number is 0.
            if callback.name == FIRST_CALLBACK && callback.arguments != "0" {
                current = Some(Crossings { callbacks: Vec::new(), host_calls: Vec::new() });
            }
            if let Some(request) = &mut current {
                request.callbacks.push(callback.name.to_owned());
            }
        } else if let Some(call) = called(line, "[vm->host] ") {
            if let Some(request) = &mut current {
                let name = call.name.rsplit('.').next().unwrap_or(call.name);
                request.host_calls.push(name.to_owned());
            }
        } else if line.contains("[host<-vm] ") && line.contains(LAST_CALLBACK) {
            complete.extend(current.take());
        }
    }
    complete
}

struct Call<'a> {
    name: &'a str,
    /// Only the last of them.
    arguments: &'a str,
}

/// Reads `... [host->vm] name(1, 2)`.
fn called<'a>(line: &'a str, direction: &str) -> Option<Call<'a>> {
    let (_, call) = line.split_once(direction)?;
    let (name, arguments) = call.trim_end().strip_suffix(')')?.split_once('(')?;
    let arguments = arguments.rsplit(", ").next().unwrap_or(arguments);
    Some(Call { name, arguments })
}

impl fmt::Display for Crossings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (callbacks, calls) = (self.callbacks.len(), self.host_calls.len());
        write!(out, "{callbacks} callbacks, {calls} host functions")?;
        let names = self.host_calls.iter().map(|name| name.trim_start_matches("proxy_"));
        for (index, name) in names.enumerate() {
            write!(out, "{}{name}", if index == 0 { ": " } else { ", " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
[...][wasm] [wasm_vm.cc:39] [host->vm] proxy_on_context_create(1, 0)
[...][wasm] [wasm_vm.cc:39] [vm->host] env.proxy_log(2, 1, 1)
[...][wasm] [wasm_vm.cc:39] [host->vm] proxy_on_context_create(8, 1)
[...][wasm] [wasm_vm.cc:39] [host<-vm] proxy_on_context_create return: void
[...][wasm] [wasm_vm.cc:39] [vm->host] env.proxy_get_property(1, 16, 2, 3)
[...][wasm] [wasm_vm.cc:39] [host->vm] proxy_on_memory_allocate(8)
[...][wasm] [wasm_vm.cc:39] [vm->host] wasi_snapshot_preview1.clock_time_get(1, 2, 3)
[...][wasm] [wasm_vm.cc:39] [host->vm] proxy_on_delete(8)
[...][wasm] [wasm_vm.cc:39] [host<-vm] proxy_on_delete return: void
[...][wasm] [wasm_vm.cc:39] [host->vm] proxy_on_tick(1)
[...][wasm] [wasm_vm.cc:39] [host->vm] proxy_on_context_create(9, 1)
";

    #[test]
    fn the_calls_of_whole_requests_are_taken_from_the_log() {
        let requests = requests(LOG);
        assert_eq!(requests.len(), 1, "{requests:?}");
        assert_eq!(
            requests[0].callbacks,
            ["proxy_on_context_create", "proxy_on_memory_allocate", "proxy_on_delete"]
        );
        assert_eq!(
            requests[0].to_string(),
            "3 callbacks, 2 host functions: get_property, clock_time_get"
        );
    }
}
