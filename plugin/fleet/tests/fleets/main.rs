//! Many processes over a store that is simulated: the lines of a fleet's promise that need no proxy.

mod silence;
mod sim;
mod together;
