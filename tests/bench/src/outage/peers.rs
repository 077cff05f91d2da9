//! The proxies under comparison. Each guards the same service by the same numbers, in the words of
//! its own manual.

mod envoy;
mod haproxy;
mod nginx;
mod process;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;

use crate::cpu::{OURS_NATIVE, OURS_WASM};

/// Failures in a row after which a service is left alone.
pub(crate) const FAILURES: u32 = 3;
/// How long a call may take.
const CALL: Duration = Duration::from_secs(1);
/// How often a service is looked after that is left alone.
const AGAIN: Duration = Duration::from_secs(5);
/// How many calls may be under way at a time, where a limit can lead to the fallback: the rate of
/// calls times how long they take, twice.
const AT_ONCE: u32 = 4;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Wasm,
    Native,
    OutlierDetection,
    HaProxy,
    Nginx,
}

/// A running one, for as long as it is kept.
pub(crate) struct Running {
    pub(crate) peer: Peer,
    pub(crate) address: SocketAddr,
    _process: Box<dyn std::any::Any>,
}

impl Peer {
    pub(crate) const ALL: [Self; 5] =
        [Self::Wasm, Self::Native, Self::OutlierDetection, Self::HaProxy, Self::Nginx];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Wasm => OURS_WASM,
            Self::Native => OURS_NATIVE,
            Self::OutlierDetection => "Envoy, outlier detection and aggregate cluster",
            Self::HaProxy => "HAProxy",
            Self::Nginx => "NGINX",
        }
    }

    /// Starts it between its clients and these two.
    pub(crate) async fn start(self, service: SocketAddr, fallback: SocketAddr) -> Result<Running> {
        fn kept<T: 'static>(started: (T, SocketAddr)) -> (Box<dyn std::any::Any>, SocketAddr) {
            (Box::new(started.0), started.1)
        }
        let (process, address) = match self {
            Self::Wasm => kept(envoy::wasm(service, fallback).await?),
            Self::Native => kept(envoy::native(service, fallback).await?),
            Self::OutlierDetection => kept(envoy::outlier_detection(service, fallback).await?),
            Self::HaProxy => kept(haproxy::start(service, fallback).await?),
            Self::Nginx => kept(nginx::start(service, fallback).await?),
        };
        Ok(Running { peer: self, address, _process: process })
    }
}

/// As Envoy and NGINX write it.
fn seconds(time: Duration) -> String {
    format!("{}s", time.as_secs())
}
