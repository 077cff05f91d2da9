//! One suite of behaviours, on real hosts.
