//! A host of the component.
