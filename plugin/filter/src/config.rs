//! The configuration: what the operator wrote, read once, refused as a whole if any of it is
//! wrong.
//!
//! [`wire`] is what may be written, [`resolve`] turns it into the values of this module, which
//! are valid. Nothing here is consulted for a decision that could have been taken at that time.

mod doubt;
mod duration;
mod error;
mod reader;
mod resolve;
#[cfg(feature = "schema")]
mod schema;
mod status;
mod strict;
mod wire;

use std::time::Duration;

use breaker::Policy;

pub(crate) use doubt::Doubt;
pub use error::ConfigError;
pub(crate) use resolve::is_token_byte;
pub(crate) use status::{GrpcSet, StatusSet};
pub(crate) use wire::{ExposeState, HeaderMatch, Match as WireMatch, OnFull, Overflow};

use crate::bulkhead::{ClassId, NO_CLASS};
use crate::capability::Permitted;
use crate::matching::{Host, Match, Subject};
use crate::naming::Template;

/// A valid configuration.
#[derive(Debug)]
pub struct Config {
    pub(crate) expose_state: ExposeState,
    pub(crate) services: Vec<Service>,
    /// How many breakers the names that are made at run time may have.
    pub(crate) max_services: usize,
    /// How many bytes a worker may hold of copies.
    pub(crate) max_copied_bytes: usize,
    pub(crate) notify: Option<Notify>,
    pub(crate) admin: Option<Admin>,
    /// What is taken, and hardly meant so.
    pub(crate) doubts: Vec<Doubt>,
    /// What the proxy permits.
    pub(crate) permitted: Permitted,
}

/// One guarded service.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) name: Template,
    pub(crate) matches: Match,
    pub(crate) policy: Policy,
    /// How long a call takes until its answer begins, at least, to be slow. `None`: nobody asks.
    pub(crate) slow_after: Option<Duration>,
    pub(crate) classify: Classify,
    pub(crate) probe: Option<Probe>,
    pub(crate) fallback: Fallback,
    pub(crate) bulkhead: Option<Bulkhead>,
}

impl Service {
    /// Whether the proxy has to be asked for a request's cluster.
    pub(crate) fn needs_cluster(&self) -> bool {
        let partitions = self.bulkhead.iter().flat_map(|bulkhead| &bulkhead.partitions);
        self.matches.needs_cluster() || partitions.into_iter().any(|it| it.matches.needs_cluster())
    }
}

/// How many calls may be under way at a time.
#[derive(Debug)]
pub(crate) struct Bulkhead {
    pub(crate) max_concurrent_calls: u32,
    /// How long a request may take to complete before it gives its place back.
    pub(crate) max_request_duration: Duration,
    pub(crate) on_full: OnFull,
    pub(crate) partitions: Vec<Partition>,
}

/// A class of calls with a share of its own.
#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) name: String,
    /// What stands for its name where workers meet.
    pub(crate) id: ClassId,
    pub(crate) matches: Match,
    pub(crate) max_concurrent_calls: u32,
}

impl Bulkhead {
    /// The class of a call: the first partition that it matches, counted from one, or none, zero.
    pub(crate) fn class_of(&self, subject: &Subject<'_>) -> usize {
        let matching = self.partitions.iter().position(|it| it.matches.matches(subject));
        matching.map_or(0, |index| index.saturating_add(1))
    }

    /// The classes in the order of their numbers.
    pub(crate) fn classes(&self) -> impl Iterator<Item = ClassId> {
        std::iter::once(NO_CLASS).chain(self.partitions.iter().map(|partition| partition.id))
    }

    /// Whether one more call of a class may be under way beside these, told by class or in all.
    pub(crate) fn has_place(
        &self,
        class: usize,
        under_way: impl Fn(Option<ClassId>) -> u32,
    ) -> bool {
        let partition = class.checked_sub(1).and_then(|index| self.partitions.get(index));
        under_way(None) < self.max_concurrent_calls
            && partition.is_none_or(|it| under_way(Some(it.id)) < it.max_concurrent_calls)
    }
}

/// What counts as what.
#[derive(Clone, Debug)]
pub(crate) struct Classify {
    pub(crate) failure_status: StatusSet,
    pub(crate) ignore_status: StatusSet,
    pub(crate) failure_grpc_status: GrpcSet,
    pub(crate) ignore_grpc_status: GrpcSet,
    /// A client's own deadline that is shorter says nothing of the service.
    pub(crate) min_client_deadline: Duration,
    pub(crate) overflow: Overflow,
}

/// The request that a health check makes, and which answers pass.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Probe {
    pub(crate) cluster: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) timeout: Duration,
    pub(crate) expected_status: StatusSet,
}

/// Who answers in the service's stead.
#[derive(Clone, Debug)]
pub(crate) struct Fallback {
    pub(crate) cluster: Option<FallbackCluster>,
    pub(crate) stale: Option<Stale>,
    pub(crate) response: Option<StaticResponse>,
    /// Whether a failed call is answered too.
    pub(crate) on_failure: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct FallbackCluster {
    pub(crate) name: String,
    /// The authority a replayed request is sent with; `None`: the one it came with.
    pub(crate) host: Option<String>,
    pub(crate) timeout: Duration,
    pub(crate) max_request_bytes: usize,
}

/// Which good answers are kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stale {
    /// How long one may have been kept, at most, when it is given.
    pub(crate) max_age: Duration,
    pub(crate) max_response_bytes: usize,
    pub(crate) max_entries: u32,
}

#[derive(Clone, Debug)]
pub(crate) struct StaticResponse {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// Whom transitions are posted to.
#[derive(Debug)]
pub(crate) struct Notify {
    pub(crate) cluster: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) timeout: Duration,
    pub(crate) num_retries: u32,
}

/// Where the admin API answers.
#[derive(Debug)]
pub(crate) struct Admin {
    pub(crate) path_prefix: String,
    pub(crate) token: Option<String>,
    /// Names of this machine beside `localhost`, by which it may be asked without a token.
    pub(crate) hosts: Vec<Host>,
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl Config {
    /// The names of the services as they are written, in their order.
    pub fn service_names(&self) -> impl Iterator<Item = &str> {
        self.services.iter().map(|service| service.name.text())
    }

    /// Whether any name is made at run time of the proxy's own words.
    pub(crate) fn has_templates(&self) -> bool {
        let mut names = self.services.iter().map(|service| &service.name);
        names.any(|name| !name.is_plain() && !name.is_of_clients())
    }

    /// Reads a configuration.
    ///
    /// # Errors
    ///
    /// If any of it is wrong; the error names the JSON path, the value and what would be right.
    pub fn parse(bytes: &[u8]) -> Result<Self, ConfigError> {
        // Some editors begin a file with it.
        let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
        let json = if bytes.trim_ascii().is_empty() { b"{}" } else { bytes };
        let mut reader = serde_json::Deserializer::from_slice(json);
        let wire = serde_path_to_error::deserialize::<_, wire::Config>(&mut reader)
            .map_err(|error| explain(&error, bytes))?;
        reader.end().map_err(|error| {
            ConfigError::at("configuration", error, "nothing may follow the JSON object")
        })?;
        resolve::config(wire)
    }
}

/// A protobuf `Struct` reaches the module as protobuf bytes. They begin with the tag of its first
/// field, which in JSON would be a blank line, and have other tags further on, which are control
/// characters that no JSON has.
fn explain(error: &serde_path_to_error::Error<serde_json::Error>, bytes: &[u8]) -> ConfigError {
    const STRUCT_FIELDS: u8 = 0x0a;
    let is_tag = |byte: &u8| byte.is_ascii_control() && !byte.is_ascii_whitespace();
    if bytes.first() == Some(&STRUCT_FIELDS) && bytes.iter().any(is_tag) {
        return ConfigError::at(
            "configuration",
            "protobuf bytes, as of a google.protobuf.Struct",
            "give the JSON as a string, in \
             {\"@type\": \"type.googleapis.com/google.protobuf.StringValue\", \"value\": \"{...}\"} \
             (StringValue)",
        );
    }
    ConfigError::from_json(error, bytes)
}
