//! What one process of a fleet does, and says to the store.

mod driver;
mod join;
mod recipe;
mod waits;
