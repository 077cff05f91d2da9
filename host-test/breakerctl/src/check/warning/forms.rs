//! Both forms of the breaker in one Envoy.

use super::Warning;
use crate::check::filter::Form;
use crate::check::finding::{Finding, Found};

pub(super) fn find(found: &Found) -> Option<Warning> {
    let of = |form| found.plugins.iter().filter(move |plugin| plugin.form == Some(form));
    of(Form::Native).find_map(|native| {
        let wasm = of(Form::Wasm).find(|wasm| are_in_one(found, native, wasm))?;
        let what = format!(
            "it is native code, and {} a Wasm module: the two share no breaker",
            wasm.place
        );
        Some(Warning::new(&native.place, native.text.at(), what, "take one of the forms for all"))
    })
}

/// Whether two plugins may be in one Envoy: a bootstrap is one's own, and what a control plane brings
/// together is not told by the file.
fn are_in_one(found: &Found, plugin: &Finding, other: &Finding) -> bool {
    let is_bootstrap = |plugin: &Finding| {
        let document = found.documents.get(plugin.document);
        document.is_some_and(|it| it.get("static_resources").is_some())
    };
    plugin.document == other.document || !(is_bootstrap(plugin) || is_bootstrap(other))
}
