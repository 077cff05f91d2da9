//! Plugins that should share their breakers, and do not.

use super::Warning;
use crate::check::filter::Form;
use crate::check::finding::{Finding, Found, Home};
use crate::check::services;

pub(super) fn find(found: &Found) -> Vec<Warning> {
    let of_plugin = |(number, plugin): (usize, &Finding)| {
        let before = found.plugins.get(..number)?;
        before.iter().find_map(|other| of(other, plugin))
    };
    found.plugins.iter().enumerate().filter_map(of_plugin).collect()
}

/// Two plugins of one proxy that name the same service, and do not share its breaker.
fn of(other: &Finding, plugin: &Finding) -> Option<Warning> {
    let (Home::Envoy { namespace: theirs }, Home::Envoy { namespace: own }) =
        (&other.home, &plugin.home)
    else {
        return None;
    };
    if own == theirs || plugin.form != other.form || plugin.document != other.document {
        return None;
    }
    let named = |finding: &Finding| services::of(&finding.config());
    let (named, others) = (named(plugin), named(other));
    let both = named.iter().find(|it| others.iter().any(|other| other.name == it.name))?;
    let (field, remedy) = match plugin.form {
        Some(Form::Native) => ("part of filter_name", "give both the same filter_name"),
        _ => ("vm_id", "give both the same vm_id"),
    };
    let what = format!(
        "its {field} is {own:?}, and that of {} {theirs:?}: {} is a breaker of its own in each",
        other.place, both.name
    );
    Some(Warning::new(&plugin.place, plugin.text.at(), what, remedy))
}
