//! What is odd about the place where a configuration stands, which the module cannot know: what
//! comes to it, from where, and where calls go from there. And what the module itself doubts.

mod admin;
mod chain;
mod client_headers;
mod clusters;
mod labels;
mod routes;
mod rules;
mod sharing;
mod shown;

use serde::Serialize;

use super::envoy;
use super::finding::{Finding, Found};
use crate::document::Position;
use crate::module::Refusal;

/// Something that works, and should not be so.
#[derive(Debug, Serialize)]
pub(crate) struct Caution {
    pub(crate) place: String,
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) what: String,
    pub(crate) remedy: String,
}

impl Caution {
    fn new(place: impl Into<String>, at: Position, what: String, remedy: &str) -> Self {
        let Position { line, column } = at;
        Self { place: place.into(), line, column, what, remedy: remedy.to_owned() }
    }
}

/// Finds all that is odd about a file, as far as it is about plugins of these names, or any if there are none.
pub(crate) fn find(found: &Found, only: &[String]) -> Vec<Caution> {
    let mut cautions = client_headers::find(found, only);
    for document in &found.documents {
        let managers = envoy::managers(document, only);
        cautions.extend(managers.iter().flat_map(chain::find));
        cautions.extend(managers.iter().flat_map(|manager| routes::of_envoy(manager, document)));
        cautions.extend(labels::of_envoy(document, &managers));
    }
    cautions.extend(routes::of_kubernetes(found));
    cautions.extend(labels::of_gateway(found));
    cautions.extend(clusters::find(found));
    cautions.extend(sharing::find(found));
    cautions.extend(shown::find(found));
    for plugin in &found.plugins {
        cautions.extend(admin::find(plugin));
        cautions.extend(rules::find(plugin));
    }
    cautions
}

/// What the module takes, and doubts.
pub(super) fn doubt(finding: &Finding, mut doubt: Refusal) -> Caution {
    let at = finding.text.locate(&mut doubt);
    let what = match &doubt.value {
        Some(value) => format!("{}: {value}", doubt.path),
        None => doubt.path.clone(),
    };
    Caution::new(finding.place.clone(), at, what, &doubt.remedy)
}
