//! An admin API that does not show the breakers of the plugins beside it.

use super::Warning;
use crate::check::finding::{Finding, Found, Home};
use crate::check::services;

pub(super) fn find(found: &Found) -> Vec<Warning> {
    let of_plugin = |plugin: &Finding| of(plugin, &found.plugins);
    found.plugins.iter().filter_map(of_plugin).collect()
}

fn of(plugin: &Finding, all: &[Finding]) -> Option<Warning> {
    let config = plugin.config();
    config.get("admin")?.as_object()?;
    let shown: Vec<_> = services::of(&config).into_iter().map(|it| it.name).collect();
    let others = all.iter().filter(|other| are_one(plugin, other));
    let names = others.flat_map(|other| services::of(&other.config())).map(|it| it.name);
    let mut missing: Vec<_> = names.filter(|name| !shown.contains(name)).collect();
    missing.dedup();
    if missing.is_empty() {
        return None;
    }
    let what = format!("its page and API do not show {}", missing.join(", "));
    let remedy = "give it the services of the plugins beside it, at least their names";
    Some(Warning::new(&plugin.place, plugin.text.find("services"), what, remedy))
}

/// Whether two plugins share what they know of services, as far as the file tells. In Istio all plugins of
/// a proxy do, and who selects it may be elsewhere: one that names no service at all is for others.
fn are_one(plugin: &Finding, other: &Finding) -> bool {
    match (&plugin.home, &other.home) {
        (Home::Envoy { namespace: own }, Home::Envoy { namespace: theirs }) => {
            own == theirs && plugin.form == other.form && plugin.document == other.document
        }
        (Home::Istio, Home::Istio) => plugin.config().get("services").is_none(),
        _ => false,
    }
}
