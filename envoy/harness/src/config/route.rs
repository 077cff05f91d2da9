//! Routes: which requests go where.

use std::time::Duration;

use serde_json::{Value, json};

/// A route under construction. It has to be given somewhere to lead to.
#[derive(Clone, Debug)]
pub struct Route {
    route: Value,
}

impl Route {
    /// Requests whose path starts with this.
    #[must_use]
    pub fn prefix(prefix: &str) -> Self {
        Self { route: json!({ "match": { "prefix": prefix } }) }
    }

    /// Requests that the circuit breaker diverts: they go to the cluster that it names. It has to
    /// be the first of the routes.
    #[must_use]
    pub fn diverted() -> Self {
        const HEADER: &str = "x-circuit-breaker-cluster";
        let mut route = Self::prefix("/").present(HEADER);
        route.route["route"] = json!({ "cluster_header": HEADER });
        route
    }

    /// Only those that have this header.
    #[must_use]
    pub fn present(mut self, header: &str) -> Self {
        self.route["match"]["headers"] = json!([{ "name": header, "present_match": true }]);
        self
    }

    /// The name of the route.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.route["name"] = json!(name);
        self
    }

    /// Leads to this cluster.
    #[must_use]
    pub fn cluster(mut self, cluster: &str) -> Self {
        self.route["route"]["cluster"] = json!(cluster);
        self
    }

    /// Is answered by Envoy itself.
    #[must_use]
    pub fn direct_response(mut self, status: u16, body: &str) -> Self {
        self.route["direct_response"] =
            json!({ "status": status, "body": { "inline_string": body } });
        self
    }

    /// How long a request may take, retries included. 0 is no limit.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.route["route"]["timeout"] = json!(seconds(timeout));
        self
    }

    /// Tries again that often after a failure, with waits from this base on.
    #[must_use]
    pub fn retries(mut self, retries: u32, base: Duration) -> Self {
        self.route["route"]["retry_policy"] = json!({
            "retry_on": "5xx,reset,connect-failure,refused-stream",
            "num_retries": retries,
            "retry_back_off": { "base_interval": seconds(base) },
        });
        self
    }

    /// What filters have for this route only, by their names.
    #[must_use]
    pub fn per_filter(mut self, configs: Value) -> Self {
        self.route["typed_per_filter_config"] = configs;
        self
    }

    /// The route as JSON.
    #[must_use]
    pub fn build(self) -> Value {
        self.route
    }
}

/// As protobuf's JSON has it.
fn seconds(duration: Duration) -> String {
    format!("{}s", duration.as_secs_f64())
}

impl From<Value> for Route {
    /// A route that was written out.
    fn from(route: Value) -> Self {
        Self { route }
    }
}
