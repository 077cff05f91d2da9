//! Rules of Higress about whose requests get another configuration, which it puts into the filter's own.

use super::Warning;
use crate::check::finding::{Finding, Home};

pub(super) fn find(plugin: &Finding) -> Option<Warning> {
    let Home::Higress { rules: Some(at) } = &plugin.home else {
        return None;
    };
    let what = "matchRules reach the filter as `_rules_`, which it refuses".to_owned();
    let remedy = "put all services into defaultConfig, each with its `match`";
    Some(Warning::new(&plugin.place, *at, what, remedy))
}
