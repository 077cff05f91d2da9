//! The recipe's three services as one small HTTP program.
//!
//! * The **downstream** listener plays the services that a breaker protects. The first segment of
//!   the path says which: `/payment-service/charge` is a call of `payment-service`. Each has a
//!   share of failures, a latency and a health of its own, which can be changed at any time.
//! * The **fallback** listener answers in a service's stead, with the original request, the reason
//!   and the breaker's state as the request's `x-circuit-breaker-*` headers tell them.
//! * The **health** listener answers `GET /{service}` with 200 or 503. It does not call the
//!   service, as the recipe's does not.
//! * The **control** listener shows and changes the services while they run.
//!
//! All of them listen on the loopback interface only. Tests start them inside their own process
//! and hold the same controls as Rust values:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! use services::{Health, Ports, Services};
//!
//! let services = Services::start(Ports::default()).await?;
//! let payments = services.service("payment-service");
//! payments.set_failure_rate(0.9);
//! payments.set_health(Health::Sick);
//! // ... send calls to services.downstream() ...
//! assert_eq!(payments.calls(), 0);
//! # Ok(())
//! # }
//! ```

mod answer;
mod calls;
mod control;
mod cut_body;
mod downstream;
mod fallback;
mod health;
mod registry;
mod server;
mod services;
mod share;
pub mod trace;

pub use downstream::{Counts, Downstream, Health, Initial, Mode};
pub use services::{Ports, Services};
