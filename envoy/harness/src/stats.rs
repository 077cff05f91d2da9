//! Envoy's counters and gauges by their full names.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::form;

/// The counters and gauges of an Envoy at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    values: BTreeMap<String, u64>,
}

impl Stats {
    /// Reads the answer to `GET /stats?format=json`. Histograms and texts are left out.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let answer: Value = serde_json::from_str(text)?;
        let stats = answer["stats"].as_array().context("no stats in the answer")?;
        let values = stats
            .iter()
            .filter_map(|stat| {
                Some((form::stat_name(stat["name"].as_str()?), stat["value"].as_u64()?))
            })
            .collect();
        Ok(Self { values })
    }

    /// The value of the counter or gauge of this name, if there is one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<u64> {
        self.values.get(name).copied()
    }

    /// Those whose name contains this text, in the order of their names.
    pub fn matching(&self, text: &str) -> impl Iterator<Item = (&str, u64)> {
        self.values
            .iter()
            .filter(move |(name, _)| name.contains(text))
            .map(|(name, value)| (name.as_str(), *value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_kept_and_the_rest_is_left_out() {
        let stats = Stats::parse(
            r#"{"stats":[{"name":"a.b","value":3},{"name":"t","value":"text"},{"histograms":{}}]}"#,
        )
        .unwrap();
        assert_eq!(stats.get("a.b"), Some(3));
        assert_eq!(stats.get("t"), None);
        assert_eq!(stats.matching("").collect::<Vec<_>>(), [("a.b", 3)]);
    }
}
