//! The filters are in `examples/`, one module each.
