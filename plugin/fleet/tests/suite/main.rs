//! What one process of a fleet does, and says to the store.

mod dialects;
mod driver;
mod join;
mod recipe;
mod waits;
