//! The circuit breaker itself: no I/O, no clock, no allocation.
