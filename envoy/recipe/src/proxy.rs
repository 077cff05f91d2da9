//! The proxy in front of the services, whatever it is.

use std::net::SocketAddr;

/// A proxy that runs the sample.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// What it is called.
    pub name: String,
    /// Where clients call.
    pub ingress: SocketAddr,
    /// Where the admin API answers.
    pub breaker_admin: SocketAddr,
    /// Where its metrics are shown, if they are.
    pub metrics_url: Option<String>,
}
