//! Metrics' names: the proxy's, with labels written into them, and those of scenarios.

use std::collections::BTreeMap;

/// What a metric of the plugin is called in scenarios, `calls_total{service=a,outcome=failure}`,
/// given the proxy's name for it (`cb_service=.=a;.;cb_outcome=.=failure;.;edge_breaker_calls_total`,
/// whatever its prefix). `None`: it is another's.
#[must_use]
pub fn readable(stat_name: &str) -> Option<String> {
    let start = stat_name.find("cb_").filter(|at| !stat_name.get(..*at).is_some_and(is_plugins));
    let stat_name = stat_name.get(start.or_else(|| stat_name.find("edge_breaker_"))?..)?;
    let (labels, name) = stat_name.rsplit_once("edge_breaker_")?;
    let labels: Vec<_> = labels
        .split_terminator(";.;")
        .map(|label| label.trim_start_matches("cb_").replace("=.=", "="))
        .collect();
    Some(if labels.is_empty() {
        name.to_owned()
    } else {
        format!("{name}{{{}}}", labels.join(","))
    })
}

fn is_plugins(prefix: &str) -> bool {
    prefix.contains("edge_breaker_")
}

/// The value of a metric that a scenario names: of the service, unless it says which, or else of the
/// whole plugin. `None`: there is no such metric.
pub(crate) fn find(metrics: &BTreeMap<String, u64>, wanted: &str, service: &str) -> Option<u64> {
    let (name, labels) = wanted.split_once('{').unwrap_or((wanted, "}"));
    let labels = labels.trim_end_matches('}');
    let get = |key: &str| {
        metrics.iter().find(|(stat, _)| readable(stat).as_deref() == Some(key)).map(|(_, v)| *v)
    };
    // In the names of metrics a dot is an underscore.
    let own = format!("service={}", service.replace('.', "_"));
    let with_own = if labels.is_empty() {
        format!("{name}{{{own}}}")
    } else {
        format!("{name}{{{own},{labels}}}")
    };
    get(&with_own).or_else(|| get(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxys_name_is_read_whatever_its_prefix() {
        let name = "wasmcustom.cb_service=.=a;.;cb_outcome=.=failure;.;edge_breaker_calls_total";
        assert_eq!(readable(name).as_deref(), Some("calls_total{service=a,outcome=failure}"));
        let name = "edge_breaker_lost_updates_total";
        assert_eq!(readable(name).as_deref(), Some("lost_updates_total"));
        assert_eq!(readable("cluster.payment.upstream_rq_total"), None);
    }

    #[test]
    fn a_metric_is_the_services_unless_it_says_otherwise() {
        let metrics = BTreeMap::from([
            ("cb_service=.=a;.;edge_breaker_state".to_owned(), 1),
            ("cb_service=.=b_c;.;edge_breaker_state".to_owned(), 2),
            ("cb_reason=.=store;.;edge_breaker_unprotected_total".to_owned(), 3),
        ]);
        assert_eq!(find(&metrics, "state", "a"), Some(1));
        assert_eq!(find(&metrics, "state", "b.c"), Some(2));
        assert_eq!(find(&metrics, "state{service=b_c}", "a"), Some(2));
        assert_eq!(find(&metrics, "unprotected_total{reason=store}", "a"), Some(3));
        assert_eq!(find(&metrics, "stat", "a"), None);
    }
}
