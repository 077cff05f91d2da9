//! The hosts that run scenarios: each does what a scenario says to the breaker in another form of it.
//!
//! * native: the filter's functions, called as a proxy calls a module's.
//! * module: the module for proxies, in [a host of modules](host_test_proxy_wasm).
//! * component: the component, in a host as gateways have it.
//! * dynamic_module: the dynamic module, in an Envoy that is made up (`host-test/dynamic-module`).
//! * envoy: the module in a real Envoy, in real time.
//!
//! All but the last pass virtual time, and share one [driver]: a host of that kind is what the driver
//! asks of it. The player knows them all as a [`scenario::Host`] each. All but the module are there with the feature
//! `all` only, so that a tool that plays scenarios carries no proxy along.

#[cfg(feature = "all")]
mod component;
mod driver;
#[cfg(feature = "all")]
mod dynamic_module;
#[cfg(feature = "all")]
mod envoy;
#[cfg(feature = "all")]
mod kinds;
mod module;
#[cfg(feature = "all")]
mod native;
#[cfg(feature = "all")]
mod record;

#[cfg(feature = "all")]
pub use crate::{
    envoy::stop,
    kinds::{HOSTS, HostKind, NATIVE_AS_A_COMPONENT},
};
pub use driver::ReadRecord;
pub use module::module_host;
