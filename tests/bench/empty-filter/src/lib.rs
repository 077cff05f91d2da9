//! The least filter that the proxy-wasm SDK can build: the base line of the benchmark.
