//! Guests of a few lines, each for one behaviour of the host.
