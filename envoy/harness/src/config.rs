//! Builders of Envoy configurations, as JSON: what a test has to say, and nothing else.
//!
//! ```
//! use envoy_harness::config::{Bootstrap, Listener, Route, cluster};
//!
//! let upstream = "127.0.0.1:8080".parse().unwrap();
//! let config = Bootstrap::new()
//!     .listener(Listener::new("ingress").route(Route::prefix("/").cluster("payment")))
//!     .cluster(cluster("payment", upstream))
//!     .build();
//! assert_eq!(config["static_resources"]["listeners"][0]["name"], "ingress");
//! ```

mod bootstrap;
mod cluster;
mod filter;
mod lds;
mod listener;
mod route;

pub use self::bootstrap::Bootstrap;
pub use self::cluster::{cluster, http2_cluster};
pub(crate) use self::filter::DYNAMIC_MODULE;
pub use self::filter::{DynamicModule, FailurePolicy, RightsIn, Wasm, lua};
pub use self::lds::{CdsFile, LdsFile};
pub use self::listener::Listener;
pub use self::route::Route;
