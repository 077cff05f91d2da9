//! The samples for Istio and Envoy Gateway: their objects are what the published schemas say, and what
//! the control planes make of them does in a real Envoy what the docs say.
//!
//! No control plane runs here. `istio/translate.rs` and `envoy_gateway/translate.rs` do what theirs does with
//! the fields that the samples use, and refuse all others.

mod docs;
mod envoy_gateway;
mod istio;
mod objects;
mod removal;
mod schemas;
mod site;
