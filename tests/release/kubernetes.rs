//! The samples for Istio and Envoy Gateway, and the pages on them, as far as it shows without a control plane:
//! their objects are what the published schemas say.

mod docs;
mod schemas;
