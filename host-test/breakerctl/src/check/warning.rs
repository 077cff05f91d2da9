//! Warnings: about the place where a configuration stands, which the module cannot know (what comes to
//! it, from where, and where calls go from there), and the module's own.

mod admin;
mod chain;
mod client_headers;
mod clusters;
mod forms;
mod labels;
mod routes;
mod rules;
mod sharing;
mod shown;

use serde::Serialize;

use super::envoy;
use super::finding::{Finding, Found};
use crate::document::Position;
use crate::module::Remark;

/// Something that works, and should not be so.
#[derive(Debug, Serialize)]
pub(crate) struct Warning {
    pub(crate) place: String,
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) what: String,
    pub(crate) remedy: String,
}

impl Warning {
    fn new(place: impl Into<String>, at: Position, what: String, remedy: &str) -> Self {
        let Position { line, column } = at;
        Self { place: place.into(), line, column, what, remedy: remedy.to_owned() }
    }
}

/// Finds all that is odd about a file, as far as it is about plugins of these names, or any if there are none.
pub(crate) fn find(found: &Found, only: &[String]) -> Vec<Warning> {
    let mut warnings = client_headers::find(found, only);
    for document in &found.documents {
        let managers = envoy::managers(document, only);
        warnings.extend(managers.iter().flat_map(chain::find));
        warnings.extend(managers.iter().flat_map(|manager| routes::of_envoy(manager, document)));
        warnings.extend(labels::of_envoy(document, &managers));
        warnings.extend(labels::prefix_in_envoy(document, &managers));
    }
    warnings.extend(routes::of_kubernetes(found));
    warnings.extend(labels::of_gateway(found));
    warnings.extend(labels::prefix_in_gateway(found));
    warnings.extend(clusters::find(found));
    warnings.extend(forms::find(found));
    warnings.extend(sharing::find(found));
    warnings.extend(shown::find(found));
    for plugin in &found.plugins {
        warnings.extend(admin::find(plugin));
        warnings.extend(rules::find(plugin));
    }
    warnings
}

/// A warning of the module's own.
pub(super) fn of_module(finding: &Finding, mut remark: Remark) -> Warning {
    let at = finding.text.locate(&mut remark);
    let what = match &remark.value {
        Some(value) => format!("{}: {value}", remark.path),
        None => remark.path.clone(),
    };
    Warning::new(finding.place.clone(), at, what, &remark.remedy)
}
