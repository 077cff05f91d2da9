//! Everything a proxy filter decides, without a proxy.
