//! What a line of a trace says, by whatever names.

use std::borrow::Cow;
use std::time::Duration;

use anyhow::Context as _;

use super::ended::Ended;
use super::{Call, time};

/// What one column says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Time,
    Took,
    Status,
    Flags,
    Details,
    Method,
    Path,
    Host,
    Cluster,
}

/// The names of columns, and of the keys of access logs: those of a trace, of the formats of Envoy, Istio
/// and Envoy Gateway, and of the one in docs/operations.md. With the unit of numbers, in seconds.
const NAMES: [(&str, Field, f64); 30] = [
    ("time", Field::Time, 1.0),
    ("time_s", Field::Time, 1.0),
    ("time_ms", Field::Time, 1e-3),
    ("start_time", Field::Time, 1.0),
    ("timestamp", Field::Time, 1.0),
    ("@timestamp", Field::Time, 1.0),
    ("duration", Field::Took, 1e-3),
    ("duration_ms", Field::Took, 1e-3),
    ("duration_s", Field::Took, 1.0),
    ("status", Field::Status, 1.0),
    ("response_code", Field::Status, 1.0),
    ("flags", Field::Flags, 1.0),
    ("response_flags", Field::Flags, 1.0),
    ("details", Field::Details, 1.0),
    ("response_code_details", Field::Details, 1.0),
    ("method", Field::Method, 1.0),
    (":method", Field::Method, 1.0),
    ("path", Field::Path, 1.0),
    (":path", Field::Path, 1.0),
    ("x-envoy-origin-path", Field::Path, 1.0),
    ("x-envoy-original-path", Field::Path, 1.0),
    ("host", Field::Host, 1.0),
    ("authority", Field::Host, 1.0),
    (":authority", Field::Host, 1.0),
    ("cluster", Field::Cluster, 1.0),
    ("upstream_cluster", Field::Cluster, 1.0),
    ("upstream_cluster_raw", Field::Cluster, 1.0),
    ("start-time", Field::Time, 1.0),
    ("response-code", Field::Status, 1.0),
    ("response-flags", Field::Flags, 1.0),
];

/// What a table calls its columns.
pub(super) const COLUMNS: &str = "time (or time_s, time_ms), duration (or duration_ms, duration_s), \
     status, flags, details, method, path, host, cluster";

/// What stands in for columns that a trace does not have.
#[derive(Debug)]
pub(crate) struct Defaults<'d> {
    pub(crate) path: &'d str,
    pub(crate) host: &'d str,
    pub(crate) cluster: &'d str,
}

/// A line, as far as it says something that is known here.
#[derive(Debug, Default)]
pub(super) struct Fields<'t> {
    /// The number of its line.
    pub(super) line: usize,
    fields: Vec<(Field, f64, Cow<'t, str>)>,
}

impl Field {
    /// The field that is called so, and its unit.
    pub(super) fn named(name: &str) -> Option<(Self, f64)> {
        let known = NAMES.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name));
        known.map(|(_, field, unit)| (*field, *unit))
    }
}

impl<'t> Fields<'t> {
    pub(super) fn new(line: usize) -> Self {
        Self { line, fields: Vec::new() }
    }

    /// Adds what a column says, unless that is nothing.
    pub(super) fn add(&mut self, (field, unit): (Field, f64), text: impl Into<Cow<'t, str>>) {
        let text = text.into();
        if !matches!(text.as_ref(), "" | "-") {
            self.fields.push((field, unit, text));
        }
    }

    pub(super) fn get(&self, field: Field) -> Option<&str> {
        self.find(field).map(|(text, _)| text)
    }

    fn find(&self, wanted: Field) -> Option<(&str, f64)> {
        let found = self.fields.iter().find(|(field, ..)| *field == wanted);
        found.map(|(_, unit, text)| (text.as_ref(), *unit))
    }

    /// The call, and when it was.
    ///
    /// # Errors
    ///
    /// What is wrong, with the line.
    pub(super) fn call(&self, defaults: &Defaults<'_>) -> anyhow::Result<(f64, Call)> {
        self.read(defaults).with_context(|| format!("line {}", self.line))
    }

    fn read(&self, defaults: &Defaults<'_>) -> anyhow::Result<(f64, Call)> {
        let text = |field, default: &str| self.get(field).unwrap_or(default).to_owned();
        let (at, unit) = self.find(Field::Time).context("it has no time")?;
        let at = time::point(at, unit)?;
        let took = self.find(Field::Took).map(|(took, unit)| time::span(took, unit)).transpose()?;
        let status = self.get(Field::Status).context("it has no status")?;
        let ended = Ended::read(status, self.get(Field::Flags), self.get(Field::Details))?;
        let call = Call {
            at: Duration::ZERO,
            took: took.unwrap_or_default(),
            ended,
            method: text(Field::Method, "GET"),
            path: text(Field::Path, defaults.path),
            host: text(Field::Host, defaults.host),
            cluster: text(Field::Cluster, defaults.cluster),
        };
        Ok((at, call))
    }
}
