//! Drives the recipe's four validation scenarios through a real Envoy.
