//! The catalogue of metrics: each has a number and a name, and is on the page on operations.

use std::collections::BTreeSet;

use breaker::Outcome;
use filter::{Metric, MetricKind, MetricRow, ModuleMetric, ServiceMetric};

#[test]
fn the_page_on_operations_has_each_metric_as_it_is_declared() {
    const PAGE: &str = include_str!("../../../../docs/operations.md");
    let row = |row: &MetricRow, labels: Vec<&str>| {
        let labels =
            if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let kind = match row.kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
        };
        format!("| `{}{labels}` | {kind} | {} |\n", row.name, row.doc.trim())
    };
    let own = |row: &&MetricRow| row.name != "edge_breaker_record_version";
    let of_service = ServiceMetric::ROWS.iter().filter(own);
    let of_service = of_service.map(|it| row(it, [&["service"], it.labels].concat()));
    let of_module = ModuleMetric::ROWS.iter().filter(own).map(|it| row(it, it.labels.to_vec()));
    let table: String = of_service.chain(of_module).collect();
    assert!(PAGE.contains(&table), "docs/operations.md lacks this table:\n{table}");
}

#[test]
fn every_metric_has_a_number_and_a_name_of_its_own() {
    let slots = (0..2).map(Metric::Slot);
    let metrics: Vec<_> = Metric::all(2).chain(slots).collect();
    let unique = metrics.len();
    assert_eq!(Metric::of_service(0).count(), 44);
    assert_eq!(Metric::of_module().count(), 18);
    let numbers: BTreeSet<_> = metrics.iter().map(|metric| metric.index()).collect();
    assert_eq!(numbers.len(), unique);
    assert!(numbers.iter().all(|number| *number < Metric::count(2)));
    let names: BTreeSet<_> = metrics
        .iter()
        .map(|metric| match metric {
            Metric::Of(service, _) => metric.stat_name(&format!("s{service}")),
            Metric::Slot(slot) => metric.stat_name(&format!("{{host}}/{slot}")),
            Metric::Module(_) => metric.stat_name(""),
        })
        .collect();
    assert_eq!(names.len(), unique);
}

#[test]
fn labels_are_written_as_istio_reads_them() {
    let calls = Metric::Of(0, ServiceMetric::Calls(Outcome::FAILURE));
    assert_eq!(
        calls.stat_name("payment-service"),
        "cb_service=.=payment-service;.;cb_outcome=.=failure;.;edge_breaker_calls_total"
    );
    let state = Metric::Of(0, ServiceMetric::State);
    assert_eq!(state.stat_name("a.b"), "cb_service=.=a_b;.;edge_breaker_state");
}
