//! The published rules, written anew from their documentation, with the defaults that they
//! document. Each guards one service; where the original guards a host or a thread, it is used on
//! the service.

pub(crate) mod admission_control;
mod buckets;
mod gate;
pub(crate) mod linkerd;
pub(crate) mod nothing;
pub(crate) mod outlier;
pub(crate) mod ratio;
pub(crate) mod resilience4j;
pub(crate) mod semian;
pub(crate) mod semian_adaptive;
pub(crate) mod textbook;
pub(crate) mod throttling;
