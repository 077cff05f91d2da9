//! The fields of Istio's objects that the samples use. Any other is refused.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WasmPlugin {
    pub(super) selector: Selector,
    pub(super) r#type: String,
    pub(super) r#match: Vec<TrafficSelector>,
    #[serde(rename = "url")]
    pub(super) _url: String,
    #[serde(rename = "imagePullPolicy")]
    pub(super) _image_pull_policy: String,
    pub(super) fail_strategy: String,
    pub(super) plugin_config: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Selector {
    pub(super) match_labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TrafficSelector {
    pub(super) mode: String,
    #[serde(default)]
    pub(super) ports: Vec<PortNumber>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PortNumber {
    pub(super) number: u16,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VirtualService {
    pub(super) hosts: Vec<String>,
    #[serde(default)]
    pub(super) gateways: Vec<String>,
    pub(super) http: Vec<HttpRoute>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct HttpRoute {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) r#match: Vec<HttpMatch>,
    #[serde(default)]
    pub(super) route: Vec<WeightedDestination>,
    pub(super) direct_response: Option<DirectResponse>,
    pub(super) retries: Option<Retries>,
    pub(super) timeout: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct HttpMatch {
    pub(super) uri: Option<StringMatch>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, StringMatch>,
    #[serde(default)]
    pub(super) source_labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StringMatch {
    pub(super) prefix: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WeightedDestination {
    pub(super) destination: Destination,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Destination {
    pub(super) host: String,
    pub(super) port: PortNumber,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DirectResponse {
    pub(super) status: u16,
    pub(super) body: DirectBody,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DirectBody {
    pub(super) string: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Retries {
    pub(super) attempts: u32,
    pub(super) retry_on: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DestinationRule {
    pub(super) host: String,
    pub(super) traffic_policy: TrafficPolicy,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct TrafficPolicy {
    pub(super) outlier_detection: OutlierDetection,
    pub(super) connection_pool: ConnectionPool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct OutlierDetection {
    #[serde(rename = "consecutive5xxErrors")]
    pub(super) consecutive_5xx_errors: u32,
    pub(super) interval: String,
    pub(super) base_ejection_time: String,
    pub(super) max_ejection_percent: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConnectionPool {
    pub(super) tcp: TcpPool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct TcpPool {
    pub(super) connect_timeout: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct EnvoyFilter {
    pub(super) workload_selector: WorkloadSelector,
    pub(super) config_patches: Vec<ConfigPatch>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WorkloadSelector {
    pub(super) labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ConfigPatch {
    pub(super) apply_to: String,
    pub(super) r#match: PatchMatch,
    pub(super) patch: Patch,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PatchMatch {
    pub(super) context: String,
    pub(super) listener: ListenerMatch,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ListenerMatch {
    pub(super) port_number: Option<u16>,
    pub(super) filter_chain: FilterChainMatch,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FilterChainMatch {
    pub(super) filter: FilterMatch,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FilterMatch {
    pub(super) name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Patch {
    pub(super) operation: String,
    pub(super) value: PatchValue,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PatchValue {
    pub(super) typed_config: serde_json::Map<String, Value>,
}
