//! The page on operations lists each metric.

use filter::{MetricKind, MetricRow, ModuleMetric, ServiceMetric};

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
