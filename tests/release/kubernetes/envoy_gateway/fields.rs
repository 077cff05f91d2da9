//! The fields of Gateway API's and Envoy Gateway's objects that the sample uses. Any other is refused.

use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct HttpRoute {
    pub(super) parent_refs: Vec<ParentRef>,
    #[serde(default)]
    pub(super) hostnames: Vec<String>,
    pub(super) rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ParentRef {
    #[serde(rename = "name")]
    pub(super) _name: String,
    pub(super) section_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Rule {
    pub(super) name: Option<String>,
    pub(super) matches: Vec<RouteMatch>,
    #[serde(default)]
    pub(super) backend_refs: Vec<BackendRef>,
    #[serde(default)]
    pub(super) filters: Vec<RouteFilter>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RouteMatch {
    pub(super) path: PathMatch,
    #[serde(default)]
    pub(super) headers: Vec<HeaderMatch>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PathMatch {
    pub(super) r#type: String,
    pub(super) value: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HeaderMatch {
    pub(super) r#type: String,
    pub(super) name: String,
    pub(super) value: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BackendRef {
    pub(super) name: String,
    #[serde(rename = "port")]
    pub(super) _port: u16,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RouteFilter {
    pub(super) r#type: String,
    pub(super) extension_ref: TargetRef,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct TargetRef {
    #[serde(rename = "group")]
    pub(super) _group: String,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) section_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RouteFilterSpec {
    pub(super) direct_response: DirectResponse,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DirectResponse {
    pub(super) status_code: u16,
    #[serde(rename = "contentType")]
    pub(super) _content_type: String,
    pub(super) body: DirectBody,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DirectBody {
    #[serde(rename = "type")]
    pub(super) _type: String,
    pub(super) inline: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ExtensionPolicy {
    pub(super) target_refs: Vec<TargetRef>,
    pub(super) wasm: Vec<Wasm>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Wasm {
    pub(super) name: String,
    #[serde(rename = "code")]
    pub(super) _code: Value,
    pub(super) fail_open: bool,
    pub(super) config: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct TrafficPolicy {
    pub(super) target_refs: Vec<TargetRef>,
    pub(super) retry: Retry,
    pub(super) timeout: Timeout,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Retry {
    pub(super) num_retries: u32,
    pub(super) retry_on: RetryOn,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RetryOn {
    pub(super) triggers: Vec<String>,
    pub(super) http_status_codes: Vec<u16>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Timeout {
    pub(super) http: HttpTimeout,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct HttpTimeout {
    pub(super) request_timeout: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ClientTrafficPolicy {
    pub(super) target_refs: Vec<TargetRef>,
    pub(super) headers: HeaderSettings,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct HeaderSettings {
    pub(super) early_request_headers: EarlyHeaders,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EarlyHeaders {
    pub(super) remove: Vec<String>,
}
