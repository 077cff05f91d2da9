//! The bounds and the defaults of single fields, which the filter's reader knows and its types do not.

/// What holds for an object as a whole.
pub(crate) const OBJECTS: &[(&str, &str)] = &[
    (
        "HeaderMatch",
        r#"{
            "oneOf": [
                {"required": ["exact"], "properties": {"exact": {"type": "string"}}},
                {"required": ["prefix"], "properties": {"prefix": {"type": "string"}}},
                {"required": ["present"], "properties": {"present": {"type": "boolean"}}}
            ]
        }"#,
    ),
    (
        "Trip",
        r#"{
            "anyOf": [
                {"required": ["consecutive_failures"]},
                {"required": ["failure_rate_threshold"]},
                {"required": ["slow_call_rate_threshold"]}
            ],
            "if": {
                "required": ["slow_call_rate_threshold"],
                "properties": {"slow_call_rate_threshold": {"type": "number"}}
            },
            "then": {"required": ["slow_call_duration_threshold"]}
        }"#,
    ),
    (
        "Service",
        r#"{
            "if": {
                "required": ["name"],
                "properties": {"name": {"type": "string", "pattern": "\\{host\\}"}}
            },
            "then": {
                "required": ["match"],
                "properties": {"match": {"type": "object", "required": ["hosts"], "properties": {"hosts": {"type": "array"}}}}
            }
        }"#,
    ),
    ("Notify", r#"{"required": ["cluster"]}"#),
    ("Partition", r#"{"required": ["name", "match", "max_concurrent_calls"]}"#),
];

/// What is said of a field beyond its type.
pub(crate) const FIELDS: &[(&str, &str, &str)] = &[
    (
        "Config",
        "services",
        r#"{"minItems": 1, "maxItems": 1024, "default": [{"name": "{cluster}"}]}"#,
    ),
    ("Config", "max_services", r#"{"minimum": 1, "maximum": 4096, "default": 1024}"#),
    (
        "Limits",
        "max_copied_bytes",
        r#"{"maximum": 268435456, "default": 33554432, "examples": [33554432]}"#,
    ),
    ("Config", "expose_state", r#"{"default": "fallback"}"#),
    (
        "Service",
        "name",
        r#"{
            "minLength": 1, "maxLength": 128, "pattern": "^([A-Za-z0-9._~-]|\\{(cluster|host|route)\\})+$",
            "examples": ["payment-service", "{cluster}"]
        }"#,
    ),
    ("Service", "mode", r#"{"default": "enabled"}"#),
    ("Defaults", "mode", r#"{"default": "enabled"}"#),
    ("Service", "trip", r#"{"default": {"consecutive_failures": 3}}"#),
    ("Defaults", "trip", r#"{"default": {"consecutive_failures": 3}}"#),
    (
        "Match",
        "hosts",
        r#"{
            "minItems": 1, "examples": [["payments.example.com", "*.pay.internal", "*.shop.example:8443"]],
            "items": {
                "type": "string",
                "pattern": "^(\\*|(\\*\\.)?[A-Za-z0-9_~-]+(\\.[A-Za-z0-9_~-]+)*\\.?|\\[[0-9A-Fa-f:.]+\\]\\.?)(:[0-9]+)?$"
            }
        }"#,
    ),
    (
        "Match",
        "path_prefixes",
        r#"{
            "minItems": 1, "examples": [["/payments"]],
            "items": {"type": "string", "pattern": "^/[A-Za-z0-9/._~!$&'()+,;=:@%-]*$"}
        }"#,
    ),
    (
        "Match",
        "methods",
        r#"{
            "minItems": 1, "examples": [["GET", "HEAD"]],
            "items": {"type": "string", "pattern": "^[A-Z0-9_-]+$"}
        }"#,
    ),
    ("Match", "headers", r#"{"minItems": 1}"#),
    ("Match", "clusters", r#"{"minItems": 1, "examples": [["payment*"]]}"#),
    ("HeaderMatch", "name", r#"{"minLength": 1, "examples": ["x-tenant"]}"#),
    ("Trip", "consecutive_failures", r#"{"minimum": 1, "examples": [3]}"#),
    ("Trip", "failure_rate_threshold", r#"{"examples": [50]}"#),
    ("Trip", "slow_call_rate_threshold", r#"{"examples": [80]}"#),
    ("Trip", "minimum_number_of_calls", r#"{"minimum": 1, "default": 20}"#),
    ("Trip", "sliding_window_size", r#"{"minimum": 1, "maximum": 1024, "default": "10s"}"#),
    ("Classify", "failure_status", r#"{"default": ["500", "502-504", "506-599"]}"#),
    ("Classify", "ignore_status", r#"{"default": ["501", "505"]}"#),
    (
        "Classify",
        "failure_grpc_status",
        r#"{"default": ["UNKNOWN", "DEADLINE_EXCEEDED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"]}"#,
    ),
    ("Classify", "ignore_grpc_status", r#"{"default": []}"#),
    ("Classify", "min_client_deadline", r#"{"default": "5s"}"#),
    ("Classify", "overflow", r#"{"default": "ignore"}"#),
    ("Open", "wait_duration", r#"{"default": "30s"}"#),
    ("Open", "backoff_rate", r#"{"default": 2.0}"#),
    ("Open", "max_wait_duration", r#"{"default": "5m"}"#),
    ("Open", "jitter", r#"{"default": 20}"#),
    ("Open", "honor_retry_after", r#"{"default": true}"#),
    ("HalfOpen", "permitted_calls", r#"{"minimum": 1, "maximum": 32, "default": 1}"#),
    ("HalfOpen", "success_threshold", r#"{"minimum": 1, "maximum": 32, "default": 1}"#),
    ("HalfOpen", "max_wait_duration", r#"{"default": "30s"}"#),
    ("HalfOpen", "ramp_duration", r#"{"default": "0s"}"#),
    ("HealthCheck", "cluster", r#"{"minLength": 1}"#),
    ("HealthCheck", "host", r#"{"minLength": 1}"#),
    ("HealthCheck", "method", r#"{"minLength": 1, "default": "GET"}"#),
    ("HealthCheck", "path", r#"{"pattern": "^/", "examples": ["/health"]}"#),
    ("HealthCheck", "headers", r#"{"default": {}}"#),
    ("HealthCheck", "interval", r#"{"default": "5s"}"#),
    ("HealthCheck", "timeout", r#"{"default": "1s"}"#),
    ("HealthCheck", "healthy_threshold", r#"{"minimum": 1, "default": 1}"#),
    ("HealthCheck", "expected_status", r#"{"default": ["200-299"]}"#),
    ("HealthCheck", "then", r#"{"default": "half_open"}"#),
    ("Retry", "num_retries", r#"{"default": 3}"#),
    ("Retry", "interval", r#"{"default": "2s"}"#),
    ("Retry", "backoff_rate", r#"{"default": 2.0}"#),
    ("Fallback", "cluster", r#"{"minLength": 1}"#),
    ("Fallback", "host", r#"{"minLength": 1}"#),
    ("Fallback", "timeout", r#"{"default": "5s"}"#),
    ("Fallback", "max_request_bytes", r#"{"maximum": 16777216, "default": 65536}"#),
    ("Stale", "max_age", r#"{"default": "5m", "examples": ["5m", "1h"]}"#),
    ("Stale", "max_response_bytes", r#"{"minimum": 1, "maximum": 16777216, "default": 65536}"#),
    ("Stale", "max_entries", r#"{"minimum": 1, "maximum": 65536, "default": 256}"#),
    ("Response", "status", r#"{"minimum": 200, "maximum": 599, "default": 503}"#),
    ("Response", "headers", r#"{"default": {}}"#),
    ("Response", "body", r#"{"default": ""}"#),
    ("Bulkhead", "max_concurrent_calls", r#"{"minimum": 1, "maximum": 1000000}"#),
    ("Bulkhead", "max_request_duration", r#"{"default": "1s"}"#),
    ("Bulkhead", "on_full", r#"{"default": "fallback"}"#),
    ("Bulkhead", "partitions", r#"{"maxItems": 16, "default": []}"#),
    (
        "Partition",
        "name",
        r#"{"minLength": 1, "maxLength": 128, "pattern": "^[A-Za-z0-9._~-]+$", "examples": ["batch"]}"#,
    ),
    ("Partition", "max_concurrent_calls", r#"{"minimum": 1, "maximum": 1000000}"#),
    ("Notify", "cluster", r#"{"minLength": 1}"#),
    ("Notify", "host", r#"{"minLength": 1}"#),
    ("Notify", "path", r#"{"pattern": "^/", "default": "/"}"#),
    ("Notify", "timeout", r#"{"default": "2s", "examples": ["500ms", "2s"]}"#),
    ("Notify", "num_retries", r#"{"maximum": 10, "default": 3}"#),
    (
        "Admin",
        "path_prefix",
        r#"{"pattern": "^/[A-Za-z0-9/._~!$&'()+,;=:@%-]*[A-Za-z0-9._~!$&'()+,;=:@%-]$", "default": "/circuit-breaker"}"#,
    ),
    (
        "Admin",
        "hosts",
        r#"{
            "default": [], "examples": [["breaker.internal"]],
            "items": {"type": "string", "pattern": "^(\\[[0-9A-Fa-f:.]+\\]|[A-Za-z0-9._~-]+)(:[0-9]+)?$"}
        }"#,
    ),
    ("Admin", "token", r#"{"minLength": 1, "pattern": "^[!-~]+$"}"#),
];
