//! Starts a real Envoy for the demo, the tests and the benchmarks.
