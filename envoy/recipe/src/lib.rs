//! The recipe's four validation scenarios, played through a proxy that runs `envoy/recipe.yaml`, with the
//! recipe's services in this process.
//!
//! What is shown is what was seen: who answered is read from the answer, the breaker's state from
//! its admin API, and how many calls reached the service is counted by the service. What was seen
//! is then compared with what the recipe expects.

mod board;
mod observed;
mod proxy;
mod recipe;
mod scenarios;

use anyhow::Result;

pub use crate::proxy::Proxy;
pub use crate::recipe::{BREAKER_ADMIN, INGRESS, SERVICES, free_or_any, services};

use crate::board::Board;
use crate::recipe::Recipe;

/// State has to be shared for this to go well: more workers than one.
pub const WORKERS: u16 = 2;

/// Plays the scenarios and prints what happens. Unless it is to exit then, all is left running, and it is said
/// what can be done with it: this does not return. Returns whether all went as the recipe says.
///
/// # Errors
///
/// If the proxy does not answer, or its admin API.
pub async fn play(services: &services::Services, proxy: &Proxy, exit: bool) -> Result<bool> {
    let recipe = Recipe::new(services, proxy);
    let mut board = Board::new();
    board.title(&format!("The recipe's four scenarios on {}", proxy.name));
    board.note(&format!("the breakers in a browser: {}", recipe.page_url()));
    scenarios::closed(&recipe, &mut board).await?;
    scenarios::open(&recipe, &mut board).await?;
    scenarios::fallback(&recipe, &mut board).await?;
    scenarios::recovery(&recipe, &mut board).await?;
    let as_expected = board.close();
    if exit {
        return Ok(as_expected);
    }
    board.invite(&recipe);
    std::future::pending().await
}
