//! The shell of the component.
