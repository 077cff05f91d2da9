//! Makes of the built modules what is handed out: the module and its names, the component, and the
//! OCI image.

pub mod component;
pub mod image;
pub mod names;
pub mod trim;
